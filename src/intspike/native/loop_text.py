"""The C text of time loops around a body: see `loops`."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from ..ops import Backward, Body, Instruction, Table, Uniform, parameter_shape
from ..ops.interpret import forward_roots, live
from ..ops.table import OPS

TILE = 256  # lanes whose state and parameters stay in the first cache
FAR = 1 << 15  # elements of a timestep from which the next one is fetched ahead: it lies beyond the caches
CHAIN_BITS = 5  # larger tables are gathered

# rows of a tile; a vector must not cross two cache lines
ROW = f"[{TILE}] __attribute__((aligned(64)))"

HEAD = """\
#pragma GCC optimize("no-tree-pre", "no-tree-sink") /* gcc would move loads into branches and stay scalar */
#if defined(__AVX512BW__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("prefer-vector-width=512") /* these loops are arithmetic alone: the widest vectors are fastest */
#endif
#include <stdint.h>
#include <math.h>
#include <string.h>

/* Bytes that will be read, or written, soon. */
static inline void fetch(const void *at, int64_t bytes, const int written)
{
    for (int64_t k = 0; k < bytes; k += 64) {
        if (written)
            __builtin_prefetch((const char *)at + k, 1);
        else
            __builtin_prefetch((const char *)at + k);
    }
}
"""

_LIMITS = [
    "int64_t lanes = last * C - e0 - p0;",
    "if (lanes > width - p0)",
    "    lanes = width - p0;",
    f"if (lanes > {TILE})",
    f"    lanes = {TILE};",
    "if (lanes <= 0)",
    "    break;",
    "const int64_t base = e0 + p0;",
]
_LANES = "for (int64_t p = 0; p < lanes; p++) {"


def is_real(body: Body) -> bool:
    """Whether the body is in full precision."""
    return all(s.codec is None for s in body.states)


def affine_of(body: Body) -> int | None:
    """Index of gain * S + bias, through which alone an integer body reads the sum; None where it reads it bare."""
    text = body.instructions
    for k, i in enumerate(text):
        if i.op != "add" or text[i.args[0]].op != "mul" or text[i.args[1]].name != "bias":
            continue
        s, gain = text[i.args[0]].args
        readers = [j for j, other in enumerate(text) if s in other.args]
        if text[s].op == "current" and text[gain].name == "gain" and readers == [i.args[0]]:
            return k
    return None


def code_kind(body: Body, state: int) -> str:
    """C type of a kept code (in full precision, of the membrane)."""
    codec = body.states[state].codec
    if codec is None:
        return "float"
    for kind, low, high in (
        ("uint8_t", 0, 255),
        ("int8_t", -128, 127),
        ("int16_t", -(1 << 15), (1 << 15) - 1),
    ):
        if codec.low >= low and codec.high <= high:
            return kind
    return "int32_t"


class _Text:
    """What both directions share: rows of parameters, tables, the loops over tiles."""

    def __init__(self, body: Body, lane: str, sums: str, numbers: tuple[str, ...], tables: tuple[str, ...]):
        self.body, self.lane, self.sums = body, lane, sums
        self.numbers, self.tables = numbers, tables
        self.names = [s.name for s in body.states]

    def entries(self, table: str) -> int:
        return parameter_shape(self.body, table)[-1]

    def is_chain(self, table: str) -> bool:
        return self.entries(table) <= 1 << CHAIN_BITS

    def number_rows(self, kind: str, names: Iterable[str]) -> list[str]:
        return [
            f"const {kind} *restrict n{k} = numbers + {k} * width + p0;\n    (void)n{k};"
            for k, _ in enumerate(names)
        ]

    def table_rows(self) -> list[str]:
        lines: list[str] = []
        at = 0
        for k, name in enumerate(self.tables):
            lines += [f"const {self.lane} *restrict r{k} = tables + {at} * width + p0;", f"(void)r{k};"]
            at += prod(parameter_shape(self.body, name))
        return lines

    def entry(self, table: str, k: int | str) -> str:
        """Element of a table's row in this lane."""
        at = f"({k})" if isinstance(k, str) else str(k)
        return f"r{self.tables.index(table)}[{at} * width + p]"

    def select(self, values: list[str], bits: list[str], name: str) -> tuple[list[str], str]:
        """Statements, and the one of 2^n values whose index has these bits (masks of ones or zeros, the lowest first).

        A tree of masked selections: no gather, no branch, one instruction a node where the processor has three inputs.
        """
        lines: list[str] = []
        for level, mask in enumerate(bits):
            halved: list[str] = []
            for k, (x, y) in enumerate(zip(values[::2], values[1::2], strict=True)):
                halved.append(f"{name}_{level}_{k}")
                lines.append(f"const {self.lane} {halved[-1]} = ({self.lane})({x} ^ (({x} ^ {y}) & {mask}));")
            values = halved
        return lines, values[0]

    def read(self, table: str, row: int, bits: list[str], name: str) -> tuple[list[str], str]:
        """The same for a row of a table."""
        first = row * self.entries(table)
        return self.select([self.entry(table, first + j) for j in range(self.entries(table))], bits, name)

    def masks(self, code: str, count: int, name: str) -> tuple[list[str], list[str]]:
        """Statements and masks of the bits of a code that counts from 0."""
        names = [f"{name}_{b}" for b in range(count)]
        return [
            f"const {self.lane} {m} = ({self.lane})-(({code} >> {b}) & 1);" for b, m in enumerate(names)
        ], names

    def function(self, signature: str, unused: str, tile: list[str]) -> str:
        inner = "\n".join("        " + line.replace("\n", "\n    ") for line in [*_LIMITS, *tile])
        return (
            f"{signature};\n\n{signature}\n{{\n    {unused}\n    for (int64_t e0 = first * C; e0 < last * C; e0 += width)\n"
            f"    for (int64_t p0 = 0; p0 < width; p0 += {TILE}) {{\n{inner}\n    }}\n}}\n"
        )


