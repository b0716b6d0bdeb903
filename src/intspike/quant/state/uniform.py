"""Evenly spaced levels with a power-of-two step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ...errors import BadInput
from ...ops.codec import Stores, Uniform
from ..about import About
from .base import Decay, Gradient, StateQuantizer, check_state


@dataclass(frozen=True)
class UniformState(StateQuantizer):
    """2^bits evenly spaced levels with a power-of-two step that cover low..high thresholds.

    Attributes:
        bits: 1..16.
        low, high: range in units of the threshold.
        stores: "before reset" (the membrane that fired) or "after reset" (code and spike).
        overflow: "saturate", or "wrap" to study it.
        decay, gradient: as in ThresholdCentred.
    """

    WIDTHS: ClassVar[Sequence[int]] = range(1, 17)
    ABOUT: ClassVar[About] = About(
        "c = clamp(floor(u / 2^p + 1/2)), or modulo 2^b; p from the range",
        "2^b consecutive codes that hold 0; stored after reset, those below theta",
        "0 where surely beyond the levels, else 1",
        "theta is moved to a boundary where the code decides the spike",
    )

    bits: int
    low: float = -1.0
    high: float = 2.0
    stores: Stores = "before reset"
    overflow: Literal["saturate", "wrap"] = "saturate"
    decay: Decay = "guaranteed"
    gradient: Gradient = "block saturated"

    def __post_init__(self) -> None:
        check_state(self, "uniform")
        if self.overflow not in ("saturate", "wrap"):
            raise BadInput(f"overflow must be 'saturate' or 'wrap', not {self.overflow!r}")
        if not (-math.inf < self.low <= 0 < self.high < math.inf):
            raise BadInput(
                f"the range of a uniform state must hold rest (0), not {self.low:g}..{self.high:g}"
            )
        if self.stores == "before reset" and self.high <= 1:
            raise BadInput(
                f"a range stored before reset must reach above threshold (1), not {self.high:g}; "
                "raise high or choose stores='after reset'"
            )
        if self.stores == "before reset" and self.codec.high < 1:
            raise BadInput(
                f"a range stored before reset needs a code above rest, but {self.bits} bits over {self.low:g}.."
                f"{self.high:g} have none; choose low=0, more bits or stores='after reset'"
            )

    @property
    def codec(self) -> Uniform:
        count = 1 << self.bits
        below = round(count * -self.low / (self.high - self.low))
        return Uniform(self.bits, -min(max(below, 0), count - 1), self.overflow, self.stores)

    @property
    def fractions(self) -> tuple[float, ...]:
        """The values of the codes at theta = 1, where the step need not be a power of two."""
        from ..storage import storage_of

        step, low, high, *_ = storage_of(self, 1.0).numbers
        levels = [code * step for code in range(int(low), int(high) + 1)]
        return tuple(levels)

    def reaching(self, low: float = 1, high: float = 1) -> UniformState | None:
        """None for one bit, whose codes are rest and one above it."""
        if self.bits == 1 or (high != 1 and self.stores == "after reset"):
            return None
        return replace(self, low=self.low * low, high=self.high * high)

    @property
    def resolution(self) -> int:
        """theta must reach 2^resolution LSB, so that the step need not be finer than one."""
        return max(8, self.bits - 2)
