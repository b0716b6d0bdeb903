"""What encoders ask of their arguments."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput


def codes(x: ArrayLike, axes: int, shape: str) -> NDArray[np.uint8]:
    """x as an array of uint8 with at least so many axes, or BadInput."""
    value = np.asarray(x)
    if value.dtype != np.uint8 or value.ndim < axes:
        raise BadInput(
            f"what is encoded must be uint8 codes {shape}, not {value.dtype} {list(value.shape)}; convert or reshape it"
        )
    return value


def whole(name: str, value: int, low: int, high: int | None = None) -> int:
    """The value as a Python integer in low..high, or BadInput."""
    bounds = f"a whole number from {low}" + ("" if high is None else f" to {high}")
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise BadInput(f"{name} must be {bounds}, but is {value!r}; give an integer")
    if value < low or (high is not None and value > high):
        raise BadInput(f"{name} must be {bounds}, but is {value}; give one of these")
    return int(value)
