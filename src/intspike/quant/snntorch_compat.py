"""For comparison only: the membrane quantizer of snnTorch 1.0, bit for bit, with its defects. It does not lower.

Membranes stay real numbers that are moved to the nearest of 2^bits static levels before the neuron fires. Rest is no
level and the threshold is no boundary, so a resting neuron moves and spikes appear and disappear
(docs/snntorch.md); `ThresholdCentred` is what to use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any

import torch
from torch import Tensor

from ..errors import BadInput
from .comparison import ComparisonState

_BASES = {1: 0.05, 2: 0.1, 3: 0.3, 4: 0.5, 5: 0.7, 6: 0.9, 7: 0.925}  # more bits: 0.95


def levels(
    num_bits: int = 8,
    uniform: bool = True,
    thr_centered: bool = True,
    threshold: float = 1,
    lower_limit: float = 0,
    upper_limit: float = 0.2,
    multiplier: float | None = None,
) -> Tensor:
    """The 2^num_bits levels of snnTorch's `state_quant`, float32, with its arguments.

    From -threshold (1 + lower_limit) to threshold (1 + upper_limit), evenly spaced; or, with `uniform=False`, in
    geometric steps that shrink by `multiplier` towards the threshold (towards 0 without `thr_centered`) from either
    side. Each side gets levels by its share of the range.

    Source: snnTorch 1.0.0, whose order of additions is kept, because it decides the last bit.
    """
    if not isinstance(num_bits, int) or not 1 <= num_bits <= 16:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(f"num_bits must be an integer in 1..16, not {num_bits!r}")
    count = 1 << num_bits
    low, high = -threshold - threshold * lower_limit, threshold + threshold * upper_limit
    if uniform:
        return torch.linspace(low, high, count)
    base = multiplier if multiplier is not None else _BASES.get(num_bits, 0.95)
    centre = threshold if thr_centered else 0
    low = -(threshold + (threshold * lower_limit))
    below = floor(count * ((centre - low) / (high - low)))
    steps = [base**j for j in range(below)]
    made = list(_running(low, [0.0, *_scaled(steps, centre - low)[:-1]])) if below else []
    steps = [base**j for j in range(count - below)]
    if steps:
        made += _running(centre, _scaled(steps, high - centre)[::-1])
    return torch.tensor(made)


def _scaled(steps: Sequence[float], room: float) -> list[float]:
    """Steps stretched to fill a room."""
    total = 0.0
    for step in reversed(steps):
        total += step
    return [step / (total / room) for step in steps]


def _running(start: float, steps: Sequence[float]) -> list[float]:
    made: list[float] = []
    for step in steps:
        start += step
        made.append(start)
    return made


def nearest(u: Tensor, known: Tensor) -> Tensor:
    """The level with the least |level - u| in the arithmetic of u's dtype, the lowest of equals; any shape.

    Like the original it gives float32, and the lowest level for nan, for infinity and for values so large that all
    distances round to one number.
    """
    known = known.to(u.device)
    if bool(
        (known[1:] < known[:-1]).any()
    ):  # rounding pushed levels past the centre: only every distance will do
        return known[(u.unsqueeze(-1) - known).abs().argmin(-1)]
    upper = torch.bucketize(u.contiguous(), known.to(u.dtype)).clamp(0, len(known) - 1)
    index = (upper - 1).clamp_min(0)
    index = torch.where((known[upper] - u).abs() < (known[index] - u).abs(), upper, index)
    while True:  # lower levels at the same rounded distance
        under = (index - 1).clamp_min(0)
        equal = (index > 0) & ((known[under] - u).abs() == (known[index] - u).abs())
        if not bool(equal.any()):
            break
        index = torch.where(equal, under, index)
    return known[torch.where(u.isnan(), 0, index)]


class _Straight(torch.autograd.Function):
    """The gradient passes, at the ends too."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, stored: Tensor) -> Tensor:
        return stored

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0].clone(), None


def straight_through(u: Tensor, stored: Tensor) -> Tensor:
    """`stored`, with the gradient of u."""
    return _Straight.apply(u, stored)  # type: ignore[no-any-return]


def state_quant(
    num_bits: int = 8,
    uniform: bool = True,
    thr_centered: bool = True,
    threshold: float = 1,
    lower_limit: float = 0,
    upper_limit: float = 0.2,
    multiplier: float | None = None,
) -> Callable[[Tensor], Tensor]:
    """A stand-in for `snntorch.functional.quant.state_quant`: same arguments, same bits, a 2^num_bits-th of the memory.

    Returns:
        a function of membranes that gives the nearest level, with a straight-through gradient.
    """
    known = levels(num_bits, uniform, thr_centered, threshold, lower_limit, upper_limit, multiplier)
    return lambda u: straight_through(u, nearest(u.detach(), known))


@dataclass(frozen=True)
class SnnTorchState(ComparisonState):
    """What `state_quant` does to a membrane, before the neuron fires.

    Attributes:
        bits: 1..16.
        uniform, thr_centered, lower_limit, upper_limit: as in `state_quant`; its `threshold` is the neuron's.
    """

    bits: int
    uniform: bool = True
    thr_centered: bool = True
    lower_limit: float = 0.0
    upper_limit: float = 0.2

    def __post_init__(self) -> None:
        levels(self.bits, self.uniform, self.thr_centered, 1.0, self.lower_limit, self.upper_limit)

    def store(self, u: Tensor, theta: float) -> Tensor:
        known = levels(self.bits, self.uniform, self.thr_centered, theta, self.lower_limit, self.upper_limit)
        return straight_through(u, nearest(u.detach(), known))
