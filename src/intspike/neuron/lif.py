"""Leaky integrate-and-fire."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import BadInput
from ..ops.trace import Tracer, Value
from .base import Neuron


@dataclass(frozen=True)
class LIF(Neuron):
    """Leaky integrate-and-fire:  u = beta * reset(u, s) + I;  s = [u >= theta].

    The reset of a spike belongs to the next timestep's read, so what is stored is the membrane that fired
    (or, by the codec, the pair of what is left after the reset and the spike).

    Attributes:
        beta: leak in 0..1 per timestep; each channel starts from it.
        reset_order: the reset comes "before leak" or "after leak".
        leak_on: the leak acts on the "state" or on the "sum" of state and input.
        learn_beta: whether training changes beta, per channel.

    Source: the update equation of SQUAT (arXiv 2404.19668, eq. 2) is `reset_order="after leak"`,
    `compare=">"`; snnTorch's Leaky is the same.
    """

    beta: float = 0.75
    reset_order: Literal["before leak", "after leak"] = "before leak"
    leak_on: Literal["state", "sum"] = "state"
    learn_beta: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.beta) and 0 <= self.beta <= 1):
            raise BadInput(f"beta must be a number in 0..1, not {self.beta!r}; use IF() for no leak")

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        u, s = state["u"], ops.prev()
        current, awake = self.gated(ops, state, current)
        if self.reset_order == "before leak":
            u = ops.reset(u, s)
        u = ops.leak(u) + current if self.leak_on == "state" else ops.leak(u + current)
        if self.reset_order == "after leak":
            u = ops.reset(u, s)
        return ops.fire("u", u, awake)
