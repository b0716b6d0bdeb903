"""LQ-Nets: every channel has a basis of its own, found by minimising the quantization error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor

from ...errors import BadInput
from ..about import About
from .base import TINY, Coded, WeightQuantizer, check_bits, check_clip, clip_of, straight_through

RIDGE = 1e-4  # of the published v-step: keeps the normal equations regular
KEEP = 0.9  # of the published moving average
ALTERNATIONS = 30  # at the start; the error has settled long before


@dataclass(frozen=True)
class LQNet(WeightQuantizer):
    """w is the nearest of the 2^bits sums +-v_1 ... +-v_bits, v a basis of each output channel.

    A training forward does one alternation of QEM: encode by the nearest level, solve the ridge regression
    v* = (B'B + eps)^-1 (B'w + eps v), and move v <- 0.9 v + 0.1 v*. v takes no gradient; weights take it as it is.
    The first v is found by alternations without the average, from evenly spaced levels of the weights' mean magnitude.

    Codes are integers: the basis is rounded to integers whose sum, the largest level, is at most `largest`; the step is
    the channel's scale. With one bit the basis is its own unit, so codes are -1 and 1 and the step is mean|w|.

    Attributes:
        bits: 1..6.
        largest: bound of a code, 31..127. A smaller one needs narrower sums and rounds the basis more coarsely.
        clip: the basis is fitted to weights that are clipped at so many standard deviations of their channel.

    Source: Zhang et al. 2018, LQ-Nets (arXiv 1807.10029); the integer basis is ours.
    """

    WIDTHS: ClassVar[Sequence[int]] = range(1, 7)
    bits: int
    largest: int = 127
    clip: float | None = None

    ABOUT: ClassVar[About] = About(
        "q = the nearest of +-v_1 ... +-v_b; v by QEM, an integer basis a channel",
        "2^b levels a channel in -127..127; with 1 bit -1, 1",
        "1 everywhere; v by a moving average",
        "LQ-Nets (arXiv 1807.10029); the integer basis is ours",
    )

    def __post_init__(self) -> None:
        check_bits(self.bits, self.WIDTHS, "LQ-Net")
        check_clip(self.clip)
        least = max(31, (1 << self.bits) - 1)
        if not least <= self.largest <= 127:
            raise BadInput(
                f"the largest code of a {self.bits}-bit LQ-Net must be in {least}..127, not {self.largest}"
            )

    @property
    def high(self) -> int:
        return self.largest if self.bits > 1 else 1

    @property
    def table_bits(self) -> int:
        return self.bits * self.largest.bit_length() if self.bits > 1 else 0

    def _clipped(self, rows: Tensor) -> Tensor:
        if self.clip is None:
            return rows
        limit = clip_of(rows, self.clip).to(rows.dtype)[:, None]
        return rows.clamp(-limit, limit)

    def start(self, rows: Tensor) -> dict[str, Tensor]:
        rows = self._clipped(rows)
        scale = rows.double().abs().mean(1, keepdim=True).clamp_min(TINY)
        basis = scale * torch.exp2(torch.arange(self.bits) + 1.0 - self.bits).double()
        for _ in range(ALTERNATIONS):
            basis = alternation(rows, basis)
        return {"basis": basis.float()}

    def follow(self, rows: Tensor, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        basis, rows = kept["basis"].double(), self._clipped(rows)
        return {"basis": (KEEP * basis + (1 - KEEP) * alternation(rows, basis)).float()}

    def encode(self, rows: Tensor, kept: Mapping[str, Tensor]) -> Coded:
        basis, step = self.integers(kept["basis"])
        levels = (basis @ _signs(self.bits).T).sort(1).values
        soft = rows / step[:, None]
        index = _nearest(soft.detach(), levels)
        return Coded(straight_through(soft, levels.gather(1, index)), step)

    def integers(self, basis: Tensor) -> tuple[Tensor, Tensor]:
        """The basis as integers [N, bits], and the step [N], from reals."""
        size = basis.abs().double()
        room = self.largest - self.bits / 2 if self.bits > 1 else 1.0  # rounding adds at most 1/2 a vector
        step = (size.sum(1) / room).clamp_min(TINY)
        return torch.floor(size / step[:, None] + 0.5).float(), step.float()


def alternation(rows: Tensor, basis: Tensor) -> Tensor:
    """One step of QEM without the average: encode by a basis [N, bits], then the basis of least error for these codes.

    The error ||w - B v||^2 never increases.
    """
    x, signs = rows.double(), _signs(basis.shape[1]).double()
    levels, order = (basis @ signs.T).sort(1)
    index, none = _nearest(x, levels), torch.zeros_like(levels)
    count = none.scatter_add(1, index, torch.ones_like(x))  # of weights at each level, and their sum:
    total = none.scatter_add(1, index, x)  # B'B and B'w need no more
    codes = signs[order]  # [N, 2^bits, bits]
    across = codes.transpose(1, 2)
    ridge = RIDGE * torch.eye(basis.shape[1], dtype=torch.float64)
    right = (across @ total[:, :, None])[:, :, 0] + RIDGE * basis
    return torch.linalg.solve(across @ (count[:, :, None] * codes) + ridge, right)


def _nearest(x: Tensor, levels: Tensor) -> Tensor:
    """Index of the nearest of sorted levels [N, L] to each of x [N, K]; the upper one halfway."""
    return torch.searchsorted((levels[:, 1:] + levels[:, :-1]) / 2, x.contiguous(), right=True)


@lru_cache(maxsize=8)
def _signs(bits: int) -> Tensor:
    """All 2^bits rows of signs, [2^bits, bits]."""
    return torch.tensor(list(product((-1.0, 1.0), repeat=bits)))
