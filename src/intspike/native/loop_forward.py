"""The C text of a time loop forward: codes and outputs from sums. See `loops`."""

from __future__ import annotations

from ..ops import Body, Instruction, Table, Uniform
from ..ops.interpret import forward_roots, live
from ..ops.table import OPS
from .loop_text import EACH_LANE, FAR, NARROW_CURRENT, ROW, LoopText, affine_of, code_kind


class ForwardText(LoopText):
    """Codes and outputs from sums."""

    def __init__(
        self,
        body: Body,
        lane: str,
        sums: str,
        wide: str,
        numbers: tuple[str, ...],
        tables: tuple[str, ...],
        resumes: bool = False,
    ):
        super().__init__(body, lane, sums, numbers, tables)
        self.resumes = resumes
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
        """Of each state, the chain tables read at its last code or at the new one: (instruction, table, rows)."""
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
        kinds = [code_kind(body, j) for j in states]
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
            EACH_LANE,
            f"    prev[p] = {self._resumed('spikes[base + p - N]', 0)};",
            *(
                f"    s{j}[p] = {self._resumed(f'((const {kinds[j]} *)codes[{j}])[base + p - N]', rest)};"
                for j, rest in enumerate(rests)
            ),
            *(
                f"    w{k}[p] = ({self.lane})({self._first(k, s, table, rests[self.names.index(s)] - lows[s])});"
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
            f"        {EACH_LANE}",
            *("            " + line for line in self._currents()),
            "        }",
            "    }",
            "    uint8_t *restrict y = spikes + t * N + base;",
            "    if (far && t < T - 1) {",
            f"        fetch(sums + (t + 1) * stride + base, stride ? lanes * (int64_t)sizeof({self.sums}) : 0, 0);",
            "        fetch(y + N, lanes, 1);",
            *(
                line
                for j in states
                for line in (
                    "        if (codes)",
                    f"            fetch(({kinds[j]} *)codes[{j}] + (t + 1) * N + base, lanes * sizeof({kinds[j]}), 1);",
                )
            ),
            "    }",
            *(
                f"    {kinds[j]} *restrict k{j} = codes ? ({kinds[j]} *)codes[{j}] + t * N + base : scratch{j};"
                for j in states
            ),
            f"    {EACH_LANE}",
            *("        " + line for line in self._lines()),
            "    }",
            "}",
        ]
        signature = (
            "void forward(int64_t first, int64_t last, int64_t C, int64_t width, int64_t T, int64_t N,\n"
            f"             int64_t stride, {'int64_t resumed, ' * self.resumes}const {self.sums} *restrict sums,\n"
            f"             const {self.wide} *restrict affine,\n"
            f"             const {self.lane} *restrict numbers, const {self.lane} *restrict tables,\n"
            "             uint8_t *restrict spikes, void **codes)"
        )
        return self.function(signature, "(void)numbers; (void)tables; (void)codes;", tile)

    def _resumed(self, last: str, start: int) -> str:
        """What a lane begins with: at the start of a run, or as the timestep before left it."""
        return f"resumed ? {last} : {start}" if self.resumes else str(start)

    def _first(self, k: int, state: str, table: str, rest: int) -> str:
        """The entry of a table that the first timestep reads at a stored code, and at the last output."""
        if not self.resumes:
            return self.entry(table, rest)
        low = self.body.codec(state).low
        code = f"s{self.names.index(state)}[p] - ({low})"
        row = f"prev[p] * {self.entries(table)} + " if self._rows(k) > 1 else ""
        return self.entry(table, f"resumed ? {row}{code} : {rest}")

    def _currents(self) -> list[str]:
        lines = [f"{self.wide} v = gain[p] * ({self.wide})sum[p] + bias[p];"]
        if (
            self.wide == "float" and self.lane != "float"
        ):  # boundaries are integers, so a floor changes no comparison
            lines.append("v = floorf(v);")
        if self.lane == "int16_t" or (self.wide == "float" and self.lane != "float"):
            most = NARROW_CURRENT if self.lane == "int16_t" else 1 << 28
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
            read = f"u{body.stores[self.names.index(s)]}_{self.tables.index(table)}"
            value = f"{read}_0"
            for r in range(1, self._rows(k)):  # the row of this output
                value = f"({value} + (({lane})-(v{body.spike} == {r}) & ({read}_{r} - {read}_0)))"
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
        """Whether a read's value is computed behind this encode: it reads this code, now or a timestep later."""
        return self._is_old(read) or self.body.instructions[read].args[0] == store
