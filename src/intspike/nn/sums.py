"""Synapses on frames in time: what they add up to, pools of it, and what a constant input gives."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .parts import Pool, Synapse, summed
from .shifts import Shifts


def folded(x: Tensor) -> Tensor:
    """[T, B, ...] as [T * B, ...], which torch's modules read."""
    return x.flatten(0, 1)


def unfolded(y: Tensor, like: Tensor) -> Tensor:
    """Back to the first two axes of what was folded."""
    return y.reshape(*like.shape[:2], *y.shape[1:])


def synapse(m: Synapse, x: Tensor, weight: Tensor) -> Tensor:
    """What a synapse makes of [N, ...] with weights of their own, without its bias."""
    if isinstance(m, torch.nn.Linear):
        return F.linear(x.flatten(1), weight)
    if x.shape[1] > 1:
        x = x.contiguous(memory_format=torch.channels_last)  # twice as fast, forward and backward
    return F.conv2d(x, weight, None, m.stride, m.padding, m.dilation, m.groups)


def total(
    synapses: Sequence[Synapse],
    inputs: Sequence[Tensor],
    weights: Sequence[Tensor],
    substeps: Sequence[int] | None = None,
) -> Tensor:
    """What all synapses add up to, [T, B, C, ...]; a feedback that stands behind them is left out.

    Args:
        inputs: of each synapse, [T or 1, B, ...].
        weights: of each, or their codes.
        substeps: how many frames of each input make a timestep; None: one.
    """
    each = substeps or (1,) * len(inputs)
    parts: list[Tensor] = []
    for x, m, w, k in zip(inputs, synapses, weights, each, strict=False):
        y = unfolded(synapse(m, folded(x), w), x)
        parts.append(y.unflatten(0, (-1, k)).sum(1) if k > 1 else y)
    made = parts[0]
    for y in parts[1:]:
        made = made + y
    return made


def pooled(pool: Pool | None, sums: Tensor, flip: Tensor) -> Tensor:
    """Integer pool: a sum, or a maximum; a minimum where `flip`, [C], is negative."""
    if pool is None:
        return sums
    if isinstance(pool, torch.nn.AvgPool2d):
        return unfolded(summed(pool, folded(sums)), sums)
    sign = flip.to(sums.dtype)[:, None, None]
    if bool((sign > 0).all()):
        return unfolded(pool(folded(sums)), sums)
    return unfolded(pool(folded(sums) * sign) * sign, sums)


def constant_map(
    synapses: Sequence[Synapse], weights: Sequence[Tensor], shifts: Shifts, frames: Sequence[tuple[int, ...]]
) -> Tensor:
    """What the sums of shifted inputs are more than those of what was sent, [1, 1, C, ...].

    These are the synapses on constant frames, with their padding: positions at a border see fewer taps.

    Args:
        weights: of each synapse, or their codes.
        shifts, frames: of what each of them reads: what it is moved by, and the shape of a frame.
    """
    constant = [s.to(w.dtype).expand(1, 1, *f) for w, s, f in zip(weights, shifts, frames, strict=True)]
    return total(synapses, constant, weights)
