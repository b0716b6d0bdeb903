"""What every neuron shares: the fields of the numeric contract, and its states."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import BadInput, BadProgram
from ..ops.body import REAL_LEAKS
from ..ops.codec import State, Uniform
from ..ops.surrogate import ShiftedArctan, Surrogate
from ..ops.trace import Form, Tracer, Value

_CHOICES = {
    "reset": ("subtract", "zero", "none"),
    "compare": (">=", ">"),
    "reset_order": ("before leak", "after leak"),
    "leak_on": ("state", "sum"),
    "reads": ("new current", "last current"),
}
OTHERS = {
    "i": ("alpha", True),
    "a": ("rho", False),
}  # states beside the membrane: their leak, whether below 0, too


def check_leak(name: str, value: float, repair: str = "") -> None:
    """Refuse a leak that is no factor.

    Raises:
        BadInput: a number outside 0..1.
    """
    if not (isinstance(value, (int, float)) and math.isfinite(value) and 0 <= value <= 1):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(f"{name} must be a number in 0..1, not {value!r}{repair}")


def check_parameters(neuron: object, needed: Iterable[str], known: Collection[str]) -> None:
    """Refuse a step that reads a leak which its neuron does not have, or a constant that has no integers.

    Raises:
        BadProgram: which.
    """
    for name in needed:
        if name in known:
            continue
        step = f"the step of {type(neuron).__name__}"
        if name in REAL_LEAKS.values() or "leak" in name or "carry" in name:
            raise BadProgram(
                f"{step} leaks by {name!r}, so its neuron must have that leak: a field beta for that of the membrane, "
                "alpha for that of a synaptic current, rho for that of an adaptation"
            )
        raise BadProgram(
            f"{step} may read the parameters {', '.join(known)}, not {name!r}: a constant of another name needs its "
            "integers in neuron/constants.py and nn/integers.py (docs/extending.md)"
        )


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
            raise BadInput(f"spikes, the largest output D, must be in 1..15, not {self.spikes!r}")
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
        return getattr(self, "beta", None) is not None

    @property
    def others(self) -> tuple[str, ...]:
        """States beside the membrane that currents or spikes enter: "i", a synaptic current, and "a", an adaptation of
        the threshold. They are there where the neuron has a leak of them."""
        return tuple(s for s, (leak, _) in OTHERS.items() if getattr(self, leak, None) is not None)

    def span(self, state: str, codes: int) -> tuple[float, float]:
        """The range of a state of `others` in units of the first threshold, where its quantizer names none.

        An adaptation reaches jump / (1 - rho); it ends sooner where one jump would be less than one code.
        """
        if state == "i":
            return -2.0, 2.0
        jump, rho = max(getattr(self, "jump", 0.0), 1e-3), getattr(self, "rho", 0.0)
        return 0.0, jump * min(1 / max(1 - rho, 1 / codes), codes) / (self.theta * self.first)

    def states(self, form: Form) -> tuple[State, ...]:
        """The membrane potential, a counter where the neuron has a refractory time, and the others that it has."""
        coded = form.codec is not None
        made = [State("u", form.codec)]
        if self.refractory:
            counter = Uniform(self.refractory.bit_length(), 0, stores="before reset")
            made.append(State("r", counter if coded else None))
        made += [State(s, form.kept(s, OTHERS[s][1]).codec if coded else None) for s in self.others]
        return tuple(made)

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
