"""The torch modules that a group is made of, and their sizes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Synapse = torch.nn.Conv2d | torch.nn.Linear
Pool = torch.nn.MaxPool2d | torch.nn.AvgPool2d
Norm = torch.nn.BatchNorm1d | torch.nn.BatchNorm2d


def area(pool: Pool) -> int:
    """Elements in a pool's window."""
    size = pair(pool.kernel_size)
    return size[0] * size[1]


def pair(x: Any) -> tuple[int, int]:
    """(x, x) of a number, or the pair itself."""
    a, b = x if isinstance(x, tuple) else (x, x)
    return int(a), int(b)


def summed(pool: torch.nn.AvgPool2d, x: Tensor) -> Tensor:
    """Sums over the windows of an average pool: exact on integers, which average times area is not."""
    return F.avg_pool2d(x, pool.kernel_size, pool.stride, divisor_override=1)
