"""From integer thresholds to the tables of a neuron: levels, boundaries, carries.

All arguments and results are per channel. Levels are given as fractions of the threshold; training, lowering,
the worked example of the contract and the fuzzers all come through here, so they cannot disagree.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import fixed
from ..errors import BadInput
from ..ops.body import leak_prefix
from ..ops.codec import Table, Uniform
from ..ops.trace import Carry, Form, threshold_name
from .base import OTHERS, Neuron, check_parameters
from .leaks import decayed, leak_numbers

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


def shift_over(codec: Uniform, theta: Ints, low: float, high: float) -> Ints:
    """The smallest shift [C] with which codes reach over low..high thresholds."""
    widest = np.maximum(high * theta / max(codec.high, 1), low * theta / codec.low if codec.low else 0)
    return np.ceil(np.log2(np.maximum(widest, 1))).astype(np.int64)


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

    def after(v: Ints) -> Ints:
        return decayed(codec, leak, v, edges, beta)

    if neuron.reset == "none":
        return after(levels)
    if codec.stores == "after reset":
        if before_leak:
            return after(levels)
        fired = [fixed.half_up(beta[:, None] * (levels + reset[:, None] * s)) for s in outputs]
        return np.stack([after(levels), *fired], axis=1)
    if not before_leak:
        return after(levels)
    if neuron.refractory or "a" in neuron.others:  # a code at or above threshold may have been silent
        return np.stack([after(levels), *(after(after_reset(s)) for s in outputs)], axis=1)
    return after(after_reset(sum((levels >= t[:, None] + strict).astype(np.int64) for t in thetas)))


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
    jump: Ints | None = None,
    leaks: Mapping[str, Reals] | None = None,
    shifts: Mapping[str, Ints] | None = None,
) -> dict[str, Ints]:
    """Every parameter that the body of `neuron` in `form` reads, as integers.

    Args:
        gain: signed power of two that a sum is multiplied with.
        bias, theta: in LSB of the membrane; theta is the first threshold.
        beta: real leak of a neuron that has one.
        fractions: levels of a table in units of theta, [2^n] or [C, 2^n].
        shift: step 2^shift of a uniform code.
        jump: of an adaptation, in LSB; None: that of the neuron, as a share of theta.
        leaks: real leaks of the states beside the membrane, by state; None: those of the neuron.
        shifts: steps of their codes; None: over their `span`.
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
        if isinstance(form.leak, Carry):
            made["carry"] = carry(neuron, form, levels, edges, made["reset"], thetas, beta)
        else:
            made |= leak_numbers(form.leak, "", beta)
    if neuron.refractory:
        made["r.shift"] = np.zeros_like(theta)
    for state in neuron.others:
        leak = (leaks or {}).get(state)
        real = np.full(len(theta), getattr(neuron, OTHERS[state][0])) if leak is None else leak
        made |= _other(neuron, form, state, theta, real, (shifts or {}).get(state))
    if "a" in neuron.others:
        share = getattr(neuron, "jump", 0.0) / (neuron.theta * neuron.first)
        made["jump"] = fixed.half_up(theta * share) if jump is None else jump
    from ..ops.trace import trace

    needed = trace(neuron, form).parameters
    check_parameters(neuron, needed, made)
    return {name: np.asarray(made[name], np.int64) for name in needed}


def _other(
    neuron: Neuron, form: Form, state: str, theta: Ints, leak: Reals, shift: Ints | None
) -> dict[str, Ints]:
    """The step and the leak of a state beside the membrane."""
    kept, prefix = form.kept(state, OTHERS[state][1]), leak_prefix(state)
    if shift is None:
        shift = shift_over(kept.codec, theta, *neuron.span(state, kept.codec.high))
    if isinstance(kept.leak, Carry):
        levels, edges = uniform_levels(kept.codec, shift)
        numbers = {f"{prefix}carry": decayed(kept.codec, kept.leak, levels, edges, leak)}
    else:
        numbers = leak_numbers(kept.leak, prefix, leak)
    return {f"{state}.shift": shift, **numbers}
