"""What a study was asked for, as its folder keeps it and as the command line that asks for the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import BadData, BadInput, did_you_mean
from . import custom
from .grid import RECORD

if TYPE_CHECKING:
    from typer import Context

Kind = TypeVar("Kind", bound=Any)

LIMITS = {
    "seeds": (1, 1000),
    "epochs": (1, 10000),
    "batch_size": (1, 10000),
    "timesteps": (1, 1000),
    "test_timesteps": (1, 1000),
    "subset": (1, 10**9),
    "folds": (2, 10**9),
    "spikes": (1, 15),
}


def check_training(options: Any) -> None:
    """Check the numbers that every study's trainings have.

    Args:
        options: a dataclass; of the fields named here, those that are numbers are checked.

    Raises:
        BadInput: which, what it must be, and what it is.
    """
    for name, (low, high) in LIMITS.items():
        value = getattr(options, name, None)
        if isinstance(value, int) and not low <= value <= high:
            raise BadInput(f"--{name.replace('_', '-')} must be in {low}..{high}, not {value}")
    for name in ("learning_rate", "quantized_learning_rate"):
        rate = getattr(options, name, None)
        if rate is not None and not 0 < rate < 100:
            raise BadInput(f"--{name.replace('_', '-')} must be a positive number below 100, not {rate:g}")


def check_words(option: str, words: Sequence[str], known: Sequence[str]) -> None:
    """Check an option that is some of the words known, each once.

    Raises:
        BadInput: another word, one twice, or none.
    """
    wrong = [w for w in words if w not in known]
    if wrong:
        raise BadInput(f"--{option} has no {wrong[0]!r}; {did_you_mean(wrong[0], known)}")
    if not words or len(set(words)) < len(words):
        raise BadInput(f"--{option} must be different words, at least one, not {','.join(words) or 'none'}")


def command_line(
    command: str,
    options: Any,
    always: Collection[str] = (),
    words: Mapping[str, Callable[[Any], str]] | None = None,
) -> str:
    """The command line that gives these options; the user's own paths are not named.

    Args:
        command: such as "intspike study squat".
        options: a dataclass with a default for every field; the field `learning_rate` is `--learning-rate`.
        always: fields that are named although they hold their default.
        words: how a field is written, where that is not its value, or its values with commas.
    """
    parts, plain = [command], type(options)()
    for f in fields(options):
        value, name = getattr(options, f.name), f.name.replace("_", "-")
        if value == getattr(plain, f.name) and f.name not in always:
            continue
        if isinstance(value, bool):
            parts.append(f"--{name}" if value else f"--no-{name}")
            continue
        if words and f.name in words:
            shown = words[f.name](value)
        elif f.name == "data" and not custom.is_function(value):
            shown = "FOLDER"
        else:
            shown = ",".join(map(_word, value)) if isinstance(value, tuple) else str(value)
        parts.append(f"--{name} {shown}" if shown else f'--{name} ""')
    return " ".join(parts)


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def kept(options: Any) -> dict[str, Any]:
    """Options as a folder keeps them, but for functions of the user's: a stored study says which it needs."""
    stored = asdict(options)
    needs = [k for k, v in stored.items() if isinstance(v, str) and custom.is_function(v)]
    return {**{k: None if k in needs else v for k, v in stored.items()}, "needs": needs}


def recall(out: Path, plain: Kind, given: Mapping[str, Any]) -> Kind:
    """The options of a folder's last study; those given now replace them.

    Records of earlier versions lack options that came later, which then have their defaults, and may lack the names of
    what must be given again.

    Args:
        out: the study's folder.
        plain: options with all defaults.
        given: by name.

    Raises:
        BadInput: no study there, or one whose data or model must be given again.
        BadData: its record is damaged, or that of another study.
    """
    path = out / RECORD
    if not path.exists():
        raise BadInput(
            f"--resume needs the folder of an earlier study, but {out} has no {RECORD}; leave --resume out"
        )
    try:
        stored = json.loads(path.read_text("utf-8"))
        needs = [name for name in stored.pop("needs", ()) if name not in given]
        stored["dataset"]  # every study has one
        options = replace(plain, **{k: _tuples(v) for k, v in stored.items()})
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise BadData(
            f"{path} must be the record of a study, but is damaged or of another study ({e}); give the options again"
        ) from e
    if needs:
        raise BadInput(f"the study in {out} used a function of yours; give --{' and --'.join(needs)} again")
    return replace(options, **given)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def options_of(context: Context, plain: Kind, given: Mapping[str, Any], out: Path, resume: bool) -> Kind:
    """The options of a command: with --resume those of its folder's last study, but for those on the command line.

    Args:
        context: of the command.
        plain: options with all defaults.
        given: options by name, which are also those of the command's arguments.

    Raises:
        BadInput, BadData: those of `recall` and of the options.
    """
    if not resume:
        return replace(plain, **given)
    said = {name: value for name, value in given.items() if _on_command_line(context, name)}
    if given["data"] != context.params["data"]:  # --data NAME=PATH names the data set, even the default one
        said["dataset"] = given["dataset"]
    return recall(out, plain, said)


def _on_command_line(context: Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
