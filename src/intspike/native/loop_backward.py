"""The C text of a time loop backward: adjoints from codes and outputs. See `loops`."""

from __future__ import annotations

from math import prod

from ..ops import Backward, Body, Table, parameter_shape
from ..ops.interpret import live
from ..ops.table import OPS
from .loop_text import EACH_LANE, FAR, ROW, LoopText, code_kind, is_real


class BackwardText(LoopText):
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
        resumes: bool = False,
    ):
        super().__init__(body, lane, sums, numbers, tables)
        self.steps, self.gradients, self.resumes = steps, gradients, resumes
        self.rows = (*numbers, *(p for p in ("gain", "bias") if p not in numbers))
        self.known = dict(steps.parameters)
        back = [] if steps.prev is None else [steps.prev]
        outputs = [
            *steps.states,
            *back,
            steps.current,
            *(self.known[p] for p in gradients if p in self.known),
        ]
        if "gain" in gradients and "bias" in self.known:  # real currents: what reaches the bias times the sum
            outputs.append(self.known["bias"])
        self.order = live(steps, *outputs)
        self.fixed = self._fixed()  # what depends on parameters alone
        self.scattered = [
            j for j, p in enumerate(gradients) if parameter_shape(body, p)
        ]  # levels, by their code
        rows = [prod(parameter_shape(body, p)) for p in gradients]
        self.places = [sum(rows[:j]) for j in range(len(rows))]
        self.entries_of = dict(zip(gradients, rows, strict=True))

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
        sums = [j for j in range(len(self.gradients)) if j not in self.scattered]
        divided = sorted(self._divisors())
        before = "(t || resumed)" if self.resumes else "t"
        passes = steps.prev is not None  # a gradient, from what reads an output to the timestep that sent it
        hoisted = [k for k in self.order if k in self.fixed]
        lane = [
            *(self._statement(k) for k in self.order if k not in self.fixed),
            *(f"a{j}[p] = v{k};" for j, k in enumerate(steps.states)),
            *([f"ap[p] = v{steps.prev};"] if passes else []),
            *self._current(),
            *(
                f"g{j}[p] += v{self.known[name]};"
                for j, name in enumerate(self.gradients)
                if name in self.known and j in sums
            ),
            *(f"w{j}[p] = v{self.known[self.gradients[j]]};" for j in self.scattered),
        ]
        tile = [
            *self.number_rows("float", self.rows),
            *self.table_rows(),
            *(f"float a{j}{ROW};" for j in states),
            *([f"float ap{ROW};"] if passes else []),
            *(f"float g{j}{ROW};" for j in sums),
            *(
                line
                for j in self.scattered
                for line in (
                    f"float w{j}{ROW}, l{j}[{self.entries_of[self.gradients[j]]}]{ROW};",
                    f"memset(l{j}, 0, sizeof l{j});",
                )
            ),
            *(f"{kinds[j]} rest{j}{ROW};" for j in states),
            *(f"float level{j}_{new}{ROW};" for j, new in self._levels()),
            *(f"float h{k}{ROW};" for k in hoisted),
            *(f"float inverse{k}{ROW};" for k in divided),
            f"float total{ROW}, fresh{ROW};",
            f"uint8_t silent{ROW};",
            EACH_LANE,
            *(f"    a{j}[p] = {self._adjoint(j)}; rest{j}[p] = {rests[j]};" for j in states),
            *(f"    g{j}[p] = 0.0f;" for j in sums),
            *([f"    ap[p] = {self._adjoint(len(self.names))};"] if passes else []),
            "    silent[p] = 0; total[p] = 0.0f;",
            "}",
            EACH_LANE,
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
            f"    const uint8_t *restrict prev = {before} ? spikes + (t - 1) * N + base : silent;",
            f"    const {self.sums} *restrict sum = sums + t * stride + base;",
            *(
                f"    const {kinds[j]} *restrict new{j} = (const {kinds[j]} *)codes[{j}] + t * N + base;"
                for j in states
            ),
            *(f"    const {kinds[j]} *restrict old{j} = {before} ? new{j} - N : rest{j};" for j in states),
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
            f"    {EACH_LANE}",
            *("        " + line for line in lane),
            "    }",
            *(line for j in self.scattered for line in self._scatter(j)),
            "    if (!stride)",
            f"        {EACH_LANE}",
            "            total[p] += fresh[p];",
            "        }",
            *(
                f"    memcpy(level{j}_1, level{j}_0, sizeof(float) * (size_t)lanes);"
                for j, new in self._levels()
                if new and (j, 0) in self._levels()
            ),
            "}",
            *([EACH_LANE, *(f"    {line}" for line in self._kept(passes)), "}"] if self.resumes else []),
            "if (!stride)",
            "    memcpy(gcurrent + base, total, sizeof(float) * (size_t)lanes);",
            *(
                line
                for j in sums
                for line in (
                    EACH_LANE,
                    f"    gnumbers[{self.places[j]} * width + p0 + p] += (double)g{j}[p];",
                    "}",
                )
            ),
            *(
                line
                for j in self.scattered
                for line in (
                    f"for (int64_t e = 0; e < {self.entries_of[self.gradients[j]]}; e++)",
                    f"    {EACH_LANE}",
                    f"        gnumbers[({self.places[j]} + e) * width + p0 + p] += (double)l{j}[e][p];",
                    "    }",
                )
            ),
        ]
        signature = (
            "void backward(int64_t first, int64_t last, int64_t C, int64_t width, int64_t T, int64_t N,\n"
            f"              int64_t stride, int64_t gstride, {'int64_t resumed, ' * self.resumes}"
            "const float *restrict gspikes,\n"
            f"              const {self.sums} *restrict sums, const float *restrict numbers,\n"
            f"              const {self.lane} *restrict tables, const uint8_t *restrict spikes, void **codes,\n"
            "              float *restrict gcurrent, double *restrict gnumbers"
            f"{', float *restrict adjoints' * self.resumes})"
        )
        return self.function(signature, "(void)numbers; (void)tables; (void)gnumbers;", tile)

    def _adjoint(self, j: int) -> str:
        """What an adjoint begins with at the last timestep: nothing, or what the timestep behind it left."""
        return f"adjoints[{j} * N + base + p]" if self.resumes else "0.0f"

    def _kept(self, passes: bool) -> list[str]:
        """What the timestep before begins with."""
        left = [f"a{j}[p]" for j in range(len(self.names))] + ["ap[p]"] * passes
        return [f"{self._adjoint(j)} = {value};" for j, value in enumerate(left)]

    def _scatter(self, j: int) -> list[str]:
        """What reached the membrane just stored goes to the level of its code, in a loop of its own: no vectors."""
        state = self.names.index(self.gradients[j].removesuffix(".levels"))
        return [f"    {EACH_LANE}", f"        l{j}[new{state}[p]][p] += w{j}[p];", "    }"]

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
        lines = [f"const {code_kind(self.body, j)} *restrict code = {codes};", EACH_LANE]
        if not isinstance(codec, Table):
            shift = f"n{self.rows.index(f'{name}.shift')}[p]"
            lines.append(f"    level{j}_{new}[p] = (float)((int32_t)code[p] * (1 << (int32_t){shift}));")
        elif self.is_chain(f"{name}.levels"):
            first, bits = self.masks("(int32_t)code[p]", codec.bits, "m")
            more, value = self.read(f"{name}.levels", 0, bits, "t")
            lines += [f"    {line}" for line in [*first, *more, f"level{j}_{new}[p] = (float){value};"]]
        else:
            lines.append(f"    level{j}_{new}[p] = (float){self.entry(f'{name}.levels', 'code[p]')};")
        return ["{", *("    " + line for line in [*lines, "}"]), "}"]

    def _argument(self, n: int, k: int) -> str:
        """How instruction k reads instruction n: what is hoisted reads constants as they are."""
        if k in self.fixed and self._constant(n):
            return f"{float(self.steps.instructions[n].immediate)!r}f"
        return f"h{n}[p]" if n in self.fixed and k not in self.fixed else f"v{n}"

    def _statement(self, k: int) -> str:
        i = self.steps.instructions[k]
        a = [self._argument(n, k) for n in i.args]
        match i.op:
            case "adjoint":
                sent = "gy[p]" if self.steps.prev is None else "(gy[p] + ap[p])"
                text = f"a{self.names.index(i.name)}[p]" if i.name else sent
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
