"""Backward bodies in exact fractions: the worked example, and forward differentiation of every neuron."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.errors import BadProgram
from intspike.neuron import LIF
from intspike.neuron.base import Neuron
from intspike.ops import (
    OPS,
    Backward,
    Body,
    Carry,
    FastSigmoid,
    Form,
    Rectangle,
    ShiftedArctan,
    Table,
    Triangle,
    Uniform,
    backward,
    step_one,
    trace,
)
from intspike.ops.surrogate import EDGE
from intspike.ops.table import ENDS, SATURATED
from intspike.ops.trace import Tracer, Value
from strategies import Recipe, random_recipe

Step = Any  # what step_one returns

ARITHMETIC: dict[str, Any] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "min": min,
    "max": max,
    "abs": abs,
    "exp2": lambda x: Fraction(2) ** int(x),
    "ge": lambda x, y: Fraction(x >= y),
    "gt": lambda x, y: Fraction(x > y),
    "select": lambda c, x, y: x if c else y,
    "cut": lambda x: x,
}


@dataclass(frozen=True)
class Moment:
    """What is known after a timestep: nothing but what is stored, before and now."""

    old: Mapping[str, int]
    new: Mapping[str, int]
    prev: int
    spike: int


def decoded(body: Body, row: Mapping[str, Any], state: str, code: int) -> int:
    if isinstance(body.codec(state), Table):
        return row[f"{state}.levels"][code]
    return code * 2 ** row[f"{state}.shift"]


def run(body: Body, row: Mapping[str, Any], sums: Sequence[int]) -> list[Moment]:
    codes, prev, moments = {s.name: body.codec(s.name).rest for s in body.states}, 0, []
    for total in sums:
        step = step_one(body, total, codes, prev, row)
        moments.append(Moment(dict(codes), dict(step.codes), prev, step.spike))
        codes, prev = step.codes, step.spike
    return moments


def evaluate(
    steps: Backward, body: Body, row: Mapping[str, Any], m: Moment, adjoints: Mapping[str, Fraction]
) -> list[Fraction]:
    """Every value of a backward body, exactly."""
    values: list[Fraction] = []
    for i in steps.instructions:
        match i.op:
            case "level":
                v = decoded(body, row, i.name, (m.new if i.immediate else m.old)[i.name])
            case "code":
                v = m.new[i.name]
            case "spike":
                v = m.spike
            case "prev":
                v = m.prev
            case "parameter":
                v = row[i.name]
            case "constant":
                v = i.immediate
            case "adjoint":
                v = adjoints[i.name]
            case _:
                v = ARITHMETIC[i.op](*(values[a] for a in i.args))
        values.append(Fraction(v))
    return values


def back_in_time(
    body: Body, row: Mapping[str, Any], moments: Sequence[Moment], wanted: Sequence[Fraction]
) -> tuple[list[Fraction], dict[Any, Fraction]]:
    """Derivatives of the sum of wanted[t] * spikes[t]: by each S[t], by each parameter, by each level of a table."""
    steps = backward(body)
    adjoints = {s.name: Fraction(0) for s in body.states}
    currents: list[Fraction] = []
    parameters: dict[Any, Fraction] = {
        name: Fraction(0) for name, _ in steps.parameters if not name.endswith(".levels")
    }
    for m, w in zip(reversed(moments), reversed(wanted), strict=True):
        values = evaluate(steps, body, row, m, {**adjoints, "": w})
        adjoints = {s.name: values[k] for s, k in zip(body.states, steps.states, strict=True)}
        currents.insert(0, values[steps.current])
        for name, k in steps.parameters:
            state = name.removesuffix(".levels")
            key = (name, m.new[state]) if state != name else name  # the level of the code just stored
            parameters[key] = parameters.get(key, Fraction(0)) + values[k]
    return currents, parameters


# --- the worked example --------------------------------------------------------------------------------------

SUMS = [-5, 13, 13, 4, 9, 10]
AFTER = Table(3, 2, "after reset"), [-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95]
BEFORE = Table(3, 1, "before reset"), [-1 / 2, 0, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 5 / 2]
EXPECTED = {
    "after reset": ["387/256", "129/64", "151/80", "29/20", "7/5", "4/5"],
    "before reset": ["6417/4096", "2139/1024", "457/256", "67/64", "17/16", "3/4"],
}


def golden(codec: Table, fractions: list[float]) -> tuple[Body, dict[str, Any]]:
    r = Recipe(LIF(surrogate=Triangle()), Form(codec, Carry()), [8], [3], [160], [0.75], fractions)
    row = {name: a[0].tolist() for name, a in r.constants().items()}
    return trace(r.neuron, r.form), {**row, "beta": Fraction(3, 4)}


@pytest.mark.parametrize(("codec", "fractions"), [AFTER, BEFORE], ids=["after", "before"])
def test_the_worked_example(codec: Table, fractions: list[float]):
    body, row = golden(codec, fractions)
    g = [Fraction(x) for x in EXPECTED[codec.stores]]
    moments = run(body, row, SUMS)
    currents, parameters = back_in_time(body, row, moments, [Fraction(1)] * len(SUMS))
    assert currents == [8 * x / 160 for x in g]
    assert parameters["bias"] == sum(x / 160 for x in g)  # the bias is added to the current


@pytest.mark.parametrize(("codec", "fractions"), [AFTER, BEFORE], ids=["after", "before"])
def test_what_the_backward_reads_is_stored(codec: Table, fractions: list[float]):
    """The state code is the neuron's whole memory: neither the current nor the sum is among the leaves."""
    body, _ = golden(codec, fractions)
    leaves = {i.op for i in backward(body).instructions} - set(OPS)
    assert leaves <= {"level", "code", "spike", "prev", "parameter", "constant", "adjoint"}


