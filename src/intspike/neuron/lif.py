"""Leaky integrate-and-fire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from ..ops.trace import Tracer, Value
from .base import Neuron, check_leak


class Leaky(Protocol):
    """The fields of a membrane that leaks."""

    @property
    def beta(self) -> float | None: ...
    @property
    def reset_order(self) -> Literal["before leak", "after leak"]: ...
    @property
    def leak_on(self) -> Literal["state", "sum"]: ...


def integrated(neuron: Leaky, ops: Tracer, u: Value, current: Value) -> Value:
    """The membrane potential before it is stored: reset by the last output, leaked, with the current added."""
    s = ops.prev()
    if neuron.reset_order == "before leak":
        u = ops.reset(u, s)
    if neuron.beta is None:
        u = u + current
    else:
        u = ops.leak(u) + current if neuron.leak_on == "state" else ops.leak(u + current)
    return ops.reset(u, s) if neuron.reset_order == "after leak" else u


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
        check_leak("beta", self.beta, "; use IF() for no leak")

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        current, awake = self.gated(ops, state, current)
        return ops.fire("u", integrated(self, ops, state["u"], current), awake)
