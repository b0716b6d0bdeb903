"""What a comparison shows and writes: a page, a table for people and for programs."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...measure import dead, size_bits
from ..folder import clear_disk_errors, write_csv, write_json
from ..report import Page, Section, Table, Variant, bars, charts, moved, tables, write_report
from ..report.style import Panel, percent
from .run import Comparison
from .sides import Side

MEASURES = (
    "rate_before", "rate_after", "dead_before", "dead_after", "newly_dead", "saturated_before", "saturated_after",
    "emd", "paired_distance", "correlation",
)  # fmt: skip


def write(c: Comparison, out: Path, command: str) -> None:
    """drift.json, table.csv and report.html, each whole or not at all."""
    with clear_disk_errors(out, keeps=False):
        write_json(out / "drift.json", c.to_dict())
        write_csv(out / "table.csv", _lines(c))
        write_report(out / "report.html", page(c, command))


def _lines(c: Comparison) -> list[dict[str, Any]]:
    """A line a layer, and one of all: each measure and its noise floor."""
    lines: list[dict[str, Any]] = []
    for x, floor, seed in c.drift.rows():
        made: dict[str, Any] = {"layer": x.layer, "neurons": x.neurons}
        for name in MEASURES:
            made |= {name: getattr(x, name), f"{name}_floor": getattr(floor, name)}
        lines.append(made | {"emd_seed_floor": None if seed is None else seed.emd})
    return lines


def words(c: Comparison) -> list[str]:
    """Accuracy, agreement and cost, a line each."""
    made = [
        f"{name}: {percent(x.value)} % of {x.n:,} samples ({percent(x.low)} to {percent(x.high)})"
        for name, x in c.accuracy.items()
    ]
    d = c.difference
    ends = "" if d.low is None or d.high is None else f" ({100 * d.low:+.2f} to {100 * d.high:+.2f}, paired)"
    made.append(
        f"difference {100 * d.value:+.2f} points{ends}; the same class for {percent(c.alike)} % of the samples"
    )
    return [*made, *c.drift.costs()]


def page(c: Comparison, command: str) -> Page:
    """Numbers and pictures of a comparison."""
    names = (c.a.name, c.b.name)
    variants = [_variant(c, c.a), _variant(c, c.b)]
    p, floor = c.drift.pooled, c.drift.halves.pooled
    accuracy = {name: percent(x.value) for name, x in c.accuracy.items()}
    summary = (
        f"{names[0]} classifies {accuracy[names[0]]} % of {c.drift.samples:,} samples rightly, {names[1]} "
        f"{accuracy[names[1]]} %. The firing rates of all {p.neurons:,} neurons drift by an EMD of {p.emd:.4f} (noise "
        f"floor {floor.emd:.4f}) and a paired distance of {p.paired_distance:.4f} ({floor.paired_distance:.4f}); "
        f"{p.newly_dead:,} neurons are newly dead ({floor.newly_dead:,})."
    )
    notes = [
        f"Data: {c.dataset.source}; the first {c.drift.samples:,} test samples, {c.timesteps} timesteps.",
        f"{names[0]}: {c.a.runner.words}; {names[1]}: {c.b.runner.words}. The noise floor is the same measure between "
        f"two halves of the samples, both under {names[0]}.",
    ]
    sections = [*_sections(c, names, variants), _run(c, command)]
    return Page(f"Firing of {names[1]} against {names[0]}", summary, sections, names, notes)


def _variant(c: Comparison, side: Side) -> Variant:
    accuracy, cost = c.accuracy[side.name], c.drift.cost[0 if side is c.a else 1]
    size: dict[str, int] = {}
    if side.runner.program is not None:
        report = size_bits(side.runner.program)
        size = {part: bits for part, bits in report.parts.items() if bits}
    return Variant(
        side.name, accuracy.value, accuracy.low, accuracy.high, accuracy.n, side.runner.words,
        size=size,
        synops={} if side.synops is None else side.synops.by_layer,
        multiplies=[
            x.layer for x in (side.synops.layers if side.synops else ()) if x.kind == "multiply-accumulate"
        ],
        rates=side.counts.whole.rates,
        firing=None if side is c.a else c.drift.firing,
        floor=c.drift.halves if side is c.a else None,
        latency=cost.latency,
    )  # fmt: skip


def _sections(c: Comparison, names: tuple[str, str], variants: Sequence[Variant]) -> Iterator[Section]:
    rates = [side.counts.whole.rates for side in (c.a, c.b)]
    counts = [side.counts.whole.counts for side in (c.a, c.b)]
    layers = [x.layer for x in c.drift.firing.layers]
    entries = zip(c.drift.firing.layers, c.drift.halves.layers, strict=True)
    yield Section(
        "accuracy", "Results", "Intervals that overlap much are not told apart by these samples.",
        [charts.accuracy(variants)], wide=True, tables=[tables.results(variants)],
    )  # fmt: skip
    seed = c.drift.seed
    again = [] if seed is None else [_seeds(c)]
    yield Section(
        "drift", "Drift",
        "A paired distance far above the EMD means neurons swapped rates, which the EMD cannot see. The bar of "
        f"{names[0]} is the noise floor: one half of the samples against the other. Numbers: EMD · paired distance.",
        bars.drift(variants), wide=True, tables=[*tables.firing(variants), *again], legend=True,
    )  # fmt: skip
    yield Section(
        "rates", "Firing rates", "How many neurons fire at which rate. Small layers show each neuron.",
        charts.rates(variants), legend=True,
    )  # fmt: skip
    yield Section(
        "distributions", "Distributions", "The area between the two curves is the EMD.",
        [
            moved.distribution(x.layer, names, rates[0][x.layer], rates[1][x.layer], x.emd, floor.emd)
            for x, floor in entries
        ],
        legend=True,
    )  # fmt: skip
    yield Section(
        "moved", "Which neurons moved",
        "Each dot is a neuron; the mean distance from the diagonal is the paired distance. Neurons are drawn at even "
        "distances in their layer where there are many, newly dead ones always, as a red ×.",
        [moved.neurons(name, names, rates[0][name], rates[1][name]) for name in layers],
    )  # fmt: skip
    yield Section(
        "dead", "Dead neurons",
        f"One tile a channel, on these {c.drift.samples:,} samples. Red: newly dead, silent only in {names[1]}; blue: "
        f"silent only in {names[0]}; dark: silent in both.",
        [moved.dead_map(n, c.a.counts.shapes[n], dead(counts[0][n]), dead(counts[1][n])) for n in layers],
    )  # fmt: skip
    yield Section(
        "membranes", "Membrane potentials",
        f"All neurons at every timestep of the first {c.a.membranes.samples:,} samples, in bins of a twentieth of the "
        "threshold; what lies beyond -3..3 is in the end bins. A stored code is a peak at its level; "
        "what fired is shown before its reset. The scale is logarithmic.",
        [moved.membranes(n, names, c.a.membranes.counts[n], c.b.membranes.counts[n]) for n in layers],
        legend=True,
    )  # fmt: skip
    panels: list[Panel] = bars.synops(variants)
    if panels:
        yield Section(
            "cost", "Cost", "Synaptic operations of one inference, a mean over samples; latency is measured here.",
            panels, wide=True, tables=tables.costs(variants), legend=True,
        )  # fmt: skip


def _seeds(c: Comparison) -> Table:
    assert c.drift.seed is not None
    rows = [
        [
            x.layer,
            f"{x.rate_before:.4f} → {x.rate_after:.4f}",
            f"{x.dead_before:,} → {x.dead_after:,}",
            f"{x.emd:.4f}",
        ]
        for x in (*c.drift.seed.layers, c.drift.seed.pooled)
    ]
    title = f"Noise floor of seeds: {c.drift.seed.names[1]} against {c.a.name}"
    return Table(title, ("layer", "mean rate", "dead", "EMD"), rows)


def _run(c: Comparison, command: str) -> Section:
    rows = [
        ["command", command],
        ["data", c.dataset.source],
        ["timesteps", str(c.timesteps)],
        ["python", platform.python_version()],
        ["numpy", np.__version__],
        ["machine", platform.machine()],
    ]
    return Section(
        "run", "This comparison", "How to get this page again.", tables=[Table("", ("", ""), rows)]
    )
