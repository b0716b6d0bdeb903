"""How often each integer occurs, in one pass."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cache import load
from .find import Compiler, compiler

MOST = 1 << 32  # values that the counters hold


def histogram(values: NDArray[np.integer[Any]], bins: int) -> NDArray[np.int64] | None:
    """How often 0..bins-1 occur in a flat array; None where a value is outside, or there is no compiler."""
    cc = compiler()
    if cc is None or values.size >= MOST:
        return None
    values = np.ascontiguousarray(values)
    tables = np.zeros((8, bins + 1), np.uint32)
    function = _library(cc)[f"histogram_{values.dtype.kind}{values.dtype.itemsize}"]
    function(
        ctypes.c_void_p(values.ctypes.data), ctypes.c_int64(values.size), ctypes.c_int64(bins),
        ctypes.c_void_p(tables.ctypes.data),
    )  # fmt: skip
    found = tables.sum(0, dtype=np.int64)
    return None if found[bins] else found[:bins]


@lru_cache(maxsize=2)
def _library(cc: Compiler) -> ctypes.CDLL:
    return load(Path(__file__).with_name("histogram.c").read_text("utf-8"), cc)