# --- every neuron against forward differentiation -------------------------------------------------------------


def slope(surrogate: Any, z: Fraction) -> Fraction:
    match surrogate:
        case Triangle():
            return max(Fraction(0), 1 - abs(z) * Fraction(surrogate.slope))
        case Rectangle():
            return (
                Fraction(surrogate.slope) / 2
                if -1 <= z * Fraction(surrogate.slope) + Fraction(EDGE) < 1
                else Fraction(0)
            )
        case FastSigmoid():
            return 1 / (1 + Fraction(surrogate.slope) * abs(z)) ** 2
        case _:
            return 1 / (1 + (Fraction(math.pi * surrogate.slope) * z) ** 2)


Tangent = dict[Any, Fraction]  # derivatives by each sum S[t] and each parameter


def scaled(t: Tangent, by: Any) -> Tangent:
    return {k: v * by for k, v in t.items()}


def plus(a: Tangent, b: Tangent) -> Tangent:
    return {k: a.get(k, Fraction(0)) + b.get(k, Fraction(0)) for k in a.keys() | b.keys()}


def forwards(body: Body, row: Mapping[str, Any], sums: Sequence[int], wanted: Sequence[Fraction]) -> Tangent:
    """The same derivatives, carried along from the leaves: straight-through codec and rounding, cut resets."""
    codes, prev = {s.name: body.codec(s.name).rest for s in body.states}, 0
    carried: dict[str, Tangent] = {s.name: {} for s in body.states}
    total: Tangent = {}
    for t, current in enumerate(sums):
        step = step_one(body, current, codes, prev, row)
        values, tangents = _forward_step(body, row, step, current, codes, prev, carried, t)
        total = plus(total, scaled(tangents[body.spike], wanted[t]))
        carried = {s.name: tangents[k] for s, k in zip(body.states, body.membranes, strict=True)}
        assert values[body.spike] == step.spike
        codes, prev = step.codes, step.spike
    return total


