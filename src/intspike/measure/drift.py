"""Firing drift: how differently a changed network fires, beside what the same measures show where nothing changed.

A number of drift means little alone. Beside each stands its *noise floor*: the same measure between two halves of the
samples under the unchanged network, and, where there is one, between two trainings that differ in their seed.
The measures are those of `firing_report`; all are exact integers or fractions that are rounded once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput
from .firing import FiringReport, LayerFiring, firing_report
from .halves import HalvedCounts, same_shapes
from .latency import Latency
from .synops import SynOps

UNPAIRED = ("newly_dead", "paired_distance", "correlation")
"""Measures that compare a neuron with itself. Two trainings number neurons differently: there they say nothing."""


@dataclass(frozen=True)
class Cost:
    """What one inference of a network costs; None where it was not measured.

    Attributes:
        synops: synaptic operations, counted.
        latency: of its program on the native engine.
    """

    synops: SynOps | None = None
    latency: Latency | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for a summary."""
        return {
            "synops_per_inference": None if self.synops is None else self.synops.per_inference,
            "latency": None if self.latency is None else self.latency.to_dict(),
        }


@dataclass(frozen=True)
class Drift:
    """Firing of network B against network A on the same samples, and the noise floor of every number.

    Attributes:
        firing: B against A, layer by layer and pooled.
        halves: one half of the samples against the other, both under A. A half holds half the samples and is compared
            with others, while A and B see the same ones: it is a cautious floor.
        seed: another training of A, with another seed, against A; None where there is none. Its measures of single
            neurons (`UNPAIRED`) say nothing.
        samples: how many both networks ran on.
        cost: what an inference of A and of B costs.
    """

    firing: FiringReport
    halves: FiringReport
    seed: FiringReport | None
    samples: int
    cost: tuple[Cost, Cost] = (Cost(), Cost())

    @property
    def pooled(self) -> LayerFiring:
        """All neurons of all layers."""
        return self.firing.pooled

    def rows(self) -> Iterator[tuple[LayerFiring, LayerFiring, LayerFiring | None]]:
        """Each layer and then all pooled: (drift, floor of halves, floor of a second seed)."""
        reports = [self.firing, self.halves, *([] if self.seed is None else [self.seed])]
        for entries in zip(*((*r.layers, r.pooled) for r in reports), strict=True):
            yield entries[0], entries[1], entries[2] if self.seed is not None else None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for a summary: those of the firing report, `noise_floor`, `samples` and `cost`."""
        floor: dict[str, Any] = {"halves": self.halves.to_dict()}
        if self.seed is not None:
            floor["seed"] = without_pairs(self.seed)
        cost = {name: c.to_dict() for name, c in zip(("before", "after"), self.cost, strict=True)}
        return {**self.firing.to_dict(), "samples": self.samples, "noise_floor": floor, "cost": cost}

    def __str__(self) -> str:
        before, after = self.firing.names
        lines = [
            f"firing drift of {after} against {before}, {self.samples:,} samples",
            f"in brackets: the same measure between the two halves of the samples under {before}",
        ]
        width = max(len(x.layer) for x in (*self.firing.layers, self.pooled))
        heads = ("newly dead", "EMD", "paired", "correlation")
        head = f"{'layer':{width}}  neurons  rate A  rate B  dead A  dead B"
        lines.append(head + "".join(f"  {h:>15}" for h in heads))
        for x, floor, _ in self.rows():
            beside = (
                f"{x.newly_dead} ({floor.newly_dead})",
                f"{x.emd:.4f} ({floor.emd:.4f})",
                f"{x.paired_distance:.4f} ({floor.paired_distance:.4f})",
                f"{_short(x.correlation)} ({_short(floor.correlation)})",
            )
            lines.append(
                f"{x.layer:{width}}  {x.neurons:7}  {x.rate_before:6.4f}  {x.rate_after:6.4f}  {x.dead_before:6}  "
                f"{x.dead_after:6}" + "".join(f"  {text:>15}" for text in beside)
            )
        if self.seed is not None:
            lines.append(
                f"EMD between {before} and {self.seed.names[1]}: {self.seed.pooled.emd:.4f} (pooled)"
            )
        return "\n".join([*lines, *self.costs()])

    def costs(self) -> list[str]:
        """What an inference costs before and after, one line a measured quantity."""
        a, b = self.cost
        lines: list[str] = []
        if a.synops is not None and b.synops is not None:
            lines.append(
                f"synaptic operations per inference: {a.synops.per_inference:,.1f} -> "
                f"{b.synops.per_inference:,.1f}{_change(a.synops.per_inference, b.synops.per_inference)}"
            )
        if b.latency is not None:
            first = "" if a.latency is None else f"{a.latency} -> "
            change = "" if a.latency is None else _change(a.latency.median, b.latency.median)
            lines.append(f"latency of one inference, native engine: {first}{b.latency}{change}")
        return lines


def _short(correlation: float | None) -> str:
    return "-" if correlation is None else f"{correlation:.3f}"


def _change(a: float, b: float) -> str:
    return f" ({100 * (b - a) / a:+.1f} %)" if a else ""


def without_pairs(report: FiringReport) -> dict[str, Any]:
    """A report of two trainings as plain numbers, without the measures that need the same neuron on both sides."""
    made = report.to_dict()
    for entry in (*made["layers"].values(), made["pooled"]):
        for name in UNPAIRED:
            del entry[name]
    return made


def drift(
    before: HalvedCounts,
    after: HalvedCounts,
    *,
    second: HalvedCounts | None = None,
    names: tuple[str, str] = ("A", "B"),
    spikes: int | Mapping[str, int] = 1,
    cost: tuple[Cost, Cost] = (Cost(), Cost()),
) -> Drift:
    """Compare the firing of two networks of one architecture on the same samples.

    EMD = integral of |F_A(r) - F_B(r)| over rates r, F the share of neurons with a rate of at most r; paired distance =
    (1/N) sum over neurons of |r_A - r_B|; see `emd_exact` and `paired_exact`. O(N + T B) in time, O(N) in memory.

    Args:
        before, after: counts of A and of B (`halves` adds them up from batches). T may differ, and rates are compared.
        second: counts of another training of A, for the noise floor of seeds.
        names: what A and B are called.
        spikes: largest output D, of all layers or by layer.
        cost: what an inference of A and of B costs, where it was measured.

    Raises:
        BadInput: no samples or one, other samples, layers or shapes.
    """
    runs = [(names[0], before), (names[1], after)]
    if second is not None:
        runs.append((f"second seed of {names[0]}", second))
    for name, run in runs:
        if run.samples < 2:
            raise BadInput(
                f"drift must be measured on at least two samples, whose halves show its noise floor, but {name} ran on "
                f"{run.samples}"
            )
        if run.samples != before.samples:
            raise BadInput(
                f"both networks must run on the same samples, but {names[0]} ran on {before.samples} and {name} on "
                f"{run.samples}"
            )
        same_shapes(names[0], before.shapes, name, run.shapes)
    a = before.whole

    def report(x: Any, y: Any, called: tuple[str, str]) -> FiringReport:
        return firing_report(x.counts, y.counts, x.steps, y.steps, spikes, called)

    return Drift(
        report(a, after.whole, names),
        report(before.first, before.second, ("first half", "second half")),
        None if second is None else report(a, second.whole, (names[0], runs[2][0])),
        before.samples,
        cost,
    )
