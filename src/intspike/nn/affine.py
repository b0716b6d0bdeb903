"""From sums to currents: biases and norms as a gain and an offset of each channel, and the statistics they rest on."""

from __future__ import annotations

import torch
from torch import Tensor

from .group import Group
from .moments import moments, normalised
from .parts import Norm, area
from .sums import folded, unfolded


def affine(
    group: Group,
    statistics: tuple[Tensor, Tensor, int] | None,
    scale: float,
    step: Tensor | None,
    constant: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Gain and offset of the current per channel, I = gain * S + offset, in float64.

    Args:
        statistics: mean and variance of the sums that the norm sees, and of how many; None: running statistics.
        scale: real value of one input code.
        step: real value of one weight code; None where weights are real.
        constant: what every sum lacks, [C]: of shifted inputs, where it is the same at all positions.
    """
    gain = torch.full((group.channels,), scale, dtype=torch.float64)
    if step is not None:
        gain = step.double() * gain
    offset = torch.zeros(group.channels, dtype=torch.float64)
    if constant is not None:
        offset = gain * constant.double()
    for m in group.modules_of_synapses:
        if m.bias is not None:
            offset = offset + m.bias.double()
    norm = group.norm
    if group.pool is not None and isinstance(group.pool, torch.nn.AvgPool2d) and group.order == "pool first":
        gain = gain / area(group.pool)
    if norm is not None:
        if statistics is None:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            mean, variance = norm.running_mean.double(), norm.running_var.double()
        else:
            mean_sum, variance_sum, count = statistics
            mean = gain * mean_sum + offset
            variance = gain.square() * variance_sum
            track(norm, mean, variance, count)
        slope = torch.rsqrt(variance + norm.eps)
        if norm.affine:
            slope = slope * norm.weight.double()
        offset = (offset - mean) * slope + (norm.bias.double() if norm.affine else 0.0)
        gain = gain * slope
    if group.pool is not None and isinstance(group.pool, torch.nn.AvgPool2d) and group.order == "norm first":
        gain = gain / area(group.pool)
    return gain, offset


@torch.no_grad()
def track(norm: Norm, mean: Tensor, variance: Tensor, count: int) -> None:
    """Move running statistics as torch does: unbiased variance, momentum (None: cumulative)."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    momentum = norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked += 1
        if momentum is None:
            momentum = 1.0 / float(norm.num_batches_tracked)
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), momentum or 0.0)
    unbiased = variance * count / max(1, count - 1)
    norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), momentum or 0.0)


def batch_moments(group: Group, sums: Tensor) -> tuple[Tensor, Tensor, int]:
    """Mean and variance of sums [T, B, C, ...] per channel, and of how many numbers, over all devices."""
    flat = folded(sums)
    mean, variance = moments(flat)
    count = flat.numel() // flat.shape[1]
    if group.over_devices is None:
        return mean, variance, count
    return group.statistics(torch.stack([mean, variance + mean.square()]) * count, count)


def normed(group: Group, norm: Norm, x: Tensor) -> Tensor:
    """What torch's norm does, with statistics over all devices."""
    if group.over_devices is None or not norm.training:
        return unfolded(norm(folded(x)), x)
    found = batch_moments(group, x)
    track(norm, *found)
    return unfolded(normalised(folded(x), norm, *found[:2]), x)
