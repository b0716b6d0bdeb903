"""Weight quantizers: reals to integer codes with a real step, trained straight through."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..errors import BadInput


@dataclass(frozen=True)
class Uniform:
    """codes = clamp(round(w / step), -Q, Q), Q = 2^(bits-1) - 1; the weight it stands for is code * step.

    Attributes:
        bits: 2..8; 2 bits are the codes -1, 0, 1.
        per: one step per output "channel" or per "tensor".
        range: how the step is found: "mse" (least squared error over 45 fractions of the largest), "absmax", or
            "percentile" (99.9 % of the weights inside).
        learn_step: whether training changes the step by the gradient of LSQ (Esser et al. 2020, arXiv 1902.08153).
            What is trained is its logarithm, so that one learning rate suits steps of every size.
        full_range: also the code -Q - 1.
    """

    bits: int
    per: Literal["channel", "tensor"] = "channel"
    range: Literal["mse", "absmax", "percentile"] = "mse"
    learn_step: bool = False
    full_range: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.bits, int) or not 2 <= self.bits <= 8:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadInput(f"the bits of a uniform weight must be an integer in 2..8, not {self.bits!r}")
        if self.per not in ("channel", "tensor"):
            raise BadInput(f"per must be 'channel' or 'tensor', not {self.per!r}")
        if self.range not in ("mse", "absmax", "percentile"):
            raise BadInput(f"range must be 'mse', 'absmax' or 'percentile', not {self.range!r}")

    @property
    def high(self) -> int:
        """Largest code."""
        return (1 << (self.bits - 1)) - 1

    @property
    def low(self) -> int:
        """Smallest code."""
        return -self.high - int(self.full_range)

    def steps(self, weight: Tensor) -> Tensor:
        """Steps found from a weight [N, ...]: [N], or [1] per tensor."""
        rows = weight.detach().double().reshape(len(weight) if self.per == "channel" else 1, -1)
        largest = rows.abs().amax(1).clamp_min(1e-12)
        if self.range == "percentile":
            largest = torch.quantile(rows.abs(), 0.999, dim=1).clamp_min(1e-12)
        if self.range != "mse":
            return (largest / self.high).float()
        best, error = largest / self.high, torch.full_like(largest, math.inf)
        for fraction in torch.linspace(0.12, 1.0, 45, dtype=torch.float64):
            step = (largest * fraction / self.high)[:, None]
            e = ((rows / step).round().clamp(self.low, self.high) * step - rows).square().sum(1)
            best, error = torch.where(e < error, step[:, 0], best), torch.minimum(e, error)
        return best.float()

    def codes(self, weight: Tensor, step: Tensor) -> Tensor:
        """Integer-valued codes of a weight [N, ...], with straight-through gradients to weight and step."""
        scaled = weight / step.reshape(-1, *(1,) * (weight.ndim - 1))
        inside = scaled.clamp(self.low, self.high)
        return inside + (inside.round() - inside).detach()


WeightQuantizer = Uniform
