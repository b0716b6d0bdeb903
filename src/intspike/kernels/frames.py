"""Spikes between layers, and how their gradients come back.

Between compiled layers spikes are bytes, channels last; float tensors of them and of their gradients would be most of
the memory of a training step. So the graph of autograd carries an empty link, and gradients go another way: the layer
that read the spikes pushes their gradient, a tile of samples at a time, into the sink of the layer that sent them,
which runs its loop over time on the tile at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..native import split

Tile = NDArray[np.float32]  # [T, samples, elements of a frame]

# Gradients are summed over so many parts of the batch, whatever the threads, so their bits do not depend on them.
PARTS = 8
_TILE_BYTES = 1 << 20  # a tile stays in the second cache


def part(batch: int, k: int) -> tuple[int, int]:
    """Samples of the k-th part of a batch."""
    return batch * k // PARTS, batch * (k + 1) // PARTS


class Sink:
    """Takes the gradient of one value from everything that reads it.

    Args:
        shape: [T, B, elements] of the value.
        begin: called once before the first tile.
        receive: takes (part, b0, b1, tile): the whole gradient of samples b0..b1 - 1.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        begin: Callable[[], None],
        receive: Callable[[int, int, int, Tile], None],
    ):
        self.shape, self._begin, self._receive = shape, begin, receive
        self.readers = 0
        self._arrived = 0
        self._waiting: Tile | None = None  # gradients of the readers before the last

    def push(self, produce: Callable[[int, int, int, Tile], None]) -> None:
        """One reader's gradient: `produce(part, b0, b1, tile)` fills a tile. Behind the last reader the loop runs.

        Parts run in several threads; the tiles of one part come in order.
        """
        self._arrived += 1
        last = self._arrived == self.readers
        timesteps, batch, elements = self.shape
        if not last and self._waiting is None:
            self._waiting = np.zeros(self.shape, np.float32)
        waiting = self._waiting
        if last:
            self._begin()

        def run(first: int, end: int) -> None:
            for k in range(first, end):
                for a, b in tiles(*part(batch, k), timesteps * elements):
                    tile = _workspace(timesteps * (b - a) * elements).reshape(timesteps, b - a, elements)
                    produce(k, a, b, tile)
                    if waiting is not None:
                        tile += waiting[:, a:b]
                    if last:
                        self._receive(k, a, b, tile)
                    elif waiting is not None:
                        waiting[:, a:b] = tile

        split(run, PARTS, torch.get_num_threads())

    def close(self) -> None:
        """Everything that will come has come: run on what waits where a reader sent nothing; ready for another pass."""
        waiting, late = self._waiting, self._arrived < self.readers
        self._arrived, self._waiting = 0, None
        if late and waiting is not None:
            self._begin()
            for k in range(PARTS):
                a, b = part(self.shape[1], k)
                if b > a:
                    self._receive(k, a, b, np.ascontiguousarray(waiting[:, a:b]))


class Masked:
    """A sink before which elements of each sample are taken out, for all timesteps.

    Args:
        sink: of the value that was masked.
        kept: float32 [B, elements], 1 where an element is kept and 0 where not.
    """

    def __init__(self, sink: AnySink, kept: Tile):
        self._sink, self._kept, self.shape = sink, kept, sink.shape

    @property
    def readers(self) -> int:
        """Of the value that was masked: who reads this reads that."""
        return self._sink.readers

    @readers.setter
    def readers(self, count: int) -> None:
        self._sink.readers = count

    def push(self, produce: Callable[[int, int, int, Tile], None]) -> None:
        """See `Sink.push`."""

        def masked(k: int, a: int, b: int, tile: Tile) -> None:
            produce(k, a, b, tile)
            tile *= self._kept[a:b]

        self._sink.push(masked)


AnySink = Sink | Masked


