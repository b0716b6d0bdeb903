"""A stable, readable listing of a program: for people, diffs and golden tests."""

from __future__ import annotations

import hashlib

import numpy as np

from ..errors import RangeExceeded
from ..fixed import bits_for
from ..ops.codec import Codec, Table
from .nodes import (
    Conv,
    Dense,
    Edge,
    Fold,
    Graph,
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
from .ranges import Range, ranges

TIMESTEPS = 1024  # the longest run that a listing proves


def listing(program: Graph) -> str:
    """One block a node: what it reads, its shape, its constants in short, its body, its proved widths."""
    try:
        proved = ranges(program, TIMESTEPS)
        lines = [f"program, ranges proved for {TIMESTEPS} timesteps"]
    except RangeExceeded as error:  # a listing is most wanted where something is wrong
        proved = {}
        lines = [f"program, ranges not proved for {TIMESTEPS} timesteps: {error}"]
    for n in program.nodes:
        shape = "x".join(map(str, program.shapes[n.name]))
        lines.append(f"{n.name}: {_what(n)} -> {shape}{_proved(proved.get(n.name))}")
        if isinstance(n, Neuron):
            lines += [f"    state {s.name}: {describe(n.body.codec(s.name))}" for s in n.body.states]
            # in the order of the body: that of a mapping means nothing
            lines += [f"    {p}: {_numbers(n.parameters[p])}" for p in n.body.parameters]
            lines += ["    " + line for line in str(n.body).splitlines()]
    return "\n".join(lines) + "\n"


def describe(codec: Codec) -> str:
    """A codec in words."""
    if isinstance(codec, Table):
        return f"table of {codec.bits} bits, rest {codec.rest}, {codec.stores}"
    return f"uniform {codec.low}..{codec.high} ({codec.bits} bits), {codec.overflow}, {codec.stores}"


def _proved(r: Range | None) -> str:
    if r is None:
        return ""
    bits, signed = bits_for(r.sum_low, r.sum_high)
    return f"  in {r.low}..{r.high}, sum {r.sum_low}..{r.sum_high} ({'s' if signed else 'u'}{bits})"


def _edge(e: Edge) -> str:
    return f"{e.source}[t-{e.delay}]" if e.delay else e.source


def _what(n: Node) -> str:
    match n:
        case Input():
            return f"input {n.low}..{n.high}"
        case Dense():
            return f"dense({_edge(n.source)}) weight {_numbers(n.weight)}"
        case Conv():
            return (
                f"conv({_edge(n.source)}) weight {_numbers(n.weight)} stride {n.stride[0]},{n.stride[1]} "
                f"padding {n.padding[0]},{n.padding[1]} groups {n.groups}"
            )
        case Pool():
            minima = "" if n.minimum is None else f" minimum {_numbers(n.minimum)}"
            size = f"{n.size[0]}x{n.size[1]} stride {n.stride[0]},{n.stride[1]}"
            return f"{n.kind} pool({_edge(n.source)}) {size}{minima}"
        case Join():
            shifts = "" if not n.shifts else f" shifts {','.join(map(str, n.shifts))}"
            return f"{n.kind}({', '.join(map(_edge, n.sources))}){shifts}"
        case Offset():
            return f"offset({_edge(n.source)}) by {_numbers(n.offset)}"
        case Unfold():
            return f"unfold({_edge(n.source)}) to {n.substeps} substeps"
        case Fold():
            return f"fold({_edge(n.source)})"
        case Neuron():
            return f"neuron({_edge(n.source)}), {n.body.reset} reset, spikes 0..{n.body.spikes}"
        case Integrator():
            return f"integrator({_edge(n.source)}) {n.bits} bits"
        case Readout():
            return f"{n.kind} readout({_edge(n.source)})"


def _numbers(a: np.ndarray) -> str:
    """Small arrays in full; large ones as shape, range and a digest, so that any change shows in a diff."""
    if a.size <= 16:
        return str(a.tolist())
    digest = hashlib.sha256(np.ascontiguousarray(a, "<i8").tobytes()).hexdigest()[:12]
    return f"{'x'.join(map(str, a.shape))} in {a.min()}..{a.max()} #{digest}"
