"""Bodies on integers: the definition in Python integers, and the same on numpy arrays.

`step_one` is the definition of a neuron's timestep: one neuron, unbounded Python integers, no tricks.
`step_many` is the same on int64 arrays, channel axis named by an index array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import fixed
from .body import Body
from .codec import Codec, Table
from .gradients import Backward
from .instruction import Instruction
from .table import OPS

Ints = NDArray[np.int64]


def live(body: Body | Backward, *roots: int) -> list[int]:
    """Indices of the instructions that the roots need, in order; `lookup` does not need its real argument."""
    needed: set[int] = set()
    stack = list(roots)
    while stack:
        k = stack.pop()
        if k not in needed:
            needed.add(k)
            i = body.instructions[k]
            stack.extend(i.args[:-1] if i.op == "lookup" else i.args)
    return sorted(needed)


def forward_roots(body: Body) -> tuple[int, ...]:
    return (*body.stores, body.spike)


@dataclass(frozen=True)
class Step:
    """Result of a timestep: next codes by state, the output, and the decoded stored values by state."""

    codes: Mapping[str, Any]
    spike: Any
    membranes: Mapping[str, Any]


def _run(
    body: Body, order: Sequence[int], leaf: Callable[[Instruction], Any], apply: Callable[..., Any]
) -> Any:
    values: dict[int, Any] = {}
    for k in order:
        i = body.instructions[k]
        args = [values.get(a) for a in i.args]
        values[k] = apply(i, args) if i.op in OPS else leaf(i)
    return values


def _result(body: Body, values: Mapping[int, Any]) -> Step:
    names = [s.name for s in body.states]
    return Step(
        {n: values[k] for n, k in zip(names, body.stores, strict=True)},
        values[body.spike],
        {n: values[k] for n, k in zip(names, body.membranes, strict=True)},
    )


def step_one(
    body: Body, current: int, codes: Mapping[str, int], prev: int, parameters: Mapping[str, Any]
) -> Step:
    """One timestep of one neuron in Python integers: the definition.

    Args:
        current: the synaptic sum S.
        codes: stored code of each state.
        prev: the last output.
        parameters: of this neuron's channel: an int, or a (nested) list of ints for a table.
    """

    def leaf(i: Instruction) -> int:
        match i.op:
            case "current":
                return current
            case "state":
                return codes[i.name]
            case "prev":
                return prev
            case "parameter":
                return int(parameters[i.name])
            case _:
                return int(i.immediate)

    def apply(i: Instruction, args: list[int]) -> int:
        if i.op == "lookup":
            table, entry = parameters[i.name], args[0] - body.codec(body.instructions[i.args[0]].name).low
            return int(table[entry] if len(i.args) == 2 else table[args[1]][entry])
        if i.op in ("encode", "decode"):
            codec = body.codec(i.name)
            if isinstance(codec, Table):
                if i.op == "decode":
                    return int(parameters[f"{i.name}.levels"][args[0]])
                return sum(int(edge) <= args[0] for edge in parameters[f"{i.name}.boundaries"])
            shift = int(parameters[f"{i.name}.shift"])
            if i.op == "decode":
                return fixed.shift_left(args[0], shift)
            code = fixed.half_up_shift(args[0], shift)
            if codec.overflow == "wrap":
                return fixed.wrap(code, codec.low, codec.bits)
            top = int(parameters[f"{i.name}.high"]) if codec.has_top else codec.high
            return fixed.saturate(code, codec.low, top)
        meaning = OPS[i.op].meaning
        assert meaning is not None, i.op
        return meaning(*args)

    return _result(body, _run(body, live(body, *forward_roots(body), *body.membranes), leaf, apply))


def encode_many(codec: Codec, state: str, x: Ints, parameters: Mapping[str, Ints], channel: Ints) -> Ints:
    """Codes of an int64 array of values."""
    if isinstance(codec, Table):
        edges = parameters[f"{state}.boundaries"][channel]
        code = np.zeros(np.broadcast_shapes(x.shape, channel.shape), np.int64)
        for j in range(codec.high):
            code += edges[..., j] <= x
        return code
    code = fixed.half_up_shift(x, parameters[f"{state}.shift"][channel])
    if codec.overflow == "wrap":
        return fixed.wrap(code, codec.low, codec.bits)
    top = parameters[f"{state}.high"][channel] if codec.has_top else codec.high
    return fixed.saturate(code, codec.low, top)


def evaluate_many(
    body: Body,
    order: Sequence[int],
    current: Ints | None,
    codes: Mapping[str, Ints],
    prev: Ints,
    parameters: Mapping[str, Ints],
    channel: Ints,
) -> dict[int, Ints]:
    """Values of the instructions in `order` on int64 arrays; see `step_many`."""

    def leaf(i: Instruction) -> Any:
        match i.op:
            case "current":
                return current
            case "state":
                return codes[i.name]
            case "prev":
                return prev
            case "parameter":
                return parameters[i.name][channel]
            case _:
                return np.int64(i.immediate)

    def apply(i: Instruction, args: list[Any]) -> Any:
        if i.op == "lookup":
            table, entry = parameters[i.name], args[0] - body.codec(body.instructions[i.args[0]].name).low
            return table[channel, entry] if len(i.args) == 2 else table[channel, args[1], entry]
        if i.op == "encode":
            return encode_many(body.codec(i.name), i.name, args[0], parameters, channel)
        if i.op == "decode":
            if isinstance(body.codec(i.name), Table):
                return parameters[f"{i.name}.levels"][channel, args[0]]
            return fixed.shift_left(args[0], parameters[f"{i.name}.shift"][channel])
        vector = OPS[i.op].vector
        assert vector is not None, i.op
        return vector(*args)

    return _run(body, order, leaf, apply)


def step_many(
    body: Body,
    current: Ints,
    codes: Mapping[str, Ints],
    prev: Ints,
    parameters: Mapping[str, Ints],
    channel: Ints,
) -> Step:
    """One timestep of many neurons on int64 arrays.

    Args:
        current, codes, prev: arrays of one shape, for example [B, C, H, W].
        parameters: per channel, [C] or [C, entries] or [C, rows, entries].
        channel: channel index of each neuron, broadcasting against the arrays, for example [C, 1, 1].
    """
    order = live(body, *forward_roots(body), *body.membranes)
    return _result(body, evaluate_many(body, order, current, codes, prev, parameters, channel))
