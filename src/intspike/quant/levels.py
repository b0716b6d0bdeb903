"""Levels of threshold-centred states, as fractions of the threshold.

All sets hold rest (0). Sets stored after reset lie below threshold (1); sets stored before reset hold at least
one level at or above it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from ..errors import BadInput
from ..ops import codec

# few codes below rest, the others spread to just under threshold (docs/decisions.md)
AFTER = {
    1: (0.0, 0.95),
    2: (-0.5, 0.0, 0.4, 0.9),
    3: (-0.75, -0.25, 0.0, 0.2, 0.4, 0.6, 0.8, 0.95),
}
BEFORE = {
    1: (0.0, 1.2),
    2: (0.0, 0.4, 0.8, 1.2),
    3: (-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5),
}


def even(bits: int, stores: codec.Stores, ends: tuple[float, float] = (-1.0, 3.0)) -> tuple[float, ...]:
    """Measured sets for 1 to 3 bits; from 4 bits evenly spaced on either side of rest.

    After reset, 4 bits and more: -1 + j / 2^(n-2), then j / (3 * 2^(n-2)). Before reset: an eighth of the codes
    below rest, half of them from rest to threshold, the others from 1 to nearly 3 thresholds.

    Args:
        ends: other ends than -1 and 3 thresholds, of 4 bits and more; after reset nothing is left at the upper one.
    """
    low, high = ends
    if not -math.inf < low < 0 < 1 < high < math.inf:
        raise BadInput(f"ends must lie below 0 and above 1, not at {ends}")
    known = AFTER if stores == "after reset" else BEFORE
    if bits in known:
        return known[bits]
    if stores == "after reset":
        quarter = 1 << (bits - 2)
        below = [low * (1 - j / quarter) for j in range(quarter)]
        return (*below, *(j / (3 * quarter) for j in range(3 * quarter)))
    eighth = 1 << (bits - 3)
    below = [low * (1 - j / eighth) for j in range(eighth)]
    inside = [j / (4 * eighth) for j in range(4 * eighth)]
    return (*below, *inside, *(1 + (high - 1) * j / (3 * eighth) for j in range(3 * eighth)))


def curved(
    bits: int,
    stores: codec.Stores,
    spacing: Literal["exponential", "compander"],
    counts: tuple[int, int] | None = None,
    steepness: tuple[float, float] = (16.0, 16.0),
    ends: tuple[float, float] = (-1.0, 2.5),
) -> tuple[float, ...]:
    """Levels that are finest at the threshold: on each side their distance to it is R (s^x - 1) / (s - 1).

    R is the range of the side, s its steepness: neighbours at the end of the range lie s times as far apart as at the
    threshold. x counts the n levels of the side, from the threshold outwards:

    - "exponential", SQUAT's codebook: k / n for k = 1..n below, so that the last is the end of the range, and for
      k = 0..n-1 above. With the ratio m = s^(-1/n) of neighbouring distances this is snnTorch's closed form.
    - "compander": (k - 1/2) / n on both sides, the middles of n equal steps of the compressed potential
      (mu-law, mu = s - 1).

    The level nearest to 0 is moved to 0, the rest.

    Args:
        counts: levels below the threshold, and at or above it; None: see `ThresholdCentred`.
        steepness: below and above; at least 1, which is even.
        ends: of the range, in thresholds.

    Source: snnTorch's `state_quant` (arXiv 2404.19668 prints an equation that is no quantizer); there rest is no level.
    """
    count = 1 << bits
    default = (
        (count, 0) if stores == "after reset" else (count - max(1, count * 3 // 8), max(1, count * 3 // 8))
    )
    below, above = counts or default
    if below + above != count or below < 1 or (above < 1 if stores == "before reset" else above != 0):
        one = "at least one on each side" if stores == "before reset" else "all of them below the threshold"
        raise BadInput(f"counts of levels must add up to {count}, {one}, not {below} and {above}")
    if not all(1 <= s < math.inf for s in steepness):
        raise BadInput(f"steepness must be two numbers of at least 1, not {steepness}")
    if not -math.inf < ends[0] < 0 < 1 < ends[1] < math.inf:
        raise BadInput(f"ends must lie below 0 and above 1, not at {ends}")

    def distance(x: float, s: float) -> float:
        return x if s == 1 else (s**x - 1) / (s - 1)

    first, second = (0.0, 0.0) if spacing == "exponential" else (0.5, -0.5)
    levels = [1 - (1 - ends[0]) * distance((k - first) / below, steepness[0]) for k in range(below, 0, -1)]
    nearest = min(range(below), key=lambda j: abs(levels[j]))
    levels[nearest] = 0.0
    levels += [1 + (ends[1] - 1) * distance((k - second) / above, steepness[1]) for k in range(above)]
    return tuple(levels)


def rest_of(levels: Sequence[float]) -> int:
    """Index of the rest level."""
    if 0 not in levels:
        raise BadInput(f"levels must hold 0, the rest, but are {list(levels)}; a resting neuron would move")
    return list(levels).index(0)
