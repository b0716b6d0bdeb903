"""How a network's firing changed: a report of two runs, layer by layer, and the counts it is made of.

Accuracy hides that a quantized network fires differently. The report compares run A (before: full precision) with
run B (after: quantized) on the same data. Source of the measures: arXiv 2604.14487; the paired distance is added
because the EMD cannot see neurons that swap rates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.trace import Trace
from ..errors import BadInput
from .spikes import Ints, counts, emd_counts, firing_rates, paired_exact, rate_correlation


class FiringCounts:
    """Spike counts of every neuron, added up batch by batch: its memory does not grow with the data.

    Attributes:
        counts: for each layer, spikes of each neuron over all samples and timesteps so far, [N] (int64).
        steps: timesteps times samples so far, the largest count of a neuron with binary spikes.
        samples: samples so far.
    """

    def __init__(self) -> None:
        self.counts: dict[str, Ints] = {}
        self.steps = 0
        self.samples = 0

    def add(self, run: Trace | Mapping[str, NDArray[np.generic]]) -> FiringCounts:
        """Count one batch, a trace or its spikes [T, B, *shape] a layer; returns itself.

        Raises:
            BadInput: other layers or neurons than before, or layers that differ in T or B.
        """
        spikes = run.spikes if isinstance(run, Trace) else run
        timesteps, batch = batch_shape(spikes)
        new = {name: counts(s) for name, s in spikes.items()}
        _same_neurons("the batches so far", self.counts or new, "this batch", new)
        self.counts = {name: self.counts.get(name, 0) + c for name, c in new.items()}
        self.steps += timesteps * batch
        self.samples += batch
        return self

    @property
    def rates(self) -> dict[str, NDArray[np.float64]]:
        """Firing rate of each neuron, spikes per timestep, [N] a layer."""
        return {name: firing_rates(c, self.steps) for name, c in self.counts.items()}


def batch_shape(spikes: Mapping[str, NDArray[np.generic]]) -> tuple[int, int]:
    """T and B of a batch, spikes [T, B, *shape] a layer.

    Raises:
        BadInput: no layers, layers that differ in T or B, or a layer without these axes.
    """
    sizes = {tuple(np.shape(s)[:2]) for s in spikes.values()}
    if len(sizes) != 1 or len(next(iter(sizes))) != 2:
        raise BadInput(
            f"a batch must hold layers of one number of timesteps and samples, not {sorted(sizes)}"
        )
    ((timesteps, batch),) = sizes
    return timesteps, batch


@dataclass(frozen=True)
class LayerFiring:
    """Firing of one layer (or of all, pooled) before and after a change.

    Attributes:
        layer: its name.
        neurons: N.
        rate_before, rate_after: mean firing rate, spikes per neuron and timestep.
        dead_before, dead_after: neurons that never fired on the data.
        newly_dead: neurons that fired before and never after.
        saturated_before, saturated_after: neurons that fired D times in each timestep.
        emd: earth mover's distance of the two firing-rate distributions, spikes per timestep.
        paired_distance: mean over neurons of |rate before - rate after|; never below the EMD.
        correlation: of the rates of the same neurons; None where one side is constant.
    """

    layer: str
    neurons: int
    rate_before: float
    rate_after: float
    dead_before: int
    dead_after: int
    newly_dead: int
    saturated_before: int
    saturated_after: int
    emd: float
    paired_distance: float
    correlation: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for a summary."""
        return {k: v for k, v in asdict(self).items() if k != "layer"}


