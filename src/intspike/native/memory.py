"""Memory for large results, kept when they are freed.

The C library maps each allocation above 32 MB anew, and the system then clears every page of it: for a kernel that
only reads and writes, more work than its own. Blocks of large pages are kept here instead, up to a limit.
"""

from __future__ import annotations

import mmap
import weakref
from collections import deque
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

LARGE = 1 << 25  # bytes from which the C library keeps nothing
KEEP = 1 << 28  # bytes of freed blocks that are kept
_PAGE = 1 << 21

_free: deque[mmap.mmap] = deque()  # its single operations are atomic, so a finalizer needs no lock


def borrow(size: int) -> NDArray[np.uint8]:
    """An array of so many bytes with any content; its memory is kept for the next when no one holds it."""
    length = (size + _PAGE - 1) // _PAGE * _PAGE + _PAGE
    block = _kept(length) or _new(length)
    whole = np.frombuffer(block, np.uint8)
    start = -whole.ctypes.data % _PAGE
    array = whole[start : start + size]
    # views of an array hold the array at their base, which numpy makes the object that owns the buffer
    weakref.finalize(whole, _give_back, block).atexit = False
    return array


def _kept(length: int) -> mmap.mmap | None:
    for _ in range(len(_free)):
        try:
            block = _free.popleft()
        except IndexError:  # another thread took it
            return None
        if len(block) == length:
            return block
        _free.append(block)
    return None


def _new(length: int) -> mmap.mmap:
    # private: a forked child must not write into its parent's results
    block = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        block.madvise(mmap.MADV_HUGEPAGE)
    return block


def _give_back(block: mmap.mmap) -> None:
    _free.append(block)
    while sum(map(len, list(_free))) > KEEP:
        with suppress(IndexError):
            _free.popleft()  # unmapped, the oldest first
