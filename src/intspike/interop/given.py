"""Numbers that a network was quantized to elsewhere: steps of weights, levels of membranes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..errors import BadInput
from ..quant import Coded, ComparisonState, ThresholdCentred, WeightQuantizer
from ..quant.snntorch_compat import nearest, straight_through


@dataclass(frozen=True)
class GivenSteps(WeightQuantizer):
    """codes = clamp(round(w / step), -2^(bits-1), 2^(bits-1) - 1) with steps that are given and stay as they are.

    Where a weight is an integer times its step, it is that integer.

    Attributes:
        bits: 2..8.
        steps: one for the layer, or one for each output channel.
    """

    WIDTHS: ClassVar[Sequence[int]] = range(2, 9)
    bits: int
    steps: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.bits not in self.WIDTHS:
            raise BadInput(f"the bits of given weights must be in 2..8, not {self.bits!r}")
        if not self.steps or not all(math.isfinite(x) and x > 0 for x in self.steps):
            raise BadInput(f"steps must be positive numbers, at least one, not {self.steps!r}")

    @property
    def high(self) -> int:
        return (1 << (self.bits - 1)) - 1

    @property
    def low(self) -> int:
        return -self.high - 1

    def start(self, rows: Tensor) -> dict[str, Tensor]:
        if len(self.steps) not in (1, len(rows)):
            raise BadInput(
                f"steps must be one or one for each of {len(rows)} channels, not {len(self.steps)}"
            )
        return {"given": torch.tensor(self.steps, dtype=torch.float32)}

    def encode(self, rows: Tensor, kept: Mapping[str, Tensor]) -> Coded:
        step = kept["given"]
        soft = (rows / step[:, None]).clamp(self.low, self.high)
        hard = soft.detach().round()
        return Coded(hard + (soft - soft.detach()), step)


@dataclass(frozen=True)
class GivenLevels(ComparisonState):
    """What `state_quant` of snnTorch does to a membrane: the nearest of levels that are given, bit for bit.

    Attributes:
        levels: real membranes, not in thresholds.
    """

    levels: tuple[float, ...]

    @property
    def bits(self) -> int:  # type: ignore[override]
        return max(1, (len(self.levels) - 1).bit_length())

    def store(self, u: Tensor, theta: float) -> Tensor:
        return straight_through(u, nearest(u.detach(), torch.tensor(self.levels)))

    def lowerable(self, theta: float) -> ThresholdCentred:
        """The nearest state that has an integer form: rest is a level, the threshold a boundary.

        Raises:
            BadInput: more than 256 levels, or levels that do not increase.
        """
        made = [x / theta for x in self.levels]
        rest = min(range(len(made)), key=lambda k: abs(made[k]))
        made[rest] = 0.0
        return ThresholdCentred(
            self.bits, stores="before reset", levels=tuple(made), decay="nearest", gradient="pass"
        )


def levels_of(quantizer: Any) -> GivenLevels | None:
    """The levels of a function that `state_quant` made; None where it is another function."""
    cells = [c.cell_contents for c in getattr(quantizer, "__closure__", None) or ()]
    found = [x for x in cells if isinstance(x, Tensor) and x.ndim == 1 and len(x) > 1]
    if len(found) != 1:
        return None
    levels = found[0].detach()
    made = GivenLevels(tuple(levels.tolist()))
    low, high = float(levels.min()), float(levels.max())
    probe = torch.linspace(2 * low - high, 2 * high - low, 4097)
    with torch.no_grad():
        same = torch.equal(quantizer(probe), made.store(probe, 1.0))
    return made if same else None