def tiles(first: int, last: int, elements: int) -> Iterator[tuple[int, int]]:
    """Samples of a part in tiles; `elements` is the size of one sample over time."""
    step = max(1, _TILE_BYTES // (4 * elements))
    for a in range(first, last, step):
        yield a, min(last, a + step)


_local = threading.local()


def _workspace(size: int) -> NDArray[np.float32]:
    """A thread's own buffer, kept between calls."""
    kept: NDArray[np.float32] | None = getattr(_local, "buffer", None)
    if kept is None or kept.size < size:
        kept = _local.buffer = torch.empty(size).numpy()  # at a multiple of 64, where vectors load fastest
    return kept[:size]


@dataclass(frozen=True)
class Frames:
    """Small integers over time, channels last.

    Attributes:
        data: uint8 [T or 1, B, H, W, C] or [T or 1, B, N]; one frame is static.
        most: the largest integer.
        link: keeps the graph of autograd together; None where no gradient is wanted.
        sink: where gradients go.
        flat: whether the network sees one axis (C, H, W) of an image, flattened in that order.
    """

    data: Tensor
    most: int
    link: Tensor | None = None
    sink: AnySink | None = None
    flat: bool = False

    @property
    def image(self) -> tuple[int, ...]:
        """(C, H, W) or (N,): the shape before a flatten."""
        channel, rest = self.data.shape[-1], self.data.shape[2:-1]
        return (channel, *rest)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a frame as the network sees it."""
        return (int(np.prod(self.image)),) if self.flat else self.image

    def flattened(self) -> Frames:
        return replace(self, flat=True)

    def masked(self, kept: Tensor) -> Frames:
        """The same where `kept` (bools [1, B, C, ...]) holds, else 0, at all timesteps."""
        last = kept.movedim(2, -1).contiguous()
        sink = self.sink
        if sink is not None:
            sink = Masked(sink, last[0].flatten(1).float().numpy())
        return replace(self, data=self.data * last, sink=sink)

    def read(self) -> None:
        """Count a reader that will push a gradient."""
        if self.sink is not None:
            self.sink.readers += 1

    def tensor(self) -> Tensor:
        """The same as a tensor [T, B, C, ...] of the default type, with gradients."""
        if self.link is None or not torch.is_grad_enabled():
            y = self.data.movedim(-1, 2).to(torch.get_default_dtype())
        else:
            self.read()
            y = _ToTensor.apply(self.link, self)
        return y.flatten(2) if self.flat else y


class _ToTensor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, link: Tensor, frames: Frames) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.frames = frames
        return frames.data.movedim(-1, 2).to(torch.get_default_dtype())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        sink = ctx.frames.sink
        if sink is not None:
            g = gradient.movedim(2, -1).contiguous().float().numpy().reshape(sink.shape)

            def produce(k: int, a: int, b: int, tile: Tile) -> None:
                tile[:] = g[:, a:b]

            sink.push(produce)
        return torch.zeros(()), None


def from_tensor(x: Tensor, most: int) -> Frames:
    """A float tensor of small integers [T or 1, B, C, ...] as frames, with gradients."""
    data = x.detach().movedim(2, -1).to(torch.uint8).contiguous()
    if not (x.requires_grad and torch.is_grad_enabled()):
        return Frames(data, most)
    shape = (data.shape[0], data.shape[1], data[0, 0].numel())
    whole = np.zeros(shape, np.float32)

    def receive(k: int, a: int, b: int, tile: Tile) -> None:
        whole[:, a:b] = tile

    sink = Sink(shape, lambda: None, receive)
    return Frames(data, most, _FromTensor.apply(x, sink, whole, data.shape), sink)


class _FromTensor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, sink: Sink, whole: Any, shape: Any) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.sink, ctx.whole, ctx.shape = sink, whole, shape
        return torch.zeros(())

    @staticmethod
    def backward(ctx: Any, link: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.sink.close()
        gradient = torch.from_numpy(ctx.whole).reshape(ctx.shape).movedim(-1, 2).clone()
        ctx.whole[:] = 0
        return gradient, None, None, None
