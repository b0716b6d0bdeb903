"""Substeps of a timestep: which values have them, and integers as spikes at the first of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .step import Step


def spike_values(steps: Sequence[Step]) -> frozenset[str]:
    """Values that are made of spikes, and so have substeps once unfolded; others are made of the input alone."""
    found: set[str] = set()
    for s in steps:
        if s.kind == "group" or (s.kind not in ("input", "readout") and any(i in found for i in s.inputs)):
            found.add(s.name)
    return frozenset(found)


def thermometer(s: Tensor, substeps: int) -> Tensor:
    """Integers [T, B, ...] in 0..substeps as spikes [T * substeps, B, ...]: at the first s substeps of a timestep."""
    at = torch.arange(substeps).reshape(1, -1, *(1,) * (s.ndim - 1))
    return (s[:, None] > at).to(s.dtype).flatten(0, 1)


def folded(spikes: Tensor, substeps: int) -> Tensor:
    """Sums over the substeps of each timestep: [T * substeps, B, ...] to [T, B, ...]."""
    return spikes.unflatten(0, (-1, substeps)).sum(1)
