"""What the MNIST timestep study (repository Quantized_SNN) reports: its four rows, and what it set out to reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType


@dataclass(frozen=True)
class Printed:
    """One row of the study: 10,000 test images, one network, trained at T = 10.

    Attributes:
        accuracy: in per cent.
        spikes: of an image.
        seconds: of the whole test, on a GPU whose work was not waited for.
    """

    accuracy: float
    spikes: float
    seconds: float

    @property
    def score(self) -> float:
        """Accuracy per spike, which the study calls energy efficiency; it has no unit of energy."""
        return self.accuracy / self.spikes


ROWS: Mapping[int, Printed] = MappingProxyType(
    {
        1: Printed(95.27, 3162.15, 2.08),
        5: Printed(97.54, 20241.48, 11.34),
        10: Printed(97.68, 43996.05, 24.44),
        20: Printed(97.70, 89996.50, 53.26),
    }
)
SIZE, LOSS = 25.0, 1.0  # per cent of float32, and points of accuracy, that its roadmap wants


def spikes_a_timestep() -> list[float]:
    """How its spikes grow with each timestep between one row and the next."""
    return [(ROWS[b].spikes - ROWS[a].spikes) / (b - a) for a, b in pairwise(sorted(ROWS))]
