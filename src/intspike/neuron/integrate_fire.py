"""Integrate-and-fire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..ops.trace import Tracer, Value
from .base import Neuron


@dataclass(frozen=True)
class IF(Neuron):
    """Integrate-and-fire, without a leak:  u = reset(u, s) + I;  s = [u >= theta]."""

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        current, awake = self.gated(ops, state, current)
        return ops.fire("u", ops.reset(state["u"], ops.prev()) + current, awake)
