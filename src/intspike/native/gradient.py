"""Training's synapse kernels in C: real forward sums, batch moments, and gradients to weights and inputs.

Layout and shapes are those of `synapse`; a gradient works on samples b0..b1 - 1 of [T, B, ...] and hands the input's
gradient over in a tile [T, b1 - b0, ...]. Sums keep one order, so their bits do not depend on the threads.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cache import load
from .find import Compiler
from .synapse import ConvShape, DenseShape, Shape

# products may be fused with sums here: what is rounded is a gradient or a real current, never an integer
REAL = ("-std=gnu11", "-O3", "-march=native", "-ffp-contract=fast", "-fPIC", "-shared")

# vectors of an instruction set: its macro, numbers in a vector, and how many sums and weights fit the registers
_VECTORS = (("defined(__AVX512F__)", 16, 13), ("defined(__AVX__)", 8, 6), ("1", 4, 6))
_TILE = 12_000  # numbers of the image tile of one call: with the gradient's tile, what the first cache holds


@dataclass(frozen=True)
class Gradient:
    """Compiled gradient of a synapse.

    Attributes:
        shape: its sizes.
        function: backward(b0, b1, B, T, x, y, gy, slope, offset, winner, weight, gx, gweight).
    """

    shape: Shape
    function: Any

    def arrange(self, weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weights in the kernel's own layout: rows padded with zeros to a multiple of 16."""
        if isinstance(self.shape, DenseShape):
            return np.pad(weight, ((0, 0), (0, -self.shape.inputs % 16)))
        rows = weight.transpose(0, 2, 3, 1).reshape(weight.shape[0], weight.shape[2], -1)
        return np.pad(rows, ((0, 0), (0, 0), (0, -rows.shape[2] % 16)))

    def sums(self, parts: int) -> NDArray[np.float32]:
        """Zeroed weight gradients of so many parts, in the kernel's layout."""
        s = self.shape
        if isinstance(s, DenseShape):
            return np.zeros((parts, s.inputs, -(-s.outputs // 16) * 16), np.float32)
        row = -(-s.kernel[1] * s.channels // 16) * 16
        return np.zeros((parts, s.out_channels, s.kernel[0], row), np.float32)

    def gather(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """The weight gradient in the weight's shape, parts added in order."""
        s, total = self.shape, sums.sum(0)
        if isinstance(s, DenseShape):
            return np.ascontiguousarray(total[:, : s.outputs].T)
        kh, kw = s.kernel
        rows = total[:, :, : kw * s.channels].reshape(s.out_channels, kh, kw, s.channels)
        return np.ascontiguousarray(rows.transpose(0, 3, 1, 2))


def source(shape: Shape, sums: str) -> str:
    """C of a synapse's gradients; `sums` is the type of its forward sums."""
    lines = [f"#define {k} {v}" for k, v in _macros(shape).items()] + [f"#define Y {sums}"]
    if isinstance(shape, DenseShape):
        lines += _choose(lambda size, most: [f"#define VL {size}"])
        return "\n".join([*lines, _text("dense_gradient.c")])
    image = (shape.height + 2 * shape.padding[0]) * (shape.width + 2 * shape.padding[1]) * shape.channels
    lines.append(f"#define FRAMES {max(1, min(16, _TILE // image))}")
    lines += _choose(
        lambda size, most: [f"#define VL {size}", f"#define BLOCKS(both) {_blocks(shape, size, most)}"]
    )
    return "\n".join([*lines, _text("conv_gradient.c")])


def _choose(lines: Any) -> list[str]:
    """Lines for each kind of vector, under its condition."""
    text: list[str] = []
    for k, (condition, size, most) in enumerate(_VECTORS):
        text += [f"#{'elif' if k else 'if'} {condition}", *lines(size, most)]
    return [*text, "#endif"]


def _blocks(shape: ConvShape, size: int, most: int) -> str:
    """Calls that cover all vectors of a kernel in equal groups."""
    count = shape.kernel[0] * (-(-shape.kernel[1] * shape.channels // 16) * 16 // size)
    groups = -(-count // most)
    edges = [count * k // groups for k in range(groups + 1)]
    return " ".join(
        f"block({a}, {b - a}, both, frames * AREA, list[o], image, gimage, w, gw);"
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    )


def _macros(shape: Shape) -> dict[str, int]:
    if isinstance(shape, DenseShape):
        return {"K": shape.inputs, "M": shape.outputs}
    known = shape.macros()
    return {k: known[k] for k in known if not k.startswith(("POOL", "MOST"))} | {"POOL": shape.pool[0]}


@lru_cache(maxsize=128)
def gradient(shape: Shape, sums: str, cc: Compiler) -> Gradient:
    """The gradients of a synapse, compiled for this machine."""
    function = load(source(shape, sums), cc, REAL).backward
    function.argtypes = [ctypes.c_int64] * 4 + [ctypes.c_void_p] * 9
    function.restype = None
    return Gradient(shape, function)


@lru_cache(maxsize=128)
def scatter(shape: Shape, cc: Compiler) -> Any:
    """forward(first, last, x, weight [CI, KH, KW, CO], flip, y, winner) with real weights."""
    if isinstance(shape, DenseShape):
        shape = ConvShape(shape.inputs, 1, 1, shape.outputs, (1, 1))
    text = "\n".join(f"#define {k} {v}" for k, v in _macros(shape).items())
    function = load(f"{text}\n{_text('scatter.c')}", cc, REAL).forward
    function.argtypes = [ctypes.c_int64] * 2 + [ctypes.c_void_p] * 5
    function.restype = None
    return function


@lru_cache(maxsize=8)
def moments(sums: str, cc: Compiler) -> Any:
    """moments(first, last, C, y, sums [2, C])."""
    function = load(f"#define Y {sums}\n{_text('moments.c')}", cc, REAL).moments
    function.argtypes = [ctypes.c_int64] * 3 + [ctypes.c_void_p] * 2
    function.restype = None
    return function


@lru_cache(maxsize=8)
def _text(name: str) -> str:
    return (files("intspike.native") / name).read_text(encoding="utf-8")
