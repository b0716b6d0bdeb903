"""The numbers by which a real membrane potential is stored: levels and boundaries in float32, in units of u.

Each level is its fraction times theta, rounded once; theta is a boundary, whatever is rounded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import BadInput
from .state import StateQuantizer, UniformState


@dataclass(frozen=True)
class Storage:
    """How a float32 value is stored.

    Attributes:
        levels: of a table, increasing; empty where codes are evenly spaced.
        numbers: of a table its boundaries, then theta; else step, lowest and highest code, theta, the first code
            at or above theta, and the number of codes.
        fires: theta and above is stored as theta plus the level of what a reset leaves.
        wraps: codes out of range are taken modulo their number, not saturated.
    """

    levels: tuple[float, ...]
    numbers: tuple[float, ...]
    fires: bool
    wraps: bool = False


@lru_cache(maxsize=256)
def storage_of(state: StateQuantizer, theta: float) -> Storage:
    """The numbers of a state quantizer at a threshold.

    Raises:
        BadInput: theta is no positive number, or two levels are one in float32.
    """
    if not isinstance(theta, (int, float)) or not 0 < theta < math.inf:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(
            f"theta must be a positive number, not {theta!r}; of a tensor, take float(theta) outside the loop"
        )
    return _uniform(state, theta) if isinstance(state, UniformState) else _table(state, theta)


def _table(state: StateQuantizer, theta: float) -> Storage:
    real, one = np.asarray(state.fractions, np.float64), np.float32(theta)
    levels = (real * theta).astype(np.float32)
    below = int((real < 1).sum())
    levels[:below] = np.minimum(levels[:below], np.nextafter(one, np.float32(0)))
    levels[below:] = np.maximum(levels[below:], one)
    if not (np.diff(levels) > 0).all() or not np.isfinite(levels).all():
        raise BadInput(
            f"the levels of a state must be distinct in float32, but at theta = {theta:g} two of "
            f"{list(state.fractions)} are not; choose a larger theta or fewer bits"
        )
    wide = levels.astype(np.float64)
    edges = ((wide[1:] + wide[:-1]) / 2).astype(np.float32)
    edges = np.maximum(edges, np.nextafter(levels[:-1], np.float32(np.inf)))  # a level keeps its own code
    if below < len(levels):
        edges[below - 1] = one
    return Storage(_floats(levels), (*_floats(edges), float(one)), state.stores == "after reset")


def _uniform(state: UniformState, theta: float) -> Storage:
    codec, after = state.codec, state.stores == "after reset"
    widest = max(
        state.high / codec.high if codec.high > 0 else 0.0, state.low / codec.low if codec.low < 0 else 0.0
    )
    # the step that covers the range; where the code decides the spike, theta lies midway between two codes
    under = 0 if after else max(0, math.floor(1 / widest - 0.5))
    step, one = np.float32(theta * (widest if after else 1 / (under + 0.5))), np.float32(theta)
    if not 0 < step < np.inf or not one < np.inf:
        raise BadInput(
            f"the step of a state must be a float32 number above 0, but is not at theta = {theta:g}"
        )
    high = codec.high
    if codec.has_top:
        while high > 0 and np.float32(high) * step >= one:  # what is stored after reset has not fired
            high -= 1
    numbers = (float(step), codec.low, high, float(one), under + 1, 1 << codec.bits)
    return Storage((), tuple(map(float, numbers)), after, codec.overflow == "wrap")


def _floats(x: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in x)