class ForwardText(_Text):
    """Codes and outputs from sums."""

    def __init__(
        self, body: Body, lane: str, sums: str, wide: str, numbers: tuple[str, ...], tables: tuple[str, ...]
    ):
        super().__init__(body, lane, sums, numbers, tables)
        self.wide = "float" if lane == "float" else wide
        at = affine_of(body)
        self.current = (
            at if at is not None else next(k for k, i in enumerate(body.instructions) if i.op == "current")
        )
        skipped = (
            set()
            if at is None
            else {*body.instructions[at].args, *body.instructions[body.instructions[at].args[0]].args}
        )
        self.order = [k for k in live(body, *forward_roots(body)) if k not in skipped]
        self.leaves = {i.name: k for k, i in enumerate(body.instructions) if i.op == "state"}
        self.reads = self._reads()

    def _reads(self) -> dict[str, list[tuple[int, str, int]]]:
        """Of each state, the chain tables read at its code: (instruction, table, rows), at the last code or the new one."""
        found: dict[str, list[tuple[int, str, int]]] = {n: [] for n in self.names}
        for k in self.order:
            i = self.body.instructions[k]
            if i.op == "lookup" and self.is_chain(i.name):
                state = self.body.instructions[i.args[0]].name
                found[state].append((k, i.name, 1 if len(i.args) == 2 else self.body.spikes + 1))
            elif i.op == "decode" and self._table(i.name) and self.is_chain(f"{i.name}.levels"):
                found[i.name].append((k, f"{i.name}.levels", 1))
        return found

    def _table(self, state: str) -> bool:
        return isinstance(self.body.codec(state), Table) if state in self.body.quantized else False

    def _is_old(self, k: int) -> bool:
        """Whether a read is of the last code (else of the one just stored)."""
        return self.body.instructions[self.body.instructions[k].args[0]].op == "state"

    def _kept(self) -> list[tuple[int, str, str]]:
        """Reads of the last code, computed a timestep before: (instruction, state, table)."""
        return [(k, s, table) for s, reads in self.reads.items() for k, table, _ in reads if self._is_old(k)]

    def text(self) -> str:
        body = self.body
        states = range(len(self.names))
        rests = [(s.codec.rest if s.codec else 0) for s in body.states]
        lows = {s.name: (s.codec.low if s.codec else 0) for s in body.states}
        uniform = [j for j in states if body.states[j].codec is not None and not self._table(self.names[j])]
        tile = [
            f"const {self.wide} *restrict gain = affine + p0, *restrict bias = affine + width + p0;",
            *self.number_rows(self.lane, self.numbers),
            *self.table_rows(),
            f"{self.lane} x{ROW}, prev{ROW};",
            *(f"{self.lane} s{j}{ROW};" for j in states),
            *(f"{code_kind(body, j)} scratch{j}{ROW};" for j in states),
            *(f"{self.lane} w{k}{ROW};" for k, _, _ in self._kept()),
            *(f"{self.lane} half{j}{ROW}, step{j}{ROW};" for j in uniform),
            _LANES,
            "    prev[p] = 0;",
            *(f"    s{j}[p] = {rest};" for j, rest in enumerate(rests)),
            *(
                f"    w{k}[p] = ({self.lane})({self.entry(table, rests[self.names.index(s)] - lows[s])});"
                for k, s, table in self._kept()
            ),
            *(
                f"    step{j}[p] = ({self.lane})(1 << {self._number(self.names[j] + '.shift')});"
                for j in uniform
            ),
            *(f"    half{j}[p] = ({self.lane})(step{j}[p] >> 1);" for j in uniform),
            "}",
            "(void)prev;",
            *(f"(void)s{j}; (void)scratch{j};" for j in states),
            f"const int far = N > {FAR};",
            "for (int64_t t = 0; t < T; t++) {",
            "    if (stride || !t) {",
            f"        const {self.sums} *restrict sum = sums + t * stride + base;",
            f"        {_LANES}",
            *("            " + line for line in self._currents()),
            "        }",
            "    }",
            "    uint8_t *restrict y = spikes + t * N + base;",
            "    if (far && t < T - 1) {",
            f"        fetch(sums + (t + 1) * stride + base, stride ? lanes * (int64_t)sizeof({self.sums}) : 0, 0);",
            "        fetch(y + N, lanes, 1);",
            *(
                f"        if (codes)\n                fetch(({code_kind(body, j)} *)codes[{j}] + (t + 1) * N + base, lanes * (int64_t)sizeof({code_kind(body, j)}), 1);"
                for j in states
            ),
            "    }",
            *(
                f"    {code_kind(body, j)} *restrict k{j} = codes ? ({code_kind(body, j)} *)codes[{j}] + t * N + base : scratch{j};"
                for j in states
            ),
            f"    {_LANES}",
            *("        " + line for line in self._lines()),
            "    }",
            "}",
        ]
        signature = (
            "void forward(int64_t first, int64_t last, int64_t C, int64_t width, int64_t T, int64_t N, int64_t stride,\n"
            f"             const {self.sums} *restrict sums, const {self.wide} *restrict affine,\n"
            f"             const {self.lane} *restrict numbers, const {self.lane} *restrict tables,\n"
            "             uint8_t *restrict spikes, void **codes)"
        )
        return HEAD + "\n" + self.function(signature, "(void)numbers; (void)tables; (void)codes;", tile)

    def _currents(self) -> list[str]:
        lines = [f"{self.wide} v = gain[p] * ({self.wide})sum[p] + bias[p];"]
        if (
            self.wide == "float" and self.lane != "float"
        ):  # boundaries are integers, so a floor changes no comparison
            lines.append("v = floorf(v);")
        if self.lane == "int16_t" or (self.wide == "float" and self.lane != "float"):
            most = 16384 if self.lane == "int16_t" else 1 << 28
            lines += [f"v = v < -{most} ? -{most} : v;", f"v = v > {most} ? {most} : v;"]
        return [*lines, f"x[p] = ({self.lane})v;"]

    def _number(self, name: str) -> str:
        return f"n{self.numbers.index(name)}[p]"

    def _lines(self) -> list[str]:
        lines: list[str] = []
        for k in self.order:
            lines += self._statements(k)
        body, lane = self.body, self.lane
        for j, k in enumerate(body.stores):
            lines += [f"s{j}[p] = v{k};", f"k{j}[p] = ({code_kind(body, j)})v{k};"]
        for k, s, table in self._kept():
            store, rows = body.stores[self.names.index(s)], self._rows(k)
            value = f"u{store}_{self.tables.index(table)}_0"
            for r in range(1, rows):
                value = f"({value} + (({lane})-(v{body.spike} == {r}) & (u{store}_{self.tables.index(table)}_{r} - u{store}_{self.tables.index(table)}_0)))"
            lines.append(f"w{k}[p] = ({lane}){value};")
        return [*lines, f"prev[p] = v{body.spike};", f"y[p] = (uint8_t)v{body.spike};"]

    def _rows(self, k: int) -> int:
        return next(rows for reads in self.reads.values() for j, _, rows in reads if j == k)

    def _statements(self, k: int) -> list[str]:
        i, lane = self.body.instructions[k], self.lane
        a = [f"v{n}" for n in i.args]
        if k == self.current:
            text = "x[p]"
        elif i.op == "encode" and i.name in self.body.quantized:
            return self._encode(k, i)
        elif i.op in ("decode", "lookup") and any(
            k == j for reads in self.reads.values() for j, _, _ in reads
        ):
            table = f"{i.name}.levels" if i.op == "decode" else i.name
            text = f"w{k}[p]" if self._is_old(k) else f"u{i.args[0]}_{self.tables.index(table)}_0"
        elif i.op == "decode" and i.name in self.body.quantized:
            text = (
                self.entry(f"{i.name}.levels", a[0])
                if self._table(i.name)
                else f"{a[0]} * step{self.names.index(i.name)}[p]"
            )
        elif i.op == "lookup":
            low = self.body.codec(self.body.instructions[i.args[0]].name).low
            code = (
                f"{a[0]} - ({low})" if len(a) == 2 else f"{a[1]} * {self.entries(i.name)} + {a[0]} - ({low})"
            )
            text = self.entry(i.name, code)
        else:
            text = self._plain(i, a)
        return [f"const {lane} v{k} = ({lane})({text});"]

    def _plain(self, i: Instruction, a: list[str]) -> str:
        match i.op:
            case "state":
                return f"s{self.names.index(i.name)}[p]"
            case "prev":
                return "prev[p]"
            case "parameter":
                return self._number(i.name)
            case "constant":
                return f"{float(i.immediate)!r}f" if self.lane == "float" else str(int(i.immediate))
            case "encode" | "decode":
                return a[0]
            case "shl":  # a product: shifting a negative number left is undefined
                return f"{a[0]} * (1 << {a[1]})"
            case "shr":
                return f"{a[0]} >> {a[1]}"
            case "wrap":
                return f"(int32_t)(((uint32_t){a[0]} - (uint32_t){a[1]}) & ((1u << {a[2]}) - 1u)) + {a[1]}"
            case "select":
                if self.lane == "float":
                    return f"{a[0]} != 0 ? {a[1]} : {a[2]}"
                return f"{a[2]} ^ (({a[1]} ^ {a[2]}) & -{a[0]})"  # a branch would keep the loop scalar
            case _:
                return OPS[i.op].c.format(*a)

    def _encode(self, k: int, i: Instruction) -> list[str]:
        """The code of x, and what this timestep or the next reads at it."""
        codec, lane, x = self.body.codec(i.name), self.lane, f"v{i.args[0]}"
        reads = sorted(
            {
                (table, r)
                for j, table, rows in self.reads[i.name]
                for r in range(rows)
                if self._reads_store(j, k)
            }
        )
        lines: list[str] = []
        bits = [f"m{k}_{b}" for b in range(codec.bits)]
        if isinstance(codec, Table) and self.is_chain(f"{i.name}.boundaries"):
            lines += self._search(k, x, f"{i.name}.boundaries", bits)
        elif isinstance(codec, Table):
            edges = f"{i.name}.boundaries"
            lines.append(f"{lane} v{k} = 0;")
            for half in (1 << b for b in reversed(range(codec.bits))):
                lines.append(f"v{k} += {x} >= {self.entry(edges, f'v{k} + {half - 1}')} ? {half} : 0;")
        else:
            lines += self._rounded(k, i, codec, x)
            if reads:
                lines += self.masks(f"(v{k} - ({codec.low}))", codec.bits, f"m{k}")[0]
        for table, r in reads:
            name = f"u{k}_{self.tables.index(table)}_{r}"
            more, value = self.read(table, r, bits, f"t{name}")
            lines += [*more, f"const {lane} {name} = {value};"]
        return lines

    def _search(self, k: int, x: str, edges: str, bits: list[str]) -> list[str]:
        """The number of boundaries at or below x, bit by bit from the highest; every comparison leaves a mask."""
        lines: list[str] = []
        for b in reversed(range(len(bits))):
            candidates = [self.entry(edges, ((2 * c + 1) << b) - 1) for c in range(1 << (len(bits) - 1 - b))]
            more, edge = self.select(candidates, bits[b + 1 :], f"e{k}_{b}")
            lines += [*more, f"const {self.lane} {bits[b]} = ({self.lane})-({x} >= {edge});"]
        return [
            *lines,
            f"const {self.lane} v{k} = ({self.lane})({' | '.join(f'({m} & {1 << b})' for b, m in enumerate(bits))});",
        ]

    def _rounded(self, k: int, i: Instruction, codec: Uniform, x: str) -> list[str]:
        """A uniform code: a rounded shift that saturates or wraps."""
        lane, j = self.lane, self.names.index(i.name)
        code = f"(({x} + half{j}[p]) >> {self._number(f'{i.name}.shift')})"
        if codec.overflow == "wrap":
            mask = (1 << codec.bits) - 1
            wrapped = f"(uint32_t)({code} - ({codec.low})) & {mask}u"
            return [f"const {lane} v{k} = ({lane})(({wrapped}) + ({codec.low}));"]
        top = self._number(f"{i.name}.high") if codec.has_top else str(codec.high)
        return [
            f"const {lane} q{k} = ({lane}){code};",
            f"const {lane} z{k} = ({lane})(q{k} < ({codec.low}) ? ({codec.low}) : q{k});",
            f"const {lane} v{k} = ({lane})(z{k} > {top} ? {top} : z{k});",
        ]

    def _reads_store(self, read: int, store: int) -> bool:
        """Whether a read's value is computed behind this encode: it reads this code, or the last one a timestep later."""
        return self._is_old(read) or self.body.instructions[read].args[0] == store


