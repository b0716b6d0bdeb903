"""Integer leaky integrate-and-fire: I-LIF and its shifted and normalised variants."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import BadInput
from ..ops.surrogate import Rectangle, Surrogate
from ..ops.trace import Tracer, Value
from .base import Neuron, check_leak


@dataclass(frozen=True)
class ILIF(Neuron):
    """Integer leaky integrate-and-fire:  u = beta * (u - theta * s) + I;  s = clip(floor(u / theta + 1/2), 0, D).

    Its thresholds are theta / 2, 3/2 theta, ..., (D - 1/2) theta; a spike takes theta. With the rectangle as surrogate,
    ds/du is 1 / theta for 0 <= u < D theta and 0 elsewhere.

    With a shift of a (an integer; a learned one is rounded half up, straight through) the window of outputs moves:
    S = clip(floor(U / theta + 1/2), a, a + D). What is sent is s = S - a in 0..D: the membrane is kept as
    u = U - a theta, so -a theta joins the neuron's bias, and readers add the constant a to what arrives, which is a
    constant current. With a divisor N readers see S / N; the reset is the same, so N is a unit of the next layer.

    I-LIF has neither; NI-LIF divides by N = D; ASN learns the shift, one a layer; NASN does both.

    Attributes:
        beta: leak in 0..1 per timestep; each channel starts from it.
        learn_beta: whether training changes beta, per channel.
        shift: a; training starts from it.
        learn_shift: whether training changes the shift.
        divisor: N.

    Source: I-LIF, SpikeYOLO (ECCV 2024); NI-LIF, Spike2Former (arXiv 2412.14587); ASN and NASN, arXiv 2604.12365, whose
    real shift leaves no integers to send and is rounded here.
    """

    spikes: int = 4
    surrogate: Surrogate = Rectangle()
    beta: float = 0.25
    learn_beta: bool = False
    shift: float = 0.0
    learn_shift: bool = False
    divisor: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_leak("beta", self.beta)
        for name, needed in (("reset", "subtract"), ("compare", ">=")):
            if getattr(self, name) != needed:
                raise BadInput(
                    f"the {name} of an integer neuron must be {needed!r}, not {getattr(self, name)!r}: it sends "
                    "floor(u / theta + 1/2) and keeps what is left; choose LIF(spikes=D)"
                )
        if not (math.isfinite(self.shift) and abs(self.shift) <= 255):
            raise BadInput(f"shift must be a number in -255..255, not {self.shift!r}")
        if not self.learn_shift and self.shift != round(self.shift):
            raise BadInput(
                f"a shift that is not learned must be an integer, not {self.shift!r}: the ends of its window would be "
                "no integers, so no spikes could be sent for them; round it, or learn_shift=True"
            )
        if not 1 <= self.divisor <= 255:
            raise BadInput(f"divisor must be an integer in 1..255, not {self.divisor!r}")

    @property
    def first(self) -> float:
        """Half of theta: outputs are rounded half up."""
        return 0.5

    @property
    def multiples(self) -> tuple[int, ...]:
        """Odd multiples of the first threshold."""
        return tuple(range(1, 2 * self.spikes, 2))

    @property
    def taken(self) -> int:
        """A spike takes theta, which is two first thresholds."""
        return 2

    @property
    def unit_of_spike(self) -> float:
        return 1.0 / self.divisor

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        current, awake = self.gated(ops, state, current)
        return ops.fire("u", ops.leak(ops.reset(state["u"], ops.prev())) + current, awake)
