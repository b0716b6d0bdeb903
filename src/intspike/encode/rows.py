"""An image as a sequence: one row a timestep."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput


def rows(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images [N, C, H, W] row by row: timed inputs [N, T, F] with T = H and F = C * W.

    At timestep t a network sees row t alone: what rows have to do with each other is in its memory only.
    """
    if images.ndim != 4:
        raise BadInput(f"images must be [N, C, H, W], not {list(images.shape)}; reshape them")
    count, channels, height, width = images.shape
    return np.ascontiguousarray(images.swapaxes(1, 2)).reshape(count, height, channels * width)
