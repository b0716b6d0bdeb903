"""Codes -1, 0, 1 with a threshold and a scale that follow the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...errors import BadInput
from ..about import About
from .base import TINY, Coded, WeightQuantizer, straight_through


@dataclass(frozen=True)
class Ternary(WeightQuantizer):
    """q = sign(w) [|w| > delta], and the step is the mean of |w| beyond delta, per channel, of every forward's weights.

    Attributes:
        range: how delta is found: "twn" (0.7 mean|w|, the published rule) or "mse" (the delta of least squared error,
            found exactly among the magnitudes).

    The gradient passes to every weight as it is; the step, which follows the weights, takes none.

    Source: Li et al. 2016, Ternary Weight Networks (arXiv 1605.04711), per layer; here per channel.
    """

    WIDTHS: ClassVar[Sequence[int]] = range(2, 3)
    range: Literal["twn", "mse"] = "twn"

    ABOUT: ClassVar[About] = About(
        "q = sign(w) [|w| > 0.7 mean|w|]; s = mean of |w| there",
        "-1, 0, 1",
        "1 everywhere",
        "TWN (arXiv 1605.04711), per channel",
    )

    def __post_init__(self) -> None:
        if self.range not in ("twn", "mse"):
            raise BadInput(f"range must be 'twn' or 'mse', not {self.range!r}")

    @property
    def bits(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return 2

    @property
    def high(self) -> int:
        return 1

    def encode(self, rows: Tensor, kept: Mapping[str, Tensor]) -> Coded:
        size = rows.detach().abs()
        if self.range == "twn":
            far = size > 0.7 * size.mean(1, keepdim=True)
        else:
            far = (size >= _least_error(size)) & (size > 0)
        step = ((size * far).sum(1) / far.sum(1).clamp_min(1)).clamp_min(TINY)
        return Coded(straight_through(rows / step[:, None], torch.sign(rows.detach()) * far), step)


def _least_error(size: Tensor) -> Tensor:
    """The smallest magnitude [N, 1] that is kept: with the k largest kept, the error is sum w^2 - (sum_k |w|)^2 / k."""
    ordered = size.double().sort(1, descending=True).values
    gain = ordered.cumsum(1).square() / torch.arange(1, size.shape[1] + 1)
    return ordered.gather(1, gain.argmax(1, keepdim=True)).to(size.dtype)
