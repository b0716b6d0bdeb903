"""Levels that training moves, with rest and the threshold pinned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ...errors import BadInput
from ...ops.codec import Stores, Table
from .. import levels as level_sets
from ..about import About
from .base import Decay, Gradient, StateQuantizer, check_state

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LearnedLevels(StateQuantizer):
    """2^bits levels, as fractions of the threshold, that training moves.

    What is learned are the gaps between neighbours, through softplus, so that levels stay in order; no gap is smaller
    than 2^-(bits+4) thresholds, two LSB. Rest stays 0, and as many levels as at the start stay below the threshold,
    where the gaps from rest to the threshold are shares of 1. Training starts from the levels of
    `ThresholdCentred(bits, stores)`.

    The gradient of a level is the sum of the adjoint of the membrane over all timesteps in which its code was stored
    (before reset the surrogate of the spike is part of it, because that reads the stored membrane); the boundaries,
    midpoints, take none. Levels become integers once a forward, rounded straight through; in evaluation
    they are an ordinary table.

    Attributes:
        bits: 1..8.
        stores, decay, gradient: as in ThresholdCentred. Levels stored before reset serve neurons of one spike.
        per: levels of one "channel", or of the whole "layer".
    """

    WIDTHS: ClassVar[Sequence[int]] = range(1, 9)
    ABOUT: ClassVar[About] = About(
        "the nearest of 2^b levels, which training moves",
        "in order by softplus gaps; rest and theta pinned",
        "0 where surely beyond the levels, else 1; of a level: the sum of the adjoint where its code was stored",
        "ours; rest and the threshold pinned against the instability that arXiv 2604.14487 reports of LQ-Nets here",
    )

    bits: int
    stores: Stores = "after reset"
    decay: Decay = "guaranteed"
    gradient: Gradient = "block saturated"
    per: Literal["channel", "layer"] = "channel"

    def __post_init__(self) -> None:
        check_state(self, "learned")
        if self.per not in ("channel", "layer"):
            raise BadInput(f"per must be 'channel' or 'layer', not {self.per!r}")

    @property
    def fractions(self) -> tuple[float, ...]:
        """The levels that training starts from, in units of the threshold."""
        return level_sets.even(self.bits, self.stores)

    @property
    def codec(self) -> Table:
        return Table(self.bits, level_sets.rest_of(self.fractions), self.stores)

    @property
    def resolution(self) -> int:
        return self.bits + 5

    @property
    def learned(self) -> frozenset[str]:
        return frozenset({"gaps"})

    def start(self, channels: int) -> dict[str, Tensor]:
        import torch

        rest, below, least = self._shape()
        f = torch.tensor(self.fractions, dtype=torch.float64)
        inside = torch.cat([f[rest:below], torch.ones(1, dtype=torch.float64)]).diff()
        above = torch.cat([torch.ones(1, dtype=torch.float64), f[below:]]).diff()
        inside = (inside - least) / (1 - len(inside) * least)
        above[1:] -= least  # the first may lie at the threshold itself
        gaps = torch.cat([f[: rest + 1].diff() - least, inside, above]).clamp_min(1e-4)
        raw = gaps + torch.log(-torch.expm1(-gaps))  # the inverse of softplus
        return {"gaps": raw.float().repeat(channels if self.per == "channel" else 1, 1)}

    def levels_of(self, kept: Mapping[str, Tensor]) -> Tensor:
        import torch

        if "gaps" not in kept:
            return super().levels_of(kept)
        rest, below, least = self._shape()
        gaps = torch.nn.functional.softplus(kept["gaps"].double())
        lower, inside, above = gaps.split([rest, below - rest, (1 << self.bits) - below], 1)
        lower = lower + least
        above = torch.cat([above[:, :1], above[:, 1:] + least], 1)
        shares = least + (1 - inside.shape[1] * least) * inside / inside.sum(1, keepdim=True)
        zero = torch.zeros_like(shares[:, :1])
        return torch.cat(
            [
                -lower.flip(1).cumsum(1).flip(1),
                zero,
                shares[:, :-1].cumsum(1),
                1 + above.cumsum(1),
            ],
            1,
        )

    def _shape(self) -> tuple[int, int, float]:
        """The code of rest, the number of levels below the threshold, and the least gap."""
        f = self.fractions
        return level_sets.rest_of(f), sum(x < 1 for x in f), 2.0 ** -(self.bits + 4)
