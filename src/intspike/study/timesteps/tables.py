"""Tables of the timestep study, and the sentences beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...measure import Interval, mean_interval
from .. import drifted
from ..report.content import Table
from ..report.style import short, size
from ..rows import Row, interval_text
from .cells import TimestepCell
from .growth import growth, spikes_per_step
from .options import Options
from .rivals import claim, rival_table
from .saturation import Exit, Rows, Saturation, chosen_exits, curves, one_training, saturations, spiking
from .work import TABLE

Latencies = Mapping[str, Mapping[str, Any]]


def tables(rows: Rows, latency: Latencies, options: Options) -> list[Table]:
    """Accuracy trained and tested at each T, saturation, costs, early exits; means over seeds."""
    return [
        crossed(rows, options),
        saturation_table(saturations(rows, options.within), options),
        costs(rows, latency),
        *artificial(rows),
        *rival_table(rows),
        exit_table(chosen_exits(rows, options.exit), options),
        growth_table(rows),
        *drifted.table(rows),
    ]


def accuracy_at(r: Row[TimestepCell], t: int) -> Interval:
    """Mean over seeds and its interval, in per cent."""
    return mean_interval([100 * r.record(s)["accuracies"][str(t)] for s in sorted(r.done)]).within(0, 100)


def mean_at(r: Row[TimestepCell], what: str, t: int) -> float | None:
    """Synaptic operations, or the value of the energy in picojoules, of an inference; a mean over seeds."""
    found = [_cost(r.record(s), what, t) for s in sorted(r.done)]
    known = [x for x in found if x is not None]
    return sum(known) / len(known) if known else None


def _cost(record: Mapping[str, Any], what: str, t: int) -> float | None:
    if record[what] is None:
        return None
    if what == "synops":
        return float(record[what][str(t)])
    return float(record[what]["per_inference"][str(t)]["value"])


def crossed(rows: Rows, options: Options) -> Table:
    """Every network at every T."""
    lines = [
        [
            r.cell.training.replace("T", "T = ") if len(r.cell.trained) == 1 else "random T",
            _bits(r.cell),
            *(interval_text(accuracy_at(r, t)) if r.done else "failed" for t in options.timesteps),
        ]
        for r in spiking(rows).values()
    ]
    heads = ("trained at", "bits", *(f"T = {t}" for t in options.timesteps))
    return Table("Tested at each T, accuracy in % [95 % interval]", heads, lines)


def saturation_table(found: Sequence[Saturation], options: Options) -> Table:
    """From which T on more do not pay."""
    lines = [
        [
            s.curve,
            str(s.timesteps),
            str(s.low) if s.low == s.high else f"{s.low} to {s.high}",
            f"{s.accuracy:.2f}",
            f"{s.best:.2f}",
        ]
        for s in found
    ]
    heads = ("networks", "T", "95 % interval", "accuracy, %", "best, %")
    return Table(f"Within {options.within:g} points of the best: the smallest T", heads, lines)


def costs(rows: Rows, latency: Latencies) -> Table:
    """What an inference costs at each T."""
    lines: list[list[str]] = []
    for curve, by_t in curves(rows).items():
        for t, r in sorted(by_t.items()):
            if not r.done:
                continue
            operations, energy = (mean_at(r, what, t) for what in ("synops", "energy"))
            timed = latency.get(r.name, {}).get(str(t))
            lines.append(
                [
                    curve,
                    str(t),
                    f"{accuracy_at(r, t).value:.2f}",
                    f"{spikes(r, t):,.0f}",
                    "–" if operations is None else short(operations),
                    "–" if energy is None else f"{energy / 1e3:,.1f}",
                    "–" if timed is None else f"{timed['one'][0]:.3f}",
                    "–" if timed is None else f"{timed['many']:.3f}",
                    "–" if r.bits is None else size(r.bits),
                ]
            )
    heads = (
        "networks", "T", "accuracy, %", "spikes", "SynOps", f"energy, nJ ({TABLE})", "latency, ms", "ms of 128 at once",
        "packed",
    )  # fmt: skip
    return Table("An inference at each T", heads, lines)


def artificial(rows: Rows) -> list[Table]:
    """Artificial networks of the same layers; nothing where none is asked for."""
    lines = [
        [
            _bits(r.cell),
            interval_text(r.interval),
            "–" if (e := ann_energy(r)) is None else f"{e / 1e3:,.1f}",
        ]
        for r in rows.values()
        if not r.cell.trained
    ]
    heads = ("weights and activations", "accuracy, % [95 % interval]", f"energy, nJ ({TABLE})")
    return [Table("Artificial networks of the same layers, no timesteps", heads, lines)] if lines else []


def ann_energy(r: Row[TimestepCell]) -> float | None:
    """Of an inference of an artificial network, in picojoules."""
    found = r.record(min(r.done))["energy"]["per_inference"] if r.done else None
    return None if found is None else float(found["value"])


def spikes(r: Row[TimestepCell], t: int) -> float:
    """Spikes of all neurons in an inference of t timesteps, a mean over seeds."""
    each = [sum(sum(x[:t]) for x in r.record(s)["spikes_per_step"].values()) for s in sorted(r.done)]
    return sum(each) / len(each)


def growth_table(rows: Rows) -> Table:
    """Whether spikes grow in proportion to T, and from which timestep on."""
    lines: list[list[str]] = []
    for r in one_training(rows):
        found = growth(spikes_per_step(r))
        if found is None:
            lines.append([r.name, "no line", "–", "–", "–"])
        else:
            said = (
                f"t = {found.start}",
                f"{found.slope:,.1f}",
                f"{found.offset:+,.1f}",
                f"{100 * found.worst:.2f}",
            )
            lines.append([r.name, *said])
    heads = ("network", "linear from", "spikes a timestep", "offset, spikes", "worst departure, % of all")
    return Table("Spikes of a sample after t timesteps: a line behind the start-up", heads, lines)


def exit_table(found: Sequence[Exit], options: Options) -> Table:
    """Early exits whose margin loses at most so much on validation samples."""
    lines = [
        [
            e.row,
            f"{e.margin:.1f}",
            f"{e.timesteps:.2f}",
            f"{e.accuracy:.2f}",
            f"{e.full:.2f}",
            f"{e.accuracy - e.full:+.2f}",
        ]
        for e in found
    ]
    heads = (
        "network",
        "margin, spikes",
        "mean T",
        "accuracy, %",
        f"all {options.timesteps[-1]} timesteps, %",
        "points",
    )
    return Table(f"Early exit, at most {options.exit:g} points lost on validation samples", heads, lines)


def notes(rows: Rows, options: Options) -> list[str]:
    """What a reader must know."""
    cell = next(iter(rows.values())).cell
    record = next((dict(r.record(min(r.done))) for r in rows.values() if r.done), None)
    data = "none finished" if record is None else f"{record['data']}; {record['n']:,} test samples"
    return [
        f"Data: {data}. Network: {cell.model}. {cell.epochs} epochs of each training in batches of {cell.batch_size}"
        f"{', augmented samples' if cell.augmented else ''}"
        f"{'' if cell.encode == 'direct' else f', {cell.encode} encoding'}. Models are chosen on validation samples "
        "at the T of their training, of random T at the largest.",
        "Quantized networks go on from full precision for as many epochs, with weights and membrane potentials of so "
        "many bits, threshold-centred and stored after reset. At random T each batch draws one of the T.",
        "A run of T timesteps is the beginning of every longer one, so one run tests all T. The saturation point is "
        "resampled over test samples 1,000 times.",
        f"Energy is exact counts of operations times the table {TABLE}: an estimate of a machine, in floating point "
        "for full precision. Latency is the native engine's on this machine at one moment, one thread.",
        "Artificial networks have the same layers with rectified numbers in place of spikes, run once; their energy is "
        "that of multiply-accumulates of the same widths. Equal information is as many levels as the largest T of the "
        "trainings has counts.",
        *claim(rows),
        "Early exit stops where the winner leads by a margin of spikes that was chosen on validation samples.",
    ]


def recommendations(found: Sequence[Saturation], within: float) -> list[str]:
    """A sentence a curve."""
    return [
        f"{s.curve[0].upper()}{s.curve[1:]}: T = {s.timesteps} is within {within:g} points of the best "
        f"({s.accuracy:.2f} of {s.best:.2f} %)."
        for s in found
    ]


def _bits(c: TimestepCell) -> str:
    return f"{c.bits}/{c.activation_bits}" if c.bits else "full precision"
