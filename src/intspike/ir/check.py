"""What makes a program legal, rule by rule; every other module may rely on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BadProgram
from ..ops.body import Body, Instruction, codec_parameters, parameter_shape
from ..ops.codec import Table
from ..ops.table import LEAVES, OPS
from ..ops.trace import threshold_name
from .clock import check_clock
from .program import (
    Conv,
    Dense,
    Fold,
    Input,
    Integrator,
    Join,
    Neuron,
    Node,
    Offset,
    Pool,
    Readout,
    Unfold,
)

if TYPE_CHECKING:
    from .program import Program

Shape = tuple[int, ...]
MOST_ELEMENTS = 1 << 28
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}\Z")


def _must(condition: object, message: str) -> None:
    if not condition:
        raise BadProgram(message)


def check(program: Program) -> dict[str, Shape]:
    """The shape of every node, or BadProgram naming the node, the rule, what was given."""
    names: set[str] = set()
    for n in program.nodes:
        _must(_NAME.match(n.name), f"a node's name must be letters, digits, _ and ., not {n.name!r}")
        _must(n.name not in names, f"node names must differ, but {n.name!r} is used twice")
        names.add(n.name)
    count = [sum(isinstance(n, kind) for n in program.nodes) for kind in (Input, Readout)]
    _must(count[0] == 1, f"a program must have one input, not {count[0]}")
    _must(count[1] == 1, f"a program must have one readout, not {count[1]}")
    shapes: dict[str, Shape] = {}
    before: set[str] = set()
    ends = {n.name for n in program.nodes if isinstance(n, Readout)}
    for n in program.nodes:
        for e in n.edges:
            _must(e.source in names, f"{n.name} reads {e.source!r}, which does not exist")
            _must(e.source not in ends, f"{n.name} reads {e.source}, but nothing may read a readout")
            _must(0 <= e.delay <= 1024, f"{n.name}: a delay must be in 0..1024 timesteps, not {e.delay}")
            if not e.delay:
                _must(e.source in before, f"{n.name} reads {e.source} undelayed, so must stand behind it")
        before.add(n.name)
    check_clock(program.nodes)
    # delayed edges may point forwards: go round until every shape is known, in a loop from a node that has its own
    remaining = list(program.nodes)
    while remaining:
        ready = [n for n in remaining if all(e.source in shapes for e in n.edges)]
        for n in ready:
            shapes[n.name] = node_shape(n, shapes)
            _must(
                prod(shapes[n.name]) <= MOST_ELEMENTS,
                f"{n.name}: a node must have at most {MOST_ELEMENTS} elements, not {prod(shapes[n.name])}",
            )
        known = {n.name for n in ready}
        remaining = [n for n in remaining if n.name not in known]
        if not ready:
            own = {n.name: s for n in remaining if n.name not in shapes for s in [_own_shape(n, shapes)] if s}
            _must(
                own,
                f"the shapes of {', '.join(n.name for n in remaining)} cannot be known: no node of the loop has one",
            )
            shapes |= own
    return shapes


def _own_shape(n: Node, shapes: Mapping[str, Shape]) -> Shape | None:
    """The shape of a node in a loop, before all that it reads is known; checked when it is."""
    if isinstance(n, Dense) and n.weight.ndim == 2:
        return (n.weight.shape[0],)
    return next((shapes[e.source] for e in n.edges if isinstance(n, Join) and e.source in shapes), None)


def node_shape(n: Node, shapes: Mapping[str, Shape]) -> Shape:
    """The shape of a node that is legal on inputs of these shapes, or BadProgram."""
    match n:
        case Input():
            _must(
                n.shape and all(isinstance(d, int) and 0 < d <= 1 << 24 for d in n.shape),
                f"{n.name}: a shape must be positive integers, not {n.shape}",
            )
            _must(n.low <= n.high, f"{n.name}: a range must not be empty, but is {n.low}..{n.high}")
            _must(n.low >= -(1 << 31) and n.high < 1 << 31, f"{n.name}: an input must fit 32 bits")
            return n.shape
        case Dense():
            s = shapes[n.source.source]
            _must(n.weight.ndim == 2, f"{n.name}: weight must be [N, M], not {n.weight.shape}")
            _must(
                n.weight.shape[1] == prod(s),
                f"{n.name}: weight {n.weight.shape} must have as many columns as its input {s} has elements",
            )
            _small(n.name, n.weight)
            return (n.weight.shape[0],)
        case Conv():
            return _conv_shape(n, shapes[n.source.source])
        case Pool():
            return _pool_shape(n, shapes[n.source.source])
        case Join():
            return _join_shape(n, [shapes[e.source] for e in n.sources])
        case Offset():
            s = shapes[n.source.source]
            _must(n.offset.shape == s, f"{n.name}: offset must be {list(s)}, not {list(n.offset.shape)}")
            _must(n.offset.dtype == np.int64, f"{n.name}: an offset must be int64, not {n.offset.dtype}")
            _must(_within(n.offset, 40), f"{n.name}: an offset must fit 40 bits")
            return s
        case Unfold() | Fold():
            return shapes[n.source.source]
        case Neuron():
            s = shapes[n.source.source]
            check_neuron(n.name, n.body, n.parameters, s[0])
            return s
        case Integrator():
            _must(2 <= n.bits <= 62, f"{n.name}: the bits of an integrator must be in 2..62, not {n.bits}")
            return shapes[n.source.source]
        case Readout():
            _must(n.kind in ("count", "last", "maximum"), f"{n.name}: unknown readout {n.kind!r}")
            return shapes[n.source.source]


def _small(name: str, weight: np.ndarray) -> None:
    _must(weight.dtype == np.int64, f"{name}: a weight must be int64, not {weight.dtype}")
    _must(weight.size > 0, f"{name}: a weight must not be empty")
    _must(_within(weight, 31), f"{name}: weight codes must fit 32 bits")


def _within(a: np.ndarray, bits: int) -> bool:
    return a.size == 0 or (
        -(1 << bits) < int(a.min()) and int(a.max()) < 1 << bits
    )  # abs of the lowest int64 is itself


def _pair(name: str, what: str, pair: tuple[int, int], low: int) -> None:
    _must(
        len(pair) == 2 and all(isinstance(d, int) and low <= d <= 1 << 16 for d in pair),
        f"{name}: {what} must be two integers from {low} up, not {pair}",
    )


def _conv_shape(n: Conv, s: Shape) -> Shape:
    _must(len(s) == 3, f"{n.name}: a convolution must read (C, H, W), not {s}")
    _must(
        n.weight.ndim == 4, f"{n.name}: weight must be [C_out, C_in / groups, H_k, W_k], not {n.weight.shape}"
    )
    _small(n.name, n.weight)
    _pair(n.name, "stride", n.stride, 1)
    _pair(n.name, "padding", n.padding, 0)
    out, per_group, kh, kw = n.weight.shape
    _must(n.groups >= 1 and out % n.groups == 0, f"{n.name}: groups {n.groups} must divide {out} outputs")
    _must(
        per_group * n.groups == s[0],
        f"{n.name}: weight {n.weight.shape} in {n.groups} groups reads {per_group * n.groups} channels, not {s[0]}",
    )
    h = (s[1] + 2 * n.padding[0] - kh) // n.stride[0] + 1
    w = (s[2] + 2 * n.padding[1] - kw) // n.stride[1] + 1
    _must(
        kh <= s[1] + 2 * n.padding[0] and kw <= s[2] + 2 * n.padding[1],
        f"{n.name}: kernel {kh}x{kw} must fit the padded input {s[1]}x{s[2]}",
    )
    return out, h, w


def _pool_shape(n: Pool, s: Shape) -> Shape:
    _must(len(s) == 3, f"{n.name}: a pool must read (C, H, W), not {s}")
    _must(n.kind in ("max", "sum", "or"), f"{n.name}: a pool must be max, sum or or, not {n.kind!r}")
    _pair(n.name, "size", n.size, 1)
    _pair(n.name, "stride", n.stride, 1)
    _must(n.size[0] <= s[1] and n.size[1] <= s[2], f"{n.name}: window {n.size} must fit the input {s}")
    if n.minimum is not None:
        _must(n.kind == "max", f"{n.name}: only a max pool can take minima")
        _must(n.minimum.shape == (s[0],), f"{n.name}: minimum must be [{s[0]}], not {n.minimum.shape}")
        _must(np.isin(n.minimum, (0, 1)).all(), f"{n.name}: minimum must hold 0 and 1 alone")
    return s[0], (s[1] - n.size[0]) // n.stride[0] + 1, (s[2] - n.size[1]) // n.stride[1] + 1


def _join_shape(n: Join, inputs: list[Shape]) -> Shape:
    _must(len(inputs) >= 2, f"{n.name}: a join must read at least two nodes, not {len(inputs)}")
    _must(n.kind in ("add", "and", "iand"), f"{n.name}: a join must be add, and or iand, not {n.kind!r}")
    _must(n.kind == "add" or len(inputs) == 2, f"{n.name}: {n.kind} must read two nodes, not {len(inputs)}")
    _must(len(set(inputs)) == 1, f"{n.name}: joined shapes must be equal, not {', '.join(map(str, inputs))}")
    if n.shifts:
        _must(n.kind == "add", f"{n.name}: only an add can shift its inputs")
        _must(
            len(n.shifts) == len(inputs) and all(0 <= k <= 31 for k in n.shifts),
            f"{n.name}: shifts must be one number in 0..31 an input, not {n.shifts}",
        )
    return inputs[0]


def check_neuron(name: str, body: Body, parameters: Mapping[str, np.ndarray], channels: int) -> None:
    """The rules of a neuron node: a well-formed body, parameters of the right shapes, rest stays rest."""
    _check_body(name, body)
    wanted = set(body.parameters)
    _must(
        wanted == set(parameters),
        f"{name}: parameters must be {sorted(wanted)}, not {sorted(parameters)}",
    )
    for p, a in parameters.items():
        shape = (channels, *parameter_shape(body, p))
        _must(a.shape == shape, f"{name}: parameter {p} must be {list(shape)}, not {list(a.shape)}")
        _must(a.dtype == np.int64, f"{name}: parameter {p} must be int64, not {a.dtype}")
        _must(_within(a, 40), f"{name}: parameter {p} must fit 40 bits")
        if p.endswith("shift"):
            _must(a.min() >= 0 and a.max() <= 31, f"{name}: {p} must be in 0..31, not {a.min()}..{a.max()}")
    for d in range(body.spikes):
        _must(
            threshold_name(d) in parameters,
            f"{name}: {body.spikes} spikes must have as many thresholds, not {d}",
        )
        theta = parameters[threshold_name(d)]
        _must(
            theta.min() + body.strict > 0, f"{name}: rest (0) must not fire, but a threshold is {theta.min()}"
        )
        below = parameters[threshold_name(max(d - 1, 0))]
        _must(
            (theta >= below).all(),
            f"{name}: thresholds must not decrease, but threshold {d + 1} lies below {d}",
        )
    for s in body.states:
        codec = body.codec(s.name)
        if isinstance(codec, Table):
            levels, edges = parameters[f"{s.name}.levels"], parameters[f"{s.name}.boundaries"]
            _must((np.diff(edges, axis=1) > 0).all(), f"{name}: the boundaries of {s.name} must increase")
            _must(
                (levels[:, codec.rest] == 0).all(),
                f"{name}: the level of the rest code of {s.name} must be 0",
            )
            inside = (levels[:, 1:] >= edges).all() and (levels[:, :-1] < edges).all()
            _must(inside, f"{name}: every level of {s.name} must lie inside its own bin")
        if s.name in body.firing:
            _check_spikes_survive(name, body, s.name, parameters)


def _check_spikes_survive(name: str, body: Body, state: str, parameters: Mapping[str, np.ndarray]) -> None:
    """Quantizing alone must never create or remove a spike."""
    codec = body.codec(state)
    for d in range(body.spikes):
        first = parameters[threshold_name(d)] + body.strict  # smallest value that fires
        if codec.stores == "after reset":
            if d == 0 and (isinstance(codec, Table) or codec.has_top):
                if isinstance(codec, Table):
                    top = parameters[f"{state}.levels"].max(1)
                else:
                    top = parameters[f"{state}.high"] << parameters[f"{state}.shift"]
                    high = parameters[f"{state}.high"]
                    _must(
                        (high >= 0).all() and (high <= codec.high).all(),
                        f"{name}: the top code of {state} must be in 0..{codec.high}",
                    )
                _must((top < first).all(), f"{name}: every level stored after reset must lie below threshold")
            continue
        if isinstance(codec, Table):
            edge = (parameters[f"{state}.boundaries"] == first[:, None]).any(1)
        else:
            shift = parameters[f"{state}.shift"]
            half = (np.int64(1) << shift) >> 1
            code = (first + half) >> shift
            edge = ((code << shift) - half == first) & (code > codec.low) & (code <= codec.high)
        _must(
            edge.all(),
            f"{name}: every threshold must be a boundary between two codes of {state} stored before reset, but "
            f"threshold {d + 1} of channel {int(np.argmin(edge))} is not",
        )


def _uses(body: Body, i: Instruction) -> list[tuple[str, str]]:
    """The parameters that an instruction reads and what each is to it: a number, or which table."""
    match i.op:
        case "parameter":
            return [(i.name, "a number")]
        case "lookup":
            rows = "" if len(i.args) == 2 else " and the last output"
            return [(i.name, f"a table of {body.instructions[i.args[0]].name}{rows}")]
        case "encode" | "decode":
            read = codec_parameters(i.name, body.codec(i.name), i.op)
            return [(p, "a number" if p.endswith(("shift", "high")) else f"the {p}") for p in read]
        case _:
            return []


def _check_body(name: str, body: Body) -> None:
    """A body from an artifact must be as well-formed as one that was traced."""
    size = len(body.instructions)
    _must(0 < size <= 1024, f"{name}: a body must have 1..1024 instructions, not {size}")
    _must(1 <= body.spikes <= 15, f"{name}: spikes must be in 1..15, not {body.spikes}")
    states = [s.name for s in body.states]
    thresholds = [threshold_name(d) for d in range(body.spikes)]
    uses: dict[str, str] = {}
    _must(states and len(set(states)) == len(states), f"{name}: states must differ, not {states}")
    for k, i in enumerate(body.instructions):
        what = f"{name}: instruction %{k} = {i.op}"
        _must(i.op in OPS or i.op in LEAVES, f"{what} is not in the op table")
        _must(all(0 <= a < k for a in i.args), f"{what} must read earlier values, not {i.args}")
        _must(
            abs(i.immediate) < 1 << 40 and i.immediate == int(i.immediate),
            f"{what} must hold an integer of 40 bits, not {i.immediate}",
        )
        if i.op in OPS:
            op = OPS[i.op]
            _must(op.integer, f"{what} does not exist on integers")
            _must(
                len(i.args) == op.arity or (op.arity < 0 and len(i.args) in (2, 3)),
                f"{what} has {len(i.args)} arguments",
            )
        else:
            _must(i.op not in ("level", "code", "spike", "adjoint"), f"{what} exists only in backward bodies")
            _must(not i.args, f"{what} is a leaf and has no arguments")
        if i.op in ("encode", "decode", "state"):
            _must(i.name in states and body.codec(i.name), f"{what} must name one of the states {states}")
        if i.op in ("parameter", "lookup"):
            _must(_NAME.match(i.name), f"{what} must name a parameter, not {i.name!r}")
        if i.op == "lookup":
            _must(body.instructions[i.args[0]].op == "state", f"{what} must be indexed by a stored code")
            _must(
                len(i.args) == 2 or body.instructions[i.args[1]].op == "prev",
                f"{what} must take its row from the last output",
            )
        if i.op == "decode":
            source = body.instructions[i.args[0]]
            _must(
                source.op in ("state", "encode") and source.name == i.name,
                f"{what} must decode a code of its own state",
            )
        if i.op in ("shl", "shr"):
            by = body.instructions[i.args[1]]
            small = (by.op == "parameter" and by.name.endswith("shift")) or (
                by.op == "constant" and 0 <= by.immediate <= 31
            )
            _must(small, f"{what} must shift by a constant or a shift parameter")
        if i.op == "wrap":
            _must(
                all(body.instructions[a].op == "constant" for a in i.args[1:]),
                f"{what} must have constant bounds",
            )
            _must(1 <= body.instructions[i.args[-1]].immediate <= 62, f"{what} must wrap at 1..62 bits")
        if i.op in ("ge", "gt") and i.name:
            theta = body.instructions[i.args[1]]
            _must(i.name in states, f"{what} must fire from one of the states {states}, not {i.name!r}")
            _must(i.op == ("gt" if body.strict else "ge"), f"{what} must compare as the body says")
            _must(
                theta.op == "parameter" and theta.name in thresholds, f"{what} must compare with a threshold"
            )
        for p, use in _uses(body, i):
            _must(uses.setdefault(p, use) == use, f"{what} must use {p} as before ({uses[p]}), not as {use}")
    for group in (body.stores, body.membranes, body.reads):
        _must(
            len(group) == len(states) and all(0 <= k < size for k in group),
            f"{name}: every state must be stored and read",
        )
    reads_codes = all("current" not in body.provenance[k] for k in body.reads)
    _must(reads_codes, f"{name}: what a state was must be read from stored codes alone")
    for s, k in zip(states, body.reads, strict=True):
        i = body.instructions[k]
        i = body.instructions[i.args[0]] if i.op == "add" and body.codec(s).stores == "after reset" else i
        decoded = i.op == "decode" and body.instructions[i.args[0]] == Instruction("state", name=s)
        _must(decoded, f"{name}: what state {s} was must be read by decoding its stored code")
    for s, k in zip(states, body.stores, strict=True):
        i = body.instructions[k]
        _must(i.op == "encode" and i.name == s, f"{name}: state {s} must store an encoded value")
    _must(0 <= body.spike < size, f"{name}: the output must be an instruction")
    _must("theta" in body.parameters and body.firing, f"{name}: a neuron must compare a state with theta")
    for s, k in zip(states, body.stores, strict=True):
        if s in body.firing:
            _check_reset(name, body, s, k)


def _check_reset(name: str, body: Body, state: str, store: int) -> None:
    """A state fires where its codec says and is reset as the body says; which pairs can be stored follows from it."""
    at = body.instructions
    compared = {at[i.args[0]] for i in at if i.op in ("ge", "gt") and i.name == state}
    if body.codec(state).stores == "before reset":
        stored = Instruction("decode", (store,), state)
        if body.raises is not None:  # thresholds are raised by a state that is never negative
            other = [s.name for s in body.states].index(body.raises)
            raised = Instruction("decode", (body.stores[other],), body.raises)
            lifted = {Instruction("sub", (at.index(stored), at.index(raised)))} if raised in at else set()
            _must(
                compared == lifted and body.codec(body.raises).low == 0,
                f"{name}: {state} must fire from what was stored, less a state just stored that is never negative",
            )
            return
        _must(compared == {stored}, f"{name}: state {state} must fire from what was stored, before its reset")
        return
    left = at[at[store].args[0]]
    if body.reset == "subtract" and left.op == "sub":
        before, taken = left.args
        reset = at[taken].op == "mul" and [at[a] for a in at[taken].args] == [
            Instruction("parameter", name="reset"),
            Instruction("cut", (body.spike,)),
        ]
    elif body.reset == "zero" and left.op == "select":
        fired, zero, before = left.args
        spiked = [Instruction("cut", (body.spike,)), Instruction("constant")]
        reset = at[fired].op == "gt" and [at[a] for a in at[fired].args] == spiked and at[zero] == spiked[1]
    else:
        before, reset = store, False
    _must(
        reset and compared == {at[before]},
        f"{name}: state {state} must be stored after its {body.reset} reset",
    )
