"""What every state quantizer is: a codec, its levels as fractions of the threshold, and what it keeps."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import Field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from ...errors import BadInput
from ...ops import Blocked, Carry, Form, Leak, Shift
from ...ops.codec import Codec, Stores
from ...ops.trace import Kept
from ..about import About

if TYPE_CHECKING:
    from torch import Tensor

Gradient = Literal["pass", "block saturated", "block ends"]
Decay = Literal["guaranteed", "nearest"]


class StateQuantizer:
    """Abstract: subclasses are frozen dataclasses, one file each.

    Attributes:
        bits: of a stored code.
        stores: "after reset" (code and spike) or "before reset" (the membrane that fired).
        decay: of a carry leak: "guaranteed" moves every code towards rest, "nearest" only rounds.
        gradient: where the straight-through gradient is blocked. "block saturated": where a membrane is surely beyond
            the levels, at the lowest code (unless that is rest) and at the highest (stored after reset, only what a
            spike left; before reset, only where several levels lie above the threshold). "block ends": at both end
            codes. "pass": nowhere.
        WIDTHS: the widths that exist.
        ABOUT: its row in the documentation.
    """

    bits: int
    stores: Stores
    decay: Decay
    gradient: Gradient
    WIDTHS: ClassVar[Sequence[int]]
    ABOUT: ClassVar[About]
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def codec(self) -> Codec:
        """How the membrane is stored: a table or a uniform code."""
        raise NotImplementedError

    @property
    def fractions(self) -> tuple[float, ...]:
        """The levels in units of the threshold (of learned ones, those that training starts from)."""
        raise NotImplementedError

    @property
    def boundaries(self) -> tuple[float, ...]:
        """What separates the levels, in units of the threshold: midpoints, but the threshold itself is one."""
        levels = self.fractions
        return tuple(1.0 if a < 1 <= b else (a + b) / 2 for a, b in itertools.pairwise(levels))

    @property
    def resolution(self) -> int:
        """theta must reach 2^resolution LSB."""
        raise NotImplementedError

    @property
    def learned(self) -> frozenset[str]:
        """Names of what `start` gives that training changes by gradients."""
        return frozenset()

    def start(self, channels: int) -> dict[str, Tensor]:
        """What the quantizer keeps in a layer of so many channels."""
        return {}

    def levels_of(self, kept: Mapping[str, Tensor]) -> Tensor:
        """Levels [C or 1, 2^bits] of a table as fractions of the threshold, float64, with their gradient.

        Args:
            kept: what `start` gave, as training left it.
        """
        import torch

        return torch.tensor([self.fractions], dtype=torch.float64)

    def reaching(self, low: float = 1, high: float = 1) -> StateQuantizer | None:
        """The same quantizer with levels that reach so many times further below rest and above the threshold.

        None where its levels are not a range, or where there are none above the threshold and `high` is not 1.
        """
        return None

    def quantize(self, u: Tensor, theta: float = 1.0) -> Tensor:
        """Every value of u as it is once stored: the level of its code, in units of u.

        No value crosses theta (but codes that wrap can) and 0 stays 0. What is stored after reset is the pair of code
        and spike, so theta and above becomes theta plus the level of what a reset by subtraction leaves. The gradient
        passes straight through, but for codes where `gradient` blocks it. nan stays nan.

        Args:
            u: membrane potentials, float32, any shape.
            theta: the threshold; `u >= theta` fires.

        Raises:
            BadInput: u is not float32, or theta is no positive number.
        """
        from ..codec import quantize

        return quantize(self, u, theta)


def check_state(state: StateQuantizer, kind: str, repair: str = "") -> None:
    """Refuse a width or a choice that does not exist."""
    if state.stores not in ("after reset", "before reset"):
        raise BadInput(f"stores must be 'after reset' or 'before reset', not {state.stores!r}")
    if state.decay not in ("guaranteed", "nearest"):
        raise BadInput(f"decay must be 'guaranteed' or 'nearest', not {state.decay!r}")
    if state.gradient not in get_args(Gradient):
        known = ", ".join(map(repr, get_args(Gradient)))
        raise BadInput(f"gradient must be one of {known}, not {state.gradient!r}")
    widths = state.WIDTHS
    if not isinstance(state.bits, int) or state.bits not in widths:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(
            f"the bits of a {kind} state must be an integer in {widths[0]}..{widths[-1]}, not {state.bits!r}{repair}"
        )


def check_levels(levels: tuple[float, ...], bits: int, stores: str) -> None:
    """Refuse levels of another number, order or side of the threshold."""
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


def form_of(state: StateQuantizer, leak: Leak | None, others: tuple[Kept, ...] = ()) -> Form:
    """The traced form of a neuron whose state is quantized so.

    Args:
        leak: integer form of the leak; None: a carry table for 8 bits or fewer, else a shift.
        others: how its states beside the membrane are stored.
    """
    if leak is None:
        leak = Carry(state.decay) if state.bits <= 8 else Shift()
    elif isinstance(leak, Carry):
        leak = Carry(state.decay)
    return Form(state.codec, leak, _blocked(state), others)


def _blocked(state: StateQuantizer) -> Blocked:
    if state.gradient == "pass":
        return "nothing"
    if state.gradient == "block ends":
        return "ends"
    # a single level at or above the threshold holds every neuron that fires, however narrowly
    single = state.stores == "before reset" and sum(x >= 1 for x in state.fractions) == 1
    return "below" if single else "saturated"
