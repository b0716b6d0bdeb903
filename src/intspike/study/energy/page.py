"""energy.json, table.csv and report.html of a measurement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...measure import Interval
from ...measure.energy import CAUSES, Energy, Span
from ...measure.energy.span import UNITS
from ..folder import clear_disk_errors, write_csv, write_json
from ..report import Page, Section, Table, write_report
from ..report.bars import bar
from ..report.style import Figure, Panel, axis, colour, layout, note, plain, rows, text
from ..written import summary_line
from .costs import Costs
from .tables import number, tables, unit_of

COLOURED = [c for c in CAUSES if c != "other"]


def write(c: Costs, out: Path) -> None:
    """All files, each whole or not at all."""
    with clear_disk_errors(out, keeps=False):
        write_json(out / "summary.json", summary_of(c))
        write_json(out / "energy.json", c.to_dict())
        write_csv(out / "table.csv", [*_lines(c)])
        write_report(out / "report.html", page(c))


def summary_of(c: Costs) -> list[dict[str, Any]]:
    """The summary: energies in uJ with what the table's ranges leave open, and accuracy in per cent."""
    asked = {"samples": c.options.samples, "timesteps": c.options.timesteps}
    given = "".join(f" --{name} {value}" for name, value in asked.items() if value is not None)
    command = (
        f"intspike energy {c.options.artifact.name} --data {c.dataset.name}{given} --model {c.table.name}"
    )
    own = [("this network", c.energy), *((r.name, r.energy) for r in c.rivals)]
    named = [
        (f"{name.replace(', ', '-').replace(' ', '-')}/uJ", _scaled(e.per_inference, 1e-6, c.samples))
        for name, e in own
        if e is not None
    ]
    accuracy = ("accuracy", _scaled(c.accuracy, 100, c.samples))
    return [summary_line(f"{c.table.name}/{name}", i, command) for name, i in (*named, accuracy)]


def _scaled(x: Span | Interval, by: float, n: int) -> Interval:
    low, high = (None if end is None else float(end * by) for end in (x.low, x.high))
    return Interval(float(x.value * by), low, high, n)


def _lines(c: Costs) -> Iterator[dict[str, Any]]:
    """Every count: what was done how often in an inference."""
    for e in c.counts.entries:
        yield {
            "layer": e.layer,
            "cause": e.cause,
            "operation": e.operation,
            "bits": e.bits,
            "memory_bits": e.memory,
            "per_inference": e.total / c.samples,
        }


def page(c: Costs) -> Page:
    """The report."""
    if c.energy is None:
        summary = f"What {c.options.artifact.name} does is counted exactly; {c.table.name} prices none of it."
    else:
        summary = (
            f"An inference of {c.options.artifact.name} costs {c.energy.per_inference} by {c.table.name}."
        )
    made = tables(c)
    notes = [
        f"{c.samples} samples of {c.dataset.source}, {c.timesteps} timesteps.",
        f"{c.table.name}: {c.table.title}. Counts are exact; intervals are what the table's ranges leave open.",
        *([c.refused] if c.refused else []),
    ]
    parts: list[Section] = []
    if c.energy is not None:
        look = "Counts times coefficients. Palest grey: pools, joins, integrators and readouts."
        parts.append(
            Section(
                "layers", "By layer", look, [_by_layer(c.energy)], wide=True, tables=made[:2], legend=True
            )
        )
    if c.rivals:
        look = "The same layers on the same hardware, one inference each; lines are intervals, and nothing was trained."
        shown = [t for t in made if t.title.startswith(("an inference", "where spikes"))]
        parts.append(
            Section("rivals", "Against others", look, [_against(c)], wide=True, tables=shown, legend=True)
        )
    used = {t.title for s in parts for t in s.tables}
    rest = [t for t in made if t.title not in used]
    parts.append(Section("run", "This run", "What was measured beside energy.", tables=rest))
    if c.table.entries:
        look = "Every number with its range and source."
        parts.append(Section("table", "Coefficients", look, tables=[_coefficients(c)]))
    return Page("Energy of an inference", summary, parts, COLOURED, notes)


def shade(cause: str) -> str:
    """The colour of a cause."""
    return colour(COLOURED.index(cause)) if cause in COLOURED else "$muted/0.35"


def _stack(e: Energy, layer: str | None, at: float, unit: str) -> list[Figure]:
    """One bar, of a layer or of all, with a part for each cause."""
    made: list[Figure] = []
    base = 0.0
    for cause in CAUSES:
        parts = [s.value for (name, k), s in e.parts.items() if k == cause and layer in (None, name)]
        length = float(sum(parts) / UNITS[unit]) / e.samples
        if length:
            shown = f"{text(cause)}: {length:.4g} {unit}<extra></extra>"
            made.append(bar(length, at, 0.62, shade(cause), base, hovertemplate=shown))
        base += length
    return made


def _by_layer(e: Energy) -> Panel:
    unit = unit_of(list(e.by_layer.values()))
    bars = [(layer, e, layer, span) for layer, span in e.by_layer.items()]
    return _panel("Energy of an inference, by layer and cause", bars, unit, whiskers=False)


def _against(c: Costs) -> Panel:
    assert c.energy is not None
    shown = [("this network", c.energy), *((r.name, r.energy) for r in c.rivals if r.energy is not None)]
    unit = unit_of([e.per_inference for _, e in shown])
    bars = [(name, e, None, e.per_inference) for name, e in shown]
    return _panel("Energy of an inference", bars, unit, whiskers=True)


def _panel(
    title: str, bars: Sequence[tuple[str, Energy, str | None, Span]], unit: str, whiskers: bool
) -> Panel:
    """Bars (name, energy, one layer of it or all, how much that is)."""
    data: list[Figure] = []
    words: list[Figure] = []
    longest = 1e-9
    for k, (_, e, layer, span) in enumerate(bars):
        at = len(bars) - 1 - k
        low, value, high = (float(x / UNITS[unit]) for x in (span.low, span.value, span.high))
        data += _stack(e, layer, at, unit)
        if whiskers:
            ends = {"x": plain([low, high]), "y": [at, at], "line": {"color": "$ink", "width": 1.5}}
            data.append({"type": "scatter", "mode": "lines", "hoverinfo": "skip"} | ends)
        end = high if whiskers else value
        place = {"xanchor": "left", "xshift": 6, "bgcolor": "$paper", "borderpad": 1}
        words.append(note(f"{number(span.value, unit)} {unit}", end, at, **place))
        longest = max(longest, end)
    x = axis(f"energy ({unit})", range=[0, 1.35 * longest], nticks=6)
    shown = layout(x, rows([name for name, *_ in bars]), annotations=words, barmode="overlay")
    return Panel(title, data, shown, 76 + 34 * len(bars))


def _coefficients(c: Costs) -> Table:
    made = [
        [
            e.operation,
            str(e.bits) if e.bits else "",
            "" if e.kib is None else f"{float(e.kib):g}",
            f"{float(e.energy.value):.4g}",
            f"{float(e.energy.low):.4g}",
            f"{float(e.energy.high):.4g}",
            e.source,
        ]
        for e in c.table.entries
    ]
    return Table(
        f"{c.table.name}, in pJ", ("operation", "bits", "KiB", "value", "low", "high", "source"), made
    )
