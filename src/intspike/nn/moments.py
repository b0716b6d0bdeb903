"""Mean and variance of each channel, with a backward pass of one multiply-add an element."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


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
