"""Current-based leaky integrate-and-fire: synapses that last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..ops.trace import Tracer, Value
from .base import Neuron, check_leak
from .lif import integrated


def filtered(ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
    """The synaptic current, stored:  i = alpha * i + I."""
    return ops.store("i", ops.leak(state["i"], "i") + current)


@dataclass(frozen=True)
class CubaLIF(Neuron):
    """Current-based leaky integrate-and-fire:  i = alpha * i + I;  u = beta * reset(u, s) + i;  s = [u >= theta].

    The membrane reads the synaptic current that was just stored, or with `reads` that of the timestep before. While
    the neuron is refractory i goes on, and is not added.

    Attributes:
        alpha: leak of the synaptic current in 0..1 per timestep; each channel starts from it.
        beta: leak of the membrane potential in 0..1 per timestep; each channel starts from it. None: no leak, as IF.
        reads: the "new current", or the "last current".
        reset_order: the reset comes "before leak" or "after leak".
        leak_on: the leak of the membrane acts on the "state" or on the "sum" of state and synaptic current.
        learn_alpha, learn_beta: whether training changes them, per channel.

    Source: `reset_order="after leak"`, `compare=">"` is snnTorch's Synaptic; `reset="zero"`, `compare=">"` is the
    equation of lava's current-based neuron, whose integers leak toward zero where a `Dyadic` leak goes down. Of NIR's
    CubaLIF, alpha and beta are 1 - dt / tau or exp(-dt / tau), and its gains w_in and r are the synapse's.
    """

    alpha: float = 0.5
    beta: float | None = 0.75
    reads: Literal["new current", "last current"] = "new current"
    reset_order: Literal["before leak", "after leak"] = "before leak"
    leak_on: Literal["state", "sum"] = "state"
    learn_alpha: bool = False
    learn_beta: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_leak("alpha", self.alpha)
        if self.beta is not None:
            check_leak("beta", self.beta, "; None is no leak")

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        new = filtered(ops, state, current)
        current, awake = self.gated(ops, state, new if self.reads == "new current" else state["i"])
        return ops.fire("u", integrated(self, ops, state["u"], current), awake)
