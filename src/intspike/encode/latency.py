"""Latency encoding: a larger value fires earlier, and once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import codes, whole


def latency(x: ArrayLike, timesteps: int, threshold: int = 0) -> NDArray[np.uint8]:
    """Spikes [T, B, ...] of values [B, ...]: each element fires once, at t = floor((255 - x) T / 256).

    255 fires at the first timestep and 0 at the last (of at most 256); equal steps of the value are equal steps of
    time, to within a timestep.

    Args:
        x: uint8 codes [B, ...].
        timesteps: T.
        threshold: smaller values send nothing; with 1, an empty background is silent.

    Raises:
        BadInput: not uint8 codes, or no timesteps.
    """
    value = codes(x, 1, "[B, ...]")
    timesteps, threshold = whole("timesteps", timesteps, 1), whole("threshold", threshold, 0, 255)
    at = (255 - value.astype(np.int64)) * timesteps >> 8
    clock = np.arange(timesteps).reshape(-1, *(1,) * value.ndim)
    return ((clock == at) & (value >= threshold)).astype(np.uint8)
