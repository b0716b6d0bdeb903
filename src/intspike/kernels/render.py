"""Time loops around a body, forward and backward, as C for training.

Layout [T, B, C, P]. Where a channel has many positions the inner loop runs over them and parameters are numbers;
where it has one (a dense layer) it runs over channels and parameters are rows. Forward values are int32 (float in
full precision), exact because the caller proves sums below 2^24; adjoints are float. Codes, or in full precision
the membrane, are all that is kept for the backward pass beside the spikes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from ..ops import Body, Instruction, Table, backward, parameter_shape
from ..ops.c import helpers, render
from ..ops.interpret import forward_roots, live
from ..ops.table import OPS

TILE = 512


@dataclass(frozen=True)
class Kernel:
    """Generated C of a body and what the caller must pass.

    Attributes:
        source: C with `forward` and `backward`.
        numbers: per-channel parameters [C], in order of the `numbers` argument.
        tables: parameters with entries, in order of the `tables` argument.
        gradients: parameters whose gradients `backward` sums, in order.
    """

    source: str
    numbers: tuple[str, ...]
    tables: tuple[str, ...]
    gradients: tuple[str, ...]


def is_real(body: Body) -> bool:
    """Whether the body is in full precision."""
    return all(s.codec is None for s in body.states)


def code_type(body: Body, state: int) -> str:
    """C type of a kept code."""
    codec = body.states[state].codec
    if codec is None:
        return "float"
    if codec.low >= 0 and codec.high < 256:
        return "uint8_t"
    return "int16_t" if codec.low >= -(1 << 15) and codec.high < 1 << 15 else "int32_t"


def row_length(body: Body, table: str) -> int:
    """Entries of one channel's row as kernels read it: short ones are padded so that the loads of lanes group."""
    entries = prod(parameter_shape(body, table))
    return 8 if entries == 7 else entries


@lru_cache(maxsize=128)
def kernel(body: Body, dense: bool) -> Kernel:
    """The training kernels of a body; `dense` is the layout with one position a channel."""
    steps = backward(body)
    names = list(body.parameters)
    if any(i.op == "lookup" for i in body.instructions) and "beta" not in names:
        names.append("beta")
    tables = tuple(p for p in names if parameter_shape(body, p))
    numbers = tuple(p for p in names if p not in tables)
    gradients = tuple(p for p, _ in steps.parameters)
    r = _Renderer(body, dense, numbers, tables, gradients)
    return Kernel(r.source(), numbers, tables, gradients)


