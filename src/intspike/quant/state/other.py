"""How a state beside the membrane is stored: a synaptic current, an adaptation of the threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from ...errors import BadInput
from ...ops import Carry, Leak, Shift
from ...ops.codec import Uniform
from ...ops.trace import Kept
from .base import Decay, Gradient

_BLOCKED = {"pass": "nothing", "block saturated": "saturated", "block ends": "ends"}


@dataclass(frozen=True)
class OtherState:
    """2^bits evenly spaced levels with a power-of-two step that cover low..high thresholds; no state is reset there.

    Attributes:
        bits: of a stored code, 1..16.
        low, high: range in units of the threshold; None, both: -2..2 of a synaptic current, of an adaptation what it
            can reach, jump / (1 - rho), but no further than that one jump is one code.
        overflow: "saturate", or "wrap" to study it.
        leak: its form; None: the layer's, or without one a carry table up to 8 bits, else a shift.
        decay, gradient: as in ThresholdCentred.
    """

    bits: int
    low: float | None = None
    high: float | None = None
    overflow: Literal["saturate", "wrap"] = "saturate"
    leak: Leak | None = None
    decay: Decay = "guaranteed"
    gradient: Gradient = "block saturated"

    def __post_init__(self) -> None:
        Uniform(self.bits, 0)  # its own check
        for name, known in (("overflow", ("saturate", "wrap")), ("decay", get_args(Decay)),
                            ("gradient", get_args(Gradient))):  # fmt: skip
            if getattr(self, name) not in known:
                raise BadInput(
                    f"{name} must be one of {', '.join(map(repr, known))}, not {getattr(self, name)!r}"
                )
        if (self.low is None) != (self.high is None):
            raise BadInput("low and high of a state's range must both be numbers, or both be None")
        if (
            self.low is not None
            and self.high is not None
            and not -math.inf < self.low <= 0 < self.high < math.inf
        ):
            raise BadInput(f"the range of a state must hold rest (0), not {self.low:g}..{self.high:g}")

    def codec(self, signed: bool) -> Uniform:
        """Its codes.

        Args:
            signed: whether the state can be negative: without a range of its own half of the codes are.
        """
        count = 1 << self.bits
        below = count // 2 if signed else 0
        if self.low is not None and self.high is not None:
            below = min(round(count * -self.low / (self.high - self.low)), count - 1)
        return Uniform(self.bits, -below, self.overflow, "before reset")

    def kept(self, state: str, signed: bool, leak: Leak | None) -> Kept:
        """How a state of this name is stored, in a layer with such a leak.

        Raises:
            BadInput: a range below 0 of a state that is never negative.
        """
        if not signed and self.low:
            raise BadInput(
                f"the state {state} is never negative, so its range must begin at 0, not {self.low:g}"
            )
        leak = self.leak or leak or (Carry() if self.bits <= 8 else Shift())
        if isinstance(leak, Carry):
            leak = Carry(self.decay)
        return Kept(state, self.codec(signed), leak, _BLOCKED[self.gradient])  # type: ignore[arg-type]