@dataclass(frozen=True)
class FiringReport:
    """Firing of two runs on the same data.

    Attributes:
        layers: one entry a layer, in the order of the first run.
        pooled: all neurons of all layers as one distribution (large layers weigh more).
        steps_before, steps_after: timesteps times samples of each run.
        names: what the two runs are called.
    """

    layers: tuple[LayerFiring, ...]
    pooled: LayerFiring
    steps_before: int
    steps_after: int
    names: tuple[str, str] = ("before", "after")

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for a summary: `layers` by name, and `pooled`."""
        return {
            "before": self.names[0],
            "after": self.names[1],
            "steps_before": self.steps_before,
            "steps_after": self.steps_after,
            "layers": {entry.layer: entry.to_dict() for entry in self.layers},
            "pooled": self.pooled.to_dict(),
        }

    def __str__(self) -> str:
        head = f"firing of {self.names[1]} against {self.names[0]} ({self.steps_after} neuron timesteps)"
        width = max(len(entry.layer) for entry in (*self.layers, self.pooled))
        lines = [head, f"{'layer':{width}}  neurons    rate A  rate B    dead A  dead B  new     EMD  paired"]
        lines += [
            f"{entry.layer:{width}}  {entry.neurons:7}    {entry.rate_before:6.4f}  {entry.rate_after:6.4f}    "
            f"{entry.dead_before:6}  {entry.dead_after:6}  {entry.newly_dead:3}  {entry.emd:6.4f}  "
            f"{entry.paired_distance:6.4f}"
            for entry in (*self.layers, self.pooled)
        ]
        return "\n".join(lines)


def firing_report(
    before: Mapping[str, Ints],
    after: Mapping[str, Ints],
    steps: int,
    steps_after: int | None = None,
    spikes: int | Mapping[str, int] = 1,
    names: tuple[str, str] = ("before", "after"),
) -> FiringReport:
    """Compare the firing of two runs, from counts [N] a layer.

    Args:
        before, after: counts of run A and of run B, as `FiringCounts.counts`; the same layers and neurons.
        steps, steps_after: T * B of each run (the second equals the first unless given).
        spikes: largest output D, of all layers or by layer.
        names: what the two runs are called.

    Raises:
        BadInput: layers or numbers of neurons differ.
    """
    _same_neurons(names[0], before, names[1], after)
    if not before:
        raise BadInput("a firing report must compare at least one layer, but was given none")
    order = list(before)
    most = {name: spikes if isinstance(spikes, int) else spikes.get(name, 1) for name in order}
    to = (steps, steps if steps_after is None else steps_after)
    layers = tuple(_compare(name, before[name], after[name], to, most[name]) for name in order)
    a, b = (np.concatenate([np.ravel(run[name]) for name in order]) for run in (before, after))
    each = np.repeat([most[name] for name in order], [np.size(before[name]) for name in order])
    return FiringReport(layers, _compare("all layers", a, b, to, each), *to, names)


def _compare(layer: str, before: Ints, after: Ints, steps: tuple[int, int], most: Any) -> LayerFiring:
    a, b = np.ravel(before), np.ravel(after)
    rates = firing_rates(a, steps[0]), firing_rates(b, steps[1])
    return LayerFiring(
        layer=layer,
        neurons=a.size,
        rate_before=int(a.sum()) / (steps[0] * a.size),
        rate_after=int(b.sum()) / (steps[1] * b.size),
        dead_before=int((a == 0).sum()),
        dead_after=int((b == 0).sum()),
        newly_dead=int(((b == 0) & (a > 0)).sum()),
        saturated_before=int((a >= steps[0] * most).sum()),
        saturated_after=int((b >= steps[1] * most).sum()),
        emd=emd_counts(a, b, *steps),
        paired_distance=float(paired_exact(a, b, *steps)),
        correlation=rate_correlation(*rates),
    )


def _same_neurons(first: str, a: Mapping[str, Ints], second: str, b: Mapping[str, Ints]) -> None:
    if set(a) != set(b):
        raise BadInput(f"{first} and {second} must have the same layers, not {_list(a)} and {_list(b)}")
    for name in a:
        if np.size(a[name]) != np.size(b[name]):
            raise BadInput(
                f"layer {name} must have as many neurons in {second} as in {first}, "
                f"not {np.size(b[name])} and {np.size(a[name])}"
            )


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
