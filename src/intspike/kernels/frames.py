"""Spikes between layers, and how their gradients come back.

Between compiled layers spikes are bytes, channels last; float tensors of them and of their gradients would be most of
the memory of a training step. So the graph of autograd carries an empty link, and gradients go another way: through
sinks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .sinks import AnySink, Masked, Sink, Tile


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

    def rates(self) -> Tensor:
        """Means over time and samples, [C, ...], with gradients."""
        if self.link is None or not torch.is_grad_enabled():
            return _rates(self.data)
        self.read()
        return _Rates.apply(self.link, self)


def _rates(data: Tensor) -> Tensor:
    total = data.flatten(0, 1).sum(0, dtype=torch.int64).movedim(-1, 0)
    return (total / max(1, data.shape[0] * data.shape[1])).to(torch.get_default_dtype())


class _Rates(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, link: Tensor, frames: Frames) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.frames = frames
        return _rates(frames.data)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        frames: Frames = ctx.frames
        each = gradient.movedim(0, -1).flatten().float() / max(1, frames.data.shape[0] * frames.data.shape[1])
        if isinstance(frames.sink, Sink):
            frames.sink.push_alike(each.numpy())
        elif frames.sink is not None:
            frames.sink.push(lambda k, a, b, tile: np.copyto(tile, each.numpy()))
        return torch.zeros(()), None


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
