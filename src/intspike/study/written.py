"""What every study writes: tables as Markdown and CSV, its summary, and what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..measure import Interval
from .folder import write_csv, write_json, write_text
from .grid import Finished
from .report import Section, Table
from .report.tables import markdown
from .rows import Row

Line = Mapping[str, Any]


def summary_line(name: str, i: Interval, command: str, goal: str | None = None) -> dict[str, Any]:
    """A number of summary.json with its interval, and the command that gives it."""
    return {
        "name": name, "value": i.value, "low": i.low, "high": i.high, "n": i.n, "goal": goal, "command": command,
    }  # fmt: skip


def accuracy_line(r: Row[Any]) -> dict[str, Any]:
    """How table.csv begins a row."""
    i = r.interval
    low, high = (None, None) if i is None else (i.low, i.high)
    return {
        "name": r.name,
        "accuracy": None if i is None else round(i.value, 4),
        "low": None if low is None else round(low, 4),
        "high": None if high is None else round(high, 4),
        "seeds": len(r.done),
        "failed": len(r.failed),
    }


def cell_line(f: Finished, of_cell: Line, measured: Line) -> dict[str, Any]:
    """A line of cells.csv.

    Args:
        of_cell: what tells the cell from others.
        measured: what it recorded beside its accuracy.
    """
    record = f.record or {}
    return {
        "hash": f.hash,
        "status": f.status,
        **of_cell,
        **{k: record.get(k) for k in ("accuracy", "correct", "n")},
        **measured,
        "seconds": f.seconds,
        "reason": f.reason,
    }


def failures(rows: Mapping[str, Row[Any]]) -> list[Table]:
    """Cells that could not be computed, and why; no table where there are none."""
    lines = [[f"{r.name} seed {s}", why] for r in rows.values() for s, why in r.failed.items()]
    return [Table("Failed", ("network", "reason"), lines)] if lines else []


def failed_section(rows: Mapping[str, Row[Any]]) -> list[Section]:
    """The part of a report that shows them."""
    found = failures(rows)
    again = "--retry-failed computes these again."
    return [Section("failed", "Failed", again, tables=found)] if found else []


def write_study(
    out: Path,
    command: str,
    parts: Sequence[str | Table],
    lines: Sequence[Line],
    cells: Sequence[Line],
    summary: Sequence[Line],
) -> None:
    """table.md (the command, then its parts), table.csv (a line a row), cells.csv (a line a cell) and summary.json."""
    shown = [p if isinstance(p, str) else markdown(p) for p in parts]
    write_text(out / "table.md", "\n\n".join([f"`{command}`", *shown]) + "\n")
    write_csv(out / "table.csv", [dict(x) for x in lines])
    write_csv(out / "cells.csv", [dict(x) for x in cells])
    write_json(out / "summary.json", list(summary))
