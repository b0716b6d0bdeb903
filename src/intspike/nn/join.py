"""Joins of two spike values, element by element: what residual networks are made of."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import BadInput

Kind = Literal["add", "and", "iand"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Join(torch.nn.Module):
    """Two spike values become one: "add" a + b, "and" a b, "iand" (1 - a) b.

    A sum of spikes is an integer above 1, which later layers read as it is; `+` in a model's forward is the same. "and"
    and "iand" (not a, and b) are Boolean, so both values must be spikes of 0 or 1 and of scale 1.

    Source: Fang et al., "Deep Residual Learning in Spiking Neural Networks" (arXiv 2102.04159).
    """

    def __init__(self, kind: Kind = "add"):
        super().__init__()
        if kind not in KINDS:
            raise BadInput(f"a join must be one of {', '.join(KINDS)}, not {kind!r}")
        self.kind: Kind = kind

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Of a and b [..., C, ...] of one shape."""
        return joined(self.kind, a, b)

    def extra_repr(self) -> str:
        return self.kind


def joined(kind: Kind, a: Tensor, b: Tensor) -> Tensor:
    """A join of two tensors, with gradients."""
    match kind:
        case "add":
            return a + b
        case "and":
            return a * b
        case "iand":
            return (1 - a) * b
