"""Codes -1 and 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..about import About
from .base import TINY, Coded, WeightQuantizer, straight_through


@dataclass(frozen=True)
class Binary(WeightQuantizer):
    """q = sign(w), with sign(0) = 1, and the step is mean|w| per channel, of every forward's weights.

    The gradient passes to every weight as it is, as in DoReFa-Net. The clip at |w| <= 1 of BinaryConnect and XNOR-Net
    belongs to weights that are kept in -1..1; ours have the scale that training gave them, where a fixed clip would
    stop some channels and not touch others. The step, which follows the weights, takes no gradient.

    Source: Rastegari et al. 2016, XNOR-Net (arXiv 1603.05279), for the scale, which is the one of least squared
    error; Zhou et al. 2016, DoReFa-Net (arXiv 1606.06160), for the gradient.
    """

    WIDTHS: ClassVar[Sequence[int]] = range(1, 2)
    ABOUT: ClassVar[About] = About(
        "q = sign(w), sign(0) = 1; s = mean of |w|",
        "-1, 1",
        "1 everywhere, not clipped",
        "scale of XNOR-Net (arXiv 1603.05279), gradient of DoReFa-Net (arXiv 1606.06160)",
    )

    @property
    def bits(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return 1

    @property
    def high(self) -> int:
        return 1

    def encode(self, rows: Tensor, kept: Mapping[str, Tensor]) -> Coded:
        step = rows.detach().abs().mean(1).clamp_min(TINY)
        return Coded(straight_through(rows / step[:, None], torch.where(rows.detach() < 0, -1.0, 1.0)), step)
