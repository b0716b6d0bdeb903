"""Tables of the drift study, as CSV and Markdown, and its summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...measure import FiringReport, Interval, mean_interval
from ..claims import Trend, verdicts
from ..grid import Finished
from ..report.content import Table
from ..report.style import size
from ..rows import Row, interval_text, mean_of, rows_of
from ..written import accuracy_line, cell_line, failures, summary_line, write_study
from .cells import STATES, WEIGHTS, DriftCell
from .claims import CLAIMS, Rows, trends
from .diagnostic import MEASURES, Diagnostic, diagnostics
from .options import Options

CELL = "accuracy in %, EMD, paired distance"


def tables(rows: Rows, floors: Sequence[FiringReport], options: Options) -> list[Table]:
    """Full precision and its noise, weights by range, states, both; means over seeds."""
    made = [_full(rows), noise(rows, floors)]
    if "weights" in options.parts:
        made.append(_weights(rows, options))
    if "states" in options.parts:
        made.append(_states(rows, options))
    if {"both", "near"} & set(options.parts):
        made.append(_both(rows))
    return made


def _full(rows: Rows) -> Table:
    words = {"fp": "full precision", "continued": "full precision, trained on for as long as QAT"}
    made = [
        [words[r.cell.scheme], interval_text(r.interval), str(len(r.done))]
        for r in rows.values()
        if r.cell.scheme in words
    ]
    return Table("Full precision", ("network", "accuracy, % [95 % interval]", "seeds"), made)


def noise(rows: Rows, floors: Sequence[FiringReport]) -> Table:
    """What the measures are where nothing was quantized."""
    on = next((r for r in rows.values() if r.cell.scheme == "continued" and r.drifts), None)
    lines: list[list[str]] = []
    if on is not None:
        for name, measure in (("two halves of the test samples", on.drift_floor), ("trained on", on.drift)):
            distances = [_number(measure(m)) for m in ("emd", "paired_distance")]
            lines.append([name, *distances, _count(measure("newly_dead"))])
    if floors:
        between = mean_of([f.pooled.emd for f in floors])
        lines.append(["another seed", _number(between), "–", "–"])
    return Table(
        "Noise floor, all neurons pooled", ("between", "EMD", "paired distance", "newly dead"), lines
    )


def _weights(rows: Rows, options: Options) -> Table:
    found = {
        (r.cell.scheme, r.cell.weight, r.cell.clip, r.cell.weight_bits): r for r in _alone(rows, "weight")
    }
    lines = [
        [
            f"{weight}, {scheme.upper()}, {'its own range' if clip is None else f'{clip:g} deviations'}",
            *(_three(found.get((scheme, weight, clip, b))) for b in options.weight_bits),
        ]
        for weight, schemes in WEIGHTS.items()
        if weight in options.weights
        for scheme in schemes
        for clip in (None, *options.clips)
    ]
    heads = ("weights", *map(_bits, options.weight_bits))
    return Table(f"Weights quantized, by range: {CELL}", heads, lines)


def _states(rows: Rows, options: Options) -> Table:
    found = {(r.cell.scheme, r.cell.state, r.cell.state_bits): r for r in _alone(rows, "state")}
    lines = [
        [
            f"{state}, {scheme.upper()}",
            *(_three(found.get((scheme, state, b))) for b in options.state_bits),
        ]
        for state, schemes in STATES.items()
        if state in options.states
        for scheme in schemes
    ]
    heads = ("states", *map(_bits, options.state_bits))
    return Table(f"Membrane potentials quantized: {CELL}", heads, lines)


def _bits(count: int) -> str:
    return "1 bit" if count == 1 else f"{count} bits"


def _alone(rows: Rows, what: str) -> list[Row[DriftCell]]:
    other = "state" if what == "weight" else "weight"
    return [r for r in rows.values() if getattr(r.cell, what) and not getattr(r.cell, other)]


def _both(rows: Rows) -> Table:
    lines = [
        [
            f"{r.cell.state}, {r.cell.scheme.upper()}"
            + (f", near {r.cell.teacher}" if r.cell.teacher else ""),
            f"{r.cell.weight_bits}/{r.cell.state_bits}",
            interval_text(r.interval),
            _number(r.drift("emd")),
            _number(r.drift("paired_distance")),
            _count(r.drift("newly_dead")),
            r.exact,
        ]
        for r in rows.values()
        if r.cell.integer
    ]
    heads = ("states", "bits", "accuracy, %", "EMD", "paired distance", "newly dead", "integers")
    return Table("Weights and membrane potentials quantized, lowered and verified", heads, lines)


def details(rows: Rows) -> Table:
    """Every row: each seed, firing, size."""
    lines = [
        [
            r.name,
            interval_text(r.interval),
            _number(r.drift("emd")),
            _number(r.drift("paired_distance")),
            _number(r.drift("correlation")),
            _count(r.drift("newly_dead")),
            "–" if r.synops_change is None else f"{100 * r.synops_change:+.1f} %",
            "–" if r.bits is None else size(r.bits),
            str(len(r.done)) + (f", {len(r.failed)} failed" if r.failed else ""),
        ]
        for r in rows.values()
    ]
    heads = (
        "network",
        "accuracy, %",
        "EMD",
        "paired",
        "correlation",
        "newly dead",
        "SynOps",
        "packed",
        "seeds",
    )
    return Table("Every network", heads, lines)


def claim_table(found: Sequence[Trend], claim: str) -> Table:
    """One comparison a line."""
    lines = [
        [t.name, str(t.bits), _interval(t.difference), str(t.difference.n), t.verdict]
        for t in found
        if t.claim == claim
    ]
    heads = ("quantized", "bits", "margin [95 % interval]", "seeds", "verdict")
    return Table(f"Claim: {CLAIMS[claim]}", heads, lines)


def diagnostic_table(found: Sequence[Diagnostic]) -> Table:
    """Rank correlations of drift with the accuracy that was lost."""
    lines = [
        [
            d.group,
            str(d.networks),
            *(_interval(d.correlation[m]) for m in MEASURES),
            _interval(d.better),
        ]
        for d in found
    ]
    heads = ("networks", "number", *MEASURES.values(), "paired minus EMD")
    return Table("Spearman correlation with the accuracy lost [95 % interval]", heads, lines)


def notes(rows: Rows, options: Options) -> list[str]:
    """What a reader must know."""
    cell = next(iter(rows.values())).cell
    record = next((dict(r.record(min(r.done))) for r in rows.values() if r.done), None)
    data = "none finished" if record is None else f"{record['data']}; {record['n']:,} test samples"
    return [
        f"Data: {data}. Network: {cell.model}. T = {cell.timesteps}, {cell.epochs} epochs of each training in batches "
        f"of {cell.batch_size}{', augmented samples' if cell.augmented else ''}. Models are chosen on "
        "validation samples.",
        "EMD and paired distance compare firing rates with the full-precision network of the same seed, on all test "
        "samples, all neurons pooled, in spikes per timestep. Weights alone and states alone leave the other in full "
        "precision.",
        f"States are stored {options.codec.replace('-', ' ')}. Uniform signed states cover -1..1 thresholds "
        "(before reset -2..2), unsigned ones the part above rest; calibrated ones reach up to 32 times further in each "
        "layer, whichever keep most spikes of training samples as they are in full precision.",
        f"Networks near emd or paired are trained with {options.strength:g} times that distance to the rates of full "
        "precision in their loss.",
    ]


def summary_of(
    rows: Rows, found: Sequence[Trend], told: Sequence[Diagnostic], options: Options
) -> list[dict[str, Any]]:
    """The summary: accuracies in per cent, pooled drift, margins of claims, correlations."""
    command = options.command()
    made: list[dict[str, Any]] = []

    def add(name: str, i: Interval, goal: str | None = None) -> None:
        made.append(summary_line(name, i, command, goal))

    for r in rows.values():
        if r.interval is not None:
            add(r.name, r.interval)
        if r.drifts:
            for measure in ("emd", "paired_distance"):
                add(f"{r.name}/{measure}", mean_interval([d["pooled"][measure] for d in r.drifts]))
    dataset = next(iter(rows.values())).cell.dataset
    for t in found:
        add(
            f"{dataset}/{t.claim}/{t.name.lower().replace(', ', '-').replace(' ', '-')}-{t.bits}",
            t.difference,
            ">= 0",
        )
    for d in told:
        for measure, i in d.correlation.items():
            add(f"{dataset}/rank-correlation/{d.group.lower()}/{measure}", i)
    return made


def write_tables(
    finished: Sequence[Finished], floors: Sequence[FiringReport], options: Options, out: Path
) -> list[dict[str, Any]]:
    """table.md, table.csv (a line a row), cells.csv (a line a cell) and summary.json; returns the summary."""
    rows = rows_of(finished, DriftCell)
    found, told = trends(rows), diagnostics(rows)
    summary = summary_of(rows, found, told, options)
    parts = [*notes(rows, options), *tables(rows, floors, options)]
    for claim in CLAIMS:
        if any(t.claim == claim for t in found):
            parts += [claim_table(found, claim), f"This claim {verdicts(found, claim)}."]
    if told:
        parts.append(diagnostic_table(told))
    parts += [details(rows), *failures(rows)]
    lines = [_line(r) for r in rows.values()]
    write_study(out, options.command(), parts, lines, [_cell_line(f) for f in finished], summary)
    return summary


def _line(r: Row[DriftCell]) -> dict[str, Any]:
    return {
        **accuracy_line(r),
        **{m: r.drift(m) for m in ("emd", "paired_distance", "newly_dead", "correlation")},
        "synops_change": r.synops_change,
        "integers_compared": r.compared if r.cell.integer else None,
        "packed_bits": r.bits,
    }


def _cell_line(f: Finished) -> dict[str, Any]:
    assert isinstance(f.cell, DriftCell)
    pooled = (f.record or {}).get("drift", {}).get("pooled", {})
    drift = {k: pooled.get(k) for k in ("emd", "paired_distance", "newly_dead", "correlation")}
    return cell_line(f, asdict(f.cell), drift)


def _three(r: Row[DriftCell] | None) -> str:
    if r is None:
        return "–"
    if r.interval is None:
        return f"failed ({len(r.failed)})"
    return f"{r.interval.value:.2f}, {_number(r.drift('emd'))}, {_number(r.drift('paired_distance'))}"


def _number(x: float | None) -> str:
    return "–" if x is None else f"{x:.4f}"


def _count(x: float | None) -> str:
    return "–" if x is None else f"{x:.1f}"


def _interval(i: Interval) -> str:
    spread = "" if i.low is None or i.high is None else f" [{i.low:.3f}, {i.high:.3f}]"
    return f"{i.value:.3f}{spread}"
