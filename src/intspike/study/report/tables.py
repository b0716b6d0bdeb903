"""The tables of a report, as words and numbers for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...measure import Drift
from .content import ReportContent, Table, Variant
from .style import percent, short, size

ROWS = 400  # of a table; more are counted, not shown
LISTING = 300_000  # characters of a program


def markdown(table: Table) -> str:
    """A table in Markdown."""
    lines = [f"**{table.title}**", ""] if table.title else []
    shown = [list(table.columns), *([str(c) for c in row] for row in table.rows)]
    head, *body = ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in shown]
    return "\n".join([*lines, head, "|" + "---|" * len(table.columns), *body])


def results(variants: Sequence[Variant]) -> Table:
    """One row a variant: what it is, what it reaches, what it costs."""
    first = sum(variants[0].size.values())
    rows: list[list[str]] = []
    for v in variants:
        bits = sum(v.size.values())
        interval = "–" if v.low is None or v.high is None else f"{percent(v.low)} to {percent(v.high)}"
        ratio = f" ({first / bits:.1f}×)" if bits and first and v is not variants[0] else ""
        ops = sum(v.synops.values())
        rows.append(
            [
                v.name,
                v.description or "–",
                percent(v.accuracy),
                interval,
                f"{v.n:,}" if v.n else "–",
                f"{size(bits)}{ratio}" if bits else "–",
                short(ops) if v.synops else "–",
                v.exact or "–",
            ]
        )
    columns = (
        "variant",
        "",
        "accuracy (%)",
        "95 % interval",
        "images",
        "packed size",
        "SynOps / image",
        "exactness",
    )
    return Table("", columns, rows)


def firing(variants: Sequence[Variant]) -> list[Table]:
    """Dead, newly dead and saturated neurons of each variant, by layer; of the reference its noise floor."""
    columns = (
        "layer",
        "neurons",
        "mean rate",
        "dead",
        "newly dead",
        "saturated",
        "EMD",
        "paired",
        "correlation",
    )
    made: list[Table] = []
    for v in variants:
        report = v.firing or v.floor
        if report is None:
            continue
        rows = [
            [
                x.layer,
                f"{x.neurons:,}",
                f"{x.rate_before:.4f} → {x.rate_after:.4f}",
                f"{x.dead_before:,} → {x.dead_after:,}",
                f"{x.newly_dead:,}",
                f"{x.saturated_before:,} → {x.saturated_after:,}",
                f"{x.emd:.4f}",
                f"{x.paired_distance:.4f}",
                "–" if x.correlation is None else f"{x.correlation:.3f}",
            ]
            for x in (*report.layers, report.pooled)
        ]
        title = f"{v.name} against {variants[0].name}" if v.firing else f"Noise floor: halves under {v.name}"
        made.append(Table(title, columns, rows))
    return made


def drift_table(drift: Drift) -> Table:
    """Drift beside its noise floor, layer by layer, in eighty columns."""
    rows = [
        [
            x.layer,
            f"{x.rate_before:.3f}→{x.rate_after:.3f}",
            f"{x.dead_before}→{x.dead_after}",
            f"{x.newly_dead}",
            f"{x.emd:.4f}",
            f"{floor.emd:.4f}",
            f"{x.paired_distance:.4f}",
            f"{floor.paired_distance:.4f}",
        ]
        for x, floor, _ in drift.rows()
    ]
    before, after = drift.firing.names
    columns = ("layer", "rate", "dead", "new", "EMD", "floor", "paired", "floor")
    title = f"firing drift of {after} against {before}; new: newly dead; floor: between halves of the samples"
    return Table(title, columns, rows)


def costs(variants: Sequence[Variant]) -> list[Table]:
    """Operations of one inference and their change, and the measured latency."""
    first = sum(variants[0].synops.values())
    rows: list[list[str]] = []
    for v in variants:
        ops = sum(v.synops.values())
        change = f"{100 * (ops - first) / first:+.1f} %" if first and v is not variants[0] else "–"
        rows.append([v.name, short(ops), change, str(v.latency) if v.latency else "–"])
    columns = ("variant", "SynOps / image", "change", "latency of one image, median (quartiles)")
    return [Table("", columns, rows)] if any(v.synops for v in variants) else []


def packed(variants: Sequence[Variant]) -> list[Table]:
    """Sizes by part."""
    parts = list(dict.fromkeys(part for v in variants for part in v.size))
    rows = [
        [v.name, *(size(v.size[p]) if p in v.size else "–" for p in parts), size(sum(v.size.values()))]
        for v in variants
        if v.size
    ]
    return [Table("", ("variant", *parts, "total"), rows)] if rows else []


def exactness(rows: Iterable[Mapping[str, Any]]) -> list[Table]:
    """Which two engines were compared on what, and the verdict."""
    made = [
        [
            row.get("variant", "–"),
            row["a"],
            row["b"],
            f"{row['samples']:,}" if isinstance(row.get("samples"), int) else "–",
            f"{row['compared']:,}" if isinstance(row["compared"], int) else row["compared"],
            f"{row['mismatches']:,}" if isinstance(row["mismatches"], int) else row["mismatches"],
            "refused: they differ" if row["mismatches"] else "exact" if row["compared"] else "not compared",
        ]
        for row in rows
    ]
    columns = ("variant", "a", "b", "samples", "values compared", "mismatches", "verdict")
    return [Table("", columns, made)] if made else []


def listings(programs: Mapping[str, str]) -> list[tuple[str, str]]:
    """Programs as text, shortened where one is very long."""
    made: list[tuple[str, str]] = []
    for name, listing in programs.items():
        more = len(listing) - LISTING
        shown = (
            listing if more <= 0 else f"{listing[:LISTING]}\n... {more:,} more characters: print the program"
        )
        made.append((f"{name}: {listing.count(chr(10)):,} lines", shown))
    return made


def environment(content: ReportContent) -> list[Table]:
    """The command line and what it ran on."""
    rows = [["command", content.command]] if content.command else []
    rows += [[k, v] for k, v in content.environment.items()]
    return [Table("", ("", ""), rows)] if rows else []
