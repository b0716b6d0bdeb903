"""Levels whose distances to the threshold are powers of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ...ops.codec import Stores, Table
from .. import levels as level_sets
from ..about import About
from .base import Decay, Gradient, StateQuantizer, check_state

# from 3 bits a level more below rest would lie three thresholds away
AFTER = {1: (0.0, 15 / 16), 2: (-1.0, 0.0, 1 / 2, 3 / 4)}
BEFORE = {
    1: (0.0, 5 / 4),
    2: (0.0, 1 / 2, 3 / 4, 5 / 4),
    3: (-1.0, 0.0, 1 / 2, 3 / 4, 7 / 8, 5 / 4, 3 / 2, 2.0),
}


@dataclass(frozen=True)
class PowerOfTwoState(StateQuantizer):
    """2^bits levels at the distances theta * 2^-j from the threshold: -1, 0, 1/2, 3/4, 7/8, ... of it.

    In hardware a level is the threshold and a shift of it, up to the rounding of one LSB. Rest (0) is a level, the
    threshold a boundary; at most one level lies below rest.

    Attributes:
        bits: 1..3; every further level halves the distance, so 4 bits would need a threshold of 2^14 LSB.
        stores, decay, gradient: as in ThresholdCentred.
    """

    WIDTHS: ClassVar[Sequence[int]] = range(1, 4)
    ABOUT: ClassVar[About] = About(
        "the nearest of the levels theta -+ theta 2^-j",
        "-1, 0, 1/2, 3/4, 7/8, ... of theta; before reset also 5/4, 3/2, 2",
        "0 where surely beyond the levels, else 1",
        "ours, the cheap form of levels that are finest at theta",
    )

    bits: int
    stores: Stores = "after reset"
    decay: Decay = "guaranteed"
    gradient: Gradient = "block saturated"

    def __post_init__(self) -> None:
        check_state(self, "power-of-two")

    @property
    def fractions(self) -> tuple[float, ...]:
        if self.stores == "before reset":
            return BEFORE[self.bits]
        known = AFTER.get(self.bits)
        return known or (-1.0, *(1 - 0.5**j for j in range((1 << self.bits) - 1)))

    @property
    def codec(self) -> Table:
        return Table(self.bits, level_sets.rest_of(self.fractions), self.stores)

    @property
    def resolution(self) -> int:
        return self.bits + 4
