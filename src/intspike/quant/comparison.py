"""State quantizers of others, for comparison: they have no integer form, and `lower` refuses them by name."""

from __future__ import annotations

from torch import Tensor


class ComparisonState:
    """Abstract: subclasses are frozen dataclasses, one file each.

    Membranes stay real numbers that are moved to levels before the neuron fires. A network with it trains and runs in
    floating point, on plain torch code.

    Attributes:
        bits: so many that 2^bits levels exist.
    """

    bits: int

    def store(self, u: Tensor, theta: float) -> Tensor:
        """u as it is stored, any shape, with a straight-through gradient."""
        raise NotImplementedError