class BackwardText(_Text):
    """Adjoints from codes and outputs."""

    def __init__(
        self,
        body: Body,
        steps: Backward,
        lane: str,
        sums: str,
        numbers: tuple[str, ...],
        tables: tuple[str, ...],
        gradients: tuple[str, ...],
    ):
        super().__init__(body, lane, sums, numbers, tables)
        self.steps, self.gradients = steps, gradients
        self.rows = (*numbers, *(p for p in ("gain", "bias") if p not in numbers))
        self.known = dict(steps.parameters)
        outputs = [*steps.states, steps.current, *(self.known[p] for p in gradients if p in self.known)]
        if "gain" in gradients and "bias" in self.known:  # real currents: what reaches the bias times the sum
            outputs.append(self.known["bias"])
        self.order = _needed(steps, outputs)
        self.fixed = self._fixed()  # what depends on parameters alone

    def _fixed(self) -> set[int]:
        fixed: set[int] = set()
        for k in self.order:
            i = self.steps.instructions[k]
            if i.op == "parameter" or (i.args and all(a in fixed or self._constant(a) for a in i.args)):
                fixed.add(k)
        return fixed

    def _constant(self, k: int) -> bool:
        return self.steps.instructions[k].op == "constant"

    def _levels(self) -> list[tuple[int, int]]:
        """(state, 1 for the level just stored or 0 for the last) of the levels that are read from tables or shifts."""
        found = {
            (self.names.index(i.name), int(i.immediate))
            for i in (self.steps.instructions[k] for k in self.order)
            if i.op == "level" and i.name in self.body.quantized
        }
        return sorted(found)

    def text(self) -> str:
        body, steps = self.body, self.steps
        states = range(len(self.names))
        rests = [(s.codec.rest if s.codec else 0) for s in body.states]
        kinds = [code_kind(body, j) for j in states]
        sums = range(len(self.gradients))
        divided = sorted(self._divisors())
        hoisted = [k for k in self.order if k in self.fixed]
        lane = [
            *(self._statement(k) for k in self.order if k not in self.fixed),
            *(f"a{j}[p] = v{k};" for j, k in enumerate(steps.states)),
            *self._current(),
            *(
                f"g{j}[p] += v{self.known[name]};"
                for j, name in enumerate(self.gradients)
                if name in self.known
            ),
        ]
        tile = [
            *self.number_rows("float", self.rows),
            *self.table_rows(),
            *(f"float a{j}{ROW};" for j in states),
            *(f"float g{j}{ROW};" for j in sums),
            *(f"{kinds[j]} rest{j}{ROW};" for j in states),
            *(f"float level{j}_{new}{ROW};" for j, new in self._levels()),
            *(f"float h{k}{ROW};" for k in hoisted),
            *(f"float inverse{k}{ROW};" for k in divided),
            f"float total{ROW}, fresh{ROW};",
            f"uint8_t silent{ROW};",
            _LANES,
            *(f"    a{j}[p] = 0.0f; rest{j}[p] = {rests[j]};" for j in states),
            *(f"    g{j}[p] = 0.0f;" for j in sums),
            "    silent[p] = 0; total[p] = 0.0f;",
            "}",
            _LANES,
            *("    " + line for k in hoisted for line in (self._statement(k), f"h{k}[p] = v{k};")),
            *(f"    inverse{k}[p] = 1.0f / v{k};" for k in divided),
            "}",
            *(
                line
                for j, new in self._levels()
                if new
                for line in self._level_loop(j, 1, f"(const {kinds[j]} *)codes[{j}] + (T - 1) * N + base")
            ),
            f"const int far = N > {FAR};",
            "for (int64_t t = T - 1; t >= 0; t--) {",
            "    const float *restrict gy = gspikes + t * gstride + (base - first * C);",
            "    const uint8_t *restrict y = spikes + t * N + base;",
            "    const uint8_t *restrict prev = t ? spikes + (t - 1) * N + base : silent;",
            f"    const {self.sums} *restrict sum = sums + t * stride + base;",
            *(
                f"    const {kinds[j]} *restrict new{j} = (const {kinds[j]} *)codes[{j}] + t * N + base;"
                for j in states
            ),
            *(
                f"    const {kinds[j]} *restrict old{j} = t ? (const {kinds[j]} *)codes[{j}] + (t - 1) * N + base : rest{j};"
                for j in states
            ),
            "    float *restrict gx = stride ? gcurrent + t * stride + base : fresh;",
            "    if (far && t > 0) {",
            "        fetch(gy - gstride, lanes * (int64_t)sizeof(float), 0);",
            "        fetch(gx - stride, stride ? lanes * (int64_t)sizeof(float) : 0, 1);",
            "    }",
            "    if (far && t > 1) {",
            "        fetch(prev - N, lanes, 0);",
            *(f"        fetch(old{j} - N, lanes * (int64_t)sizeof({kinds[j]}), 0);" for j in states),
            "    }",
            "    (void)y; (void)prev; (void)sum;",
            *(f"    (void)new{j}; (void)old{j};" for j in states),
            *(
                "    " + line
                for j, new in self._levels()
                if not new
                for line in self._level_loop(j, 0, f"old{j}")
            ),
            *(
                "    " + line
                for j, new in self._levels()
                if new and (j, 0) not in self._levels()
                for line in [
                    "if (t < T - 1) {",
                    *("    " + x for x in self._level_loop(j, 1, f"new{j}")),
                    "}",
                ]
            ),
            f"    {_LANES}",
            *("        " + line for line in lane),
            "    }",
            "    if (!stride)",
            f"        {_LANES}",
            "            total[p] += fresh[p];",
            "        }",
            *(
                f"    memcpy(level{j}_1, level{j}_0, sizeof(float) * (size_t)lanes);"
                for j, new in self._levels()
                if new and (j, 0) in self._levels()
            ),
            "}",
            "if (!stride)",
            "    memcpy(gcurrent + base, total, sizeof(float) * (size_t)lanes);",
            *(
                line
                for j in sums
                for line in (_LANES, f"    gnumbers[{j} * width + p0 + p] += (double)g{j}[p];", "}")
            ),
        ]
        signature = (
            "void backward(int64_t first, int64_t last, int64_t C, int64_t width, int64_t T, int64_t N, int64_t stride,\n"
            f"              int64_t gstride, const float *restrict gspikes, const {self.sums} *restrict sums,\n"
            f"              const float *restrict numbers, const {self.lane} *restrict tables, const uint8_t *restrict spikes,\n"
            "              void **codes, float *restrict gcurrent, double *restrict gnumbers)"
        )
        return self.function(signature, "(void)numbers; (void)tables; (void)gnumbers;", tile)

    def _current(self) -> list[str]:
        """The gradient of the sum; full precision multiplies by the gain that its body does not know."""
        bare = is_real(self.body)
        v = f"v{self.steps.current}" + (f" * n{self.rows.index('gain')}[p]" if bare else "")
        inside = self.steps.current if bare else self.known.get("bias", self.steps.current)
        lines = [f"gx[p] = {v};"]
        extra = {"gain": f"v{inside} * (float)sum[p]", "bias": f"v{inside}"}
        lines += [
            f"g{j}[p] += {extra[n]};"
            for j, n in enumerate(self.gradients)
            if n in extra and n not in self.known
        ]
        return lines

    def _divisors(self) -> set[int]:
        """Parameters, and what follows from them, that something is divided by."""
        text = self.steps.instructions
        return {
            text[k].args[1]
            for k in self.order
            if text[k].op == "div" and k not in self.fixed and text[k].args[1] in self.fixed
        }

    def _level_loop(self, j: int, new: int, codes: str) -> list[str]:
        """Levels of a row of codes, as reals, in a loop of their own: narrow integers and floats do not mix well."""
        name, codec = self.names[j], self.body.codec(self.names[j])
        lines = [f"const {code_kind(self.body, j)} *restrict code = {codes};", _LANES]
        if not isinstance(codec, Table):
            lines.append(
                f"    level{j}_{new}[p] = (float)((int32_t)code[p] * (1 << (int32_t)n{self.rows.index(f'{name}.shift')}[p]));"
            )
        elif self.is_chain(f"{name}.levels"):
            first, bits = self.masks("(int32_t)code[p]", codec.bits, "m")
            more, value = self.read(f"{name}.levels", 0, bits, "t")
            lines += [f"    {line}" for line in [*first, *more, f"level{j}_{new}[p] = (float){value};"]]
        else:
            lines.append(f"    level{j}_{new}[p] = (float){self.entry(f'{name}.levels', 'code[p]')};")
        return ["{", *("    " + line for line in [*lines, "}"]), "}"]

    def _statement(self, k: int) -> str:
        i = self.steps.instructions[k]
        a = [f"h{n}[p]" if n in self.fixed and k not in self.fixed else f"v{n}" for n in i.args]
        match i.op:
            case "adjoint":
                text = f"a{self.names.index(i.name)}[p]" if i.name else "gy[p]"
            case "spike":
                text = "y[p]"
            case "prev":
                text = "prev[p]"
            case "parameter":
                text = f"n{self.rows.index(i.name)}[p]"
            case "level":
                j, new = self.names.index(i.name), int(i.immediate)
                text = (
                    f"level{j}_{new}[p]"
                    if i.name in self.body.quantized
                    else f"{'new' if new else 'old'}{j}[p]"
                )
            case "code":
                text = f"new{self.names.index(i.name)}[p]"
            case "constant":
                text = f"{float(i.immediate)!r}f"
            case "encode" | "decode":
                text = a[0]
            case "select":
                text = f"({a[0]} != 0.0f ? {a[1]} : {a[2]})"
            case "exp2":
                text = f"(1 << (int32_t){a[0]})"
            case "div" if i.args[1] in self.fixed and k not in self.fixed:
                text = f"{a[0]} * inverse{i.args[1]}[p]"
            case _:
                text = OPS[i.op].c.format(*a)
        return f"const float v{k} = (float)({text});"


def _needed(steps: Backward, roots: list[int]) -> list[int]:
    needed: set[int] = set()
    stack = list(roots)
    while stack:
        k = stack.pop()
        if k not in needed:
            needed.add(k)
            stack.extend(steps.instructions[k].args)
    return sorted(needed)
