"""Codecs: how a state is stored between two timesteps.

A codec is a property of a state, not another order of a timestep. What is stored is either the membrane
*that fired* (`before reset`) or the pair (code of the membrane after its reset, spike) (`after reset`).
The structure below holds no number that training changes: levels, boundaries and steps are parameters.

Parameters, for a state called `u` (one row per channel):

    Table      u.levels [C, 2^n], u.boundaries [C, 2^n - 1]    code = #{boundary <= x},  value = levels[code]
    Uniform    u.shift [C]                                     code = half_up(x / 2^shift),  value = code * 2^shift
               u.high [C], the top code, where a membrane is stored after its reset and saturates: its value
               must lie below threshold in every channel
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import BadInput

Stores = Literal["after reset", "before reset"]


def _check_bits(bits: int, most: int, kind: str) -> None:
    if not isinstance(bits, int) or not 1 <= bits <= most:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(
            f"the bits of a {kind} state must be an integer in 1..{most}, not {bits!r}; "
            + ("more bits fit a uniform code (up to 16)" if kind == "table" else "choose fewer bits")
        )


@dataclass(frozen=True)
class Table:
    """2^bits free levels, found by counting the boundaries at or below a value.

    Attributes:
        bits: width of the stored code, 1..8; codes are 0..2^bits - 1.
        rest: the code whose level is 0.
        stores: "after reset" (code and spike) or "before reset" (the membrane that fired).
    """

    bits: int
    rest: int
    stores: Stores = "after reset"

    def __post_init__(self) -> None:
        _check_bits(self.bits, 8, "table")
        if not 0 <= self.rest <= self.high:
            raise BadInput(f"the rest code must be one of the codes 0..{self.high}, not {self.rest}")

    @property
    def has_top(self) -> bool:
        """No: the top level of a table lies where it must."""
        return False

    @property
    def wraps(self) -> bool:
        """No: the end codes of a table hold everything beyond."""
        return False

    @property
    def low(self) -> int:
        return 0

    @property
    def high(self) -> int:
        return (1 << self.bits) - 1


@dataclass(frozen=True)
class Uniform:
    """2^bits consecutive codes with a power-of-two step.

    Attributes:
        bits: width of the stored code, 1..16.
        low: lowest code; codes are low..low + 2^bits - 1 and must hold 0, the rest.
        overflow: "saturate" (the definition) or "wrap" (modulo 2^bits, to study it).
        stores: "after reset" (code and spike) or "before reset" (the membrane that fired).
    """

    bits: int
    low: int
    overflow: Literal["saturate", "wrap"] = "saturate"
    stores: Stores = "after reset"

    def __post_init__(self) -> None:
        _check_bits(self.bits, 16, "uniform")
        if not self.low <= 0 <= self.high:
            raise BadInput(f"the codes {self.low}..{self.high} of a uniform state must hold 0, its rest")

    @property
    def has_top(self) -> bool:
        """Whether the top code is a parameter of each channel."""
        return self.stores == "after reset" and self.overflow == "saturate"

    @property
    def wraps(self) -> bool:
        """Whether what is beyond the codes comes in again at the other end."""
        return self.overflow == "wrap"

    @property
    def rest(self) -> int:
        return 0

    @property
    def high(self) -> int:
        return self.low + (1 << self.bits) - 1


Codec = Table | Uniform


@dataclass(frozen=True)
class State:
    """A named state and its codec; `codec` is None in full precision, where the value itself is kept."""

    name: str
    codec: Codec | None
