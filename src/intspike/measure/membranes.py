"""Where membrane potentials lie between rest and threshold: histograms that are added up batch by batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..engine.trace import Trace
from ..errors import BadInput
from ..ir import Program
from .codes import membranes
from .spikes import Ints

PER_THRESHOLD = 20  # bins
LOW, HIGH = -3, 3  # thresholds; the end bins hold what is beyond


def bin_edges() -> NDArray[np.float64]:
    """Edges of the bins, in thresholds: [121]."""
    return np.arange(LOW * PER_THRESHOLD, HIGH * PER_THRESHOLD + 1) / PER_THRESHOLD


class MembraneCounts:
    """How often membranes lie in each of the bins of a twentieth of the threshold.

    The threshold is an edge of a bin: what fires lies right of it. Membranes beyond -3..3 thresholds are counted in the
    end bins.

    Attributes:
        counts: for each layer, membranes in each bin, [120], over neurons, samples and timesteps.
        samples: samples so far.
    """

    def __init__(self) -> None:
        self.counts: dict[str, Ints] = {}
        self.samples = 0

    def add(self, program: Program, trace: Trace) -> None:
        """Count what the stored codes of a run stand for."""
        for node in program.neurons:
            u = membranes(node, trace.codes[node.name]["u"], trace.spikes[node.name])
            theta = node.parameters["theta"].reshape(-1, *(1,) * (u.ndim - 3))
            self._count(node.name, u * PER_THRESHOLD // theta)
        self.samples += trace.readout.shape[0]

    def add_real(self, membrane: Mapping[str, NDArray[np.floating]], samples: int) -> None:
        """Count membranes in full precision, in thresholds: [T, B, *shape] a layer."""
        for name, u in membrane.items():
            if not np.isfinite(u).all():
                raise BadInput(f"membranes of {name} must be finite numbers, not NaN or infinity")
            self._count(name, np.floor(u.astype(np.float64) * PER_THRESHOLD))
        self.samples += samples

    def _count(self, name: str, place: NDArray[np.generic]) -> None:
        low, high = LOW * PER_THRESHOLD, HIGH * PER_THRESHOLD - 1
        bins = (np.clip(place, low, high) - low).astype(np.int64)  # type: ignore[arg-type]
        found = np.bincount(bins.reshape(-1), minlength=high - low + 1)
        self.counts[name] = self.counts[name] + found if name in self.counts else found
