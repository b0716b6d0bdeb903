"""Interval analysis of a body: per channel, bounds of every value for any input in a given range.

What depends on stored codes alone is enumerated over all (code, output) pairs that can be stored, one output
after the other, so the membrane before the current, and with it the wide sum inside a step, has exact bounds; the
rest follows the interval rules of the op table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from ..errors import RangeExceeded
from .body import Body
from .codec import Table
from .interpret import Ints, encode_many, evaluate_many, forward_roots, live
from .table import OPS
from .trace import threshold_name

Bounds = dict[int, tuple[Ints, Ints]]
LIMIT = 1 << 62
_MOST_ENUMERATED = 1 << 23


def storable(
    body: Body, parameters: Mapping[str, Ints]
) -> tuple[dict[str, Ints], Ints, NDArray[np.bool_]] | None:
    """Every (codes, output) that can be stored: ({state: [K, 1]}, prev [K, 1], valid [K, C]) or None if too many.

    States that currents or spikes enter beside the membrane are left out: they are added to it, so their interval is
    as good. What raises thresholds is too; then a membrane that could fire may not have.

    A spike stored after reset leaves at least theta_s - reset * s and, below the last threshold, less than
    theta_(s+1) - reset * s, so some pairs cannot occur. Stored before reset, the output is a function of the code.
    """
    kept = [
        (s.name, read)
        for s, store, read in zip(body.states, body.stores, body.reads, strict=True)
        if s.name in body.firing or "parameter" not in body.provenance[store]  # a counter
    ]
    codecs, reads = {name: body.codec(name) for name, _ in kept}, dict(kept)
    channels = len(parameters["theta"])
    if prod(1 << c.bits for c in codecs.values()) * (body.spikes + 1) * channels > _MOST_ENUMERATED:
        return None
    sizes = [*(c.high - c.low + 1 for c in codecs.values()), body.spikes + 1]
    combos = np.indices(sizes, np.int64).reshape(len(sizes), -1).T + [*(c.low for c in codecs.values()), 0]
    codes = {name: combos[:, k : k + 1] for k, name in enumerate(codecs)}
    prev = combos[:, -1:]
    channel = np.arange(channels)[None, :]
    valid = np.ones((len(combos), channels), bool)
    first = np.stack([parameters[threshold_name(d)] for d in range(body.spikes)]) + body.strict  # that fires
    for name, codec in codecs.items():
        if name not in body.firing:
            continue  # a counter
        if codec.has_top:
            valid &= codes[name] <= parameters[f"{name}.high"][None, :]
        if codec.stores == "before reset":
            level = evaluate_many(body, live(body, reads[name]), None, codes, prev, parameters, channel)[
                reads[name]
            ]
            fired = sum((level >= t[None, :]).astype(np.int64) for t in first)
            gated = body.instructions[body.spike].op == "select"
            silenced = (prev == 0) & gated if body.raises is None else prev < fired
            valid &= (fired == prev) | silenced
        elif body.reset == "zero":
            valid &= (prev == 0) | (codes[name] == codec.rest)
        elif isinstance(codec, Table) or codec.overflow == "saturate":
            for s in range(1, body.spikes + 1):
                left = first[s - 1] - parameters["reset"] * s
                valid &= (prev != s) | (codes[name] >= _code(body, name, left, parameters)[None, :])
                if s < body.spikes:
                    left = first[s] - parameters["reset"] * s - 1
                    valid &= (prev != s) | (codes[name] <= _code(body, name, left, parameters)[None, :])
    return codes, prev, valid


def _code(body: Body, state: str, x: Ints, parameters: Mapping[str, Ints]) -> Ints:
    return encode_many(body.codec(state), state, x, parameters, np.arange(len(x)))


def intervals(
    body: Body, parameters: Mapping[str, Ints], low: Ints, high: Ints
) -> dict[int, tuple[Ints, Ints]]:
    """Bounds [C] of every live instruction, for any sum S in low..high (each [C]) and any stored codes.

    Raises:
        RangeExceeded: a value could leave 63 bits.
    """
    channels = len(low)
    order = live(body, *forward_roots(body), *body.membranes)
    loose: Bounds = {}
    for k in order:
        loose[k] = _bound(body, k, parameters, low, high, loose, channels)
    pairs = storable(body, parameters)
    if pairs is None:
        return loose
    codes, prev, valid = pairs
    bounds = {k: (np.full(channels, LIMIT), np.full(channels, -LIMIT)) for k in order}
    for s in range(body.spikes + 1):  # one output at a time: what a neuron does after a spike is another text
        rows = prev[:, 0] == s
        some = valid[rows].any(0)
        if some.any():
            part = _after_output(
                body, order, {n: a[some] for n, a in parameters.items()}, low[some], high[some],
                {n: c[rows] for n, c in codes.items()}, prev[rows], valid[np.ix_(rows, some)],
            )  # fmt: skip
            for k, (lo, hi) in part.items():
                bounds[k][0][some] = np.minimum(bounds[k][0][some], lo)
                bounds[k][1][some] = np.maximum(bounds[k][1][some], hi)
    return bounds


def _after_output(
    body: Body,
    order: Sequence[int],
    parameters: Mapping[str, Ints],
    low: Ints,
    high: Ints,
    codes: Mapping[str, Ints],
    prev: Ints,
    valid: NDArray[np.bool_],
) -> Bounds:
    """Bounds in the timestep after one output: what depends on codes alone is enumerated."""
    channels = len(low)
    unknown = {"current", *(s.name for s in body.states if s.name not in codes)}
    from_codes = [k for k in order if unknown.isdisjoint(_seen_forward(body, k))]
    bounds: Bounds = {}
    for k, v in evaluate_many(
        body, from_codes, None, codes, prev, parameters, np.arange(channels)[None, :]
    ).items():
        if np.ndim(v) < 2 or len(v) == 1:  # parameters and what follows from them
            bounds[k] = (np.broadcast_to(v, (1, channels))[0],) * 2
            continue
        table = np.broadcast_to(v, valid.shape)
        bounds[k] = np.where(valid, table, LIMIT).min(0), np.where(valid, table, -LIMIT).max(0)
    for k in order:
        if k not in bounds:
            bounds[k] = _bound(body, k, parameters, low, high, bounds, channels)
    return bounds


def _seen_forward(body: Body, k: int) -> set[str]:
    """Leaves that value k reads in a forward pass (a lookup does not read its real argument), states by their names."""
    leaves = (i for i in (body.instructions[j] for j in live(body, k)) if i.op not in OPS)
    return {i.name if i.op == "state" else i.op for i in leaves}


def _bound(
    body: Body,
    k: int,
    parameters: Mapping[str, Ints],
    low: Ints,
    high: Ints,
    bounds: Mapping[int, tuple[Ints, Ints]],
    channels: int,
) -> tuple[Ints, Ints]:
    i = body.instructions[k]
    match i.op:
        case "current":
            return low, high
        case "parameter":
            return parameters[i.name], parameters[i.name]
        case "constant":
            c = np.full(channels, int(i.immediate), np.int64)
            return c, c
        case "prev":
            return np.zeros(channels, np.int64), np.full(channels, body.spikes, np.int64)
        case "state" | "encode":
            codec = body.codec(i.name)
            return np.full(channels, codec.low, np.int64), np.full(channels, codec.high, np.int64)
        case "decode":
            codec = body.codec(i.name)
            if isinstance(codec, Table):
                levels = parameters[f"{i.name}.levels"]
                return levels.min(1), levels.max(1)
            step = np.int64(1) << parameters[f"{i.name}.shift"]
            return codec.low * step, codec.high * step
        case "lookup":
            table = parameters[i.name].reshape(channels, -1)
            return table.min(1), table.max(1)
        case _:
            rule = OPS[i.op].interval
            assert rule is not None, i.op
            # in Python integers: the bounds of a product may need more than 64 bits before they are refused
            lo, hi = rule(*((lo.astype(object), hi.astype(object)) for lo, hi in (bounds[a] for a in i.args)))
            if np.any(lo <= -LIMIT) or np.any(hi >= LIMIT):
                raise RangeExceeded(
                    f"every value of a step must fit 63 bits, but %{k} = {i.op} could reach "
                    f"{int(np.min(lo))}..{int(np.max(hi))}; use smaller weights, gains or thresholds"
                )
            return lo.astype(np.int64), hi.astype(np.int64)
