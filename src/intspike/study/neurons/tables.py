"""Tables of the neuron study, as CSV and Markdown, and its summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...measure import Interval, mean_interval
from ..claims import Trend
from ..grid import Finished
from ..report.content import Table
from ..report.style import short, size
from ..rows import Row, mean_of, rows_of
from ..written import accuracy_line, cell_line, failures, summary_line, write_study
from .cells import NeuronCell
from .notes import notes
from .options import Options
from .scores import above_full, gained, interval, score_of

Rows = Mapping[str, Row[NeuronCell]]
ORDER = (("LIF", "I-LIF"), ("I-LIF", "NASN"), ("LIF", "NASN"))  # the paper's, worse first


def tables(rows: Rows) -> list[Table]:
    """Accuracy and cost, drift, the paper's order, what was learned; means over seeds."""
    return [costs(rows), *drifts(rows), *order_table(rows), *statistics(rows)]


def mean_of_record(r: Row[NeuronCell], name: str) -> float | None:
    """A number that cells record, its mean over seeds."""
    return mean_of([r.record(s)[name] for s in sorted(r.done)])


def energy_of(r: Row[NeuronCell]) -> float | None:
    """Picojoules of an inference, a mean over seeds."""
    found = [r.record(s)["energy"] for s in sorted(r.done)]
    return mean_of([None if e is None else e["per_inference"]["value"] for e in found])


def bits_of(c: NeuronCell) -> str:
    return f"{c.bits}/{c.bits}" if c.bits else "fp32"


def costs(rows: Rows) -> Table:
    """Every network: how well it does, what it sends, and what that costs; beside baselines, how large it is."""
    baselines = any(r.cell.baseline for r in rows.values())
    score = score_of(next(iter(rows.values())).cell)
    lines: list[list[str]] = []
    for r in rows.values():
        c = r.cell
        joules = energy_of(r) if r.done else None
        lines.append(
            [
                c.neuron,
                bits_of(c),
                "–" if c.baseline else f"{c.timesteps} x {c.substeps}",
                score.text(interval(r)) if r.done else "failed",
                _mean(r, "spikes", "{:,.0f}".format),
                _mean(r, "synops", short),
                "–" if joules is None else f"{joules / 1e3:,.1f}",
                "–" if r.bits is None else size(r.bits),
                "–" if c.baseline else r.exact,
                *([_mean(r, "parameters", "{:,.0f}".format), _seconds(r)] if baselines else []),
            ]
        )
    heads = (
        "neuron", "bits", "T x substeps", f"{score.name} [95 % interval]", "spikes", "SynOps", "energy, nJ", "size",
        "integers", *(("parameters", "training, s") if baselines else ()),
    )  # fmt: skip
    return Table("Neurons side by side, an inference", heads, lines)


def _mean(r: Row[NeuronCell], name: str, shown: Callable[[float], str]) -> str:
    value = mean_of_record(r, name) if r.done else None
    return "–" if value is None else shown(value)


def _seconds(r: Row[NeuronCell]) -> str:
    """Seconds that a training took, a mean over seeds."""
    found = mean_of([r.record(s)["seconds"]["train"] for s in sorted(r.done)])
    return "–" if found is None else f"{found:,.0f}"


def drifts(rows: Rows) -> list[Table]:
    """How far quantization moved the firing of each network."""
    lines = [
        [
            r.cell.neuron,
            bits_of(r.cell),
            f"{r.drift('rate_before'):.4f} → {r.drift('rate_after'):.4f}",
            f"{r.drift('emd'):.4f} [{r.drift_floor('emd'):.4f}]",
            f"{r.drift('paired_distance'):.4f} [{r.drift_floor('paired_distance'):.4f}]",
            "–" if r.synops_change is None else f"{100 * r.synops_change:+.1f} %",
        ]
        for r in rows.values()
        if r.drifts
    ]
    heads = ("neuron", "bits", "mean rate", "EMD [noise floor]", "paired distance [noise floor]", "SynOps")
    return [Table("Firing drift against full precision", heads, lines)] if lines else []


def order(rows: Rows) -> list[Trend]:
    """The paper's order, as paired differences at each number of bits."""
    made: list[Trend] = []
    found = {(r.cell.neuron, r.cell.bits): r for r in rows.values()}
    for worse, better in ORDER:
        for bits in dict.fromkeys(r.cell.bits for r in rows.values()):
            a, b = found.get((worse, bits)), found.get((better, bits))
            seeds = sorted(set(a.done) & set(b.done)) if a is not None and b is not None else []
            if a is None or b is None or not seeds:
                continue
            pairs = "seeds" if len(seeds) > 1 else score_of(a.cell).pairs
            made.append(Trend("order", f"{worse} < {better}", bits or 32, gained(a, b, seeds), pairs))
    return made


