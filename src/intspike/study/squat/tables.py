"""Tables of the study in the layout of the paper, as CSV and Markdown, and its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...measure import Interval
from .. import drifted
from ..claims import Trend, verdicts
from ..grid import Finished
from ..report.content import Table
from ..report.style import size
from ..rows import interval_text
from ..written import accuracy_line, cell_line, failures, summary_line, write_study
from . import clipping, pairs
from .cells import SPACINGS, Scheme, SquatCell
from .goals import ACCURACY, GAP, goal_of
from .notes import notes
from .options import Options
from .rows import Row, printed, rows_of, what_of
from .trends import CLAIMS, trends

SCHEMES: Mapping[Scheme, str] = {"ptq": "after training (PTQ)", "qat": "in training (QAT)"}
WHAT = ("states", "weights", "both")


def tables(rows: Mapping[str, Row], options: Options) -> list[Table]:
    """Full precision, then one table a scheme and spacing: rows are what is quantized, columns are bits."""
    if options.ranges:
        return [_full(rows), *clipping.tables(rows, options.ranges, SCHEMES)]
    if options.pairs:
        return [_full(rows), *pairs.tables(rows, options.pairs, SCHEMES)]
    return [_full(rows), *(_grid(rows, options, s, spacing) for s in SCHEMES for spacing in SPACINGS)]


def _full(rows: Mapping[str, Row]) -> Table:
    made: list[list[str]] = []
    for r in rows.values():
        if r.cell.scheme in ("fp", "continued"):
            known = printed(r)
            beside = "–" if known is None else f"{known:.2f}"
            name = "full precision" if r.cell.memory else "memoryless (beta = 0)"
            name += ", trained on for as long as QAT" if r.cell.scheme == "continued" else ""
            made.append([name, interval_text(r.interval), beside, str(len(r.done))])
    return Table("Full precision", ("network", "accuracy, %", "paper", "seeds"), made)


def _grid(rows: Mapping[str, Row], options: Options, scheme: Scheme, spacing: str) -> Table:
    own = {
        _place(r.cell): r
        for r in rows.values()
        if r.cell.scheme == scheme and r.cell.spacing in ("", spacing)
    }
    beside = any(printed(r) is not None for r in own.values())
    columns = ["quantized"]
    for b in options.bits:
        columns += [f"{b} bits", "paper"] if beside else [f"{b} bits"]
    made: list[list[str]] = []
    for what in (*WHAT, "memoryless, weights"):
        line = [what]
        for b in options.bits:
            r = own.get((what, b))
            line.append(
                "–" if r is None else interval_text(r.interval) if r.done else f"failed ({len(r.failed)})"
            )
            if beside:
                known = None if r is None else printed(r)
                line.append("–" if known is None else f"{known:.2f}")
        made.append(line)
    return Table(
        f"Quantized {SCHEMES[scheme]}, {spacing} states, accuracy in % [95 % interval]", columns, made
    )


def _place(c: SquatCell) -> tuple[str, int]:
    return (what_of(c) if c.memory else "memoryless, weights"), c.weight_bits or c.state_bits or 0


def details(rows: Mapping[str, Row]) -> Table:
    """Every row: each seed, exactness, packed size, firing."""
    made = [
        [
            r.name,
            interval_text(r.interval),
            ", ".join(f"{a:.2f}" for a in r.accuracies) or "–",
            r.exact,
            "–" if r.bits is None else size(r.bits),
            "–" if r.rate is None else f"{r.rate:.4f}",
            "–" if r.dead is None else f"{100 * r.dead:.1f} %",
        ]
        for r in rows.values()
    ]
    columns = ("network", "accuracy, %", "each seed", "integers", "packed", "rate", "dead")
    return Table("Every network", columns, made)


def trend_table(found: Sequence[Trend], claim: str) -> Table:
    """One comparison a line."""
    made = [
        [t.name, str(t.bits), interval_text(t.difference), f"{t.difference.n:,} {t.pairs}", t.verdict]
        for t in found
        if t.claim == claim
    ]
    return Table(
        f"Claim: {CLAIMS[claim]}",
        ("quantized", "bits", "difference, points [95 % interval]", "pairs", "verdict"),
        made,
    )


def summary_of(rows: Mapping[str, Row], found: Sequence[Trend], options: Options) -> list[dict[str, Any]]:
    """The summary: accuracies in per cent, distances from full precision at equal epochs and claims in points."""
    command = options.command()
    made: list[dict[str, Any]] = []

    def add(name: str, i: Interval, goal: str | None) -> None:
        made.append(summary_line(name, i, command, goal))

    for r in rows.values():
        if r.interval is not None:
            add(r.name, r.interval, goal_of(ACCURACY, r.cell, r.tested))
        equal = pairs.reference(r, rows)
        below = None if equal is None or r.cell.scheme in ("fp", "continued") else pairs.gap(r, equal)
        if below is not None:
            add(f"{r.name}/below-full-precision", below, goal_of(GAP, r.cell, r.tested))
    dataset = next(iter(rows.values())).cell.dataset
    for t in found:
        add(f"{dataset}/{t.claim}/{t.name.lower().replace(', ', '-')}-{t.bits}", t.difference, ">= 0")
    return made


def write_tables(finished: Sequence[Finished], options: Options, out: Path) -> list[dict[str, Any]]:
    """table.md, table.csv (a line a row), cells.csv (a line a cell) and summary.json; returns the summary."""
    rows = rows_of(finished)
    found = trends(rows)
    summary = summary_of(rows, found, options)
    parts = [*notes(finished, rows, options), *tables(rows, options)]
    for claim in CLAIMS:
        if any(t.claim == claim for t in found):
            parts += [trend_table(found, claim), f"This claim {verdicts(found, claim)}."]
    parts += [details(rows), *drifted.table(rows), *failures(rows)]
    lines = [_line(r) for r in rows.values()]
    write_study(out, options.command(), parts, lines, [_cell_line(f) for f in finished], summary)
    return summary


def _line(r: Row) -> dict[str, Any]:
    return {
        **accuracy_line(r),
        "paper": printed(r),
        "integers_compared": r.compared if r.cell.integer else None,
        "packed_bits": r.bits,
        "firing_rate": r.rate,
        "dead_share": r.dead,
        **drifted.columns(r),
    }


def _cell_line(f: Finished) -> dict[str, Any]:
    return cell_line(f, asdict(f.cell), {})  # type: ignore[call-overload]
