"""What makes a neuron node legal: its body, its parameters, and that codes alone neither make nor lose a spike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..ops import Body, Instruction, parameter_shape
from ..ops.body import codec_parameters
from ..ops.codec import Table
from ..ops.table import LEAVES, OPS
from ..ops.trace import threshold_name
from .rules import NAME, must, within


def check_neuron(name: str, body: Body, parameters: Mapping[str, np.ndarray], channels: int) -> None:
    """The rules of a neuron node: a well-formed body, parameters of the right shapes, rest stays rest."""
    _check_body(name, body)
    wanted = set(body.parameters)
    must(
        wanted == set(parameters),
        f"{name}: parameters must be {sorted(wanted)}, not {sorted(parameters)}",
    )
    for p, a in parameters.items():
        shape = (channels, *parameter_shape(body, p))
        must(a.shape == shape, f"{name}: parameter {p} must be {list(shape)}, not {list(a.shape)}")
        must(a.dtype == np.int64, f"{name}: parameter {p} must be int64, not {a.dtype}")
        must(within(a, 40), f"{name}: parameter {p} must fit 40 bits")
        if p.endswith("shift"):
            must(a.min() >= 0 and a.max() <= 31, f"{name}: {p} must be in 0..31, not {a.min()}..{a.max()}")
    for d in range(body.spikes):
        must(
            threshold_name(d) in parameters,
            f"{name}: {body.spikes} spikes must have as many thresholds, not {d}",
        )
        theta = parameters[threshold_name(d)]
        must(
            theta.min() + body.strict > 0, f"{name}: rest (0) must not fire, but a threshold is {theta.min()}"
        )
        below = parameters[threshold_name(max(d - 1, 0))]
        must(
            (theta >= below).all(),
            f"{name}: thresholds must not decrease, but threshold {d + 1} lies below {d}",
        )
    for s in body.states:
        codec = body.codec(s.name)
        if isinstance(codec, Table):
            levels, edges = parameters[f"{s.name}.levels"], parameters[f"{s.name}.boundaries"]
            must((np.diff(edges, axis=1) > 0).all(), f"{name}: the boundaries of {s.name} must increase")
            must(
                (levels[:, codec.rest] == 0).all(),
                f"{name}: the level of the rest code of {s.name} must be 0",
            )
            inside = (levels[:, 1:] >= edges).all() and (levels[:, :-1] < edges).all()
            must(inside, f"{name}: every level of {s.name} must lie inside its own bin")
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
                    must(
                        (high >= 0).all() and (high <= codec.high).all(),
                        f"{name}: the top code of {state} must be in 0..{codec.high}",
                    )
                must((top < first).all(), f"{name}: every level stored after reset must lie below threshold")
            continue
        if isinstance(codec, Table):
            edge = (parameters[f"{state}.boundaries"] == first[:, None]).any(1)
        else:
            shift = parameters[f"{state}.shift"]
            half = (np.int64(1) << shift) >> 1
            code = (first + half) >> shift
            edge = ((code << shift) - half == first) & (code > codec.low) & (code <= codec.high)
        must(
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
    must(0 < size <= 1024, f"{name}: a body must have 1..1024 instructions, not {size}")
    must(1 <= body.spikes <= 15, f"{name}: spikes must be in 1..15, not {body.spikes}")
    states = [s.name for s in body.states]
    thresholds = [threshold_name(d) for d in range(body.spikes)]
    uses: dict[str, str] = {}
    must(states and len(set(states)) == len(states), f"{name}: states must differ, not {states}")
    for k, i in enumerate(body.instructions):
        what = f"{name}: instruction %{k} = {i.op}"
        must(i.op in OPS or i.op in LEAVES, f"{what} is not in the op table")
        must(all(0 <= a < k for a in i.args), f"{what} must read earlier values, not {i.args}")
        must(
            abs(i.immediate) < 1 << 40 and i.immediate == int(i.immediate),
            f"{what} must hold an integer of 40 bits, not {i.immediate}",
        )
        if i.op in OPS:
            op = OPS[i.op]
            must(op.integer, f"{what} does not exist on integers")
            must(
                len(i.args) == op.arity or (op.arity < 0 and len(i.args) in (2, 3)),
                f"{what} has {len(i.args)} arguments",
            )
        else:
            must(i.op not in ("level", "code", "spike", "adjoint"), f"{what} exists only in backward bodies")
            must(not i.args, f"{what} is a leaf and has no arguments")
        if i.op in ("encode", "decode", "state"):
            must(i.name in states and body.codec(i.name), f"{what} must name one of the states {states}")
        if i.op in ("parameter", "lookup"):
            must(NAME.match(i.name), f"{what} must name a parameter, not {i.name!r}")
        if i.op == "lookup":
            must(body.instructions[i.args[0]].op == "state", f"{what} must be indexed by a stored code")
            must(
                len(i.args) == 2 or body.instructions[i.args[1]].op == "prev",
                f"{what} must take its row from the last output",
            )
        if i.op == "decode":
            source = body.instructions[i.args[0]]
            must(
                source.op in ("state", "encode") and source.name == i.name,
                f"{what} must decode a code of its own state",
            )
        if i.op in ("shl", "shr"):
            by = body.instructions[i.args[1]]
            small = (by.op == "parameter" and by.name.endswith("shift")) or (
                by.op == "constant" and 0 <= by.immediate <= 31
            )
            must(small, f"{what} must shift by a constant or a shift parameter")
        if i.op == "wrap":
            must(
                all(body.instructions[a].op == "constant" for a in i.args[1:]),
                f"{what} must have constant bounds",
            )
            must(1 <= body.instructions[i.args[-1]].immediate <= 62, f"{what} must wrap at 1..62 bits")
        if i.op in ("ge", "gt") and i.name:
            theta = body.instructions[i.args[1]]
            must(i.name in states, f"{what} must fire from one of the states {states}, not {i.name!r}")
            must(i.op == ("gt" if body.strict else "ge"), f"{what} must compare as the body says")
            must(
                theta.op == "parameter" and theta.name in thresholds, f"{what} must compare with a threshold"
            )
        for p, use in _uses(body, i):
            must(uses.setdefault(p, use) == use, f"{what} must use {p} as before ({uses[p]}), not as {use}")
    for group in (body.stores, body.membranes, body.reads):
        must(
            len(group) == len(states) and all(0 <= k < size for k in group),
            f"{name}: every state must be stored and read",
        )
    reads_codes = all("current" not in body.provenance[k] for k in body.reads)
    must(reads_codes, f"{name}: what a state was must be read from stored codes alone")
    for s, k in zip(states, body.reads, strict=True):
        i = body.instructions[k]
        i = body.instructions[i.args[0]] if i.op == "add" and body.codec(s).stores == "after reset" else i
        decoded = i.op == "decode" and body.instructions[i.args[0]] == Instruction("state", name=s)
        must(decoded, f"{name}: what state {s} was must be read by decoding its stored code")
    for s, k in zip(states, body.stores, strict=True):
        i = body.instructions[k]
        must(i.op == "encode" and i.name == s, f"{name}: state {s} must store an encoded value")
    must(0 <= body.spike < size, f"{name}: the output must be an instruction")
    must("theta" in body.parameters and body.firing, f"{name}: a neuron must compare a state with theta")
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
            must(
                compared == lifted and body.codec(body.raises).low == 0,
                f"{name}: {state} must fire from what was stored, less a state just stored that is never negative",
            )
            return
        must(compared == {stored}, f"{name}: state {state} must fire from what was stored, before its reset")
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
    must(
        reset and compared == {at[before]},
        f"{name}: state {state} must be stored after its {body.reset} reset",
    )
