"""From integer thresholds to the tables of a neuron: levels, boundaries, carries.

All arguments and results are per channel. Levels are given as fractions of the threshold; training, lowering,
the worked example of the contract and the fuzzers all come through here, so they cannot disagree.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import fixed
from ..errors import BadInput
from ..ops.codec import Table, Uniform
from ..ops.trace import Carry, Dyadic, Form, threshold_name
from .base import Neuron

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Fractions = Sequence[float] | Reals


def table_levels(neuron: Neuron, codec: Table, theta: Ints, fractions: Fractions) -> tuple[Ints, Ints]:
    """Levels [C, 2^n] and boundaries [C, 2^n - 1] of a table: midpoints, but every threshold is a boundary.

    Args:
        fractions: [2^n], or [C, 2^n] where channels have levels of their own; then all of them have as many below a
            threshold.

    Raises:
        BadInput: levels that are not increasing, without rest, on the wrong side of the threshold, or so close
            that two of them are one integer.
    """
    rows = np.atleast_2d(np.asarray(fractions, np.float64))
    f = rows[0]
    if len(f) != codec.high + 1 or not (np.diff(rows) > 0).all() or rows[:, codec.rest].any():
        raise BadInput(
            f"a table of {codec.bits} bits must have {codec.high + 1} increasing levels with 0 at code "
            f"{codec.rest}, not {list(map(float, f))}"
        )
    strict = neuron.compare == ">"
    after = codec.stores == "after reset"
    if after and rows[:, -1].max() >= 1:
        raise BadInput(
            f"levels stored after reset must lie below threshold (1), not reach {rows[:, -1].max():g}"
        )
    levels = fixed.half_up(rows * theta[:, None].astype(np.float64))
    thresholds: dict[int, Ints] = {}  # by the boundary that a threshold is
    ends = (*neuron.multiples, 1 << 30)
    for d, beyond in list(itertools.pairwise(ends))[: 1 if after else None]:
        first = d * theta + strict  # the smallest membrane that passes d first thresholds
        above = int((f < d).sum())  # the first code that does
        if ((rows < d).sum(1) != above).any():
            raise BadInput(
                f"all channels must have as many levels below {d} thresholds, not other numbers of them"
            )
        levels[:, :above] = np.minimum(levels[:, :above], first[:, None] - 1)
        if after:
            continue
        if above > codec.high or not ((f >= d) & (f < beyond)).any():
            raise BadInput(
                f"levels stored before reset must have one at or above {d} thresholds, not {[float(x) for x in f]}"
            )
        levels[:, above:] = np.maximum(levels[:, above:], first[:, None])
        thresholds[above - 1] = first
    edges = (levels[:, 1:] + levels[:, :-1] + 1) >> 1
    for j, first in thresholds.items():
        edges[:, j] = first
    if not ((levels[:, 1:] >= edges).all() and (levels[:, :-1] < edges).all()):
        raise BadInput(
            f"levels must stay distinct as integers, but two of {[float(x) for x in f]} are one at theta = "
            f"{int(theta.min())}; space them wider or use fewer bits"
        )
    return levels, edges


def uniform_levels(codec: Uniform, shift: Ints) -> tuple[Ints, Ints]:
    """Levels and boundaries of a uniform code, in the layout of a table's."""
    codes = np.arange(codec.low, codec.high + 1)
    levels = codes[None, :] << shift[:, None]
    half = (np.int64(1) << shift) >> 1
    return levels, levels[:, 1:] - half[:, None]


def snapped(neuron: Neuron, codec: Uniform, theta: Ints, shift: Ints) -> list[Ints]:
    """The thresholds, multiples of theta, each moved to the nearest boundary where the code must decide the spike."""
    strict = int(neuron.compare == ">")
    thetas = [d * theta for d in neuron.multiples]
    if codec.stores == "after reset":
        return thetas
    half = (np.int64(1) << shift) >> 1
    return [(fixed.half_up_shift(t + strict + half, shift) << shift) - half - strict for t in thetas]


