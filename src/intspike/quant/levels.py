"""Levels of threshold-centred states, as fractions of the threshold.

All sets hold rest (0). Sets stored after reset lie below threshold (1); sets stored before reset hold at least
one level at or above it.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def even(bits: int, stores: codec.Stores) -> tuple[float, ...]:
    """Measured sets for 1 to 3 bits; from 4 bits evenly spaced on either side of rest.

    After reset, 4 bits and more: -1 + j / 2^(n-2), then j / (3 * 2^(n-2)). Before reset: an eighth of the codes
    below rest, half of them from rest to threshold, the others from 1 to nearly 3 thresholds.
    """
    known = AFTER if stores == "after reset" else BEFORE
    if bits in known:
        return known[bits]
    if stores == "after reset":
        quarter = 1 << (bits - 2)
        below = [-1 + j / quarter for j in range(quarter)]
        return (*below, *(j / (3 * quarter) for j in range(3 * quarter)))
    eighth = 1 << (bits - 3)
    below = [-1 + j / eighth for j in range(eighth)]
    inside = [j / (4 * eighth) for j in range(4 * eighth)]
    return (*below, *inside, *(1 + 2 * j / (3 * eighth) for j in range(3 * eighth)))


def exponential(bits: int, stores: codec.Stores, base: float = 0.5) -> tuple[float, ...]:
    """SQUAT's threshold-centred exponential levels, corrected: finest at the threshold, with rest a level.

    From the bottom -1 up to the threshold the distance to it shrinks geometrically, l_j = 1 - 2 (m^j - m^n) /
    (1 - m^n), and grows again above it; the level nearest to 0 is moved to 0 (snnTorch's set has no rest).

    Source: the closed form of snnTorch's `state_quant` (arXiv 2404.19668 prints an equation that is no quantizer).
    """
    if not 0 < base < 1:
        raise BadInput(f"the base of exponential levels must be in 0..1, not {base}")
    count = 1 << bits
    below = count if stores == "after reset" else count - max(1, count * 3 // 8)
    m = base ** (4 / below)  # so that the spread does not depend on the number of codes
    levels = [1 - 2 * (m**j - m**below) / (1 - m**below) for j in range(below)]
    nearest = min(range(below), key=lambda j: abs(levels[j]))
    levels[nearest] = 0.0
    above = count - below
    if above:
        k = base ** (4 / above)
        levels += [1 + 1.5 * (k ** (above - j) - k**above) / (1 - k**above) for j in range(above)]
    return tuple(levels)


def rest_of(levels: Sequence[float]) -> int:
    """Index of the rest level."""
    if 0 not in levels:
        raise BadInput(f"levels must hold 0, the rest, but are {list(levels)}; a resting neuron would move")
    return list(levels).index(0)
