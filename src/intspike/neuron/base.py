"""What every neuron shares: the fields of the numeric contract, and its states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import BadInput
from ..ops.codec import State, Uniform
from ..ops.surrogate import ShiftedArctan, Surrogate
from ..ops.trace import Form, Tracer, Value

_CHOICES = {
    "reset": ("subtract", "zero", "none"),
    "compare": (">=", ">"),
    "reset_order": ("before leak", "after leak"),
    "leak_on": ("state", "sum"),
}


@dataclass(frozen=True)
class Neuron:
    """Fields that differ between tools, as data. Abstract: subclasses write `step` and nothing else.

    Attributes:
        theta: threshold, a positive real; each channel starts from it.
        reset: "subtract" its own amount, "zero", or "none".
        compare: a spike is u ">=" theta or u ">" theta.
        spikes: the largest output D; s = sum over d of [u >= d * theta].
        refractory: timesteps after a spike in which the neuron neither integrates nor fires.
        surrogate: derivative that stands in for that of the comparison, read at the stored membrane.
        learn_theta: whether training changes theta, per channel.
    """

    theta: float = 1.0
    reset: Literal["subtract", "zero", "none"] = "subtract"
    compare: Literal[">=", ">"] = ">="
    spikes: int = 1
    refractory: int = 0
    surrogate: Surrogate = ShiftedArctan()
    learn_theta: bool = False

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if hasattr(self, name) and getattr(self, name) not in known:
                raise BadInput(
                    f"{name} must be one of {', '.join(map(repr, known))}, not {getattr(self, name)!r}"
                )
        if not (math.isfinite(self.theta) and self.theta > 0):
            raise BadInput(f"theta must be a positive number, not {self.theta!r}; rest (0) must not fire")
        if not 1 <= self.spikes <= 15:
            raise BadInput(f"spikes must be in 1..15, not {self.spikes}")
        if not 0 <= self.refractory <= 255:
            raise BadInput(f"refractory must be in 0..255 timesteps, not {self.refractory}")
        if not isinstance(self.surrogate, get_args(Surrogate)):
            known = ", ".join(f"{k.__name__}()" for k in get_args(Surrogate))
            raise BadInput(f"surrogate must be one of {known}, not {self.surrogate!r}")

    @property
    def first(self) -> float:
        """The first threshold, in units of theta."""
        return 1.0

    @property
    def multiples(self) -> tuple[int, ...]:
        """Every threshold, in units of the first."""
        return tuple(range(1, self.spikes + 1))

    @property
    def taken(self) -> int:
        """What the reset of one spike subtracts, in units of the first threshold."""
        return 1

    @property
    def unit_of_spike(self) -> float:
        """Real value of one spike to what reads it."""
        return 1.0

    @property
    def has_shift(self) -> bool:
        """Whether what readers see is moved by a constant, which is never sent."""
        return getattr(self, "learn_shift", False) or getattr(self, "shift", 0.0) != 0

    @property
    def has_leak(self) -> bool:
        """Whether the neuron reads a leak `beta`."""
        return hasattr(self, "beta")

    def states(self, form: Form) -> tuple[State, ...]:
        """The membrane potential, and a counter where the neuron has a refractory time."""
        membrane = State("u", form.codec)
        if not self.refractory:
            return (membrane,)
        counter = Uniform(self.refractory.bit_length(), 0, stores="before reset")
        return membrane, State("r", None if form.codec is None else counter)

    def gated(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> tuple[Value, Value | None]:
        """The current, zero while refractory, and the gate that the spike must pass (None without one)."""
        if not self.refractory:
            return current, None
        fired = ops.cut(ops.prev()) > 0
        waiting = (state["r"] - 1).max(0)
        left = ops.store("r", ops.select(fired, ops.value(ops.constant(self.refractory)), waiting))
        awake = ops.value(ops.emit("ge", ops.constant(0), left.index))
        return ops.select(awake, current, 0), awake

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        """One timestep, written once; returns the output."""
        raise BadInput(f"{type(self).__name__} is abstract: use LIF, IF, or a neuron with its own step")
