"""Rounding of reals to the integers that a network computes with."""

from __future__ import annotations

import torch
from torch import Tensor


def half_up(x: Tensor) -> Tensor:
    """floor(x + 1/2), with a straight-through gradient."""
    floor = torch.floor(x)
    rounded = floor + (x - floor >= 0.5).to(x.dtype)
    return x + (rounded - x).detach()
