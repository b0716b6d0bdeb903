"""State quantizers: how a membrane potential is stored between timesteps."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import BadInput
from ..ops import Carry, Form, Leak, Shift
from ..ops.codec import Stores, Table, Uniform
from . import levels as level_sets

if TYPE_CHECKING:
    from torch import Tensor

Gradient = Literal["pass", "block ends"]


@dataclass(frozen=True)
class ThresholdCentred:
    """2^bits levels given as fractions of the threshold, which is a boundary; rest is a level.

    Attributes:
        bits: 1..8.
        stores: "after reset" (code and spike) or "before reset" (the membrane that fired).
        spacing: "even" (measured sets) or "exponential" (SQUAT's, corrected); unused where levels are given.
        levels: increasing fractions of the threshold that hold 0, or None for the spacing's own.
        decay: of a carry leak: "guaranteed" moves every code towards rest, "nearest" only rounds.
        gradient: the straight-through gradient passes, or is blocked at the two end codes.
    """

    bits: int
    stores: Stores = "after reset"
    spacing: Literal["even", "exponential"] = "even"
    levels: tuple[float, ...] | None = None
    decay: Literal["guaranteed", "nearest"] = "guaranteed"
    gradient: Gradient = "pass"

    def __post_init__(self) -> None:
        _check_choices(self.stores, self.decay, self.gradient)
        if self.spacing not in ("even", "exponential"):
            raise BadInput(f"spacing must be 'even' or 'exponential', not {self.spacing!r}")
        if not isinstance(self.bits, int) or not 1 <= self.bits <= 8:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadInput(
                f"the bits of a threshold-centred state must be an integer in 1..8, not {self.bits!r}; "
                "UniformState takes up to 16"
            )
        if self.levels is not None:
            object.__setattr__(self, "levels", tuple(float(x) for x in self.levels))
            _check_levels(self.fractions, self.bits, self.stores)
        level_sets.rest_of(self.fractions)

    @property
    def fractions(self) -> tuple[float, ...]:
        """The levels in units of the threshold."""
        if self.levels is not None:
            return self.levels
        make = level_sets.even if self.spacing == "even" else level_sets.exponential
        return make(self.bits, self.stores)

    @property
    def codec(self) -> Table:
        return Table(self.bits, level_sets.rest_of(self.fractions), self.stores)

    @property
    def resolution(self) -> int:
        """theta must reach 2^resolution LSB, so that levels are distinct integers."""
        return self.bits + 4

    def quantize(self, u: Tensor, theta: float = 1.0) -> Tensor:
        """Every value of u as it is once stored: the level of its code, in units of u.

        No value crosses theta and 0 stays 0. What is stored after reset is the pair of code and spike, so theta
        and above becomes theta plus the level of what a reset by subtraction leaves. The gradient passes
        straight through, or is blocked where the code is the lowest or the highest (`gradient`). nan stays nan.

        Args:
            u: membrane potentials, float32, any shape.
            theta: the threshold; `u >= theta` fires.

        Raises:
            BadInput: u is not float32, or theta is no positive number.
        """
        from .codec import quantize

        return quantize(self, u, theta)


@dataclass(frozen=True)
class UniformState:
    """2^bits evenly spaced levels with a power-of-two step that cover low..high thresholds.

    Attributes:
        bits: 1..16.
        low, high: range in units of the threshold.
        stores: "before reset" (the membrane that fired) or "after reset" (code and spike).
        overflow: "saturate", or "wrap" to study it.
        decay, gradient: as in ThresholdCentred.
    """

    bits: int
    low: float = -1.0
    high: float = 2.0
    stores: Stores = "before reset"
    overflow: Literal["saturate", "wrap"] = "saturate"
    decay: Literal["guaranteed", "nearest"] = "guaranteed"
    gradient: Gradient = "pass"

    def __post_init__(self) -> None:
        _check_choices(self.stores, self.decay, self.gradient)
        if self.overflow not in ("saturate", "wrap"):
            raise BadInput(f"overflow must be 'saturate' or 'wrap', not {self.overflow!r}")
        if not isinstance(self.bits, int) or not 1 <= self.bits <= 16:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadInput(f"the bits of a uniform state must be an integer in 1..16, not {self.bits!r}")
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
    def resolution(self) -> int:
        """theta must reach 2^resolution LSB, so that the step need not be finer than one."""
        return max(8, self.bits - 2)

    def quantize(self, u: Tensor, theta: float = 1.0) -> Tensor:
        """Every value of u as it is once stored: the level of its code, in units of u.

        As in ThresholdCentred, but that codes which wrap can cross theta. Before reset the step is the smallest
        that covers low..high and has theta midway between two codes.
        """
        from .codec import quantize

        return quantize(self, u, theta)


StateQuantizer = ThresholdCentred | UniformState


def _check_levels(levels: tuple[float, ...], bits: int, stores: str) -> None:
    if len(levels) != 1 << bits or any(not a < b for a, b in itertools.pairwise(levels)):
        raise BadInput(
            f"the levels of a {bits}-bit state must be {1 << bits} increasing numbers, not {list(levels)}"
        )
    if stores == "after reset" and not levels[-1] < 1:
        raise BadInput(f"levels stored after reset must lie below threshold (1), not reach {levels[-1]:g}")
    if stores == "before reset" and not levels[-1] >= 1:
        raise BadInput(
            f"one level stored before reset must lie at or above threshold (1), not only below it: {list(levels)}"
        )


def _check_choices(stores: str, decay: str, gradient: str) -> None:
    if stores not in ("after reset", "before reset"):
        raise BadInput(f"stores must be 'after reset' or 'before reset', not {stores!r}")
    if decay not in ("guaranteed", "nearest"):
        raise BadInput(f"decay must be 'guaranteed' or 'nearest', not {decay!r}")
    if gradient not in ("pass", "block ends"):
        raise BadInput(f"gradient must be 'pass' or 'block ends', not {gradient!r}")


def form_of(state: StateQuantizer, leak: Leak | None) -> Form:
    """The traced form of a neuron whose state is quantized so.

    Args:
        leak: integer form of the leak; None: a carry table for 8 bits or fewer, else a shift.
    """
    if leak is None:
        leak = Carry(state.decay) if state.bits <= 8 else Shift()
    elif isinstance(leak, Carry):
        leak = Carry(state.decay)
    return Form(state.codec, leak, state.gradient == "block ends")
