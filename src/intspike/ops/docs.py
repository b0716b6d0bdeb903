"""docs/ops.md, written by the rows it describes: `python -m intspike.ops.docs > docs/ops.md`.

Every example, bound, gradient and line of C on that page is computed here from the table and its interpreters,
so the page cannot disagree with the code.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any, Literal, get_args

import numpy as np

from .body import Body
from .c import array_type, render
from .codec import State, Table
from .gradients import Backward, backward
from .instruction import Instruction
from .interpret import evaluate_many, forward_roots, live
from .intervals import intervals
from .surrogate import Surrogate, Triangle
from .table import ENDS, LEAVES, OPS, Op
from .trace import Carry, Form, Tracer, trace
from .value import Builder, Value

_ARGUMENTS = {
    "shl": ("x", "n"), "shr": ("x", "n"), "select": ("c", "x", "y"), "wrap": ("x", "low", "bits"),
    "lookup": ("code", "v"), "exp2": ("n",),
}  # fmt: skip
_NUMBERS = {"x": -5, "y": 3, "n": 1, "c": 1, "low": -8, "bits": 4}
_RANGES = [
    {"x": (-5, 9), "y": (-2, 3), "n": (0, 2), "c": (0, 1), "low": (-8, -8), "bits": (4, 4)},
    {"x": (4, 9), "y": (-2, 3), "c": (1, 1)},  # where a comparison and a choice are decided
]
_DECIDED = ("ge", "gt", "select")
# the rows whose bounds are those of a table that `intervals` reads
TABLE_BOUNDS = {
    "lookup": "smallest to largest entry of the table",
    "encode": "lowest to highest code",
    "decode": "lowest to highest level",
}


@dataclass(frozen=True)
class LIF:
    """The neuron of the worked example; a test holds it against `intspike.neuron.LIF`, which stands above ops."""

    reset: Literal["subtract", "zero", "none"] = "subtract"
    compare: Literal[">=", ">"] = ">="
    spikes: int = 1
    surrogate: Surrogate = Triangle()

    def states(self, form: Form) -> tuple[State, ...]:
        """The membrane potential alone."""
        return (State("u", form.codec),)

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        u = ops.reset(state["u"], ops.prev())
        return ops.fire("u", ops.leak(u) + current)


FORM = Form(Table(3, rest=2, stores="after reset"), Carry("guaranteed"))
# the worked example of the numeric contract, one channel
PARAMETERS = {
    name: np.array([row], np.int64)
    for name, row in {
        "gain": 8,
        "bias": 3,
        "reset": 160,
        "theta": 160,
        "u.levels": [-120, -40, 0, 32, 64, 96, 128, 152],
        "u.boundaries": [-80, -20, 16, 48, 80, 112, 140],
        "carry": [-80, -20, 0, 15, 47, 72, 96, 114],
    }.items()
}
SUMS = -5, 16  # what the four weights 7, 6, -5, 3 can add up to
STEP = {"S": 13, "c": 5, "s": 0}  # timestep 2 of the contract's trace: its sum, and what timestep 1 stored


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    safe = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (list(header), ["---"] * len(header), *safe)]


def code(text: object) -> str:
    """Inline code."""
    return f"`{text}`"


def arguments(op: Op) -> tuple[str, ...]:
    """What the page calls the arguments of an op."""
    return _ARGUMENTS.get(op.name, ("x", "y")[: op.arity])


# ---------------------------------------------------------------- rows of the table


def example(op: Op) -> str:
    """The op on a few integers, computed by its meaning."""
    if op.meaning is None:
        return ""
    given = [_NUMBERS[a] for a in arguments(op)]
    return code(f"{op.name}({', '.join(map(str, given))}) = {op.meaning(*given)}")


def bounds(op: Op) -> str:
    """The interval rule of an op, by example."""
    if not op.integer:
        return "not bounded: never in a forward pass"
    if op.interval is None:
        return TABLE_BOUNDS[op.name]
    shown: list[str] = []
    for sample in _RANGES[: 1 + (op.name in _DECIDED)]:
        given = {a: sample[a] for a in arguments(op)}
        low, high = op.interval(*given.values())
        named = ", ".join(f"{a} {'in' if r[0] < r[1] else '='} {_between(*r)}" for a, r in given.items())
        shown.append(f"{named}: {_between(int(low), int(high))}")
    return "; ".join(shown)


def _between(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}..{high}"


def gradient(op: Op) -> str:
    """Where an op passes its gradient g to, found by running its rule on an op of free arguments."""
    if not op.integer:
        return "part of backward bodies itself"
    if op.gradient is None:
        return "none passes"
    if op.name == "encode":
        return f"{_adjoints(op)}; with the ends blocked, {_adjoints(op, immediate=ENDS)}"
    if op.name in ("ge", "gt"):
        return f"of a spike, {_adjoints(op, state='u')}; of a condition, none"
    return _adjoints(op)


def _adjoints(op: Op, immediate: int = 0, state: str = "") -> str:
    """`argument: expression` for each argument that the rule gives a gradient."""
    names = list(arguments(op))
    at = [Instruction("current"), Instruction("state", name="u"), Instruction("decode", (1,), "u")]
    if op.name in ("lookup", "decode"):
        names = ["v"]
    if state:
        names = ["x", "theta"]
    first = len(at)
    at += [Instruction("parameter", name=name) for name in names]
    if "theta" not in names:
        at.append(Instruction("parameter", name="theta"))
    args = tuple(range(first, first + len(names)))
    if op.name == "lookup":
        args = (1, *args)
    if op.name in ("encode", "decode"):
        state = "u"
    name = "carry" if op.name == "lookup" else state
    at.append(Instruction(op.name, args, name, immediate))
    derivative: Any = lambda z: Value(z.ops, z.ops.emit("surrogate", z.index))  # noqa: E731
    states = (State("u", FORM.codec),)
    made = backward(Body(tuple(at), states, (2,), (2,), (2,), len(at) - 1, surrogate=derivative))
    words = {"level": "u", "adjoint": "g", "code": "code"}
    text: list[str] = []
    known: dict[int, str] = {}
    for argument, k in sorted(made.parameters, key=lambda p: [*names, p[0]].index(p[0])):  # as they stand
        text.append(f"{argument}: {code(expression(made.instructions, k, words, known))}")
        if made.instructions[k].op not in ("adjoint", "select"):
            known[k] = f"g{argument}"
    return ", ".join(text)


_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "ge": ">=", "gt": ">"}


def expression(
    at: Sequence[Instruction],
    k: int,
    words: Mapping[str, str],
    known: Mapping[int, str] | None = None,
    inner: bool = False,
) -> str:
    """A value of a body as one line of arithmetic; `words` names leaves, `known` other values."""
    known = known or {}
    if k in known:
        return known[k]
    i = at[k]
    parts = [expression(at, a, words, known, inner=True) for a in i.args]
    if i.op in _SIGNS:
        text = f"{parts[0]} {_SIGNS[i.op]} {parts[1]}"
        if i.op == "sub" and parts[0] == "0":
            text = f"-{parts[1]}"
        return f"({text})" if inner else text
    if i.op == "exp2":
        return f"2^{parts[0]}"
    if i.op == "abs":
        return f"|{expression(at, i.args[0], words, known)}|"
    if i.op == "select":
        text = f"{parts[1]} if {expression(at, i.args[0], words, known)} else {parts[2]}"
        return f"({text})" if inner else text
    if i.op == "constant":
        return f"{i.immediate:g}"
    if i.args:
        return f"{i.op}({', '.join(expression(at, a, words, known) for a in i.args)})"
    return words.get(i.op, i.name or i.op)


def c_text(op: Op) -> str:
    """How C says it."""
    if op.c == "{table}":
        return "see the example below"
    return code(op.c.format(*arguments(op)))


# ---------------------------------------------------------------- the worked example


def forward_table(body: Body) -> list[str]:
    """A body as a table: each value, what it saw, its proved range, and its value at one timestep."""
    low, high = (np.array([x], np.int64) for x in SUMS)
    proved = intervals(body, PARAMETERS, low, high)
    one = {name: np.array([x], np.int64) for name, x in STEP.items()}
    order = live(body, *forward_roots(body), *body.membranes)
    channel = np.zeros(1, np.int64)
    values = evaluate_many(body, order, one["S"], {"u": one["c"]}, one["s"], PARAMETERS, channel)
    rows: list[list[str]] = []
    for k, i in enumerate(body.instructions):
        inside = k in proved
        rows.append(
            [
                code(f"%{k}"),
                code(instruction(i)),
                ", ".join(sorted(body.provenance[k])),
                _between(*(int(b[0]) for b in proved[k])) if inside else "for gradients alone",
                str(int(np.ravel(values[k])[0])) if k in values else "",
            ]
        )
    return table(["value", "is", "has seen", "proved range", "at t = 2"], rows)


def instruction(i: Instruction) -> str:
    """An instruction in words, as listings print it."""
    shown = [i.op, *(f"%{a}" for a in i.args), i.name]
    if i.op == "constant" or i.immediate:
        shown.append(f"{i.immediate:g}")
    return " ".join(filter(None, shown))


def _where(parameter: str) -> str:
    return " at the code just stored" if parameter.endswith(".levels") else ""


def backward_table(made: Backward) -> list[str]:
    """A backward body as a table."""
    ends: dict[int, list[str]] = {}
    for k, what in [
        (made.current, "gradient of the synaptic sum"),
        *((k, "gradient of the last stored membrane") for k in made.states),
        *((k, f"gradient of {code(name)}{_where(name)}") for name, k in made.parameters),
    ]:
        ends.setdefault(k, []).append(what)
    kinds = {"level": ("what was stored before", "what was just stored")}
    rows: list[list[str]] = []
    for k, i in enumerate(made.instructions):
        note = kinds[i.op][int(i.immediate)] if i.op in kinds else ""
        if i.op == "adjoint":
            note = "incoming, of the stored membrane" if i.name else "incoming, of the output"
        rows.append([code(f"%{k}"), code(instruction(i)), "; ".join([note, *ends.get(k, [])]).strip("; ")])
    return table(["value", "is", "which is"], rows)


def c_lines(body: Body) -> list[str]:
    """The body in C, as the engine, the export and (with float adjoints) training render it."""
    low, high = (np.array([x], np.int64) for x in SUMS)
    proved = intervals(body, PARAMETERS, low, high)
    leaves: Mapping[str, Callable[[Instruction], str]] = {
        "current": lambda i: "S",
        "state": lambda i: "c",
        "prev": lambda i: "s",
        "parameter": lambda i: f"{i.name}[ch]",
        "constant": lambda i: f"{i.immediate:g}",
    }
    types = {name: array_type(a) for name, a in PARAMETERS.items()}
    order = live(body, *forward_roots(body))
    return render(
        body, order, proved, types, lambda i: leaves[i.op](i), lambda p: p.replace(".", "_") + "[ch]", {}
    )


def surrogate_rows() -> list[list[str]]:
    """Name, default slope and derivative of each surrogate, from its own text."""
    rows: list[list[str]] = []
    for kind in get_args(Surrogate):
        ops = Builder()
        out = kind()(Value(ops, ops.emit("current", name="z")))
        text = expression(ops.instructions, out.index, {"current": "z"})
        rows.append([code(kind.__name__), f"{kind().slope:g}", code(text)])
    return rows


def page() -> str:
    """The page, in Markdown."""
    body = trace(LIF(), FORM)
    integer = [op for op in OPS.values() if op.integer]
    real = [op for op in OPS.values() if not op.integer]
    lines = [
        "# The op table",
        "",
        "<!-- Written by `python -m intspike.ops.docs`; `make docs` renews it. Change src/intspike/ops, not this. -->",
        "",
        "A neuron's `step` is written in these operations and in nothing else. Tracing it leaves a *body*, a list of",
        "them; the interpreters, the range proofs, the backward pass and the C are made from that list and from the",
        "rows of `intspike.ops.table`. So is this page: every example, bound, gradient and line of C is computed.",
        "",
        f"There are {len(integer)} ops on integers and {len(real)} that only backward bodies use.",
        "",
        "## Meaning and cost",
        "",
        "An op with a yes also exists on real numbers, for full precision (where `encode` and `decode` are the",
        "identity) and for backward bodies. The cost is that of one evaluation in hardware.",
        "",
        *table(
            ["op", "meaning", "example", "on reals", "cost"],
            [[code(op.name), op.doc, example(op), "yes" if op.real else "", op.cost] for op in OPS.values()],
        ),
        "",
        "## Bounds, gradients and C",
        "",
        "Bounds are the interval rule on given intervals; what depends on stored codes alone is enumerated instead,",
        "which is sharper. Of a gradient `g` that arrives at the result, each argument gets what is written behind",
        "it, in real numbers; `gx` is what x gets, `u` the membrane just stored, with codes 0..7. What rounds passes",
        "the gradient of what it rounds.",
        "",
        *table(
            ["op", "bounds", "gradient", "C"],
            [[code(op.name), bounds(op), gradient(op), c_text(op)] for op in OPS.values()],
        ),
        "",
        "`shift_left`, `shift_right` and `wrap` are small generated functions, because C leaves shifts of negative",
        "numbers to the compiler.",
        "",
        "## Leaves",
        "",
        "Values that no op makes.",
        "",
        *table(["leaf", "meaning"], [[code(name), doc] for name, doc in LEAVES.items()]),
        "",
        "## Surrogates",
        "",
        "A comparison that names a state is a spike. Its derivative is replaced by one of these functions of",
        "`z = (u - theta) / theta` at the stored membrane `u`, divided by theta.",
        "",
        *table(["surrogate", "slope", "derivative"], surrogate_rows()),
        "",
        "## One neuron, from its text to C",
        "",
        "The neuron and the numbers are those of the [numeric contract](contract.md#a-neuron-worked-through-by-hand)",
        "with the codec `after reset`. Its `step` is",
        "",
        "```python",
        *dedent(inspect.getsource(LIF.step)).rstrip().splitlines(),
        "```",
        "",
        f"### Its body, with sums in {_between(*SUMS)}",
        "",
        f"Timestep 2 of the contract's trace: S = {STEP['S']}; timestep 1 stored code {STEP['c']} and "
        f"spike {STEP['s']}.",
        "",
        *forward_table(body),
        "",
        f"The next code is `%{body.stores[0]}`, the output `%{body.spike}`, the membrane just stored "
        f"`%{body.membranes[0]}`.",
        "",
        "### Its backward body",
        "",
        "Gradient rules emit ops, so the backward pass is a body too. All of its leaves are codes, outputs and",
        "parameters: training keeps the codes and nothing else.",
        "",
        *backward_table(backward(body)),
        "",
        "### The same in C",
        "",
        "Types follow from the proved ranges. `ch` is the channel. A state of 4 bits or more is searched in as many",
        "comparisons as it has bits.",
        "",
        "```c",
        *c_lines(body),
        "```",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the page."""
    sys.stdout.write(page())


if __name__ == "__main__":
    main()