def _forward_step(
    body: Body, row: Mapping[str, Any], step: Step, current: int, codes: Any, prev: int, carried: Any, t: int
) -> tuple[list[int], list[Tangent]]:
    names = [s.name for s in body.states]
    leaves = {"current": lambda i: current, "state": lambda i: codes[i.name], "prev": lambda i: prev}
    leaves |= {"parameter": lambda i: row[i.name], "constant": lambda i: int(i.immediate)}
    v: list[int] = []
    d: list[Tangent] = []
    for k, i in enumerate(body.instructions):
        a, b = [v[j] for j in i.args], [d[j] for j in i.args]
        tangent: Tangent = {}
        match i.op:
            case "current":
                tangent = {t: Fraction(1)}
            case "parameter" if i.name not in ("gain", "leak.shift", "leak.multiplier"):
                tangent = {i.name: Fraction(1)}
            case "add":
                tangent = plus(b[0], b[1])
            case "sub":
                tangent = plus(b[0], scaled(b[1], -1))
            case "mul":
                tangent = plus(scaled(b[0], a[1]), scaled(b[1], a[0]))
            case "shr":
                tangent = scaled(b[0], Fraction(1, 2 ** a[1]))
            case "max":
                tangent = b[0] if a[0] >= a[1] else b[1]
            case "select":
                tangent = b[1] if a[0] else b[2]
            case "lookup":
                tangent = plus(scaled(b[-1], row["beta"]), {"beta": Fraction(a[-1])})
            case "encode":
                codec, code = body.codec(i.name), step.codes[i.name]
                ends = codec.low, row[f"{i.name}.high"] if codec.has_top else codec.high
                blocked = code in ends
                if i.immediate != ENDS:  # surely beyond the levels: below the lowest, or left by all spikes
                    left = codec.stores == "before reset" or step.spike == body.spikes
                    left = left and i.immediate == SATURATED
                    blocked = (code == ends[0] and code != codec.rest) or (code == ends[1] and left)
                    blocked = blocked and not codec.wraps
                tangent = {} if i.immediate and blocked else b[0]
            case "decode":
                own = (
                    {(f"{i.name}.levels", a[0]): Fraction(1)} if isinstance(body.codec(i.name), Table) else {}
                )
                tangent = plus(b[0], own)
            case "ge" | "gt" if i.name:
                z = Fraction(step.membranes[i.name] - a[1], row["theta"])
                moved = plus(plus(b[0], scaled(b[1], -1)), {"theta": -z})  # theta is also the width of z
                tangent = scaled(moved, slope(body.surrogate, z) / row["theta"])
        value = leaves[i.op](i) if i.op in leaves else _integer(body, row, i, a, step)
        v.append(value)
        d.append(carried[names[body.reads.index(k)]] if k in body.reads else tangent)
    return v, d


