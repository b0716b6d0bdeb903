"""Integer semantics: the only place that defines what a shift, a rounding, a saturation or a wrap is.

Every function takes Python integers or numpy integer arrays and is exact for both. Arrays are expected to
be int64 with values that a range proof has bounded; Python integers are unbounded.

Only `floor` and `half up` are offered as roundings of a sum, because only these commute with adding an
integer, so that events may be added in any order and in place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Int is a Python integer or a numpy integer array; the functions below treat both alike.
Int = Any


def shift_left(x: Int, n: Int) -> Int:
    """x * 2^n."""
    return x * (1 << n) if isinstance(n, int) else x * np.left_shift(np.int64(1), n)


def shift_right(x: Int, n: Int) -> Int:
    """floor(x / 2^n): an arithmetic shift, rounding towards minus infinity."""
    return x >> n


def half_up_shift(x: Int, n: Int) -> Int:
    """floor(x / 2^n + 1/2): division by a power of two, ties towards plus infinity."""
    half = (1 << n) >> 1 if isinstance(n, int) else np.left_shift(np.int64(1), n) >> 1
    return (x + half) >> n


def half_up(x: Any) -> Any:
    """floor(x + 1/2) of a real number, exact in float64 (the sum itself is never formed).

    Returns a Python integer for a number and an int64 array for an array.
    """
    floor = np.floor(x)
    rounded = floor + (np.asarray(x, dtype=np.float64) - floor >= 0.5)
    return int(rounded) if np.ndim(rounded) == 0 else rounded.astype(np.int64)


def saturate(x: Int, low: Int, high: Int) -> Int:
    """The nearest integer to x in low..high."""
    if isinstance(x, int):
        return min(max(x, low), high)
    return np.minimum(np.maximum(x, low), high)


def wrap(x: Int, low: int, bits: int) -> Int:
    """The integer in low..low + 2^bits - 1 that equals x modulo 2^bits."""
    return ((x - low) & ((1 << bits) - 1)) + low


def bits_for(low: int, high: int) -> tuple[int, bool]:
    """The width that holds low..high and whether it needs a sign: (bits, signed)."""
    if low >= 0:
        return max(1, int(high).bit_length()), False
    return max(max(int(high), 0).bit_length(), (-int(low) - 1).bit_length()) + 1, True


def mix(h: Any) -> Any:
    """Wellons' lowbias32, a bijection of the 32-bit integers whose results look random: uint32 array to uint32 array.

    h ^= h >> 16;  h *= 0x7feb352d;  h ^= h >> 15;  h *= 0x846ca68b;  h ^= h >> 16   (all modulo 2^32)

    Source: github.com/skeeto/hash-prospector, public domain.
    """
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
    return h ^ (h >> np.uint32(16))
