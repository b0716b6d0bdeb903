"""The text of each node of a program in C, and the layout of its buffers.

Buffers hold the channel last, so that inner loops are contiguous; zero inputs of a synapse are skipped, so sparse
spikes cost little. Every name is generated from a node's number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from ..ir import (
    Conv,
    Dense,
    Edge,
    Fold,
    Input,
    Integrator,
    Join,
    Neuron,
    Node,
    Offset,
    Pool,
    Program,
    Range,
    Readout,
    Unfold,
)
from ..ops import Instruction, parameter_shape
from ..ops.c import array_type, render, storage_type, wide_type
from ..ops.interpret import forward_roots, live

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """What the generated text knows of a node: its number, sizes and types.

    Attributes:
        number: index of the node; every name of the node is made from it.
        channels, positions: the shape as (positions, channels); C order of the buffer.
        kind: C type of an output element.
        states: C type of the codes of each state of a neuron.
        delay: how many past outputs are kept.
    """

    number: int
    channels: int
    positions: int
    kind: str
    states: tuple[str, ...]
    delay: int

    @property
    def size(self) -> int:
        return self.channels * self.positions


def layouts(program: Program, proved: Mapping[str, Range]) -> dict[str, Layout]:
    """Layout of every node."""
    delay: dict[str, int] = {}
    for n in program:
        for e in n.edges:
            delay[e.source] = max(delay.get(e.source, 0), e.delay)
    made: dict[str, Layout] = {}
    for k, n in enumerate(program.nodes):
        shape, r = program.shapes[n.name], proved[n.name]
        states: tuple[str, ...] = ()
        if isinstance(n, (Input, Neuron, Unfold)):
            kind = storage_type(r.low, r.high)
        elif isinstance(n, (Readout, Integrator)):
            kind = "int64_t"
        else:
            kind = wide_type(r.sum_low, r.sum_high)
        if isinstance(n, Neuron):
            codecs = [n.body.codec(s.name) for s in n.body.states]
            states = tuple(storage_type(c.low, c.high) for c in codecs)
        made[n.name] = Layout(k, shape[0], prod(shape[1:]), kind, states, delay.get(n.name, 0))
    return made


def _array(kind: str, name: str, a: Ints) -> str:
    flat = [str(x) for x in a.ravel().tolist()]
    rows = [", ".join(flat[k : k + 16]) for k in range(0, len(flat), 16)]
    body = ",\n    ".join(rows)
    return f"static const {kind} {name}[{len(flat)}] = {{\n    {body}\n}};\n"


def _channel_last(weight: Ints, shape: Sequence[int]) -> Ints:
    """Columns of a dense weight reordered from (C, positions) to (positions, C)."""
    n = weight.shape[0]
    return weight.reshape(n, shape[0], -1).transpose(0, 2, 1).reshape(n, -1)


class NodeRenderer:
    """Constants and functions of nodes.

    Attributes:
        searches: takes the search functions that the text calls, by name.
    """

    def __init__(self, program: Program, proved: Mapping[str, Range], layout: Mapping[str, Layout]):
        self.program, self.proved, self.layout = program, proved, layout
        self.searches: dict[str, str] = {}

    def _read(self, e: Edge) -> tuple[str, str]:
        """Declaration of a pointer to what an edge reads, and its element type."""
        k = self.layout[e.source]
        if not e.delay:
            return f"s->y{k.number}", k.kind
        # slot i holds the oldest; the output of `delay` timesteps ago is `delay` slots back in the ring
        slot = f"(s->i{k.number} + {k.delay - e.delay}) % {k.delay}"
        return f"s->d{k.number} + {slot} * {k.size}", k.kind

    def render(self, n: Node) -> tuple[list[str], str]:
        match n:
            case Input():
                return [], ""
            case Dense():
                return self._dense(n)
            case Conv():
                return self._conv(n)
            case Pool():
                return self._pool(n)
            case Join():
                return [], self._join(n)
            case Offset():
                return self._offset(n)
            case Unfold() | Fold():
                return [], self._substep(n)
            case Neuron():
                return self._neuron(n)
            case Integrator() | Readout():
                return [], self._gather(n)

    def _function(self, n: Node, lines: Sequence[str]) -> str:
        number = self.layout[n.name].number
        text = "\n".join("    " + line if line else "" for line in lines)
        return f"static void node_{number}(program_state *s)\n{{\n{text}\n}}\n"

    def _input_lines(self, n: Node) -> list[str]:
        lines: list[str] = []
        for j, e in enumerate(n.edges):
            text, kind = self._read(e)
            lines.append(f"const {kind} *x{j} = {text};")
        return lines

    def _accumulate(self, source: str, kind: str, width: str, count: int) -> list[str]:
        """`acc += x * w` over the outputs; a spike of 0 or 1 needs no multiplication."""
        r = self.proved[source]
        product = "w[o]" if (r.low, r.high) == (0, 1) else f"x * ({kind})w[o]"
        return [f"for (int32_t o = 0; o < {count}; o++)", f"    acc[o] = ({kind})(acc[o] + {product});"]

    def _dense(self, n: Dense) -> tuple[list[str], str]:
        k, src = self.layout[n.name], self.layout[n.source.source]
        weight = _channel_last(n.weight, self.program.shapes[n.source.source]).T
        kind = array_type(weight)
        lines = [
            *self._input_lines(n),
            f"{k.kind} *acc = s->y{k.number};",
            f"for (int32_t o = 0; o < {k.size}; o++)",
            "    acc[o] = 0;",
            f"for (int32_t i = 0; i < {src.size}; i++) {{",
            f"    const {k.kind} x = ({k.kind})x0[i];",
            "    if (x == 0)",
            "        continue;",
            f"    const {kind} *w = &w{k.number}[i * {k.size}];",
            *("    " + x for x in self._accumulate(n.source.source, k.kind, kind, k.size)),
            "}",
        ]
        return [_array(kind, f"w{k.number}", weight)], self._function(n, lines)

    def _conv(self, n: Conv) -> tuple[list[str], str]:
        k, src = self.layout[n.name], self.layout[n.source.source]
        _, h, w = self.program.shapes[n.source.source]
        out, ho, wo = self.program.shapes[n.name]
        _, per_group, kh, kw = n.weight.shape
        each = out // n.groups
        weight = n.weight.reshape(n.groups, each, per_group, kh, kw).transpose(0, 2, 3, 4, 1)
        kind = array_type(n.weight)
        (sh, sw), (ph, pw) = n.stride, n.padding
        lines = [
            *self._input_lines(n),
            f"{k.kind} *y = s->y{k.number};",
            f"for (int32_t o = 0; o < {k.size}; o++)",
            "    y[o] = 0;",
            f"for (int32_t iy = 0; iy < {h}; iy++)",
            f"for (int32_t ix = 0; ix < {w}; ix++)",
            f"for (int32_t i = 0; i < {src.channels}; i++) {{",
            f"    const {k.kind} x = ({k.kind})x0[(iy * {w} + ix) * {src.channels} + i];",
            "    if (x == 0)",
            "        continue;",
            f"    for (int32_t a = 0; a < {kh}; a++) {{",
            f"        const int32_t ty = iy + {ph} - a;",
            f"        if (ty < 0 || ty % {sh} != 0 || ty / {sh} >= {ho})"
            if sh > 1
            else f"        if (ty < 0 || ty >= {ho})",
            "            continue;",
            f"        for (int32_t b = 0; b < {kw}; b++) {{",
            f"            const int32_t tx = ix + {pw} - b;",
            f"            if (tx < 0 || tx % {sw} != 0 || tx / {sw} >= {wo})"
            if sw > 1
            else f"            if (tx < 0 || tx >= {wo})",
            "                continue;",
            f"            const {kind} *w = &w{k.number}[((i * {kh} + a) * {kw} + b) * {each}];",
            f"            {k.kind} *acc = &y[((ty / {sh}) * {wo} + tx / {sw}) * {out} + (i / {per_group}) * {each}];",
            *("            " + x for x in self._accumulate(n.source.source, k.kind, kind, each)),
            "        }",
            "    }",
            "}",
        ]
        return [_array(kind, f"w{k.number}", weight)], self._function(n, lines)

    def _pool(self, n: Pool) -> tuple[list[str], str]:
        k, src = self.layout[n.name], self.layout[n.source.source]
        _, _, w = self.program.shapes[n.source.source]
        _, ho, wo = self.program.shapes[n.name]
        data: list[str] = []
        if n.kind == "sum":
            combine = f"v = ({k.kind})(v + x);"
        elif n.minimum is None:
            combine = "v = x > v ? x : v;"
        else:
            data = [_array("uint8_t", f"m{k.number}", n.minimum)]
            combine = f"v = (m{k.number}[c] ? x < v : x > v) ? x : v;"
        first = "0" if n.kind == "sum" else f"({k.kind})x0[at]"
        lines = [
            *self._input_lines(n),
            f"for (int32_t py = 0; py < {ho}; py++)",
            f"for (int32_t px = 0; px < {wo}; px++)",
            f"for (int32_t c = 0; c < {k.channels}; c++) {{",
            f"    const int32_t at = (py * {n.stride[0]} * {w} + px * {n.stride[1]}) * {src.channels} + c;",
            f"    {k.kind} v = {first};",
            f"    for (int32_t a = 0; a < {n.size[0]}; a++)",
            f"    for (int32_t b = 0; b < {n.size[1]}; b++) {{",
            f"        const {k.kind} x = ({k.kind})x0[at + (a * {w} + b) * {src.channels}];",
            f"        {combine}",
            "    }",
            f"    s->y{k.number}[(py * {wo} + px) * {k.channels} + c] = v;",
            "}",
        ]
        return data, self._function(n, lines)

    def _join(self, n: Join) -> str:
        k = self.layout[n.name]
        if n.kind == "add":
            shifts = n.shifts or (0,) * len(n.sources)
            text = " + ".join(f"({k.kind})x{j}[o] * {1 << b}" for j, b in enumerate(shifts))
        elif n.kind == "and":
            text = "((x0[o] > 0) & (x1[o] > 0))"
        else:  # without branches, which gcc 12 turns into wrong masks of AVX-512
            text = "((x0[o] <= 0) & (x1[o] > 0))"
        lines = [
            *self._input_lines(n),
            f"for (int32_t o = 0; o < {k.size}; o++)",
            f"    s->y{k.number}[o] = ({k.kind})({text});",
        ]
        return self._function(n, lines)

    def _offset(self, n: Offset) -> tuple[list[str], str]:
        k = self.layout[n.name]
        offset = n.offset.reshape(k.channels, k.positions).T
        lines = [
            *self._input_lines(n),
            f"for (int32_t o = 0; o < {k.size}; o++)",
            f"    s->y{k.number}[o] = ({k.kind})(({k.kind})x0[o] + ({k.kind})b{k.number}[o]);",
        ]
        return [_array(array_type(n.offset), f"b{k.number}", offset)], self._function(n, lines)

    def _substep(self, n: Unfold | Fold) -> str:
        k = self.layout[n.name]
        y = f"s->y{k.number}[o]"
        text = "x0[o] > s->substep"
        if isinstance(n, Fold):
            text = f"({k.kind})((s->substep ? {y} : 0) + ({k.kind})x0[o])"
        lines = [*self._input_lines(n), f"for (int32_t o = 0; o < {k.size}; o++)", f"    {y} = {text};"]
        return self._function(n, lines)

    def _gather(self, n: Integrator | Readout) -> str:
        k = self.layout[n.name]
        y = f"s->y{k.number}[o]"
        if isinstance(n, Integrator) or n.kind == "count":
            text = f"{y} + x0[o]"
        elif n.kind == "last":
            text = "x0[o]"
        else:
            text = f"x0[o] > {y} ? x0[o] : {y}"
        lines = [*self._input_lines(n), f"for (int32_t o = 0; o < {k.size}; o++)", f"    {y} = {text};"]
        return self._function(n, lines)

    def _neuron(self, n: Neuron) -> tuple[list[str], str]:
        k, body = self.layout[n.name], n.body
        steps = self.proved[n.name].steps
        names = {p: f"p{k.number}_{j}" for j, p in enumerate(body.parameters)}
        types = {p: array_type(a) for p, a in n.parameters.items()}
        state = {s.name: f"s->s{k.number}_{j}[o]" for j, s in enumerate(body.states)}
        needed = live(body, *forward_roots(body))

        def leaf(i: Instruction) -> str:
            match i.op:
                case "current":
                    return "x0[o]"
                case "state":
                    return state[i.name]
                case "prev":
                    return f"s->y{k.number}[o]"
                case "parameter":
                    return f"{names[i.name]}[c]"
                case _:
                    return str(int(i.immediate))

        def row(p: str) -> str:
            return f"(&{names[p]}[c * {prod(parameter_shape(body, p))}])"

        statements = render(body, needed, steps, types, leaf, row, self.searches)
        text = "\n".join(statements)  # what only gradients read stays out
        data = [_array(types[p], a, n.parameters[p]) for p, a in names.items() if f"{a}[" in text]
        lines = [
            *self._input_lines(n),
            f"for (int32_t p = 0; p < {k.positions}; p++)",
            f"for (int32_t c = 0; c < {k.channels}; c++) {{",
            f"    const int32_t o = p * {k.channels} + c;",
            *("    " + line for line in statements),
            *(
                f"    {state[s.name]} = ({t})v{j};"
                for s, t, j in zip(body.states, k.states, body.stores, strict=True)
            ),
            f"    s->y{k.number}[o] = ({k.kind})v{body.spike};",
            "}",
        ]
        return data, self._function(n, lines)