def order_table(rows: Rows) -> list[Table]:
    """Whether it holds."""
    score = score_of(next(iter(rows.values())).cell)
    lines = [
        [
            t.name,
            "fp32" if t.bits == 32 else f"{t.bits}/{t.bits}",
            score.text(t.difference),
            t.pairs,
            t.verdict,
        ]
        for t in order(rows)
    ]
    heads = ("claim", "bits", f"{score.gained} [95 % interval]", "pairs", "verdict")
    return [Table("The paper's order of neurons", heads, lines)] if lines else []


def statistics(rows: Rows) -> list[Table]:
    """Outputs under the norms' statistics of a training batch and of inference, where they differ most."""
    lines: list[list[str]] = []
    for r in rows.values():
        layers = r.record(min(r.done))["statistics"] if r.done else {}
        if not layers:
            continue
        worst = max(layers, key=lambda n: abs(layers[n]["training"] - layers[n]["inference"]))
        a, b = layers[worst]["training"], layers[worst]["inference"]
        change = "–" if not a else f"{100 * (b / a - 1):+.1f} %"
        lines.append([r.cell.neuron, bits_of(r.cell), worst, f"{a:.4f}", f"{b:.4f}", change])
    heads = ("neuron", "bits", "layer", "in training", "in inference", "change")
    return [
        Table("Mean outputs by the norms' statistics: the layer that changes most, first seed", heads, lines)
    ]


def summary_of(rows: Rows, options: Options) -> list[dict[str, Any]]:
    """The summary: scores and their differences, spikes and operations of an inference."""
    command = options.command()

    def line(name: str, i: Interval, goal: str | None = None) -> dict[str, Any]:
        return summary_line(name, i, command, goal)

    made: list[dict[str, Any]] = []
    for r in rows.values():
        found = interval(r)
        if found is None:
            continue
        made.append(line(r.name, found))
        for what in ("spikes", "synops"):
            values = [r.record(s)[what] for s in sorted(r.done)]
            if all(v is not None for v in values):
                made.append(line(f"{r.name}/{what}", mean_interval(values)))
        full = next((f for f in rows.values() if r.cell.parent and f.cell.row == r.cell.parent.row), None)
        above = above_full(full, r) if full is not None else None
        if above is not None:
            made.append(line(f"{r.name}/above-full-precision", above, "<= 5.0"))
    dataset = next(iter(rows.values())).cell.dataset
    made += [
        line(f"{dataset}/order/{t.name.replace(' < ', '-before-')}/{t.bits}-{t.bits}", t.difference)
        for t in order(rows)
    ]
    return made


def write_tables(finished: Sequence[Finished], options: Options, out: Path) -> list[dict[str, Any]]:
    """table.md, table.csv (a line a row), cells.csv (a line a cell) and summary.json; returns the summary."""
    rows = rows_of(finished, NeuronCell)
    summary = summary_of(rows, options)
    parts = [*notes(rows), *tables(rows), *failures(rows)]
    lines = [_line(r) for r in rows.values()]
    write_study(out, options.command(), parts, lines, [_cell_line(f) for f in finished], summary)
    return summary


def _line(r: Row[NeuronCell]) -> dict[str, Any]:
    return {
        **_scored(r), "neuron": r.cell.neuron, "bits": r.cell.bits, "timesteps": r.cell.timesteps,
        "substeps": r.cell.substeps, "spikes": mean_of_record(r, "spikes"), "synops": mean_of_record(r, "synops"),
        "energy_pJ": energy_of(r), "packed_bits": r.bits, "parameters": mean_of_record(r, "parameters"),
        "emd": r.drift("emd"), "paired_distance": r.drift("paired_distance"),
    }  # fmt: skip


def _scored(r: Row[NeuronCell]) -> dict[str, Any]:
    """How a line of table.csv begins."""
    score = score_of(r.cell)
    if score.key == "accuracy":
        return accuracy_line(r)
    i = interval(r)
    numbers = (None, None, None) if i is None else (i.value, i.low, i.high)
    rounded = [None if x is None else round(x, 4) for x in numbers]
    return {
        "name": r.name,
        **dict(zip((score.key, "low", "high"), rounded, strict=True)),
        "seeds": len(r.done),
        "failed": len(r.failed),
    }


def _cell_line(f: Finished) -> dict[str, Any]:
    assert isinstance(f.cell, NeuronCell)
    record = f.record or {}
    energy = record.get("energy")
    names = (*(("bits_per_character",) if f.cell.language else ()), "parameters", "synops")
    measured = {name: record.get(name) for name in names} | {"spikes_sent": record.get("spikes")}
    joules = None if energy is None else energy["per_inference"]["value"]
    return cell_line(f, asdict(f.cell), {**measured, "energy_pJ": joules})
