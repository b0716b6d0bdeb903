"""Leaky integrate-and-fire with a threshold that adapts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import BadInput
from ..ops.trace import Tracer, Value
from .base import Neuron, check_leak
from .current_based import filtered
from .lif import integrated


@dataclass(frozen=True)
class AdaptiveLIF(Neuron):
    """Adaptive threshold:  a = rho * a + jump * s;  u = beta * reset(u, s) + I;  s = [u >= theta + a].

    Every threshold is raised by a. A subtracting reset takes theta, not theta + a. With alpha the neuron is
    current-based, too:  i = alpha * i + I, and i is added instead of I. Gradients pass through the spike that a jumps
    by; they do not through the reset. Its membrane is stored before the reset, because potentials between theta and
    theta + a lie above every level that is stored after it.

    Attributes:
        rho: leak of the adaptation in 0..1 per timestep; each channel starts from it.
        jump: what a spike raises the thresholds by, 0 or more, in the unit of theta; each channel starts from it.
        alpha: leak of a synaptic current; None: there is none.
        beta: leak of the membrane potential; None: no leak, as IF.
        reset_order, leak_on: as of LIF.
        learn_rho, learn_jump, learn_alpha, learn_beta: whether training changes them, per channel.

    Source: the LSNN of Bellec et al. (arXiv 1803.09574), b = rho b + (1 - rho) z and threshold b0 + beta b; jump is
    their beta (1 - rho).
    """

    rho: float = 0.9
    jump: float = 0.2
    alpha: float | None = None
    beta: float | None = 0.75
    reset_order: Literal["before leak", "after leak"] = "before leak"
    leak_on: Literal["state", "sum"] = "state"
    learn_rho: bool = False
    learn_jump: bool = False
    learn_alpha: bool = False
    learn_beta: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_leak("rho", self.rho)
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            if value is not None:
                check_leak(name, value, "; None is none")
        if not (math.isfinite(self.jump) and self.jump >= 0):
            raise BadInput(f"jump must be a number of 0 or more, not {self.jump!r}; rest (0) must not fire")

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        if self.alpha is not None:
            current = filtered(ops, state, current)
        current, awake = self.gated(ops, state, current)
        jumped = ops.leak(state["a"], "a") + ops.prev() * ops.parameter("jump")
        raised = ops.store("a", jumped)
        return ops.fire("u", integrated(self, ops, state["u"], current), awake, raised)
