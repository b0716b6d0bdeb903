"""Random recurrent networks that can be compared across widths: one real network, rounded to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .. import fixed
from ..errors import BadInput
from .network import IntegerNetwork, Ints, Overflow, Reset

Threshold = Literal["fixed", "scaled"]
FIXED_THRESHOLD = 8


@dataclass(frozen=True)
class Ensemble:
    """What all networks of an ensemble share.

    A pair of neurons is connected with probability `density`, none to itself. The size of a weight is uniform in
    0..gain thresholds, rounded half-up to an integer of at least 1; it is negative with probability `inhibition`.
    One seed stands for one real network, whatever the width and semantics, so differences between widths are paired.

    Attributes:
        neurons, density: N, and the probability of a connection.
        bits, overflow, reset, signed, leak: as in IntegerNetwork.
        threshold: "fixed" is theta = 8 LSB at every width, which fewer than 4 unsigned bits cannot reach; "scaled" is
            half of the highest code plus one, so that theta and weights grow with the codes.
        gain: the largest weight, in thresholds.
        inhibition: share of negative weights.
    """

    neurons: int
    density: float
    bits: int
    overflow: Overflow = "saturate"
    reset: Reset = "none"
    signed: bool = False
    leak: int | None = 3
    threshold: Threshold = "fixed"
    gain: float = 0.5
    inhibition: float = 0.5

    def __post_init__(self) -> None:
        for name, low, high in (("density", 0, 1), ("inhibition", 0, 1), ("gain", 0, 1000)):
            if not low <= getattr(self, name) <= high:
                raise BadInput(f"{name} must be in {low}..{high}, not {getattr(self, name)!r}")
        if self.threshold not in get_args(Threshold):
            raise BadInput(f"threshold must be fixed or scaled, not {self.threshold!r}")
        if self.neurons < 1:
            raise BadInput(f"neurons must be at least 1, not {self.neurons}")
        nothing = np.zeros((1, 1), np.int64)  # what is wrong with the other fields is said now
        IntegerNetwork(nothing, 1, self.bits, self.overflow, self.reset, self.signed, self.leak)

    @property
    def theta(self) -> int:
        """The threshold in LSB."""
        if self.threshold == "fixed":
            return FIXED_THRESHOLD
        return max(1, (1 << (self.bits - self.signed)) // 2)

    def network(self, seed: int) -> IntegerNetwork:
        """The network of a seed."""
        sign, size = self._drawn(seed)
        size = np.maximum(1, fixed.half_up(size))
        return IntegerNetwork(
            sign * size, self.theta, self.bits, self.overflow, self.reset, self.signed, self.leak
        )

    def real(self, seed: int) -> NDArray[np.float64]:
        """The weights of that network before they are rounded, in LSB, [N, N]."""
        sign, size = self._drawn(seed)
        return sign * size

    def _drawn(self, seed: int) -> tuple[Ints, NDArray[np.float64]]:
        """Signs of connections (0: none) and sizes in LSB."""
        drawn = _generator(seed, self.neurons, self.density)
        n = self.neurons
        there = (drawn.random((n, n)) < self.density) & ~np.eye(n, dtype=bool)
        size = self.gain * self.theta * drawn.random((n, n))
        sign = np.where(drawn.random((n, n)) < self.inhibition, np.int64(-1), np.int64(1))
        return np.where(there, sign, np.int64(0)), size

    def start(self, seed: int) -> Ints:
        """The state that a seed starts from, [N]: uniform over all codes, at the same place of them at every width."""
        place = _generator(seed, self.neurons, -1.0).random(self.neurons)
        codes = np.floor(place * (1 << self.bits)).astype(np.int64)
        return codes - (1 << self.bits - 1 if self.signed else 0)


def _generator(seed: int, neurons: int, density: float) -> np.random.Generator:
    return np.random.default_rng([seed, neurons, round((1 + density) * 10_000)])
