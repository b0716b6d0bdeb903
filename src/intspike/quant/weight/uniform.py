"""Evenly spaced codes with a real step that is searched, or learned (LSQ)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from ...errors import BadInput
from ..about import About
from .base import (
    TINY,
    Coded,
    WeightQuantizer,
    check_bits,
    check_clip,
    clip_of,
    search,
    straight_through,
)
from .nearest import nearest


@dataclass(frozen=True)
class Uniform(WeightQuantizer):
    """codes = clamp(round(w / step), -Q, Q), Q = 2^(bits-1) - 1; the weight it stands for is code * step.

    Attributes:
        bits: 2..8; 2 bits are the codes -1, 0, 1.
        per: one step per output "channel" or per "tensor".
        range: how the step is found: "mse" (least squared error over 45 fractions of the largest), "absmax",
            "percentile" (99.9 % of the weights inside), or "lsq" (2 mean|w| / sqrt(Q), the start of LSQ).
        learn_step: whether training changes the step by the gradient of LSQ, scaled by 1 / sqrt(K Q) for K weights
            a step. What is trained is its logarithm, so that one learning rate suits steps of every size.
        full_range: also the code -Q - 1.
        mid_rise: the odd codes -Q..Q, Q = 2^bits - 1, so that the step is half the distance of two levels and none is
            zero: 2 bits are {-3, -1, 1, 3} / 2 of that distance. 2..7 bits.
        clip: the largest code stands for so many standard deviations of the channel's weights; in place of `range`.

    Source: Esser et al. 2020, Learned Step Size Quantization (arXiv 1902.08153), for what is learned.
    """

    WIDTHS: ClassVar[Sequence[int]] = range(2, 9)
    bits: int
    per: Literal["channel", "tensor"] = "channel"
    range: Literal["mse", "absmax", "percentile", "lsq"] = "mse"
    learn_step: bool = False
    full_range: bool = False
    mid_rise: bool = False
    clip: float | None = None

    ABOUT: ClassVar[About] = About(
        "q = clamp(round(w / s), -Q, Q); s by search, or learned",
        "-Q..Q, Q = 2^(b-1) - 1; `full_range`: also -Q - 1; `mid_rise`: odd, to 2^b - 1",
        "1 inside the range, 0 outside; of a learned s: q - w/s inside, q outside, over sqrt(K Q)",
        "`learn_step`: LSQ (arXiv 1902.08153), of log s",
    )

    def __post_init__(self) -> None:
        check_bits(self.bits, self.WIDTHS, "uniform", "; Binary() has 1" if self.bits == 1 else "")
        if self.per not in ("channel", "tensor"):
            raise BadInput(f"per must be 'channel' or 'tensor', not {self.per!r}")
        if self.range not in ("mse", "absmax", "percentile", "lsq"):
            raise BadInput(f"range must be 'mse', 'absmax', 'percentile' or 'lsq', not {self.range!r}")
        check_clip(self.clip)
        if self.mid_rise and (self.full_range or self.bits > 7):
            raise BadInput(
                f"mid-rise codes are odd, symmetric and below 128, so they take 2..7 bits and no full_range, not {self}"
            )

    @property
    def high(self) -> int:
        return (1 << self.bits) - 1 if self.mid_rise else (1 << (self.bits - 1)) - 1

    @property
    def low(self) -> int:
        return -self.high - int(self.full_range)

    @property
    def learned(self) -> frozenset[str]:
        return frozenset({"log_step"} if self.learn_step else ())

    def start(self, rows: Tensor) -> dict[str, Tensor]:
        return {"log_step": self.steps(rows).log()}

    def steps(self, weight: Tensor) -> Tensor:
        """Steps found from a weight [N, ...]: [N], or [1] per tensor."""
        rows = weight.detach().double().reshape(len(weight) if self.per == "channel" else 1, -1)
        if self.clip is not None:
            return (clip_of(rows, self.clip) / self.high).float()
        if self.range == "mse":
            return search(rows, self.high, self._nearest).float()
        if self.range == "lsq":
            step = 2 * rows.abs().mean(1) / math.sqrt(self.high)
        elif self.range == "percentile":
            step = torch.quantile(rows.abs(), 0.999, dim=1) / self.high
        else:
            step = rows.abs().amax(1) / self.high
        return step.clamp_min(TINY).float()

    def encode(self, rows: Tensor, kept: Mapping[str, Tensor]) -> Coded:
        step = kept["log_step"].exp()
        if self.learn_step:
            per_step = rows.numel() // step.numel()
            step = _scaled_gradient(step, 1 / math.sqrt(per_step * self.high))
        done = None if self.learn_step or self.mid_rise else nearest(rows, step, self.low, self.high)
        if done is not None:
            return Coded(done, step)
        inside = (rows / step[:, None]).clamp(self.low, self.high)
        return Coded(straight_through(inside, self._nearest(inside.detach())), step)

    def _nearest(self, x: Tensor) -> Tensor:
        rounded = 2 * torch.floor(x / 2) + 1 if self.mid_rise else x.round()
        return rounded.clamp(self.low, self.high)


def LSQ(bits: int, **fields: Any) -> Uniform:
    """Uniform codes with a learned step, as published: all 2^bits codes, and 2 mean|w| / sqrt(Q) to start from.

    Args:
        bits: 2..8.
        fields: of `Uniform`; for example `range="mse"` to start from the search, `full_range=False` for -Q..Q.

    Source: Esser et al. 2020 (arXiv 1902.08153). What is trained is the logarithm of the step.
    """
    chosen: dict[str, Any] = {"range": "lsq", "learn_step": True, "full_range": not fields.get("mid_rise")}
    return Uniform(bits, **{**chosen, **fields})


def _scaled_gradient(x: Tensor, scale: float) -> Tensor:
    """Exactly x, with its gradient times `scale`."""
    return straight_through(x * scale, x.detach())
