"""Real leaks as integers: carries, multipliers and shifts, for every state that leaks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import fixed
from ..ops.codec import Codec
from ..ops.trace import Carry, Dyadic, Shift

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]


def decayed(codec: Codec, leak: Carry, v: Ints, edges: Ints, beta: Reals) -> Ints:
    """half_up(beta * v) of the value v [C, 2^n] that each code has; with guaranteed decay, moved to rest."""
    rounded = fixed.half_up(beta[:, None] * v)
    if leak.decay == "guaranteed":
        code = np.arange(v.shape[1])
        rest = codec.rest - codec.low
        pad = np.zeros((len(v), 1), np.int64)
        lower, upper = np.hstack([pad, edges]), np.hstack([edges, pad])
        rounded = np.where(code > rest, np.minimum(rounded, lower - 1), rounded)
        rounded = np.where(code < rest, np.maximum(rounded, upper), rounded)
    return rounded


def shift_of(beta: Reals) -> Ints:
    """m of the leak 1 - 2^-m nearest to beta, in 0..15 (m = 0 forgets everything)."""
    known = 1.0 - 0.5 ** np.arange(16)
    return np.abs(np.asarray(beta, np.float64)[:, None] - known[None, :]).argmin(1).astype(np.int64)


def real_beta(leak: Any, beta: Reals) -> Reals:
    """The leak that an integer form really has: beta itself for a carry table."""
    if isinstance(leak, Carry):
        return beta
    if isinstance(leak, Dyadic):
        return np.asarray(fixed.half_up(beta * 2.0**leak.bits) / 2.0**leak.bits)
    return np.asarray(1.0 - 0.5 ** shift_of(beta).astype(np.float64))


def leak_numbers(leak: Shift | Dyadic, prefix: str, beta: Reals) -> dict[str, Ints]:
    """The parameters of a leak that is no table; their names begin with a prefix."""
    if isinstance(leak, Shift):
        return {f"{prefix}leak.shift": shift_of(beta)}
    multiplier = fixed.half_up(beta * 2.0**leak.bits)
    return {
        f"{prefix}leak.multiplier": multiplier,
        f"{prefix}leak.shift": np.full_like(multiplier, leak.bits),
    }