def carry(
    neuron: Neuron, form: Form, levels: Ints, edges: Ints, reset: Ints, thetas: list[Ints], beta: Reals
) -> Ints:
    """carry[c] = half_up(beta * v[c]), v the level after its reset line; with guaranteed decay, moved to rest.

    Returns:
        [C, 2^n], or [C, D + 1, 2^n] where the code alone does not tell what the last output took from v: the
        spike is stored and the reset comes behind the leak, or a second state can silence a code that fires.
    """
    codec, leak = form.codec, form.leak
    assert codec is not None
    assert isinstance(leak, Carry)
    strict = neuron.compare == ">"
    before_leak = getattr(neuron, "reset_order", "before leak") == "before leak"
    outputs = range(1, neuron.spikes + 1)

    def after_reset(spikes: Any) -> Ints:
        if neuron.reset == "zero":
            return np.where(spikes > 0, 0, levels)
        return levels - reset[:, None] * spikes

    def decayed(v: Ints) -> Ints:
        rounded = fixed.half_up(beta[:, None] * v)
        if leak.decay == "guaranteed":
            code = np.arange(levels.shape[1])
            rest = codec.rest - codec.low
            pad = np.zeros((len(levels), 1), np.int64)
            lower, upper = np.hstack([pad, edges]), np.hstack([edges, pad])
            rounded = np.where(code > rest, np.minimum(rounded, lower - 1), rounded)
            rounded = np.where(code < rest, np.maximum(rounded, upper), rounded)
        return rounded

    if neuron.reset == "none":
        return decayed(levels)
    if codec.stores == "after reset":
        if before_leak:
            return decayed(levels)
        fired = [fixed.half_up(beta[:, None] * (levels + reset[:, None] * s)) for s in outputs]
        return np.stack([decayed(levels), *fired], axis=1)
    if not before_leak:
        return decayed(levels)
    if len(neuron.states(form)) > 1:  # a code at or above threshold may have been silent
        return np.stack([decayed(levels), *(decayed(after_reset(s)) for s in outputs)], axis=1)
    return decayed(after_reset(sum((levels >= t[:, None] + strict).astype(np.int64) for t in thetas)))


def constants(
    neuron: Neuron,
    form: Form,
    *,
    gain: Ints,
    bias: Ints,
    theta: Ints,
    beta: Reals | None = None,
    fractions: Fractions | None = None,
    shift: Ints | None = None,
) -> dict[str, Ints]:
    """Every parameter that the body of `neuron` in `form` reads, as integers.

    Args:
        gain: signed power of two that a sum is multiplied with.
        bias, theta: in LSB of the membrane; theta is the first threshold.
        beta: real leak of a neuron that has one.
        fractions: levels of a table in units of theta, [2^n] or [C, 2^n].
        shift: step 2^shift of a uniform code.
    """
    codec = form.codec
    if codec is None:
        raise BadInput("integer constants exist for a quantized neuron only, not in full precision")
    made: dict[str, Any] = {"gain": gain, "bias": bias}
    if isinstance(codec, Table):
        if fractions is None:
            raise BadInput("a table needs its levels as fractions of theta")
        thetas = [d * theta for d in neuron.multiples]
        levels, edges = table_levels(neuron, codec, theta, fractions)
        made |= {"u.levels": levels, "u.boundaries": edges}
    else:
        if shift is None:
            raise BadInput("a uniform code needs its shift")
        thetas = snapped(neuron, codec, theta, shift)
        levels, edges = uniform_levels(codec, shift)
        made["u.shift"] = shift
        if codec.has_top:
            below = thetas[0] + (neuron.compare == ">") - 1
            made["u.high"] = np.minimum(below >> shift, codec.high)
    made |= {threshold_name(d): t for d, t in enumerate(thetas)}
    made["reset"] = neuron.taken * thetas[0]
    if neuron.has_leak:
        if beta is None:
            raise BadInput(f"{type(neuron).__name__} needs its leak beta")
        made |= _leak(neuron, form, levels, edges, thetas, beta)
    if neuron.refractory:
        made["r.shift"] = np.zeros_like(theta)
    from ..ops.trace import trace

    return {name: np.asarray(made[name], np.int64) for name in trace(neuron, form).parameters}


def _leak(
    neuron: Neuron, form: Form, levels: Ints, edges: Ints, thetas: list[Ints], beta: Reals
) -> dict[str, Ints]:
    leak = form.leak
    if isinstance(leak, Carry):
        return {"carry": carry(neuron, form, levels, edges, neuron.taken * thetas[0], thetas, beta)}
    if isinstance(leak, Dyadic):
        multiplier = fixed.half_up(beta * 2.0**leak.bits)
        return {"leak.multiplier": multiplier, "leak.shift": np.full_like(thetas[0], leak.bits)}
    return {"leak.shift": shift_of(beta)}


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
