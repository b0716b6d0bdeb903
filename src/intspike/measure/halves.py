"""Spike counts of both halves of a data set: together those of the whole, apart how much the choice of samples does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from ..engine.trace import Trace
from ..errors import BadInput
from ..fixed import mix
from .firing import FiringCounts, batch_shape

Run = Trace | Mapping[str, NDArray[np.generic]]


class HalvedCounts:
    """Spike counts of every neuron over two halves of the samples, added up batch by batch.

    Of samples 2k and 2k + 1 one goes to each half, by a hash of k: many data sets are sorted or dealt class by class,
    and then the even and the odd samples, or the first and the last ones, differ in their classes. It depends on a
    sample's place in all the data alone, so batches change nothing. Memory is two counts a neuron.

    Attributes:
        first, second: counts of both halves.
        shapes: shape of each layer.
    """

    def __init__(self) -> None:
        self.first, self.second = FiringCounts(), FiringCounts()
        self.shapes: dict[str, tuple[int, ...]] = {}

    def add(self, run: Run) -> HalvedCounts:
        """Count one batch, a trace or its spikes [T, B, *shape] a layer; returns itself.

        Raises:
            BadInput: other layers or shapes than before, or layers that differ in T or B.
        """
        spikes = run.spikes if isinstance(run, Trace) else run
        shapes = {name: tuple(np.shape(s)[2:]) for name, s in spikes.items()}
        if self.shapes:
            same_shapes("the batches so far", self.shapes, "this batch", shapes)
        other = in_second_half(self.samples + np.arange(batch_shape(spikes)[1]))
        for half, chosen in ((self.first, ~other), (self.second, other)):
            half.add({name: s[:, chosen] for name, s in spikes.items()})
        self.shapes = shapes
        return self

    @property
    def samples(self) -> int:
        """Samples so far."""
        return self.first.samples + self.second.samples

    @property
    def whole(self) -> FiringCounts:
        """Counts over all samples."""
        made = FiringCounts()
        made.counts = {name: c + self.second.counts[name] for name, c in self.first.counts.items()}
        made.steps, made.samples = self.first.steps + self.second.steps, self.samples
        return made


def in_second_half(index: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether samples at these places belong to the second half."""
    drawn = mix((index >> 1).astype(np.uint32)) & np.uint32(1)
    return drawn != (index & 1)


def halves(runs: Iterable[Run]) -> HalvedCounts:
    """Counts of runs that come one after the other, so that none of them must be kept."""
    made = HalvedCounts()
    for run in runs:
        made.add(run)
    return made


def same_shapes(
    first: str, a: Mapping[str, tuple[int, ...]], second: str, b: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise BadInput unless both runs have the same layers of the same shapes."""
    if set(a) != set(b):
        names = [", ".join(x) or "none" for x in (a, b)]
        raise BadInput(f"{first} and {second} must have the same layers, not {names[0]} and {names[1]}")
    for name, shape in a.items():
        if b[name] != shape:
            raise BadInput(
                f"layer {name} must have the same shape in {second} as in {first}, not {list(b[name])} and "
                f"{list(shape)}; compare networks of one architecture"
            )
