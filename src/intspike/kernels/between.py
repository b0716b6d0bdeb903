"""What lies between layers and keeps spikes bytes: joins of two values, sums over windows; forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .frames import Frames
from .sinks import Deliver, Sink, Tile, tiles, workspace

_MOST = 255  # of a byte


def join(kind: Literal["add", "and", "iand"], a: Frames, b: Frames) -> Frames | None:
    """a + b; a b; (1 - a) b, the latter of spikes 0 or 1. None where bytes are too few, or where only one is static."""
    most = a.most + b.most if kind == "add" else 1
    if most > _MOST or a.data.shape != b.data.shape or a.flat != b.flat:
        return None
    x, y = a.data, b.data
    factors: tuple[Tensor | None, Tensor | None] = (None, None)  # the derivatives that are not 1
    match kind:
        case "add":
            data = x + y
        case "and":
            data, factors = x & y, (y, x)
        case "iand":
            silent = x ^ 1
            data, factors = silent & y, (y.view(torch.int8).neg(), silent)
    read = [(v, f) for v, f in zip((a, b), factors, strict=True) if _wants(v)]
    shape = _shape(data)
    slopes = [None if f is None else f.numpy().reshape(shape) for _, f in read]

    def share(delivers: Sequence[Deliver], k: int, first: int, end: int, tile: Tile) -> None:
        for deliver, slope in zip(delivers[:-1], slopes, strict=False):
            with workspace(*tile.shape) as part:
                deliver(k, first, end, _times(tile, slope, first, end, part))
        delivers[-1](k, first, end, _times(tile, slopes[-1], first, end, tile))

    return _linked(Frames(data, most, flat=a.flat), [v for v, _ in read], share)


def sums(x: Frames, size: tuple[int, int]) -> Frames | None:
    """Sums over windows side by side; what is left over at the edges is not read. None where bytes are too few."""
    most = x.most * size[0] * size[1]
    if most > _MOST or x.flat or x.data.ndim != 5:
        return None
    frames, batch, height, width, channels = x.data.shape
    rows, columns = height // size[0], width // size[1]
    read = x.data[:, :, : rows * size[0], : columns * size[1]]
    windows = read.reshape(frames * batch * rows, size[0], columns, size[1], channels)
    data = windows.sum((1, 3), dtype=torch.uint8).reshape(frames, batch, rows, columns, channels)

    def share(delivers: Sequence[Deliver], k: int, first: int, end: int, tile: Tile) -> None:
        given = tile.reshape(frames, end - first, rows, columns, channels)
        for a, b in tiles(first, end, frames * height * width * channels):
            with workspace(frames, b - a, height, width, channels) as whole:
                whole[:, :, rows * size[0] :], whole[:, :, :, columns * size[1] :] = 0, 0
                for i in range(size[0]):
                    for j in range(size[1]):
                        place = whole[:, :, i : rows * size[0] : size[0], j : columns * size[1] : size[1]]
                        place[:] = given[:, a - first : b - first]
                delivers[0](k, a, b, whole.reshape(frames, b - a, -1))

    return _linked(Frames(data, most), [x] if _wants(x) else [], share)


def _wants(v: Frames) -> bool:
    return v.sink is not None and v.link is not None and v.link.requires_grad and torch.is_grad_enabled()


def _shape(data: Tensor) -> tuple[int, int, int]:
    """[T, B, elements]."""
    return data.shape[0], data.shape[1], data[0, 0].numel()


def _times(tile: Tile, slope: NDArray[Any] | None, first: int, end: int, to: Tile) -> Tile:
    """A tile of samples first..end - 1 times their derivatives, written to `to`."""
    if slope is None:
        if to is not tile:
            to[:] = tile
        return to
    return np.multiply(tile, slope[:, first:end], out=to)


def _linked(
    made: Frames, read: Sequence[Frames], share: Callable[[Sequence[Deliver], int, int, int, Tile], None]
) -> Frames:
    """The same with its gradients' way to the values that were read.

    Args:
        share: takes where each of them wants its gradient, and (part, b0, b1, tile): that of what was made.
    """
    if not read:
        return made
    sources = [v.sink for v in read if v.sink is not None]
    delivers: list[Deliver] = []

    def begin() -> None:
        delivers[:] = [s.arrive() for s in sources]

    sink = Sink(_shape(made.data), begin, lambda k, a, b, tile: share(delivers, k, a, b, tile))
    for v in read:
        v.read()
    link: Tensor = _Link.apply(sink, *(v.link for v in read))  # type: ignore[no-untyped-call]
    return Frames(made.data, made.most, link, sink, made.flat)


class _Link(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sink: Sink, *links: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.sink, ctx.count = sink, len(links)
        return torch.zeros(())

    @staticmethod
    def backward(ctx: Any, link: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.sink.close()
        return None, *(torch.zeros(()) for _ in range(ctx.count))
