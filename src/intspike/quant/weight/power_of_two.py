"""Codes that are powers of two, so that a product is a shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..about import About
from .base import Coded, WeightQuantizer, check_bits, search, straight_through


@dataclass(frozen=True)
class PowerOfTwo(WeightQuantizer):
    """The nearest of 0, +-1, +-2, +-4, ..., +-2^(2^(bits-1) - 2) times the channel's step.

    Every weight is nearest to its level in value, not in logarithm; halfway the larger magnitude is taken. The step is
    the one of least squared error, found once.

    Attributes:
        bits: 2..4; 4 bits are 15 codes, up to 64. More would not fit int8.

    Source: Zhou et al. 2017, Incremental Network Quantization (arXiv 1702.03044), for the levels and the midpoints;
    there weights are frozen in parts, here all are trained straight through.
    """

    WIDTHS: ClassVar[Sequence[int]] = range(2, 5)
    bits: int

    ABOUT: ClassVar[About] = About(
        "q = the nearest of 0 and +-2^k to w / s; s by search",
        "0, +-1, +-2, ..., +-2^(2^(b-1) - 2)",
        "1 inside the range, 0 outside",
        "levels of INQ (arXiv 1702.03044), trained straight through",
    )

    def __post_init__(self) -> None:
        check_bits(self.bits, self.WIDTHS, "power-of-two")

    @property
    def high(self) -> int:
        return 1 << ((1 << (self.bits - 1)) - 2)

    def start(self, rows: Tensor) -> dict[str, Tensor]:
        return {"log_step": search(rows.double(), self.high, self._nearest).float().log()}

    def encode(self, rows: Tensor, kept: Mapping[str, Tensor]) -> Coded:
        step = kept["log_step"].exp()
        inside = (rows / step[:, None]).clamp(self.low, self.high)
        return Coded(straight_through(inside, self._nearest(inside.detach())), step)

    def _nearest(self, x: Tensor) -> Tensor:
        sizes = [0, *(1 << k for k in range(self.high.bit_length()))]
        levels = torch.tensor(sizes, dtype=x.dtype)
        index = torch.bucketize(x.abs().contiguous(), (levels[1:] + levels[:-1]) / 2, right=True)
        return torch.copysign(levels[index], x)
