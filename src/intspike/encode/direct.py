"""Direct encoding: a frame that stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor


def direct(x: Tensor, timesteps: int) -> Tensor:
    """The same frame at every timestep: [B, ...] to [T, B, ...] without a copy (time has stride 0)."""
    if timesteps < 1:
        raise BadInput(f"timesteps must be at least 1, not {timesteps}")
    return x.expand(timesteps, *x.shape)
