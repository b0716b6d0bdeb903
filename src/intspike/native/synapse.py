"""Integer synapses in C: convolution (with the max-pool behind it) and dense, specialised by their sizes.

    kernel = conv(ConvShape(16, 12, 12, 64, kernel=(5, 5), pool=(2, 2), most=1), bits=16)
    packed = kernel.pack(weight)                                      # int8 [CO, CI, KH, KW], once per weight
    kernel.run(first, last, x, packed.ctypes.data, flip, y, winner)   # addresses; flip and winner may be None

    kernel = dense(DenseShape(1024, 10, most=1), bits=32)
    packed = kernel.pack(weight)                                      # int8 [M, K]
    kernel.run(first, last, x, packed.ctypes.data, y)

Channels last everywhere: x is uint8 [N, H, W, CI] (dense: [N, K]), y int16 or int32 [N, H', W', CO] (dense: [N, M]),
flip int32 [CO] of 1 and -1, winner uint8 like y. `first, last` are the frames to compute, so threads share a call by
frames; a call lets go of the interpreter lock. `bits` is the caller's proof: every partial sum, in any order, fits.
All paths, dense, by events and (convolutions) scattering, give the same integers; each frame takes the fastest one by
its share of nonzero inputs.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput, MissingDependency
from . import FAST, Compiler, compiler, load

Path = Literal["fastest", "dense", "events", "scatter"]
PERMILLE: dict[Path, int] = {"fastest": -1, "dense": 0, "events": 1001, "scatter": 2000}


@dataclass(frozen=True)
class ConvShape:
    """Sizes of a convolution with zero padding and one group, and of the max-pool behind it.

    Attributes:
        channels, height, width: of the input.
        out_channels: CO.
        kernel, stride, padding: (rows, columns).
        pool: window and stride of the max-pool; (1, 1) is none.
        most: the largest input, 1..255.
    """

    channels: int
    height: int
    width: int
    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    pool: tuple[int, int] = (1, 1)
    most: int = 255

    def __post_init__(self) -> None:
        sizes = (self.channels, self.height, self.width, self.out_channels)
        if min(*sizes, *self.kernel, *self.stride, *self.pool) < 1 or min(self.padding) < 0:
            raise BadInput(f"sizes of a convolution must be at least 1 (padding 0), not {self}")
        if not 1 <= self.most <= 255:
            raise BadInput(f"inputs of a synapse kernel must be at most 1..255, not {self.most}")
        if prod(self.pool) > 255 or min(self.out) < 1:
            raise BadInput(f"a convolution must have an output and a pool window of at most 255, not {self}")

    @property
    def out(self) -> tuple[int, int]:
        """Rows and columns of the pooled output."""
        size = (self.height, self.width)
        sums = [
            (n + 2 * p - k) // s + 1
            for n, p, k, s in zip(size, self.padding, self.kernel, self.stride, strict=True)
        ]
        return sums[0] // self.pool[0], sums[1] // self.pool[1]

    @property
    def weight(self) -> tuple[int, ...]:
        return self.out_channels, self.channels, *self.kernel

    def macros(self) -> dict[str, int]:
        return {
            "CI": self.channels, "H": self.height, "W": self.width, "CO": self.out_channels,
            "KH": self.kernel[0], "KW": self.kernel[1], "STRIDE_H": self.stride[0], "STRIDE_W": self.stride[1],
            "PAD_H": self.padding[0], "PAD_W": self.padding[1], "POOL_H": self.pool[0], "POOL_W": self.pool[1],
            "MOST": self.most,
        }  # fmt: skip


@dataclass(frozen=True)
class DenseShape:
    """Sizes of a dense synapse.

    Attributes:
        inputs, outputs: K and M.
        most: the largest input, 1..255; 1 spares a multiplication.
    """

    inputs: int
    outputs: int
    most: int = 255

    def __post_init__(self) -> None:
        if min(self.inputs, self.outputs) < 1:
            raise BadInput(f"sizes of a dense synapse must be at least 1, not {self}")
        if not 1 <= self.most <= 255:
            raise BadInput(f"inputs of a synapse kernel must be at most 1..255, not {self.most}")

    @property
    def weight(self) -> tuple[int, ...]:
        return self.outputs, self.inputs

    def macros(self) -> dict[str, int]:
        return {"K": self.inputs, "M": self.outputs, "MOST": self.most}


Shape = ConvShape | DenseShape


def lanes() -> str:
    """What every instance needs once, before it."""
    return text_of("lanes.h")


def source(shape: Shape, bits: int, name: str) -> str:
    """One instance: functions `<name>_run`, `<name>_pack` and `<name>_packed_bytes`; needs `lanes()` before it."""
    if bits not in (16, 32):
        raise BadInput(f"results of a synapse kernel must be 16 or 32 bits wide, not {bits}")
    text = text_of("conv.c" if isinstance(shape, ConvShape) else "dense.c")
    macros = {"NAME(x)": f"{name}_##x", "BITS": bits, **shape.macros()}
    defined = [m.split("(")[0] for m in macros] + re.findall(r"^#define (\w+)", text, re.MULTILINE)
    return "\n".join(
        [
            *(f"#define {m} {v}" for m, v in macros.items()),
            text,
            *(f"#undef {m}" for m in dict.fromkeys(defined)),
            "",
        ]
    )


class Kernel:
    """A compiled synapse.

    Attributes:
        shape: its sizes.
        bits: width of its results.
        packed_bytes: size of packed weights.
    """

    def __init__(self, shape: Shape, bits: int, cc: Compiler, flags: tuple[str, ...]):
        self.shape, self.bits = shape, bits
        library = load(lanes() + source(shape, bits, "synapse"), cc, flags)
        library.synapse_packed_bytes.restype = ctypes.c_int64
        self.packed_bytes: int = library.synapse_packed_bytes()
        self._pack, self._run = library.synapse_pack, library.synapse_run
        self._pack.argtypes = [ctypes.c_void_p] * 2
        pointers = 5 if isinstance(shape, ConvShape) else 3
        self._run.argtypes = [ctypes.c_int64] * 2 + [ctypes.c_void_p] * pointers + [ctypes.c_int64]
        self._pack.restype = self._run.restype = None

    def pack(self, weight: NDArray[np.int8]) -> NDArray[np.uint8]:
        """Weights in the kernel's own layout, at an address that vectors like.

        Args:
            weight: int8 [CO, CI, KH, KW] or [M, K].

        Raises:
            BadInput: another shape or type.
        """
        if weight.shape != self.shape.weight or weight.dtype != np.int8:
            raise BadInput(
                f"weights must be int8 {list(self.shape.weight)}, not {weight.dtype} {list(weight.shape)}"
            )
        packed = aligned(self.packed_bytes)
        weight = np.ascontiguousarray(weight)
        self._pack(weight.ctypes.data, packed.ctypes.data)
        return packed

    def pack_into(self, weight: int, packed: int) -> None:
        """The same from and to addresses; `packed` has `packed_bytes` bytes, best at a multiple of 64."""
        self._pack(weight, packed)

    def run(self, first: int, last: int, *pointers: int | None, path: Path = "fastest") -> None:
        """Compute frames first..last - 1.

        Args:
            pointers: conv: x, packed, flip, y, winner; dense: x, packed, y.
            path: all give the same integers; one that the synapse does not have stands for another.
        """
        self._run(first, last, *pointers, PERMILLE[path])


@lru_cache(maxsize=256)
def _kernel(shape: Shape, bits: int, cc: Compiler, flags: tuple[str, ...]) -> Kernel:
    return Kernel(shape, bits, cc, flags)


def _compiler() -> Compiler:
    cc = compiler()
    if cc is None:
        raise MissingDependency("synapse kernels need a C compiler; install gcc or clang")
    return cc


def conv(shape: ConvShape, bits: int = 32, flags: tuple[str, ...] = FAST) -> Kernel:
    """The kernel of a convolution, compiled once for this machine.

    Args:
        bits: 16 or 32, width of the results; the caller proves that every partial sum fits.
        flags: of the compiler; they choose the instruction set.

    Raises:
        MissingDependency: there is no C compiler.
    """
    return _kernel(shape, bits, _compiler(), flags)


def dense(shape: DenseShape, bits: int = 32, flags: tuple[str, ...] = FAST) -> Kernel:
    """The kernel of a dense synapse; arguments as `conv`."""
    return _kernel(shape, bits, _compiler(), flags)


def aligned(size: int) -> NDArray[Any]:
    """`size` zero bytes at a multiple of 64."""
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]


@lru_cache(maxsize=8)
def text_of(name: str) -> str:
    """A C text of this folder."""
    return (files("intspike.native") / name).read_text(encoding="utf-8")
