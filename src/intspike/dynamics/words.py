"""Cyclic words: smallest periods, smallest rotations, and short names of what was found."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def letters(rows: NDArray[np.generic]) -> NDArray[np.int64]:
    """Rows [L, N] as letters [L] that are equal where rows are, and in the order of rows compared entry by entry."""
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def smallest_period(word: NDArray[np.int64]) -> int:
    """The smallest p that divides len(word) and with which the cyclic word repeats itself."""
    length = len(word)
    small = [d for d in range(1, int(length**0.5) + 1) if length % d == 0]
    for p in sorted({*small, *(length // d for d in small)}):
        if (word[p:] == word[:-p]).all():
            return p
    return length


def smallest_rotation(word: Sequence[int]) -> int:
    """Where the lexicographically smallest rotation of a word begins; the first of several.

    Two candidates are compared letter by letter, and the larger one jumps behind what was compared: linear time.
    """
    n, i, j, k = len(word), 0, 1, 0
    while i < n and j < n and k < n:
        a, b = word[(i + k) % n], word[(j + k) % n]
        if a == b:
            k += 1
            continue
        if a > b:
            i += k + 1
        else:
            j += k + 1
        j += i == j
        k = 0
    return min(i, j)


def canonical(rows: NDArray[np.generic]) -> NDArray[np.generic]:
    """The cyclic word of rows [L, N] in its smallest period and rotation, [p, N]."""
    word = letters(rows)
    p = smallest_period(word)
    return np.roll(rows[:p], -smallest_rotation(word[:p].tolist()), 0)


def name_of(rows: NDArray[np.generic]) -> str:
    """Sixteen hexadecimal digits that stand for an array of integers and its shape."""
    shape = np.array(rows.shape, np.int64).tobytes()
    return hashlib.sha256(shape + np.ascontiguousarray(rows, np.int64).tobytes()).hexdigest()[:16]
