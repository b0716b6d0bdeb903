"""Kept rows and the table: results.json is the truth, table.md and the block in docs/speed.md are printed from it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from . import catalog

Row = dict[str, Any]

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
TABLE = HERE / "table.md"
PAGE = HERE.parent / "docs" / "speed.md"
BUSY = 0.05  # of all cores, taken by other work, from which on a row is marked
BEGIN, END = "<!-- begin: printed by python -m benchmarks -->", "<!-- end -->"


def load(path: Path = RESULTS) -> list[Row]:
    """The rows kept so far."""
    return json.loads(path.read_text("utf-8")) if path.exists() else []


def keep(new: Sequence[Row], path: Path = RESULTS) -> list[Row]:
    """Put rows in the place of older ones; an unpinned row only adds its ratio to a pinned one.

    The file is replaced at once, so that a killed run leaves every finished row.
    """
    rows = {(r["name"], r["peer"]): r for r in load(path)}
    for r in new:
        at = r["name"], r["peer"]
        old = rows.get(at)
        if r["pinned"]:
            rows[at] = r | {"unpinned_ratio": old["unpinned_ratio"] if old else None}
        elif old and old["pinned"]:
            rows[at] = old | {"unpinned_ratio": r["ratio"], "equal": old["equal"] and r["equal"]}
        else:
            rows[at] = r | {"unpinned_ratio": r["ratio"]}
    goals = {
        (b.name, g.peer): {"goal": g.goal, "limit": g.limit} for b in catalog.BENCHMARKS for g in b.goals
    }
    kept = [rows[at] | goal for at, goal in goals.items() if at in rows]
    _write(path, json.dumps(kept, indent=2) + "\n")
    return kept


def publish(rows: Sequence[Row]) -> None:
    """Print the table to table.md and into the page."""
    text = table(rows)
    _write(TABLE, text)
    if PAGE.exists():
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        _write(PAGE, f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def missing(rows: Iterable[Row]) -> list[str]:
    """Benchmarks of the catalog that have no row."""
    have = {r["name"] for r in rows}
    return [b.name for b in catalog.BENCHMARKS if b.name not in have]


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, with what is missing and the machines below."""
    lines = [
        "| work | peer | ours | peer | ratio | goal | limit | unpinned | equal |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --- |",
    ]
    what = {b.name: b for b in catalog.BENCHMARKS}
    for r in rows:
        b = what[r["name"]]
        unit = b.unit.lower()
        ours, theirs = (f"{_figure(r[f'{who}_{unit}'])} {b.unit}" for who in ("ours", "peer"))
        goal = (
            "-"
            if r["goal"] is None
            else f"{_figure(r['goal'])} {'met' if r['ratio'] >= r['goal'] else 'missed'}"
        )
        unpinned = "-" if r["unpinned_ratio"] is None else f"{_figure(r['unpinned_ratio'])}"
        lines.append(
            f"| {b.what} (`{b.name}`) | {r['peer']} | {ours} | {theirs} | {_figure(r['ratio'])} | {goal} | "
            f"{r['limit'] or '-'} | {unpinned} | {'yes' if r['equal'] else 'NO'} |"
        )
    notes = [f"Not measured yet: {', '.join(names)}."] if (names := missing(rows)) else []
    for machine, threads in sorted({(r["machine"], r["threads"]) for r in rows}):
        notes.append(f"Measured on: {machine}; {threads} thread{'s' * (threads > 1)}.")
    if disturbed := sorted({r["name"] for r in rows if busy(r)}):
        notes.append(
            f"Other work took more than {BUSY:.0%} of the machine, so do not trust: {', '.join(disturbed)}."
        )
    loose = sorted({r["name"] for r in rows if not r["pinned"]})
    if loose:
        notes.append(f"Threads were not pinned in: {', '.join(loose)}.")
    return "\n".join(lines) + "\n\n" + "\n\n".join(notes) + "\n"


def busy(r: Row) -> bool:
    """Whether other work may have changed a row; memory does not depend on it."""
    return r["ours_ms"] is not None and (r["others"] or 0) > BUSY


def _figure(x: float) -> str:
    """Three digits that count."""
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


def _write(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text, "utf-8")
    scratch.replace(path)
