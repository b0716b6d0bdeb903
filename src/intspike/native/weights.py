"""Weight codes in C: rounding, the gradient through it, and codes as bytes. Arrays are float32 [N, K], contiguous."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cache import load
from .find import Compiler
from .march import FAST
from .synapse import text_of
from .threads import split

Reals = NDArray[np.float32]

# no value depends on whether a comparison could trap
FLAGS = (*FAST, "-fno-trapping-math")
_FEW = 1 << 15  # weights that are not worth a second thread


def encode(weight: Reals, step: Reals, ends: tuple[float, float], threads: int, cc: Compiler) -> Reals:
    """round(clamp(weight / step)), half to even.

    Args:
        step: [N], or [1] for all.
        ends: the least and the largest code.
    """
    codes = np.empty_like(weight)
    _rows(_library(cc).encode, weight, step, ends, threads, codes)
    return codes


def passed(
    weight: Reals, step: Reals, ends: tuple[float, float], gradient: Reals, threads: int, cc: Compiler
) -> Reals:
    """The gradient of the weights of `encode`, straight through the rounding; 0 where a weight was clamped."""
    result = np.empty_like(weight)
    _rows(_library(cc).through, weight, step, ends, threads, gradient, result)
    return result


def narrow(codes: Reals, threads: int, cc: Compiler) -> tuple[NDArray[np.int8], int]:
    """Codes -128..127 as bytes, and the largest sum of magnitudes of a row."""
    n, k = codes.shape
    narrowed, sums = np.empty((n, k), np.int8), np.empty(n, np.int32)
    threads = threads if codes.size > _FEW else 1
    split(_library(cc).narrow, n, threads, k, codes.ctypes.data, narrowed.ctypes.data, sums.ctypes.data)
    return narrowed, int(sums.max(initial=0))


def _rows(
    function: Any, weight: Reals, step: Reals, ends: tuple[float, float], threads: int, *arrays: Reals
) -> None:
    n, k = weight.shape
    both = np.array(ends, np.float32)
    split(
        function, n, threads if weight.size > _FEW else 1, k, int(len(step) > 1), weight.ctypes.data,
        step.ctypes.data, both.ctypes.data, *(a.ctypes.data for a in arrays),
    )  # fmt: skip


@lru_cache(maxsize=4)
def _library(cc: Compiler) -> Any:
    library = load(text_of("weights.c"), cc, FLAGS)
    for name, integers, pointers in (("encode", 4, 4), ("through", 4, 5), ("narrow", 3, 3)):
        function = getattr(library, name)
        function.argtypes = [ctypes.c_int64] * integers + [ctypes.c_void_p] * pointers
        function.restype = None
    return library
