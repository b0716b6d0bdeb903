"""What a cell is: a frozen value that says everything about one computation, and the hash that names it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...errors import BadInput


class Cell(Protocol):
    """A frozen dataclass whose fields are plain values (None, bool, int, float, str, tuples of these).

    Attributes:
        name: a few words for people.
        parent: the cell whose files this one starts from, or None.
        cost: how long it takes, in any unit, to estimate the time left.
    """

    @property
    def name(self) -> str: ...

    @property
    def parent(self) -> Cell | None: ...

    @property
    def cost(self) -> float: ...


@dataclass(frozen=True)
class Outcome:
    """What computing a cell gave.

    Attributes:
        record: plain data for JSON.
        files: content by file name; kept beside the record and handed to the cells that start from this one.
    """

    record: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


Work = Callable[[Any, Mapping[str, bytes]], Outcome]
"""Computes a cell from the files of its parent. It must not depend on anything else, and it writes nothing."""


def fields_of(cell: Cell) -> dict[str, Any]:
    """The fields of a cell as they stand in JSON; one that holds its default is left out, so that a study may grow:
    a new field's default must mean what cells did before it, and a default never changes.

    Raises:
        BadInput: no frozen dataclass, or a field that is not plain.
    """
    parameters = getattr(cell, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise BadInput(f"a cell must be a frozen dataclass, not {type(cell).__name__}")
    values = {
        f.name: getattr(cell, f.name)
        for f in dataclasses.fields(cell)  # type: ignore[arg-type]
        if getattr(cell, f.name) != f.default
    }
    return {name: _plain(f"{type(cell).__name__}.{name}", value) for name, value in values.items()}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(name, v) for v in value]
    if (
        value is None
        or isinstance(value, (bool, int, str))
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return value
    raise BadInput(
        f"{name} must be plain (None, bool, int, finite float, str, or tuples of these), so that it can be hashed, "
        f"not {value!r}"
    )


def cell_hash(cell: Cell) -> str:
    """Sixteen hexadecimal digits that stand for the kind of cell and all its fields; the name of its folder."""
    text = json.dumps({"kind": type(cell).__name__, **fields_of(cell)}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
