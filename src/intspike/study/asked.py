"""What a study was asked for, as its folder keeps it and as the command line that asks for the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, fields
from typing import Any

from . import custom


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
