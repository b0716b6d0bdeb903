"""Delta encoding: a signal in time sends its changes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import codes, whole


def delta(x: ArrayLike, threshold: int = 1) -> NDArray[np.uint8]:
    """Spikes [T, B, 2 C, ...] of a timed signal [T, B, C, ...]: rises in the first C channels, falls in the others.

        rise_t[c] = [x_t[c] - x_{t-1}[c] >= threshold],    fall_t[c] = [x_{t-1}[c] - x_t[c] >= threshold]

    Nothing comes before the first timestep, so nothing fires at it. A slope of less than `threshold` a timestep sends
    nothing, however long it lasts.

    Args:
        x: uint8 codes [T, B, C, ...], C the channels of an image or the features of a vector.
        threshold: the smallest change that counts, 1..255.

    Raises:
        BadInput: not uint8 codes of that shape, or another threshold.
    """
    value = codes(x, 3, "[T, B, C, ...]")
    threshold = whole("threshold", threshold, 1, 255)
    change = np.zeros(value.shape, np.int16)
    change[1:] = value[1:].astype(np.int16) - value[:-1]
    return np.concatenate([change >= threshold, change <= -threshold], axis=2).astype(np.uint8)
