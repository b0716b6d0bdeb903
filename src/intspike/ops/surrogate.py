"""Surrogate gradients: the derivative that stands in for that of a comparison.

Each is written once, in ops, as a function of z = (u - theta) / theta at the *stored* membrane u; the same
text runs on tensors and is rendered to C. All are rational, because an exponential does not vectorize.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import BadInput

if TYPE_CHECKING:
    from .value import Value


EDGE = 2.0**-18


def _check_slope(slope: float) -> None:
    if not (math.isfinite(slope) and slope > 0):
        raise BadInput(f"the slope of a surrogate gradient must be a positive number, not {slope!r}")


@dataclass(frozen=True)
class ShiftedArctan:
    """1 / (1 + (pi * slope * z)^2), as snnTorch's ATan computes it (alpha = 2 is slope = 1)."""

    slope: float = 1.0

    def __post_init__(self) -> None:
        _check_slope(self.slope)

    def __call__(self, z: Value) -> Value:
        scaled = z * (math.pi * self.slope)
        return 1.0 / (scaled * scaled + 1.0)


@dataclass(frozen=True)
class FastSigmoid:
    """1 / (1 + slope * |z|)^2 (Zenke and Ganguli 2018)."""

    slope: float = 5.0

    def __post_init__(self) -> None:
        _check_slope(self.slope)

    def __call__(self, z: Value) -> Value:
        below = abs(z) * self.slope + 1.0
        return 1.0 / (below * below)


@dataclass(frozen=True)
class Triangle:
    """max(0, 1 - slope * |z|) (Bellec et al. 2018)."""

    slope: float = 1.0

    def __post_init__(self) -> None:
        _check_slope(self.slope)

    def __call__(self, z: Value) -> Value:
        return (1.0 - abs(z) * self.slope).max(0.0)


@dataclass(frozen=True)
class Rectangle:
    """slope / 2 where -1 <= slope * z < 1, else 0: of area 1, so windows side by side neither overlap nor leave a gap.

    At thresholds of odd multiples of theta, as integer neurons have, the sum over all of them is one straight line.
    Both ends lie 2^-18 lower, because rest lies on one and the last bit of a division must not decide.
    """

    slope: float = 1.0

    def __post_init__(self) -> None:
        _check_slope(self.slope)

    def __call__(self, z: Value) -> Value:
        scaled = z * self.slope
        inside = (scaled >= -1.0 - EDGE) * (scaled * -1.0 > EDGE - 1.0)
        return inside * (self.slope / 2)


Surrogate = ShiftedArctan | FastSigmoid | Triangle | Rectangle
