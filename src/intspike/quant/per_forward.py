"""For comparison only: levels over the range that the membranes of one forward pass have. It does not lower.

The SQUAT paper (arXiv 2404.19668, section III) takes U_min and U_max anew in every forward pass. No integer hardware
can: a range is known only when all membranes of a timestep are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..errors import BadInput
from .comparison import ComparisonState
from .snntorch_compat import levels, nearest, straight_through


@dataclass(frozen=True)
class PerForwardRange(ComparisonState):
    """2^bits levels from the least to the largest membrane of this timestep, of all samples and channels of a layer.

    Attributes:
        bits: 1..8.
        spacing: "uniform": evenly spaced, nearest level; "threshold-centred": geometric steps that are finest at the
            threshold, in snnTorch's closed form, because the paper's printed equation is not a quantizer.
    """

    bits: int
    spacing: Literal["uniform", "threshold-centred"] = "uniform"

    def __post_init__(self) -> None:
        if not isinstance(self.bits, int) or not 1 <= self.bits <= 8:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadInput(f"the bits of a per-forward range must be an integer in 1..8, not {self.bits!r}")
        if self.spacing not in ("uniform", "threshold-centred"):
            raise BadInput(f"spacing must be 'uniform' or 'threshold-centred', not {self.spacing!r}")

    def store(self, u: Tensor, theta: float) -> Tensor:
        if not u.numel():
            return u
        low, high = (float(x) for x in torch.aminmax(u.detach()))
        if not low < high:
            return u  # one value: it is its own level
        if self.spacing == "uniform":
            known = torch.linspace(low, high, 1 << self.bits)
        else:
            low, high = min(low, -theta), max(high, 1.001 * theta)  # both sides of the threshold have room
            known = levels(self.bits, False, True, theta, -low / theta - 1, high / theta - 1)
        return straight_through(u, nearest(u.detach(), known))
