"""Rows of the SQUAT study: what is quantized, and what the paper prints beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from .. import rows
from ..grid import Finished
from . import paper
from .cells import SquatCell
from .tasks import TASKS

Row: TypeAlias = rows.Row[SquatCell]


def rows_of(finished: Sequence[Finished]) -> dict[str, Row]:
    """Rows by name, in the order of the grid."""
    return rows.rows_of(finished, SquatCell)


def full_precision(rows: Mapping[str, Row]) -> Row | None:
    """The reference of all others."""
    return next((r for r in rows.values() if r.cell.scheme == "fp" and r.cell.memory), None)


def printed(row: Row) -> float | None:
    """What the paper prints for a row, accuracy in per cent."""
    c, task = row.cell, TASKS.get(row.cell.dataset)
    if task is None or not task.paper or not c.memory:
        return None
    if c.scheme == "fp":
        return paper.FULL_PRECISION[task.paper]
    bits = c.weight_bits or c.state_bits or 0
    return paper.printed(task.paper, c.spacing, c.scheme, what_of(c), bits)


def what_of(cell: SquatCell) -> str:
    """What is quantized: "states", "weights", "both" or nothing."""
    return {(False, False): "", (True, False): "weights", (False, True): "states", (True, True): "both"}[
        (cell.weight_bits is not None, cell.state_bits is not None)
    ]
