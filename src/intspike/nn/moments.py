"""Mean and variance of each channel, with a backward pass of one multiply-add an element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .parts import Norm


def statistics(
    found: Tensor, count: int, over_devices: Callable[[Tensor], Tensor] | None
) -> tuple[Tensor, Tensor, int]:
    """Mean and biased variance of `count` numbers a channel, of their sums and sums of squares [2, C].

    Args:
        over_devices: adds a tensor up over all devices; None: there is one. Sums of integers are exact, so batch
            statistics of integers do not depend on the number of devices.
    """
    if over_devices is not None:
        total = over_devices(torch.cat([found, torch.full_like(found[:1], count)]))
        found, count = total[:2], int(total[2, 0])
    mean = found[0] / count
    return mean, (found[1] / count - mean.square()).clamp_min(0), count


def normalised(x: Tensor, norm: Norm, mean: Tensor, variance: Tensor) -> Tensor:
    """x [N, C, ...] as a norm with these statistics changes it."""
    slope = torch.rsqrt(variance + norm.eps)
    if norm.affine:
        slope = slope * norm.weight.double()
    offset = (norm.bias.double() if norm.affine else 0.0) - mean * slope
    shape = (-1, *(1,) * (x.ndim - 2))
    return x * slope.to(x.dtype).reshape(shape) + offset.to(x.dtype).reshape(shape)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over all axes but the channel: x [N, C, ...] to float64 [C] and [C]."""
    mean, variance = _Moments.apply(x)  # type: ignore[no-untyped-call]
    return mean, variance


class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        rows = x.detach().reshape(len(x), x.shape[1], -1)
        count = rows.shape[0] * rows.shape[2]
        # positions in float32, the rest in float64: sums of squares of integers lose nothing that matters
        mean = rows.sum(2).double().sum(0) / count
        square = rows.square().sum(2).double().sum(0) / count
        ctx.save_for_backward(x, mean)
        return mean, (square - mean.square()).clamp_min(0)

    @staticmethod
    def backward(ctx: Any, gmean: Tensor, gvariance: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, mean = ctx.saved_tensors
        count = x.numel() // x.shape[1]
        shape = (-1, *(1,) * (x.ndim - 2))
        slope = (2 * gvariance / count).float().reshape(shape)
        offset = ((gmean - 2 * gvariance * mean) / count).float().reshape(shape)
        return torch.addcmul(offset, slope, x)
