"""Tables of the neuron study, as CSV and Markdown, and its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...measure import Interval, mean_interval, paired_interval
from ..claims import Trend
from ..grid import Finished
from ..networks import right_of
from ..report.content import Table
from ..report.style import short, size
from ..rows import Row, interval_text, mean_of, rows_of
from ..written import accuracy_line, cell_line, failures, summary_line, write_study
from .cells import NeuronCell
from .options import Options
from .work import TABLE

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
    """Every network: accuracy, what it sends, and what that costs."""
    lines: list[list[str]] = []
    for r in rows.values():
        operations, joules = (mean_of_record(r, "synops"), energy_of(r)) if r.done else (None, None)
        lines.append(
            [
                r.cell.neuron,
                bits_of(r.cell),
                f"{r.cell.timesteps} x {r.cell.substeps}",
                interval_text(r.interval) if r.done else "failed",
                "–" if not r.done else f"{mean_of_record(r, 'spikes'):,.0f}",
                "–" if operations is None else short(operations),
                "–" if joules is None else f"{joules / 1e3:,.1f}",
                "–" if r.bits is None else size(r.bits),
                r.exact,
            ]
        )
    heads = (
        "neuron", "bits", "T x substeps", "accuracy, % [95 % interval]", "spikes", "SynOps", "energy, nJ", "size",
        "integers",
    )  # fmt: skip
    return Table("Neurons side by side, an inference", heads, lines)


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
            if len(seeds) > 1:
                x, y = ([100 * r.record(s)["accuracy"] for s in seeds] for r in (a, b))
            else:
                x, y = ((100.0 * right_of(r.record(seeds[0]))).astype(np.float64).tolist() for r in (a, b))
            pairs = "seeds" if len(seeds) > 1 else "test samples"
            made.append(Trend("order", f"{worse} < {better}", bits or 32, paired_interval(x, y), pairs))
    return made


def order_table(rows: Rows) -> list[Table]:
    """Whether it holds."""
    lines = [
        [
            t.name,
            "fp32" if t.bits == 32 else f"{t.bits}/{t.bits}",
            interval_text(t.difference),
            t.pairs,
            t.verdict,
        ]
        for t in order(rows)
    ]
    heads = ("claim", "bits", "points gained [95 % interval]", "pairs", "verdict")
    return [Table("The paper's order of neurons", heads, lines)] if lines else []


def statistics(rows: Rows) -> list[Table]:
    """Outputs under the norms' statistics of a training batch and of inference, where they differ most."""
    lines: list[list[str]] = []
    for r in rows.values():
        if not r.done:
            continue
        layers = r.record(min(r.done))["statistics"]
        worst = max(layers, key=lambda n: abs(layers[n]["training"] - layers[n]["inference"]))
        a, b = layers[worst]["training"], layers[worst]["inference"]
        change = "–" if not a else f"{100 * (b / a - 1):+.1f} %"
        lines.append([r.cell.neuron, bits_of(r.cell), worst, f"{a:.4f}", f"{b:.4f}", change])
    heads = ("neuron", "bits", "layer", "in training", "in inference", "change")
    return [
        Table("Mean outputs by the norms' statistics: the layer that changes most, first seed", heads, lines)
    ]


def notes(rows: Rows, options: Options) -> list[str]:
    """What the numbers are of."""
    done = [r for r in rows.values() if r.done]
    cell = next(iter(rows.values())).cell
    data = done[0].record(min(done[0].done))["data"] if done else cell.dataset
    return [
        f"Data: {data}. Network: {cell.model}, its neurons replaced. {cell.epochs} epochs of each training in "
        f"batches of {cell.batch_size}; models are chosen on validation samples. beta starts from {cell.beta:g}, D is "
        f"{cell.spikes}.",
        "T x substeps is the length of an inference in binary spikes. Integer neurons send D of them in a timestep, "
        "ordinary ones one; of static samples all networks have as many substeps.",
        "Spikes are those that are sent, without shifts; operations are additions of the unfolded program. Energy is "
        f"exact counts times the table {TABLE}: an estimate of a machine, in floating point for full precision.",
        "Quantized networks go on from full precision for as many epochs, with weights and membrane potentials of so "
        "many bits, threshold-centred, finest at the threshold (compander), reaching as far below rest as "
        "training samples ask for, and stored after reset. Both forms, integers and binary spikes, are compared in "
        "torch and in two engines.",
    ]


def summary_of(rows: Rows, options: Options) -> list[dict[str, Any]]:
    """The summary: accuracies and differences in points, spikes and operations of an inference."""
    command = options.command()

    def line(name: str, i: Interval) -> dict[str, Any]:
        return summary_line(name, i, command)

    made: list[dict[str, Any]] = []
    for r in rows.values():
        if r.interval is None:
            continue
        made.append(line(r.name, r.interval))
        for what in ("spikes", "synops"):
            values = [r.record(s)[what] for s in sorted(r.done)]
            if all(v is not None for v in values):
                made.append(line(f"{r.name}/{what}", mean_interval(values)))
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
    parts = [*notes(rows, options), *tables(rows), *failures(rows)]
    lines = [_line(r) for r in rows.values()]
    write_study(out, options.command(), parts, lines, [_cell_line(f) for f in finished], summary)
    return summary


def _line(r: Row[NeuronCell]) -> dict[str, Any]:
    return {
        **accuracy_line(r), "neuron": r.cell.neuron, "bits": r.cell.bits, "timesteps": r.cell.timesteps,
        "substeps": r.cell.substeps, "spikes": mean_of_record(r, "spikes"), "synops": mean_of_record(r, "synops"),
        "energy_pJ": energy_of(r), "packed_bits": r.bits, "emd": r.drift("emd"),
        "paired_distance": r.drift("paired_distance"),
    }  # fmt: skip


def _cell_line(f: Finished) -> dict[str, Any]:
    assert isinstance(f.cell, NeuronCell)
    record = f.record or {}
    energy = record.get("energy")
    measured = {"spikes": record.get("spikes"), "synops": record.get("synops")}
    joules = None if energy is None else energy["per_inference"]["value"]
    return cell_line(f, asdict(f.cell), {**measured, "energy_pJ": joules})
