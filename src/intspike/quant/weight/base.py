"""What every weight quantizer is: how it finds its numbers, and how it makes integer codes with a real step.

Weights come as rows [N, K]: a row holds all weights of one output channel, of all synapses of a neuron.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...errors import BadInput
from ..about import About

TINY = 1e-12  # the least step: a channel of zeros has one, too


@dataclass(frozen=True)
class Coded:
    """Quantized weights: each stands for code * step.

    Attributes:
        codes: integer-valued, the shape of the rows, with gradients to them (and to what is learned).
        step: real value of one code, [N], or [1] per tensor; with a gradient where it is learned.
    """

    codes: Tensor
    step: Tensor


class WeightQuantizer:
    """Abstract: subclasses are frozen dataclasses, one file each.

    Attributes:
        bits: what one weight takes when packed.
        WIDTHS: the widths that exist.
        ABOUT: its row in the documentation.
    """

    bits: int
    WIDTHS: ClassVar[Sequence[int]]
    ABOUT: ClassVar[About]
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def low(self) -> int:
        """Smallest code that can occur."""
        return -self.high

    @property
    def high(self) -> int:
        """Largest code that can occur, at most 127."""
        raise NotImplementedError

    @property
    def learned(self) -> frozenset[str]:
        """Names of what `start` gives that training changes by gradients."""
        return frozenset()

    @property
    def table_bits(self) -> int:
        """Bits that a channel keeps beside its codes to read them: of a basis."""
        return 0

    def start(self, rows: Tensor) -> dict[str, Tensor]:
        """What the quantizer keeps, found once from rows [N, K]; nothing where it follows from the weights."""
        return {}

    def follow(self, rows: Tensor, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What changes of it by a training forward, without a gradient."""
        return {}

    def encode(self, rows: Tensor, kept: Mapping[str, Tensor]) -> Coded:
        """Codes and step of rows [N, K].

        Args:
            rows: float32, with or without a gradient.
            kept: what `start` gave, as training left it.
        """
        raise NotImplementedError

    def quantize(self, weight: Tensor) -> Tensor:
        """What every weight [N, ...] stands for once quantized, code * step, with a straight-through gradient."""
        rows = weight.flatten(1)
        made = self.encode(rows, self.start(rows.detach()))
        return (made.codes * made.step[:, None]).reshape(weight.shape)


def check_clip(clip: float | None) -> None:
    """Refuse a range that is none."""
    if clip is not None and not 0 < clip < math.inf:
        raise BadInput(f"clip must be a positive number of standard deviations (or None), not {clip!r}")


def clip_of(rows: Tensor, clip: float) -> Tensor:
    """The largest magnitude [N] of rows [N, K] that are clipped at so many standard deviations."""
    return (clip * rows.detach().double().std(1, correction=0)).clamp_min(TINY)


def straight_through(soft: Tensor, hard: Tensor) -> Tensor:
    """Exactly `hard`, with the gradient of `soft`."""
    return hard + (soft - soft.detach())


def search(rows: Tensor, high: int, nearest: Callable[[Tensor], Tensor]) -> Tensor:
    """Steps [N] of least squared error, over 45 in which the largest code stands for 0.12..1 of the largest weight.

    Args:
        rows: float64 [N, K].
        high: the largest code.
        nearest: codes of weights in units of the step.
    """
    largest = rows.abs().amax(1).clamp_min(TINY)
    best, error = largest / high, torch.full_like(largest, torch.inf)
    for fraction in torch.linspace(0.12, 1.0, 45, dtype=torch.float64):
        step = (largest * fraction / high)[:, None]
        e = (nearest(rows / step) * step - rows).square().sum(1)
        best, error = torch.where(e < error, step[:, 0], best), torch.minimum(e, error)
    return best


def check_bits(bits: object, widths: Sequence[int], kind: str, repair: str = "") -> None:
    """Refuse a width that does not exist."""
    if not isinstance(bits, int) or isinstance(bits, bool) or bits not in widths:
        raise BadInput(
            f"the bits of a {kind} weight must be an integer in {widths[0]}..{widths[-1]}, not {bits!r}{repair}"
        )
