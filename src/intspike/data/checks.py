"""What every reader checks: labels, and that frames fit into memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import BadData, BadInput

MAX_FRAME_BYTES = 4 << 30  # of the frames of one split in memory


def checked_labels(where: str, labels: NDArray[np.integer], classes: int, count: int) -> NDArray[np.int64]:
    """One label in 0..classes - 1 for each of so many samples."""
    if len(labels) != count:
        raise BadData(
            f"{where} must hold one label for each of the {count:,} samples, but holds {len(labels):,}; take both "
            f"from the same source"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise BadData(
            f"{where} must hold labels 0 to {classes - 1}, but holds {labels[wrong[0]]} at position {wrong[0]} "
            f"({len(wrong):,} such labels); give the file as published"
        )
    return labels.astype(np.int64)


def new_frames(count: int, shape: Sequence[int]) -> NDArray[np.uint8]:
    """Zeros [count, *shape] for the frames of a split, unless they are more than MAX_FRAME_BYTES."""
    size = count * math.prod(shape)
    if size > MAX_FRAME_BYTES:
        raise BadInput(
            f"the frames of a split must have at most {MAX_FRAME_BYTES:,} bytes, but {count:,} samples of "
            f"{list(shape)} have {size:,}; give fewer samples, fewer timesteps or smaller frames"
        )
    return np.zeros((count, *shape), np.uint8)
