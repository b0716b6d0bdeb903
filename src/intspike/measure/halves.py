"""Spike counts of both halves of a data set: together those of the whole, apart how much the choice of samples does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from ..engine.trace import Trace
from ..errors import BadInput
from .firing import FiringCounts

Run = Trace | Mapping[str, NDArray[np.generic]]


class HalvedCounts:
    """Spike counts of every neuron over even and over odd samples, added up batch by batch.

    A sample is even or odd by its place in all the data, so how they are split into batches changes nothing. Memory is
    two counts a neuron, however many samples there are.

    Attributes:
        even, odd: counts of both halves.
        shapes: shape of each layer.
    """

    def __init__(self) -> None:
        self.even, self.odd = FiringCounts(), FiringCounts()
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
        first = self.samples % 2
        self.even.add({name: s[:, first::2] for name, s in spikes.items()})
        self.odd.add({name: s[:, 1 - first :: 2] for name, s in spikes.items()})
        self.shapes = shapes
        return self

    @property
    def samples(self) -> int:
        """Samples so far."""
        return self.even.samples + self.odd.samples

    @property
    def whole(self) -> FiringCounts:
        """Counts over all samples."""
        made = FiringCounts()
        made.counts = {name: c + self.odd.counts[name] for name, c in self.even.counts.items()}
        made.steps, made.samples = self.even.steps + self.odd.steps, self.samples
        return made


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
