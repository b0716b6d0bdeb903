"""A map of 0..M-1 to itself: its cycles, what ends in each, and after how many steps."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..native import load
from ..native.find import compiler
from .map import Ints

Indices = NDArray[np.uint32]
_INT = ctypes.c_int64


def cycles_of(following: Indices) -> tuple[Indices, Indices, Ints, Ints, Ints, Ints]:
    """Labels, transients, and of each cycle its least state, period, basin and longest transient."""
    cc = compiler()
    if cc is None:
        labels, transients = by_images(following)
        count = int(labels.max()) + 1
        on = transients == 0
        least = np.full(count, len(following), np.int64)
        np.minimum.at(least, labels[on], np.flatnonzero(on))
        longest = np.zeros(count, np.int64)
        np.maximum.at(longest, labels, transients)
        basins = np.bincount(labels, minlength=count)
        return labels, transients, least, np.bincount(labels[on], minlength=count), basins, longest
    library, size = load(Path(__file__).with_name("graph.c").read_text("utf-8"), cc), len(following)
    library.strip.restype = library.cycles.restype = _INT
    labels, order, transients = (np.empty(size, np.uint32) for _ in range(3))
    at = lambda a: ctypes.c_void_p(a.ctypes.data)  # noqa: E731
    library.in_degrees(_INT(size), at(following), at(labels))
    stripped = library.strip(_INT(size), at(following), at(labels), at(order))
    count = library.cycles(_INT(size), at(following), at(labels), at(transients))
    library.climb(_INT(stripped), at(following), at(order), at(labels), at(transients))
    least, periods, basins, longest = (np.zeros(count, np.int64) for _ in range(4))
    library.describe(_INT(size), at(labels), at(transients), at(least), at(periods), at(basins), at(longest))
    return labels, transients, least, periods, basins, longest


def by_images(following: Indices) -> tuple[Indices, Indices]:
    """Labels and transients by repeated images of the whole set: plain numpy, the oracle of the compiled way."""
    after, size = following.astype(np.int64), len(following)
    inside, image = np.arange(size), np.unique(after)
    while len(image) < len(inside):
        inside, image = image, np.unique(after[image])
    least = inside.copy()  # of each cyclic state: the least state of its cycle, seen so far
    jump = after[inside]
    place = np.full(size, -1)
    place[inside] = np.arange(len(inside))
    for _ in range(max(1, len(inside).bit_length())):  # pointer doubling
        least = np.minimum(least, least[place[jump]])
        jump = jump[place[jump]]
    labels, transients = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    labels[inside] = np.unique(least, return_inverse=True)[1].reshape(-1)
    transients[inside] = 0
    while (waiting := np.flatnonzero(transients < 0)).size:
        ready = waiting[transients[after[waiting]] >= 0]
        labels[ready] = labels[after[ready]]
        transients[ready] = transients[after[ready]] + 1
    return labels.astype(np.uint32), transients.astype(np.uint32)