def _integer(body: Body, row: Mapping[str, Any], i: Any, a: list[int], step: Step) -> int:
    match i.op:
        case "encode":
            return step.codes[i.name]
        case "decode":
            return decoded(body, row, i.name, a[0])
        case "lookup":
            entry = a[0] - body.codec(body.instructions[i.args[0]].name).low
            return row["carry"][entry] if len(a) == 2 else row["carry"][a[1]][entry]
        case _:
            return OPS[i.op].meaning(*a)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([Triangle(), Triangle(0.5), FastSigmoid(2.0), ShiftedArctan(), Rectangle(0.5)]),
    st.sampled_from(["nothing", "ends", "saturated", "below"]),
)
def test_backward_is_the_transpose_of_forward_differentiation(seed: int, surrogate: Any, blocked: str):
    rng = random.Random(seed)
    # states beside the membrane are held against torch's own derivatives in tests/kernels
    plain = rng.choice(["LIF", "IF", "ILIF"])
    r = random_recipe(rng.choice, rng, 1, 3.0, {"extra": 0, "neuron": plain})
    r = replace(r, neuron=replace(r.neuron, surrogate=surrogate), form=replace(r.form, blocked=blocked))  # type: ignore[arg-type]
    body = trace(r.neuron, r.form)
    row: dict[str, Any] = {name: a[0].tolist() for name, a in r.constants().items()}
    row["beta"] = Fraction(r.beta[0]) if r.beta else None
    reach = max(1, 2 * r.theta[0] // abs(r.gain[0]))
    sums = [rng.randint(-reach // 2, reach) * (1 if r.gain[0] > 0 else -1) for _ in range(5)]
    wanted = [Fraction(rng.randint(-3, 3)) for _ in sums]
    currents, parameters = back_in_time(body, row, run(body, row, sums), wanted)
    expected = forwards(body, row, sums, wanted)
    assert currents == [expected.get(t, 0) for t in range(len(sums))]
    assert parameters == {name: expected.get(name, 0) for name in parameters}
    assert {k for k, x in expected.items() if x and not isinstance(k, int)} <= parameters.keys()


def test_blocked_ends_stop_the_gradient_at_the_top_that_a_channel_really_has():
    """Stored after reset, the top code of a uniform state is the channel's own, not that of its bits."""
    r = Recipe(
        LIF(surrogate=Triangle()), Form(Uniform(6, -32), blocked="ends"), [1], [0], [160], [0.75], shift=[4]
    )
    body, row = trace(r.neuron, r.form), {name: a[0].tolist() for name, a in r.constants().items()}
    assert row["u.high"] == 9
    row["beta"] = Fraction(3, 4)
    for current, code, passes in ((80, 5, True), (150, 9, False), (-512, -32, False), (-496, -31, True)):
        moments = run(body, row, [current, 20])
        assert moments[0].new["u"] == code
        currents, _ = back_in_time(body, row, moments[:1], [Fraction(0)])
        steps = backward(body)
        values = evaluate(steps, body, row, moments[0], {"u": Fraction(1), "": Fraction(0)})
        assert bool(values[steps.current]) == passes
        assert currents == [0]


# --- neurons that would need more memory than their codes ------------------------------------------------------


@dataclass(frozen=True)
class Gated(Neuron):
    """Its leak is gated by the current: what to do with the old membrane depends on something not stored."""

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        kept = ops.select(current > 0, ops.reset(state["u"], ops.prev()), 0)
        return ops.fire("u", kept + current)


@dataclass(frozen=True)
class Squared(Neuron):
    """The derivative of a product with the current is the current."""

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        return ops.fire("u", ops.reset(state["u"], ops.prev()) + current * current)


@dataclass(frozen=True)
class Rectified(Neuron):
    """Which side of a maximum takes the gradient depends on the current."""

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        return ops.fire("u", (ops.reset(state["u"], ops.prev()) + current).max(-40))


@pytest.mark.parametrize("neuron", [Gated(), Squared(), Rectified()], ids=lambda n: type(n).__name__)
def test_a_derivative_that_needs_the_unstored_current_is_refused_by_name(neuron: Neuron):
    for form in (Form(Table(3, 2)), Form(Uniform(8, -128, stores="before reset"))):
        body = trace(neuron, form)
        with pytest.raises(
            BadProgram, match="may read only codes, outputs and parameters, but needs %0 = current"
        ):
            backward(body)


@dataclass(frozen=True)
class Remembers(Neuron):
    """Stores what its gate reads, so the derivative is known from codes."""

    def states(self, form: Form) -> Any:
        from intspike.ops import State

        sign = None if form.codec is None else Uniform(8, -128, stores="before reset")
        return (*super().states(form), State("i", sign))

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        stored = ops.store("i", current)
        kept = ops.select(stored > 0, ops.reset(state["u"], ops.prev()), 0)
        return ops.fire("u", kept + stored)


def test_storing_it_is_the_repair():
    body = trace(Remembers(surrogate=Triangle()), Form(Table(3, 2)))
    made = {"gain": 1, "bias": 0, "theta": 160, "reset": 160, "i.shift": 1}
    made |= {
        "u.levels": [-120, -40, 0, 32, 64, 96, 128, 152],
        "u.boundaries": [-80, -20, 16, 48, 80, 112, 140],
    }
    assert set(body.parameters) == set(made)
    sums, wanted = [90, -30, 70, 120], [Fraction(1)] * 4
    currents, _ = back_in_time(body, made, run(body, made, sums), wanted)
    expected = forwards(body, made, sums, wanted)
    assert currents == [expected[t] for t in range(4)]
    assert all(x != 0 for x in currents)


def test_a_backward_body_can_be_printed():
    body, _ = golden(*AFTER)
    text = str(backward(body)).splitlines()
    assert text[0] == "%0 = adjoint"
    assert text[-2].startswith("theta <- %")
    assert text[-1].startswith("u.levels <- %")
    assert np.all(["%" in line for line in text])
