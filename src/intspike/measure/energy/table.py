"""Tables of energy coefficients: named, sourced, in TOML files of this folder or of the user.

    name = "mine"                   # of the table
    title = "..."                   # one line for people
    machine = "events"              # which machine it prices: events, crossbar or cycles

    [[entry]]
    operation = "add"
    bits = 8                        # width of an addition or a product; of a memory, of the word that it gives
    value = 0.03
    range = [0.025, 0.035]
    unit = "pJ"                     # fJ, pJ, nJ, uJ
    source = "where the number is from"

Entries of memories say `kib`, their capacity (`inf`: off the chip). Numbers are read as decimals and kept as fractions,
so that energies are sums without rounding. Whatever is wrong with a file is refused with its line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from ...errors import BadData, BadInput, did_you_mean
from .lines import TomlText
from .span import UNITS, Span

Machine = Literal["events", "crossbar", "cycles"]
MOST_BYTES = 1 << 20

# per machine: operations that a table must price, and those that it may
NEEDED: Mapping[str, tuple[str, ...]] = {
    "events": ("add", "multiply", "access"),
    "crossbar": (
        "crossbar read", "conversion", "multiplexer", "subtraction", "local buffer", "tile buffer", "tree", "fetch",
        "neuron module",
    ),
    "cycles": (),
}  # fmt: skip
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "events": ("float add", "float multiply", "access per bit of memory"),
    "crossbar": (),
    "cycles": ("cycle",),
}
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "events": (),
    "crossbar": ("rows", "shared_columns", "subtractors"),
    "cycles": ("lanes",),
}
_WIDE = ("add", "multiply", "float add", "float multiply")
_KEYS = {"operation", "bits", "kib", "value", "range", "unit", "source"}


@dataclass(frozen=True)
class Coefficient:
    """Energy of one operation.

    Attributes:
        operation: its name.
        energy: in picojoules.
        source: where the number is from.
        bits: of an addition or product, or of the word of a memory; 0 where an operation has no width.
        kib: capacity of a memory; None of anything else, infinite off the chip.
    """

    operation: str
    energy: Span
    source: str
    bits: int = 0
    kib: Fraction | float | None = None


@dataclass(frozen=True)
class Coefficients:
    """A table.

    Attributes:
        name, title: what it is called.
        machine: what it prices.
        entries: its coefficients.
        settings: sizes of the machine.
    """

    name: str
    title: str
    machine: Machine
    entries: tuple[Coefficient, ...]
    settings: Mapping[str, int] = field(default_factory=dict[str, int])

    def of(self, operation: str) -> tuple[Coefficient, ...]:
        """Entries of an operation, the narrowest and smallest first."""
        found = [e for e in self.entries if e.operation == operation]
        return tuple(sorted(found, key=lambda e: (e.kib or 0, e.bits)))

    def lacks(self, operation: str, why: str) -> BadInput:
        """The error to raise where an entry is needed that the table does not have."""
        return BadInput(
            f"the table {self.name!r} must hold an entry {operation}, which {why} needs; add one with its source to a "
            "file of your own and give that file"
        )


def names() -> list[str]:
    """Tables that come with intspike."""
    return sorted(
        f.name.removesuffix(".toml") for f in files("intspike.measure.energy").joinpath("tables").iterdir()
    )


def load(name: str | Path) -> Coefficients:
    """A table by its name, or the user's by its path (ending in .toml).

    Raises:
        BadInput: no table of that name.
        BadData: a file that is missing, or wrong, with its line.
    """
    if str(name).endswith(".toml"):
        path = Path(name)
        try:
            with path.open("rb") as f:
                data = f.read(MOST_BYTES + 1)
        except OSError as e:
            raise BadData(f"{path} must be a readable table of coefficients, but: {e.strerror}") from e
        if len(data) > MOST_BYTES:
            raise BadData(f"{path} must be a table of at most {MOST_BYTES >> 20} MiB, but is larger")
        return read(data.decode("utf-8", "replace"), str(path))
    if name not in names():
        known = did_you_mean(str(name), names())
        raise BadInput(
            f"there is no table of coefficients {str(name)!r}; {known}; or give a file that ends in .toml"
        )
    return read(
        files("intspike.measure.energy").joinpath("tables", f"{name}.toml").read_text("utf-8"), f"{name}.toml"
    )


def read(text: str, place: str) -> Coefficients:
    """A table from TOML text; `place` names it in errors."""
    try:
        found = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as e:
        raise BadData(f"{place} must be TOML, but: {e}") from e
    file = TomlText(text, place)
    head = {k: v for k, v in found.items() if k != "entry"}
    machine: Any = head.get("machine")
    if machine not in NEEDED:
        raise file.wrong(f"machine must be {', '.join(NEEDED)}, not {machine!r}", lambda d: "machine" in d)
    for key in ("name", "title"):
        if not isinstance(head.get(key), str) or not head[key].strip():
            raise file.wrong(f"{key} must be a text", lambda d, key=key: key in d)
    sizes: dict[str, int] = {}
    for key in head.keys() - {"name", "title", "machine"}:
        value = head[key]
        if key not in SETTINGS[machine]:
            known = did_you_mean(key, ("name", "title", "machine", "entry", *SETTINGS[machine]))
            raise file.wrong(f"there is no {key!r}; {known}", lambda d, key=key: key in d)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise file.wrong(
                f"{key} must be a whole number from 1, not {value!r}", lambda d, key=key: key in d
            )
        sizes[key] = value
    for key in SETTINGS[machine]:
        if key not in sizes:
            raise file.wrong(f"{key} is missing, a size of the machine {machine!r}")
    listed = found.get("entry", [])
    if not isinstance(listed, list) or not all(isinstance(e, dict) for e in listed):
        raise file.wrong("entries must be written [[entry]]", lambda d: "entry" in d)
    entries = tuple(_entry(e, machine, file, i) for i, e in enumerate(listed))
    seen: dict[tuple[Any, ...], int] = {}
    for i, e in enumerate(entries):
        if seen.setdefault((e.operation, e.bits, e.kib), i) != i:
            raise file.at(i, None, f"{e.operation} is there twice with the same width and size; keep one")
    for operation in NEEDED[machine]:
        if not any(e.operation == operation for e in entries):
            raise file.wrong(f"an entry of {operation!r} is missing, which the machine {machine!r} needs")
    return Coefficients(head["name"], head["title"], machine, entries, sizes)


def _entry(e: Mapping[str, Any], machine: str, file: TomlText, i: int) -> Coefficient:
    for key in e.keys() - _KEYS:
        raise file.at(i, key, f"an entry has no {key!r}; {did_you_mean(key, _KEYS)}")
    known = (*NEEDED[machine], *OPTIONAL[machine])
    operation = e.get("operation")
    if operation not in known:
        word = did_you_mean(str(operation), known)
        raise file.at(i, "operation", f"the machine {machine!r} has no operation {operation!r}; {word}")
    source, unit = e.get("source"), e.get("unit")
    if not isinstance(source, str) or not source.strip():
        raise file.at(i, "source", f"{operation} must name its source; a number without one is not used")
    if unit not in UNITS:
        raise file.at(i, "unit", f"the unit of {operation} must be one of {', '.join(UNITS)}, not {unit!r}")
    value = _number(e.get("value"))
    if value is None:
        raise file.at(
            i, "value", f"the value of {operation} must be a number from 0, not {_shown(e.get('value'))}"
        )
    ends = e.get("range")
    low, high = (_number(x) for x in ends) if isinstance(ends, list) and len(ends) == 2 else (None, None)
    if low is None or high is None or not low <= value <= high:
        shown = [str(x) for x in ends] if isinstance(ends, list) else ends
        raise file.at(
            i, "range", f"the range of {operation} must be [low, high] around {e['value']}, not {shown}"
        )
    bits, kib = e.get("bits", 0), e.get("kib")
    wide = operation in _WIDE or (operation == "access" and kib is not None)
    if not isinstance(bits, int) or isinstance(bits, bool) or (bits < 1 if wide else "bits" in e):
        ask = "a whole number from 1" if wide else "left out"
        raise file.at(i, "bits", f"bits of {operation} must be {ask}, not {e.get('bits')!r}")
    size = float("inf") if kib == Decimal("inf") else _number(kib)
    if kib is not None and (operation != "access" or not size):
        ask = "a number above 0, or inf" if operation == "access" else "left out: it is no memory"
        raise file.at(i, "kib", f"kib of {operation} must be {ask}, not {kib}")
    factor = UNITS[unit]
    return Coefficient(operation, Span(low * factor, value * factor, high * factor), source, bits, size)


def _shown(x: object) -> str:
    return str(x) if isinstance(x, Decimal) else repr(x)


def _number(x: object) -> Fraction | None:
    """A finite number from 0 as a fraction, or None."""
    if (
        isinstance(x, bool)
        or not isinstance(x, (int, Decimal))
        or (isinstance(x, Decimal) and not x.is_finite())
    ):
        return None
    return Fraction(x) if x >= 0 else None
