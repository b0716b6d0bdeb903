"""Values of a stored document: how each kind is read strictly from JSON, and written to it.

JSON has one number type and Python counts true as 1; here an integer is an integer, true is not 1, and 1 is
not 1.0. Every reader takes what the value is called, for the message, and the value, and raises Flaw.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .container import must, shown

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}\Z")


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Attributes:
        read: (what it is called, its JSON) to the value, or Flaw.
        write: the value to its JSON.
    """

    read: Callable[[str, Any], Any]
    write: Callable[[Any], Any]


def integer(low: int, high: int) -> Kind:
    """An integer in low..high."""

    def read(what: str, x: Any) -> int:
        must(
            type(x) is int and low <= x <= high, f"{what} must be an integer in {low}..{high}, not {shown(x)}"
        )
        return x

    return Kind(read, operator.index)


def listed(kind: Kind, fewest: int, most: int) -> Kind:
    """A list of fewest..most values of a kind, read as a tuple."""

    def read(what: str, x: Any) -> tuple[Any, ...]:
        must(isinstance(x, list), f"{what} must be a list, not {shown(x)}")
        must(fewest <= len(x) <= most, f"{what} must have {fewest}..{most} entries, not {len(x)}")
        return tuple(kind.read(what, item) for item in x)

    return Kind(read, lambda x: [kind.write(item) for item in x])


def one_of(*known: str) -> Kind:
    """One of the known words."""

    def read(what: str, x: Any) -> str:
        must(isinstance(x, str) and x in known, f"{what} must be one of {', '.join(known)}, not {shown(x)}")
        return x

    return Kind(read, str)


def _identifier(what: str, x: Any) -> str:
    fits = isinstance(x, str) and _NAME.match(x)
    must(fits, f"{what} must be a name of up to 64 letters, digits, _ and ., not {shown(x)}")
    return x


def _boolean(what: str, x: Any) -> bool:
    must(isinstance(x, bool), f"{what} must be true or false, not {shown(x)}")
    return x


def _real(what: str, x: Any) -> float:
    must(isinstance(x, float), f"{what} must be a number with a decimal point, not {shown(x)}")
    return x


NAME = Kind(_identifier, str)
BOOLEAN = Kind(_boolean, bool)
REAL = Kind(_real, float)


def text(most: int) -> Kind:
    """A text of at most so many characters: printable ones, tabs and new lines."""

    def read(what: str, x: Any) -> str:
        must(isinstance(x, str) and len(x) <= most, f"{what} must be a text of at most {most} characters")
        odd = next((c for c in x if not (c.isprintable() or c in "\t\n")), None)
        must(odd is None, f"{what} must hold printable characters, tabs and new lines, not {shown(odd)}")
        return x

    return Kind(read, str)


def keyed(what: str, x: Any, keys: Iterable[str]) -> dict[str, Any]:
    """An object with exactly the given keys."""
    wanted = set(keys)
    must(isinstance(x, dict), f"{what} must be an object, not {shown(x)}")
    missing, unknown = sorted(wanted - x.keys()), sorted(x.keys() - wanted)
    must(not missing, f"{what} lacks the keys {', '.join(missing)}")
    must(not unknown, f"{what} has the unknown keys {shown(unknown)}")
    return x


def read(what: str, x: Any, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """The values of an object whose keys are exactly those of `kinds`."""
    given = keyed(what, x, kinds)
    return {key: kind.read(f"{key} of {what}", given[key]) for key, kind in kinds.items()}


def write(x: Any, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """The attributes of a dataclass that `kinds` names, as JSON."""
    return {key: kind.write(getattr(x, key)) for key, kind in kinds.items()}
