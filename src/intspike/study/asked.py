"""What a study was asked for, as its folder keeps it and as the command line that asks for the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from ..errors import BadInput, did_you_mean
from . import custom

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
    """Options as a folder keeps them, but for functions of the user's: a stored study names none."""
    return {
        k: None if isinstance(v, str) and custom.is_function(v) else v for k, v in asdict(options).items()
    }
