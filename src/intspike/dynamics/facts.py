"""What compiled timesteps of an integer network need to know: numbers that fit, and bounds of everything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ops import intervals
from ..ops.c import Bounds
from .map import Ints
from .network import IntegerNetwork

_FOLDED = ("gain", "bias", "u.shift", "leak.shift")  # the same for all neurons: constants of the text


@dataclass(frozen=True)
class Facts:
    """Numbers of a network.

    Attributes:
        numbers: parameters of the body, [N] each.
        low, high: of every sum of weights and drive, and of every partial sum.
        folded: parameters that all neurons share.
    """

    network: IntegerNetwork
    numbers: dict[str, Ints]
    low: int
    high: int

    @property
    def folded(self) -> dict[str, int]:
        return {name: int(self.numbers[name][0]) for name in _FOLDED if name in self.numbers}

    def bounds(self, low: int, high: int, thetas: Ints) -> Bounds:
        """Proved bounds of the body's instructions, of each of these thresholds, where sums are in low..high."""
        few = {name: np.full(len(thetas), a[0]) for name, a in self.numbers.items()}
        few |= {name: thetas for name in ("theta", "reset") if name in few}
        return intervals(self.network.body, few, np.full(len(thetas), low), np.full(len(thetas), high))


def facts(network: IntegerNetwork) -> Facts:
    """What a network's numbers say."""
    # a threshold that no code reaches is as good as the first above the codes, which fits the lanes
    limit = np.int64(network.high + 1)
    numbers = {
        name: np.minimum(a, limit) if name in ("theta", "reset") else a
        for name, a in network.parameters.items()
    }
    positive, negative = np.maximum(network.weights, 0).sum(1), np.minimum(network.weights, 0).sum(1)
    low = min(0, int((negative + network.drive.min(0)).min()), int(negative.min()), int(network.drive.min()))
    high = max(0, int((positive + network.drive.max(0)).max()), int(positive.max()), int(network.drive.max()))
    return Facts(network, numbers, low, high)
