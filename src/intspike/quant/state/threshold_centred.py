"""Levels given as fractions of the threshold, which is a boundary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ...errors import BadInput
from ...ops.codec import Stores, Table
from .. import levels as level_sets
from ..about import About
from .base import Decay, Gradient, StateQuantizer, check_levels, check_state

_HIGH, _EVEN_HIGH = 2.5, 3.0
_CURVED = {"counts": None, "steepness": (16.0, 16.0), "ends": None}


@dataclass(frozen=True)
class ThresholdCentred(StateQuantizer):
    """2^bits levels given as fractions of the threshold, which is a boundary; rest is a level.

    Attributes:
        bits: 1..8.
        stores: "after reset" (code and spike) or "before reset" (the membrane that fired).
        spacing: "even" (measured sets), "exponential" (SQUAT's, corrected) or "compander"; both of these are finest at
            the threshold. Unused where levels are given.
        levels: increasing fractions of the threshold that hold 0, or None for the spacing's own.
        decay: of a carry leak: "guaranteed" moves every code towards rest, "nearest" only rounds.
        gradient: where the straight-through gradient is blocked: see `StateQuantizer`.
        counts: how many levels lie below the threshold and how many at or above it; None: all below it after reset,
            and three in eight above it before reset.
        steepness: how many times wider than at the threshold levels lie at the lower and at the upper end; 1 is even.
        ends: the ends of the range, in thresholds; None: -1 and 2.5, of even levels -1 and 3.

    The last three are of the curved spacings, "exponential" and "compander": see `quant.levels.curved`. Even levels of
    4 bits and more take ends, too.
    """

    WIDTHS: ClassVar[Sequence[int]] = range(1, 9)
    ABOUT: ClassVar[About] = About(
        "the nearest of 2^b levels, given as fractions of theta",
        "measured sets, or finest at theta: `exponential`, `compander`; or your own",
        "0 where surely beyond the levels, else 1",
        "SQUAT (arXiv 2404.19668), corrected: rest is a level, theta a boundary",
    )

    bits: int
    stores: Stores = "after reset"
    spacing: Literal["even", "exponential", "compander"] = "even"
    levels: tuple[float, ...] | None = None
    decay: Decay = "guaranteed"
    gradient: Gradient = "block saturated"
    counts: tuple[int, int] | None = None
    steepness: tuple[float, float] = (16.0, 16.0)
    ends: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_state(self, "threshold-centred", "; UniformState takes up to 16")
        if self.spacing not in ("even", "exponential", "compander"):
            raise BadInput(f"spacing must be 'even', 'exponential' or 'compander', not {self.spacing!r}")
        if self.spacing == "even" or self.levels is not None:
            free = ("ends",) if self.levels is None and self.bits >= 4 else ()
            for name, default in _CURVED.items():
                if name not in free and getattr(self, name) != default:
                    raise BadInput(
                        f"{name} is of the curved spacings, 'exponential' and 'compander', without levels of your own"
                        + ("; even levels of 4 bits and more take ends" if name == "ends" else "")
                    )
        if self.levels is not None:
            object.__setattr__(self, "levels", tuple(float(x) for x in self.levels))
        check_levels(self.fractions, self.bits, self.stores)
        level_sets.rest_of(self.fractions)

    @property
    def fractions(self) -> tuple[float, ...]:
        """The levels in units of the threshold."""
        if self.levels is not None:
            return self.levels
        if self.spacing == "even":
            return level_sets.even(self.bits, self.stores, self.ends or (-1.0, _EVEN_HIGH))
        ends = self.ends or (-1.0, _HIGH)
        return level_sets.curved(self.bits, self.stores, self.spacing, self.counts, self.steepness, ends)

    def reaching(self, low: float = 1, high: float = 1) -> ThresholdCentred | None:
        """None where levels are given, or are a measured set."""
        measured = self.levels is not None or (self.spacing == "even" and self.bits < 4)
        if measured or (high != 1 and self.stores == "after reset"):
            return None
        ends = self.ends or (-1.0, _EVEN_HIGH if self.spacing == "even" else _HIGH)
        return replace(self, ends=(ends[0] * low, 1 + (ends[1] - 1) * high))

    @property
    def codec(self) -> Table:
        return Table(self.bits, level_sets.rest_of(self.fractions), self.stores)

    @property
    def resolution(self) -> int:
        """theta must reach 2^resolution LSB, so that levels are distinct integers."""
        return self.bits + 4
