"""Every rule of a legal program, broken one at a time; and the loops that are legal."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from intspike.errors import BadProgram
from intspike.ir import (
    Conv,
    Dense,
    Edge,
    Input,
    Integrator,
    Join,
    Neuron,
    Offset,
    Pool,
    Program,
    Readout,
    check,
    check_neuron,
    frozen,
)
from intspike.neuron import IF, LIF, AdaptiveLIF
from intspike.ops import Body, Carry, Form, Instruction, Shift, Table, Uniform
from strategies import Recipe

AFTER = [-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95]


def weights(*shape: int) -> Any:
    return frozen(np.arange(np.prod(shape)).reshape(shape) % 7 - 3)


def neurons(
    equation: Any, form: Form, channels: int = 4, name: str = "lif", source: str = "pool", **more: Any
) -> Neuron:
    of = lambda v: [v] * channels  # noqa: E731
    beta = of(0.75) if isinstance(equation, LIF) else None
    return Recipe(equation, form, of(8), of(3), of(160), beta, **more).node(name, Edge(source))


TABLE = neurons(LIF(spikes=2), Form(Table(3, 2)), fractions=AFTER)
UNIFORM = neurons(LIF(), Form(Uniform(6, -32), Shift()), shift=[3] * 4)
ZERO = neurons(LIF(reset="zero"), Form(Uniform(6, -32), Shift()), shift=[3] * 4)
BEFORE = neurons(LIF(refractory=2), Form(Uniform(6, -16, stores="before reset"), Shift()), shift=[3] * 4)
RAISED = neurons(AdaptiveLIF(beta=None), Form(Uniform(6, -16, stores="before reset"), Shift()), shift=[3] * 4)
BEFORE_TABLE = neurons(
    IF(), Form(Table(3, 1, "before reset")), fractions=[-1 / 2, 0, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 5 / 2]
)

NODES = {
    n.name: n
    for n in (
        Input("x", (2, 4, 4)),
        Conv("conv", Edge("x"), weights(4, 2, 3, 3), padding=(1, 1)),
        Pool("pool", Edge("conv"), "max", (2, 2), (2, 2), frozen([0, 1, 0, 1])),
        TABLE,
        Dense("fc", Edge("lif"), weights(3, 16)),
        Dense("back", Edge("both", 1), weights(3, 3)),
        Join("both", (Edge("fc"), Edge("back"), Edge("fc", 2)), shifts=(1, 0, 0)),
        Integrator("sum", Edge("both")),
        Readout("out", Edge("sum"), "last"),
    )
}


def program(*changed: Any, without: str = "", more: tuple[Any, ...] = ()) -> Program:
    """The legal program with some nodes replaced, one left out, some added at its end."""
    nodes = {**NODES, **{n.name: n for n in changed}}
    return Program((*(n for name, n in nodes.items() if name != without), *more))


def node(name: str, /, **fields: Any) -> Callable[[], Program]:
    return lambda: program(replace(NODES[name], **fields))


def with_neurons(base: Neuron, **parameters: Any) -> Callable[[], Program]:
    """The program with other neurons, whose parameters are changed (None: left out)."""
    changed = {**base.parameters, **{n.replace("_", "."): a for n, a in parameters.items()}}
    kept = {n: a if isinstance(a, np.ndarray) else frozen(a) for n, a in changed.items() if a is not None}
    return lambda: program(replace(base, parameters=kept))


def at(body: Body, op: str, name: str | None = None) -> int:
    return next(k for k, i in enumerate(body.instructions) if i.op == op and name in (None, i.name))


def with_body(
    base: Neuron, changes: dict[tuple[str, str | None] | int, dict[str, Any]], **fields: Any
) -> Callable[[], Program]:
    """The program with a body in which the first instruction of an op (and name) has other fields."""
    instructions = list(base.body.instructions)
    for key, change in changes.items():
        k = key if isinstance(key, int) else at(base.body, *key)
        instructions[k] = replace(instructions[k], **change)
    fields = {"instructions": tuple(instructions), **fields}
    return lambda: program(replace(base, body=replace(base.body, **fields)))


def with_more(base: Neuron, *extra: Instruction, **fields: Any) -> Callable[[], Program]:
    """The program with a body that has further instructions at its end; -1 in args is the last but these."""
    size = len(base.body.instructions)
    moved = [replace(i, args=tuple(a if a >= 0 else size + a for a in i.args)) for i in extra]
    body = replace(base.body, instructions=(*base.body.instructions, *moved), **fields)
    return lambda: program(replace(base, body=body))


def on_channel(a: Any, channel: int, value: Any) -> Any:
    changed = np.array(a)
    changed[channel] = value
    return changed


LEVELS, EDGES = TABLE.parameters["u.levels"], TABLE.parameters["u.boundaries"]
OF_BODY = len(TABLE.body.instructions)


def with_offset(offset: Any) -> Callable[[], Program]:
    return lambda: program(more=(Offset("moved", Edge("fc"), offset),))


BROKEN: dict[str, tuple[Callable[[], Any], str]] = {
    "an offset of another shape": (with_offset(frozen([1, 2])), r"moved: offset must be \[3\], not \[2\]"),
    "a wide offset": (with_offset(frozen([1, 2, 1 << 40])), "moved: an offset must fit 40 bits"),
    "a real offset": (with_offset(np.zeros(3)), "moved: an offset must be int64, not float64"),
    # the graph
    "a name": (
        node("fc", name="1; system()"),
        r"a node's name must be letters, digits, _ and \., not '1; system\(\)'",
    ),
    "a long name": (node("fc", name="f" * 65), "a node's name must be letters"),
    "a name twice": (lambda: program(more=(Dense("fc", Edge("lif"), weights(3, 16)),)), "'fc' is used twice"),
    "no input": (lambda: program(without="x"), "one input, not 0"),
    "two inputs": (lambda: program(more=(Input("y", (1,)),)), "one input, not 2"),
    "no readout": (lambda: program(without="out"), "one readout, not 0"),
    "two readouts": (lambda: program(more=(Readout("out2", Edge("fc")),)), "one readout, not 2"),
    "a missing source": (node("fc", source=Edge("nobody")), "fc reads 'nobody', which does not exist"),
    "a readout that is read": (node("fc", source=Edge("out", 1)), "nothing may read a readout"),
    "a negative delay": (
        node("fc", source=Edge("lif", -1)),
        r"fc: a delay must be in 0\.\.1024 timesteps, not -1",
    ),
    "a long delay": (node("fc", source=Edge("lif", 1025)), "not 1025"),
    "reading ahead": (node("fc", source=Edge("both")), "fc reads both undelayed, so must stand behind it"),
    "reading itself": (node("fc", source=Edge("fc")), "fc reads fc undelayed"),
    "too large": (
        node("x", shape=(1 << 24, 1 << 5)),
        "x: a node must have at most 268435456 elements, not 536870912",
    ),
    "a loop without shape": (
        lambda: program(
            more=(Pool("p", Edge("q", 1), "max", (1, 1), (1, 1)), Pool("q", Edge("p"), "max", (1, 1), (1, 1)))
        ),
        "the shapes of p, q cannot be known",
    ),
    # the input
    "no shape": (node("x", shape=()), "x: a shape must be positive integers"),
    "a shape of zero": (node("x", shape=(2, 0, 4)), "x: a shape must be positive integers"),
    "an empty range": (node("x", low=3, high=2), r"x: a range must not be empty, but is 3\.\.2"),
    "a wide range": (node("x", high=1 << 31), "x: an input must fit 32 bits"),
    # synapses
    "a dense of four axes": (node("fc", weight=weights(3, 16, 1, 1)), r"fc: weight must be \[N, M\]"),
    "a dense of other inputs": (node("fc", weight=weights(3, 15)), "as many columns as its input"),
    "real weights": (node("fc", weight=np.ones((3, 16))), "fc: a weight must be int64, not float64"),
    "no weights": (node("fc", weight=frozen(np.zeros((0, 16), int))), "fc: a weight must not be empty"),
    "a large weight": (
        node("fc", weight=frozen(np.full((3, 16), 1 << 31))),
        "fc: weight codes must fit 32 bits",
    ),
    "the lowest weight": (
        node("fc", weight=np.full((3, 16), np.iinfo(np.int64).min)),
        "weight codes must fit 32 bits",
    ),
    "a conv of two axes": (
        node("conv", weight=weights(4, 2)),
        r"conv: weight must be \[C_out, C_in / groups, H_k, W_k\]",
    ),
    "a conv of a vector": (
        lambda: program(more=(Conv("late", Edge("fc"), weights(1, 3, 1, 1)),)),
        r"late: a convolution must read \(C, H, W\)",
    ),
    "a stride of zero": (node("conv", stride=(0, 1)), "conv: stride must be two integers from 1 up"),
    "a negative padding": (node("conv", padding=(0, -1)), "conv: padding must be two integers from 0 up"),
    "groups": (node("conv", groups=3), "conv: groups 3 must divide 4 outputs"),
    "no groups": (node("conv", groups=0), "conv: groups 0 must divide"),
    "other channels": (node("conv", weight=weights(4, 3, 3, 3)), "reads 3 channels, not 2"),
    "a kernel too large": (
        node("conv", weight=weights(4, 2, 7, 3)),
        "conv: kernel 7x3 must fit the padded input 4x4",
    ),
    # pools and joins
    "a pool of a vector": (
        lambda: program(more=(Pool("late", Edge("fc"), "max", (1, 1), (1, 1)),)),
        r"late: a pool must read \(C, H, W\)",
    ),
    "a mean": (node("pool", kind="mean", minimum=None), "pool: a pool must be max, sum or or, not 'mean'"),
    "a window of zero": (node("pool", size=(0, 2)), "pool: size must be two integers from 1 up"),
    "a pool's stride": (node("pool", stride=(2, 0)), "pool: stride must be two integers from 1 up"),
    "a window too large": (node("pool", size=(2, 5)), r"pool: window \(2, 5\) must fit the input"),
    "minima of a sum": (node("pool", kind="sum"), "pool: only a max pool can take minima"),
    "minima of other channels": (
        node("pool", minimum=frozen([1, 0])),
        r"pool: minimum must be \[4\], not \(2,\)",
    ),
    "minima of another kind": (
        node("pool", minimum=frozen([0, 1, 2, 0])),
        "pool: minimum must hold 0 and 1 alone",
    ),
    "a join of one": (
        node("both", sources=(Edge("fc"),), shifts=()),
        "both: a join must read at least two nodes, not 1",
    ),
    "an xor": (node("both", kind="xor"), "both: a join must be add, and or iand, not 'xor'"),
    "an and of three": (node("both", kind="and", shifts=()), "both: and must read two nodes, not 3"),
    "shapes of a join": (
        node("both", sources=(Edge("fc"), Edge("lif")), shifts=()),
        "both: joined shapes must be equal",
    ),
    "shifts of an and": (
        node("both", kind="and", sources=(Edge("fc"), Edge("back")), shifts=(1, 0)),
        "both: only an add can shift",
    ),
    "a shift too few": (node("both", shifts=(1, 0)), r"both: shifts must be one number in 0\.\.31 an input"),
    "a shift too large": (node("both", shifts=(1, 0, 32)), "both: shifts must be one number"),
    "an integrator's width": (
        node("sum", bits=63),
        r"sum: the bits of an integrator must be in 2\.\.62, not 63",
    ),
    "a median": (node("out", kind="median"), "out: unknown readout 'median'"),
    # parameters
    "a parameter too few": (with_neurons(TABLE, theta=None), "lif: parameters must be"),
    "a parameter too many": (with_neurons(TABLE, extra=[1] * 4), "lif: parameters must be"),
    "other channels of a parameter": (
        with_neurons(TABLE, theta=[160] * 3),
        r"lif: parameter theta must be \[4\], not \[3\]",
    ),
    "a flat table": (with_neurons(TABLE, carry=[1] * 4), r"lif: parameter carry must be \[4, 8\], not \[4\]"),
    "a real parameter": (
        with_neurons(TABLE, theta=np.full(4, 160.5)),
        "lif: parameter theta must be int64, not float64",
    ),
    "a large parameter": (with_neurons(TABLE, bias=[1 << 40] * 4), "lif: parameter bias must fit 40 bits"),
    "the lowest parameter": (
        with_neurons(TABLE, bias=[-(1 << 63)] * 4),
        "lif: parameter bias must fit 40 bits",
    ),
    "a negative shift": (
        with_neurons(UNIFORM, u_shift=[-1] * 4),
        r"lif: u.shift must be in 0\.\.31, not -1\.\.-1",
    ),
    "a large shift": (with_neurons(UNIFORM, leak_shift=[32] * 4), r"lif: leak.shift must be in 0\.\.31"),
    "rest fires": (
        with_neurons(TABLE, theta=[0] * 4),
        r"lif: rest \(0\) must not fire, but a threshold is 0",
    ),
    "thresholds decrease": (
        with_neurons(TABLE, theta_2=[159] * 4),
        "thresholds must not decrease, but threshold 2 lies below 1",
    ),
    "a threshold too few": (
        with_body(TABLE, {}, spikes=3),
        "lif: 3 spikes must have as many thresholds, not 2",
    ),
    "boundaries in disorder": (
        with_neurons(TABLE, u_boundaries=EDGES[:, ::-1]),
        "lif: the boundaries of u must increase",
    ),
    "rest moved": (
        with_neurons(TABLE, u_levels=LEVELS + 1),
        "lif: the level of the rest code of u must be 0",
    ),
    "a level in another bin": (
        with_neurons(TABLE, u_levels=on_channel(LEVELS, (1, 4), 30)),
        "lif: every level of u must lie inside its own bin",
    ),
    "a top too high": (with_neurons(UNIFORM, u_high=[32] * 4), r"lif: the top code of u must be in 0\.\.31"),
    "a top below rest": (
        with_neurons(UNIFORM, u_high=[-1] * 4),
        r"lif: the top code of u must be in 0\.\.31",
    ),
    "a top that fires": (
        with_neurons(UNIFORM, u_high=[20] * 4),
        "lif: every level stored after reset must lie below threshold",
    ),
    "a level that fires": (
        with_neurons(TABLE, u_levels=on_channel(LEVELS, (3, 7), 160)),
        "stored after reset must lie below threshold",
    ),
    "a threshold inside a bin": (
        with_neurons(BEFORE, theta=on_channel(BEFORE.parameters["theta"], 2, 159)),
        "threshold 1 of channel 2 is not",
    ),
    "a threshold inside a table's bin": (
        with_neurons(BEFORE_TABLE, theta=on_channel(BEFORE_TABLE.parameters["theta"], 3, 161)),
        "threshold 1 of channel 3 is not",
    ),
    "a threshold out of reach": (
        with_neurons(BEFORE, theta=[8 * 48 - 4] * 4),
        "threshold 1 of channel 0 is not",
    ),
    # bodies
    "an empty body": (
        with_body(TABLE, {}, instructions=()),
        r"lif: a body must have 1\.\.1024 instructions, not 0",
    ),
    "a long body": (with_more(TABLE, *[Instruction("current")] * 1000), "instructions, not 10"),
    "no spikes": (with_body(TABLE, {}, spikes=0), r"lif: spikes must be in 1\.\.15, not 0"),
    "no states": (with_body(TABLE, {}, states=()), "lif: states must differ"),
    "a state twice": (with_body(TABLE, {}, states=TABLE.body.states * 2), "lif: states must differ"),
    "an unknown op": (with_body(TABLE, {("sub", None): {"op": "xor"}}), "= xor is not in the op table"),
    "a later value": (with_body(TABLE, {("sub", None): {"args": (0, OF_BODY)}}), "must read earlier values"),
    "a negative value": (with_body(TABLE, {("sub", None): {"args": (-1, 0)}}), "must read earlier values"),
    "half a constant": (
        with_body(ZERO, {("constant", None): {"immediate": 0.5}}),
        "must hold an integer of 40 bits, not 0.5",
    ),
    "an endless constant": (
        with_body(ZERO, {("constant", None): {"immediate": float("inf")}}),
        "an integer of 40 bits, not inf",
    ),
    "a constant that is none": (
        with_body(ZERO, {("constant", None): {"immediate": float("nan")}}),
        "40 bits, not nan",
    ),
    "a large constant": (
        with_body(ZERO, {("constant", None): {"immediate": 1 << 40}}),
        "must hold an integer of 40 bits",
    ),
    "a real op": (with_more(TABLE, Instruction("div", (0, 0))), "= div does not exist on integers"),
    "an argument too few": (with_body(TABLE, {("sub", None): {"args": (0,)}}), "= sub has 1 arguments"),
    "a lookup of one": (with_body(TABLE, {("lookup", None): {"args": (5,)}}), "= lookup has 1 arguments"),
    "a backward leaf": (with_more(TABLE, Instruction("adjoint")), "= adjoint exists only in backward bodies"),
    "a leaf with arguments": (
        with_body(TABLE, {("prev", None): {"args": (0,)}}),
        "= prev is a leaf and has no arguments",
    ),
    "an unknown state": (with_body(TABLE, {("state", "u"): {"name": "v"}}), "must name one of the states"),
    "a parameter's name": (
        with_body(TABLE, {("parameter", "bias"): {"name": "b[0]"}}),
        r"must name a parameter, not 'b\[0\]'",
    ),
    "a lookup by value": (
        with_body(TABLE, {("lookup", None): {"args": (6, 13)}}),
        "must be indexed by a stored code",
    ),
    "a lookup's row": (
        with_body(TABLE, {("lookup", None): {"args": (5, 6, 13)}}),
        "must take its row from the last output",
    ),
    "a decoded value": (
        with_body(TABLE, {("decode", "u"): {"args": (0,)}}),
        "must decode a code of its own state",
    ),
    "a shift by a value": (
        with_body(UNIFORM, {("shr", None): {"args": (0, 0)}}),
        "must shift by a constant or a shift parameter",
    ),
    "a shift by a threshold": (
        with_more(UNIFORM, Instruction("shl", (0, at(UNIFORM.body, "parameter", "theta")))),
        "must shift by a constant",
    ),
    "a shift too far": (
        with_more(
            UNIFORM,
            Instruction("constant", immediate=32),
            Instruction("shl", (0, len(UNIFORM.body.instructions))),
        ),
        "must shift by a constant",
    ),
    "a wrap by values": (with_more(ZERO, Instruction("wrap", (0, 0, 0))), "must have constant bounds"),
    "a wrap of no bits": (
        with_more(ZERO, Instruction("wrap", (0, at(ZERO.body, "constant"), at(ZERO.body, "constant")))),
        r"must wrap at 1\.\.62 bits",
    ),
    "firing from nothing": (
        with_body(TABLE, {("ge", "u"): {"name": "v"}}),
        "must fire from one of the states",
    ),
    "another comparison": (with_body(TABLE, {}, strict=True), "must compare as the body says"),
    "firing against a bias": (
        with_body(TABLE, {("ge", "u"): {"args": (15, at(TABLE.body, "parameter", "bias"))}}),
        "must compare with a threshold",
    ),
    "a table as a number": (
        with_body(TABLE, {("parameter", "bias"): {"name": "u.levels"}}),
        "must use u.levels as before",
    ),
    "a store too few": (with_body(TABLE, {}, stores=()), "lif: every state must be stored and read"),
    "a membrane nowhere": (
        with_body(TABLE, {}, membranes=(OF_BODY,)),
        "lif: every state must be stored and read",
    ),
    "a state read from the current": (
        with_body(TABLE, {}, reads=(4,)),
        "must be read from stored codes alone",
    ),
    "a state read from nowhere": (
        with_body(TABLE, {}, reads=(8,)),
        "what state u was must be read by decoding",
    ),
    "a store without a codec": (
        with_body(TABLE, {}, stores=(4,)),
        "lif: state u must store an encoded value",
    ),
    "an output nowhere": (with_body(TABLE, {}, spike=OF_BODY), "lif: the output must be an instruction"),
    "nothing fires": (
        with_body(BEFORE_TABLE, {("ge", "u"): {"name": ""}}),
        "lif: a neuron must compare a state with theta",
    ),
    "firing before it is stored": (
        with_body(
            BEFORE_TABLE,
            {
                ("ge", "u"): {
                    "args": (at(BEFORE_TABLE.body, "add"), at(BEFORE_TABLE.body, "parameter", "theta"))
                }
            },
        ),
        "lif: state u must fire from what was stored, before its reset",
    ),
    "a threshold that falls": (
        with_body(
            RAISED,
            {},
            states=(
                RAISED.body.states[0],
                replace(RAISED.body.states[1], codec=Uniform(6, -9, stores="before reset")),
            ),
        ),
        "less a state just stored that is never negative",
    ),
    "a reset that is not done": (
        with_body(TABLE, {}, reset="zero"),
        "lif: state u must be stored after its zero reset",
    ),
    "no reset after reset": (
        with_body(TABLE, {}, reset="none"),
        "lif: state u must be stored after its none reset",
    ),
    "another amount": (
        with_body(TABLE, {22: {"args": (at(TABLE.body, "parameter", "theta"), 21)}}),
        "must be stored after its subtract reset",
    ),
    "a reset of another value": (
        with_body(TABLE, {23: {"args": (10, 22)}}),
        "must be stored after its subtract reset",
    ),
    "a reset to the threshold": (
        with_body(ZERO, {23: {"args": (22, at(ZERO.body, "parameter", "theta"), 18)}}),
        "must be stored after its zero reset",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named(name: str):
    make, message = BROKEN[name]
    with pytest.raises(BadProgram, match=message):
        make()


def test_every_rule_is_broken_once(monkeypatch: pytest.MonkeyPatch):
    """A rule without a test would show here by its line."""
    failed: set[tuple[str, int]] = set()

    def must(condition: object, message: str) -> None:
        if not condition:
            frame = sys._getframe(1)
            failed.add((frame.f_globals["__name__"], frame.f_lineno))
            raise BadProgram(message)

    written: set[tuple[str, int]] = set()
    for rules in (check, check_neuron):
        monkeypatch.setattr(rules, "must", must)
        calls = [n for n in ast.walk(ast.parse(inspect.getsource(rules))) if isinstance(n, ast.Call)]
        lines = [n.lineno for n in calls if isinstance(n.func, ast.Name) and n.func.id == "must"]
        written |= {(rules.__name__, line) for line in lines}
    for make, _ in BROKEN.values():
        with pytest.raises(BadProgram):
            make()
    assert failed == written


def test_real_numbers_do_not_enter():
    with pytest.raises(BadProgram, match="must be integers, not float64"):
        frozen([1.0])
    with pytest.raises(ValueError, match="read-only"):
        frozen([1])[0] = 2


# --- what is legal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "base",
    [TABLE, UNIFORM, ZERO, BEFORE, BEFORE_TABLE],
    ids=["table", "uniform", "zero", "before", "before table"],
)
def test_the_program_is_legal_before_it_is_broken(base: Neuron):
    made = program(base)
    assert dict(made.shapes) == {
        "x": (2, 4, 4), "conv": (4, 4, 4), "pool": (4, 2, 2), "lif": (4, 2, 2), "fc": (3,), "back": (3,),
        "both": (3,), "sum": (3,), "out": (3,),
    }  # fmt: skip
    assert made["lif"] is base
    with pytest.raises(BadProgram, match="there is no node 'liff'; did you mean 'lif'"):
        made["liff"]


def recurrent(path: Any, *others: Any) -> Program:
    """Neurons that read their own spikes through `path`, named back."""
    lif = neurons(LIF(), Form(Table(3, 2), Carry()), 4, source="total", fractions=AFTER)
    image = Conv("first", Edge("x"), weights(4, 2, 1, 1))
    total = Join("total", (Edge("back"), Edge("first")))
    return Program((Input("x", (2, 3, 3)), image, path, *others, total, lif, Readout("out", Edge("lif"))))


def test_recurrence_through_a_convolution_has_the_shape_of_the_sum():
    made = recurrent(Conv("back", Edge("lif", 1), weights(4, 4, 3, 3), padding=(1, 1)))
    assert made.shapes["back"] == made.shapes["lif"] == (4, 3, 3)


def test_recurrence_through_a_pool_too():
    made = recurrent(Pool("back", Edge("lif", 1), "max", (1, 1), (1, 1)))
    assert made.shapes["back"] == (4, 3, 3)


def test_recurrence_of_another_shape_is_refused():
    with pytest.raises(BadProgram, match="total: joined shapes must be equal"):
        recurrent(Conv("back", Edge("lif", 1), weights(4, 4, 3, 3)))


def test_recurrence_through_a_dense_layer_knows_its_own_shape():
    lif = neurons(LIF(), Form(Table(3, 2), Carry()), 4, source="total", fractions=AFTER)
    back = Dense("back", Edge("lif", 2), weights(4, 4))
    nodes = Input("x", (4,)), back, Join("total", (Edge("back"), Edge("x"))), lif, Readout("out", Edge("lif"))
    assert Program(nodes).shapes["lif"] == (4,)
    wrong = replace(back, weight=weights(4, 5))
    with pytest.raises(BadProgram, match=r"back: weight .* must have as many columns as its input"):
        Program(tuple(wrong if n is back else n for n in nodes))
    wide = replace(back, weight=weights(5, 4))
    with pytest.raises(BadProgram, match="total: joined shapes must be equal"):
        Program(tuple(wide if n is back else n for n in nodes))


def test_a_loop_of_nothing_but_dense_layers_has_shapes():
    """No sum of it is bounded (ranges refuse it), but its shapes are no question."""
    a, b = Dense("a", Edge("b", 1), weights(3, 2)), Dense("b", Edge("a"), weights(2, 3))
    made = Program((Input("x", (1,)), a, b, Readout("out", Edge("x"))))
    assert (made.shapes["a"], made.shapes["b"]) == ((3,), (2,))
