"""Training's synapse kernels in C: real forward sums, batch moments, and gradients of a convolution.

Layout and shapes are those of `synapse`; a gradient works on samples b0..b1 - 1 of [T, B, ...] and hands the input's
gradient over in a tile [T, b1 - b0, ...]. Sums keep one order, so their bits do not depend on the threads.
"""

from __future__ import annotations

import ctypes
import itertools
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cache import load
from .find import Compiler
from .synapse import ConvShape, DenseShape, Shape, aligned, text_of

# products may be fused with sums here: what is rounded is a gradient or a real current, never an integer
REAL = ("-std=gnu11", "-O3", "-march=native", "-ffp-contract=fast", "-fPIC", "-shared")

# vectors of an instruction set: its macro, numbers in a vector, and how many of them stay in registers
_VECTORS = (("defined(__AVX512F__)", 16, 26), ("defined(__AVX__)", 8, 13), ("1", 4, 13))
_SPIKES = 15  # larger inputs are images
_TILE = 5_000  # numbers of the images of one call: with what belongs to them, about the first cache


@dataclass(frozen=True)
class Gradient:
    """Compiled gradient of a convolution.

    Attributes:
        shape: its sizes.
        function: backward(b0, b1, B, T, x, y, gy, slope, offset, winner, weight, gx, gweight).
    """

    shape: ConvShape
    function: Any

    def arrange(self, weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weights in the kernel's own layout: rows padded with zeros to a multiple of 16."""
        rows = weight.transpose(0, 2, 3, 1).reshape(weight.shape[0], weight.shape[2], -1)
        padded = zeros((*rows.shape[:-1], -(-rows.shape[-1] // 16) * 16))
        padded[..., : rows.shape[-1]] = rows
        return padded

    def sums(self, parts: int) -> NDArray[Any]:
        """Zeroed weight gradients of so many parts, in the kernel's layout and type."""
        s = self.shape
        row = -(-s.kernel[1] * s.channels // 16) * 16
        return zeros((parts, s.out_channels, s.kernel[0], row), kind_of(s))

    def view(self, total: NDArray[Any]) -> NDArray[Any]:
        """A sum of parts in the weight's shape."""
        s = self.shape
        kh, kw = s.kernel
        rows = total[:, :, : kw * s.channels].reshape(s.out_channels, kh, kw, s.channels)
        return rows.transpose(0, 3, 1, 2)


def source(shape: ConvShape, sums: str) -> str:
    """C of a convolution's gradients; `sums` is the type of its forward sums."""
    lines = [f"#define {k} {v}" for k, v in _macros(shape).items()] + [f"#define Y {sums}"]
    image = (shape.height + 2 * shape.padding[0]) * (shape.width + 2 * shape.padding[1]) * shape.channels
    lines.append(f"#define FRAMES {max(1, min(16, _TILE // image))}")
    lines += choose(lambda size, most: [f"#define VL {size}", *_groups(shape, size, most)])
    return "\n".join([*lines, text_of("conv_gradient.c")])


def choose(lines: Any) -> list[str]:
    """Lines for each kind of vector (numbers in it, and how many stay in registers), under its condition."""
    text: list[str] = []
    for k, (condition, size, most) in enumerate(_VECTORS):
        text += [f"#{'elif' if k else 'if'} {condition}", *lines(size, most)]
    return [*text, "#endif"]


def _groups(shape: ConvShape, size: int, most: int) -> list[str]:
    """Calls that cover all vectors of a kernel in equal groups."""
    count = shape.kernel[0] * (-(-shape.kernel[1] * shape.channels // 16) * 16 // size)
    groups = -(-count // most)
    edges = [count * k // groups for k in range(groups + 1)]
    parts = [(a, b - a) for a, b in itertools.pairwise(edges)]
    images = " ".join(f"add_image({a}, {n}, frames * AREA, g + o, at + o, image, gw);" for a, n in parts)
    weights = " ".join(f"add_weight({a}, {n}, frames * AREA, g + o, at + o, gimage, w);" for a, n in parts)
    return [f"#define ADD_IMAGES {images}", f"#define ADD_WEIGHTS {weights}"]


def _macros(shape: ConvShape) -> dict[str, int]:
    known = shape.macros()
    kept = {k: known[k] for k in known if not k.startswith(("POOL", "MOST"))}
    return kept | {"POOL": shape.pool[0], "WIDE": int(kind_of(shape) is np.float64)}


def kind_of(shape: Shape) -> type[Any]:
    """The type in which a layer's weight gradient is added up: double for a convolution of images.

    Behind a norm gradients sum to zero; those of inputs whose mean is far from zero nearly cancel.
    """
    return np.float64 if isinstance(shape, ConvShape) and shape.most > _SPIKES else np.float32


@lru_cache(maxsize=128)
def gradient(shape: ConvShape, sums: str, cc: Compiler) -> Gradient:
    """The gradients of a convolution, compiled for this machine."""
    function = load(source(shape, sums), cc, REAL).backward
    function.argtypes = [ctypes.c_int64] * 4 + [ctypes.c_void_p] * 9
    function.restype = None
    return Gradient(shape, function)


@dataclass(frozen=True)
class Scatter:
    """Compiled sums of real weights.

    Attributes:
        shape: of the synapse.
        function: forward(first, last, x, weight, flip, y, winner).
    """

    shape: ConvShape
    function: Any

    def arrange(self, weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weights [KH, KW, CI, CO], rows padded with zeros to a multiple of 16."""
        ordered = weight.reshape(*weight.shape, *(1,) * (4 - weight.ndim)).transpose(2, 3, 1, 0)
        padded = zeros((*ordered.shape[:3], -(-ordered.shape[3] // 16) * 16))
        padded[..., : ordered.shape[3]] = ordered
        return padded


@lru_cache(maxsize=128)
def scatter(shape: Shape, cc: Compiler) -> Scatter:
    """Sums with real weights; a dense synapse is a convolution of one pixel."""
    if isinstance(shape, DenseShape):
        shape = ConvShape(shape.inputs, 1, 1, shape.outputs, (1, 1))
    lines = [f"#define {k} {v}" for k, v in _macros(shape).items()]
    lines += choose(lambda size, most: [f"#define VL {size}"])
    function = load("\n".join([*lines, text_of("scatter.c")]), cc, REAL).forward
    function.argtypes = [ctypes.c_int64] * 2 + [ctypes.c_void_p] * 5
    function.restype = None
    return Scatter(shape, function)


@lru_cache(maxsize=8)
def moments(sums: str, cc: Compiler) -> Any:
    """moments(first, last, C, y, sums [2, C])."""
    function = load(f"#define Y {sums}\n{text_of('moments.c')}", cc, REAL).moments
    function.argtypes = [ctypes.c_int64] * 3 + [ctypes.c_void_p] * 2
    function.restype = None
    return function


def zeros(shape: tuple[int, ...], kind: type[Any] = np.float32) -> NDArray[Any]:
    """Zeros at a multiple of 64."""
    return aligned(np.dtype(kind).itemsize * prod(shape)).view(kind).reshape(shape)
