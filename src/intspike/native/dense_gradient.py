"""Gradients of a dense synapse in C. Threads share inputs or outputs, so the bits of a sum do not depend on them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cache import load
from .find import Compiler
from .gradient import REAL, choose, text_of, zeros
from .synapse import DenseShape, lanes
from .threads import split


@dataclass(frozen=True)
class DenseGradient:
    """Compiled gradients of a dense synapse; arrays are given by their addresses.

    A sum's gradient is gy + offset + slope * y, with slope and offset [M]; without them it is gy.

    Attributes:
        shape: its sizes.
        library: its functions, as in `dense_gradient.c`.
    """

    shape: DenseShape
    library: Any

    def arrange(self, weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weights [M, K] as `to_inputs` reads them: rows padded with zeros."""
        padded = zeros((len(weight), -(-self.shape.inputs // 16) * 16 + 16))
        padded[:, : self.shape.inputs] = weight
        return padded

    def to_inputs(self, first: int, last: int, batch: int, timesteps: int, *pointers: int | None) -> None:
        """The gradient of the inputs of samples first..last - 1.

        Args:
            batch, timesteps: B and T of the frames.
            pointers: y and gy [T, B, M], slope, offset, arranged weights, and the result [T, last - first, K].
        """
        self.library.inputs(first, last, batch, timesteps, *pointers)

    def to_weights(self, frames: int, threads: int, x: int, *pointers: int | None) -> NDArray[np.float32]:
        """The gradient [M, K] of the weights.

        Args:
            frames: N.
            x: uint8 [N, K].
            pointers: y and gy [N, M], slope, offset.
        """
        shape, library = self.shape, self.library
        gradient = np.empty((shape.outputs, shape.inputs), np.float32)
        events, starts = np.empty(0, np.uint32), np.empty(0, np.int32)
        if library.sorts():
            blocks = -(-frames // library.block())
            events = np.empty((blocks, library.block() * shape.inputs), np.uint32)
            starts = np.empty((blocks, shape.inputs + 1), np.int32)
            split(library.sort, blocks, threads, frames, x, events.ctypes.data, starts.ctypes.data)
        split(
            library.weights, library.units(), threads, frames, x, *pointers, events.ctypes.data,
            starts.ctypes.data, gradient.ctypes.data,
        )  # fmt: skip
        return gradient


@lru_cache(maxsize=128)
def dense_gradient(shape: DenseShape, sums: str, cc: Compiler) -> DenseGradient:
    """The gradients of a dense synapse, compiled for this machine; `sums` is the C type of its forward sums."""
    lines = [f"#define {k} {v}" for k, v in shape.macros().items()] + [f"#define Y {sums}"]
    lines += choose(lambda size, most: [f"#define VL {size}", f"#define MOST_SUMS {most}"])
    library = load("\n".join([lanes(), *lines, text_of("dense_gradient.c")]), cc, REAL)
    for name, integers, pointers in (("inputs", 4, 6), ("sort", 3, 3), ("weights", 3, 8)):
        function = getattr(library, name)
        function.argtypes = [ctypes.c_int64] * integers + [ctypes.c_void_p] * pointers
        function.restype = None
    for name in ("units", "block", "sorts"):
        getattr(library, name).restype = ctypes.c_int64
    return DenseGradient(shape, library)
