"""The integer synapses of shipped networks, ready to be timed: dense path, event path, or the kernel's choice."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from intspike.native import default_threads, split
from intspike.native.synapse import ConvShape, DenseShape, Kernel, Path, aligned, conv, dense


@dataclass(frozen=True)
class Layer:
    """A layer shape and the width of its sums, which 4-bit weights prove.

    Attributes:
        name: for the table.
        resident: frames whose inputs and results stay in the caches of two cores.
        frames: distinct frames of a call that is to be like the work of a network.
    """

    name: str
    shape: ConvShape | DenseShape
    bits: int
    resident: int
    frames: int

    @property
    def macs(self) -> int:
        """Multiplications that one frame needs; padding to whole vectors is not counted."""
        s = self.shape
        if isinstance(s, DenseShape):
            return s.inputs * s.outputs
        return prod(s.weight) * prod(s.out) * prod(s.pool)


LAYERS = (
    Layer("conv1", ConvShape(1, 28, 28, 16, kernel=(5, 5), pool=(2, 2)), 32, 256, 3200),
    Layer("conv2", ConvShape(16, 12, 12, 64, kernel=(5, 5), pool=(2, 2), most=1), 16, 512, 1600),
    Layer("dense 1024-10", DenseShape(1024, 10, most=1), 16, 2048, 12800),
    Layer("dense 700-1000", DenseShape(700, 1000, most=1), 16, 512, 3200),
    Layer("dense 1000-20", DenseShape(1000, 20, most=1), 16, 2048, 12800),
)


class Synapse:
    """A kernel with 4-bit weights and random inputs, of which a share `rate` is not zero.

    Args:
        frames: of the inputs; a call computes them `repeats` times.
    """

    def __init__(self, layer: Layer, rate: float, frames: int, repeats: int = 1):
        r = np.random.default_rng(0)
        self.layer, self.frames, self.repeats = layer, frames, repeats
        s = layer.shape
        is_conv = isinstance(s, ConvShape)
        self.kernel: Kernel = conv(s, layer.bits) if is_conv else dense(s, layer.bits)
        inputs = (s.height, s.width, s.channels) if is_conv else (s.inputs,)
        outputs = (*s.out, s.out_channels) if is_conv else (s.outputs,)
        x = r.integers(1, s.most + 1, (frames, *inputs), np.uint8)
        x *= r.random(x.shape, np.float32) < rate
        self.weight = r.integers(-8, 8, s.weight, np.int8)
        self.x = _aligned(x)
        self.packed = self.kernel.pack(self.weight)
        kind = np.dtype(np.int16 if layer.bits == 16 else np.int32)
        self.y = aligned(frames * prod(outputs) * kind.itemsize).view(kind).reshape(frames, *outputs)
        w, y = self.packed.ctypes.data, self.y.ctypes.data
        rest = (w, None, y, None) if is_conv else (w, y)  # no flips and no winners of the max-pool
        self.pointers: tuple[int | None, ...] = (self.x.ctypes.data, *rest)

    def run(self, path: Path) -> None:
        """One call over all frames, on all threads."""
        split(self._part, self.frames, default_threads(), path)

    def _part(self, first: int, last: int, path: Path) -> None:
        for _ in range(self.repeats):
            self.kernel.run(first, last, *self.pointers, path=path)

    def equal(self, path: Path, frames: int = 64) -> bool:
        """Whether a path's integers are those of torch, for the first frames."""
        self.y[:] = 0
        self.run(path)
        x, w = (torch.from_numpy(a).double() for a in (self.x[:frames], self.weight))
        s = self.layer.shape
        if isinstance(s, DenseShape):
            expected = x @ w.T
        else:
            sums = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), w, stride=s.stride, padding=s.padding)
            expected = torch.nn.functional.max_pool2d(sums, s.pool).permute(0, 2, 3, 1)
        return bool(np.array_equal(self.y[:frames], expected.numpy()))


def _aligned(x: NDArray[Any]) -> NDArray[Any]:
    """The same bytes at a multiple of 64, with room behind them."""
    made = aligned(x.nbytes + 64)[: x.nbytes].view(x.dtype).reshape(x.shape)
    made[:] = x
    return made