class _Renderer:
    def __init__(
        self,
        body: Body,
        dense: bool,
        numbers: tuple[str, ...],
        tables: tuple[str, ...],
        gradients: tuple[str, ...],
    ):
        self.body, self.dense, self.real = body, dense, is_real(body)
        self.numbers, self.tables, self.gradients = numbers, tables, gradients
        self.kind = "float" if self.real else "int32_t"
        self.searches: dict[str, str] = {}

    # --- pieces -----------------------------------------------------------------------------------------

    def _number(self, name: str) -> str:
        return f"n{self.numbers.index(name)}"

    def _channel_numbers(self) -> list[str]:
        """This channel's numbers as locals: a load that may trap, in a branch, would keep the loop scalar."""
        kind, at = "float" if self.real else "int32_t", "c0 + p" if self.dense else "c"
        return [
            line
            for k in range(len(self.numbers))
            for line in (f"const {kind} n{k} = numbers[{k} * C + {at}];", f"(void)n{k};")
        ]

    def _row(self, name: str) -> str:
        return f"r{self.tables.index(name)}"

    def _rows(self) -> list[str]:
        """Pointers to this lane's rows; inside the lane loop where lanes are channels."""
        at = "(c0 + p)" if self.dense else "c"
        return [
            f"const int32_t *r{k} = tables + offsets[{k}] * C + (int64_t){at} * {row_length(self.body, p)};"
            for k, p in enumerate(self.tables)
        ]

    def _loops(self, inner: list[str]) -> list[str]:
        """Batch, channel (unless lanes are channels) and tile loops."""
        count = "C" if self.dense else "P"
        base = "(n * C + c) * P + p0" if not self.dense else "n * C + p0"
        text = ["for (int64_t n = first; n < last; n++)"]
        if not self.dense:
            text.append("for (int64_t c = 0; c < C; c++)")
        text += [
            f"for (int64_t p0 = 0; p0 < {count}; p0 += {TILE}) {{",
            f"    const int64_t lanes = {count} - p0 < {TILE} ? {count} - p0 : {TILE};",
            f"    const int64_t base = {base};",
            *(["    const int64_t c0 = p0;"] if self.dense else []),
            *("    " + line for line in ([] if self.dense else [*self._rows(), *self._channel_numbers()])),
            *("    " + line for line in inner),
            "}",
        ]
        return text

    def _lane(self, lines: list[str]) -> list[str]:
        rows = [*self._rows(), *self._channel_numbers()] if self.dense else []
        return ["for (int64_t p = 0; p < lanes; p++) {", *("    " + x for x in [*rows, *lines]), "}"]

    # --- forward ----------------------------------------------------------------------------------------

    def _forward_lines(self) -> list[str]:
        body = self.body
        order = live(body, *forward_roots(body))

        def leaf(i: Instruction) -> str:
            match i.op:
                case "current":
                    return "x[p]"
                case "state":
                    return f"s{[s.name for s in body.states].index(i.name)}[p]"
                case "prev":
                    return "prev[p]"
                case "parameter":
                    return self._number(i.name)
                case _:
                    return f"{float(i.immediate)!r}f" if self.real else str(int(i.immediate))

        if self.real:
            return [_real_statement(body.instructions[k], k, leaf) for k in order]
        one = np.zeros(1, np.int64)
        bounds = dict.fromkeys(range(len(body.instructions)), (one, one))
        types = dict.fromkeys(body.parameters, "int32_t")
        lines = render(body, order, bounds, types, leaf, self._row, self.searches)
        for n, k in enumerate(order):
            i = body.instructions[k]
            if i.op == "decode" and isinstance(codec := body.codec(i.name), Table) and codec.bits == 1:
                # gcc 12 gathers wrongly at an index that is a comparison: it takes -1 for 1
                row = self._row(f"{i.name}.levels")
                lines[n] = f"const int32_t v{k} = {row}[0] + ({row}[1] - {row}[0]) * v{i.args[0]};"
        return lines

    def _forward(self) -> str:
        body = self.body
        states = range(len(body.states))
        lane = [
            *self._forward_lines(),
            *(f"s{j}[p] = ({self.kind})v{k};" for j, k in enumerate(body.stores)),
            f"prev[p] = ({self.kind})v{body.spike};",
            *(f"k{j}[p] = ({code_type(body, j)})s{j}[p];" for j in states),
            "y[p] = (float)prev[p];",
        ]
        rests = [(s.codec.rest if s.codec else 0) for s in body.states]
        inner = [
            *(f"{self.kind} s{j}[{TILE}];" for j in states),
            f"{self.kind} prev[{TILE}];",
            "for (int64_t p = 0; p < lanes; p++) {",
            *(f"    s{j}[p] = {rest};" for j, rest in enumerate(rests)),
            "    prev[p] = 0;",
            "}",
            "for (int64_t t = 0; t < T; t++) {",
            "    const float *x0 = current + t * stride + base;",
            f"    {self.kind} x[{TILE}];",
            "    for (int64_t p = 0; p < lanes; p++)",
            f"        x[p] = ({self.kind})x0[p];",
            "    float *restrict y = spikes + t * N + base;",
            *(
                f"    {code_type(body, j)} *restrict k{j} = ({code_type(body, j)} *)codes[{j}] + t * N + base;"
                for j in states
            ),
            *("    " + line for line in self._lane(lane)),
            "}",
        ]
        number = "float" if self.real else "int32_t"
        return _function(
            f"void forward(int64_t first, int64_t last, int64_t C, int64_t P, int64_t T, int64_t N, int64_t stride,\n"
            f"             const float *restrict current, const {number} *restrict numbers,\n"
            "             const int32_t *restrict tables, const int64_t *restrict offsets, float *restrict spikes,\n"
            "             void **codes)",
            ["(void)tables; (void)offsets; (void)numbers; (void)P;", *self._loops(inner)],
        )

    # --- backward ---------------------------------------------------------------------------------------

    def _backward(self) -> str:
        body, steps = self.body, backward(self.body)
        names = [s.name for s in body.states]
        states = range(len(names))

        def leaf(i: Instruction) -> str:
            match i.op:
                case "adjoint":
                    return f"a{names.index(i.name)}[p]" if i.name else "gy[p]"
                case "spike":
                    return "y[p]"
                case "prev":
                    return "prev[p]"
                case "parameter":
                    if i.name == "beta" and not self.real:  # the one real number beside the integers
                        return f"reals[{'c0 + p' if self.dense else 'c'}]"
                    return f"(float){self._number(i.name)}"
                case "level":
                    return self._level(i.name, f"{'new' if i.immediate else 'old'}{names.index(i.name)}[p]")
                case "code":
                    return f"(float)new{names.index(i.name)}[p]"
                case _:
                    return f"{float(i.immediate)!r}f"

        outputs = [*steps.states, steps.current, *(k for _, k in steps.parameters)]
        order = _needed(steps.instructions, outputs)
        lane = [
            *(_real_statement(steps.instructions[k], k, leaf) for k in order),
            *(f"a{j}[p] = v{k};" for j, k in enumerate(steps.states)),
            f"gx[p] += v{steps.current};",
            *(f"g{j}[p] += v{k};" for j, (_, k) in enumerate(steps.parameters)),
        ]
        types = [code_type(body, j) for j in states]
        rests = [(s.codec.rest if s.codec else 0) for s in body.states]
        sums = range(len(self.gradients))
        inner = [
            *(f"float a{j}[{TILE}];" for j in states),
            *(f"float g{j}[{TILE}];" for j in sums),
            *(f"{types[j]} rest{j}[{TILE}];" for j in states),
            f"float silent[{TILE}];",
            "for (int64_t p = 0; p < lanes; p++) {",
            *(f"    a{j}[p] = 0.0f; rest{j}[p] = {rests[j]};" for j in states),
            *(f"    g{j}[p] = 0.0f;" for j in sums),
            "    silent[p] = 0.0f;",
            "}",
            "if (!stride)",
            "    for (int64_t p = 0; p < lanes; p++)",
            "        gcurrent[base + p] = 0.0f;",
            "for (int64_t t = T - 1; t >= 0; t--) {",
            "    const float *gy = gspikes + t * N + base;",
            "    const float *y = spikes + t * N + base;",
            "    const float *prev = t ? y - N : silent;",
            *(
                f"    const {types[j]} *new{j} = (const {types[j]} *)codes[{j}] + t * N + base;"
                for j in states
            ),
            *(f"    const {types[j]} *old{j} = t ? new{j} - N : rest{j};" for j in states),
            "    float *restrict gx = gcurrent + t * stride + base;",
            "    if (stride)",
            "        for (int64_t p = 0; p < lanes; p++)",
            "            gx[p] = 0.0f;",
            "    (void)y; (void)prev;",
            *(f"    (void)new{j}; (void)old{j};" for j in states),
            *("    " + line for line in self._lane(lane)),
            "}",
            *(line for j in sums for line in self._total(j, len(sums))),
        ]
        number = "float" if self.real else "int32_t"
        unused = "(void)tables; (void)offsets; (void)numbers; (void)gnumbers; (void)P;"
        return _function(
            f"void backward(int64_t first, int64_t last, int64_t C, int64_t P, int64_t T, int64_t N, int64_t stride,\n"
            f"              const float *restrict gspikes, const {number} *restrict numbers,\n"
            "              const int32_t *restrict tables, const int64_t *restrict offsets,\n"
            "              const float *restrict spikes, void **codes, const float *restrict reals,\n"
            "              float *restrict gcurrent, float *restrict gnumbers)",
            [unused, "(void)reals;", *self._loops(inner)],
        )

    def _total(self, j: int, count: int) -> list[str]:
        """A parameter's gradient of this tile: a row of lanes, or their sum added to the channel's."""
        if self.dense:
            return [
                "for (int64_t p = 0; p < lanes; p++)",
                f"    gnumbers[(n * {count} + {j}) * C + c0 + p] = g{j}[p];",
            ]
        return [
            "{",
            "    double total = 0.0;",
            "    for (int64_t p = 0; p < lanes; p++)",
            f"        total += (double)g{j}[p];",
            f"    float *sum = &gnumbers[(n * {count} + {j}) * C + c];",
            "    *sum = p0 ? (float)((double)*sum + total) : (float)total;",
            "}",
        ]

    def _level(self, state: str, code: str) -> str:
        codec = next(s.codec for s in self.body.states if s.name == state)
        if codec is None:
            return code
        if isinstance(codec, Table):
            return f"(float){self._row(f'{state}.levels')}[{code}]"
        return f"(float)((int32_t){code} * (1 << {self._number(f'{state}.shift')}))"

    def source(self) -> str:
        forward, back = self._forward(), self._backward()
        # gcc would move loads into branches, and a loop with branches stays scalar; other compilers skip the line
        head = '#pragma GCC optimize("no-tree-pre", "no-tree-sink")\n'
        head += "#include <stdint.h>\n#include <math.h>\n\n"
        return head + helpers() + "\n" + "\n".join(self.searches.values()) + "\n" + forward + "\n" + back


def _needed(instructions: tuple[Instruction, ...], roots: list[int]) -> list[int]:
    needed: set[int] = set()
    stack = list(roots)
    while stack:
        k = stack.pop()
        if k not in needed:
            needed.add(k)
            stack.extend(instructions[k].args)
    return sorted(needed)


def _real_statement(i: Instruction, k: int, leaf: object) -> str:
    args = [f"v{a}" for a in i.args]
    if i.op in ("encode", "decode"):
        text = args[0]
    elif i.op in OPS:
        text = OPS[i.op].c.format(*args)
        if i.op == "select":
            text = f"({args[0]} != 0.0f ? {args[1]} : {args[2]})"
        if i.op == "exp2":  # of a shift; a call of exp2f would keep the loop scalar
            text = f"(1 << (int32_t){args[0]})"
    else:
        text = leaf(i)  # type: ignore[operator]
    return f"const float v{k} = (float){text};"


def _function(signature: str, lines: list[str]) -> str:
    return f"{signature};\n\n{signature}\n{{\n" + "\n".join("    " + x for x in lines) + "\n}\n"
