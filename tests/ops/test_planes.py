"""Bit planes against the definition: the text that C compiles is run here on Python's integers."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intspike.dynamics import IntegerNetwork
from intspike.errors import BadProgram
from intspike.ops import Body, Instruction, Uniform, intervals, step_many
from intspike.ops.codec import State
from intspike.ops.interpret import live
from intspike.ops.planes import ONES, ZERO, Logic, Number, constant, render, trimmed, width_of


def gate(a: int, b: int, c: int, table: int) -> int:
    """As network.c has it, one state after the other."""
    made = 0
    for k in range(max(a.bit_length(), b.bit_length(), c.bit_length(), 1) + 1):
        made |= (table >> (4 * (a >> k & 1) + 2 * (b >> k & 1) + (c >> k & 1)) & 1) << k
    return made


def planes_of(values: list[int], width: int) -> list[int]:
    """Of many numbers, one plane a bit."""
    return [sum((v >> k & 1) << n for n, v in enumerate(values)) for k in range(width)]


def values_of(planes: list[int], count: int) -> list[int]:
    """The numbers of planes in two's complement."""
    worth = [1 << k for k in range(len(planes) - 1)] + [-1 << (len(planes) - 1)]
    return [sum((p >> n & 1) * w for p, w in zip(planes, worth, strict=True)) for n in range(count)]


def run(logic: Logic, outputs: Number, count: int, **inputs: object) -> list[int]:
    """What the C of a circuit computes."""
    ones = (1 << count) - 1
    names = {"gate": gate, "ALL_ZEROS": 0, "ALL_ONES": ones, **inputs}
    lines, texts = logic.c(outputs)
    for line in lines:
        name, text = re.fullmatch(r"const plane (p\d+) = (.*);", line).groups()  # type: ignore[union-attr]
        names[name] = eval(text, {}, names) & ones
    return [eval(text, {}, names) & ones for text in texts]


@pytest.mark.parametrize("width", [1, 2, 3])
def test_arithmetic_of_all_pairs(width):
    numbers = range(-(1 << width) // 2, (1 << width) // 2)
    pairs = list(product(numbers, repeat=2))
    inputs = {"x": planes_of([a for a, _ in pairs], width), "y": planes_of([b for _, b in pairs], width)}
    logic = Logic()
    x, y = (tuple(logic.named(f"{name}[{k}]") for k in range(width)) for name in "xy")
    got = lambda number: values_of(run(logic, number, len(pairs), **inputs), len(pairs))  # noqa: E731
    assert got(logic.add(x, y)) == [a + b for a, b in pairs]
    assert got(logic.sub(x, y)) == [a - b for a, b in pairs]
    assert got((logic.at_least(x, y), ZERO)) == [int(a >= b) for a, b in pairs]
    assert got(logic.select(x[0], x, y)) == [a if a & 1 else b for a, b in pairs]
    assert got(logic.add(x, constant(5))) == [a + 5 for a, _ in pairs]


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [1, 2, 3])
def test_stored_is_the_code(bits, signed, overflow):
    values, logic = list(range(-20, 21)), Logic()
    codec = Uniform(bits, -(1 << bits) // 2 if signed else 0, overflow, "before reset")
    x = tuple(logic.named(f"x[{k}]") for k in range(6))
    code = values_of(run(logic, logic.stored(x, codec), len(values), x=planes_of(values, 6)), len(values))
    wrapped = [(v - codec.low) % (1 << bits) + codec.low for v in values]
    assert code == (wrapped if overflow == "wrap" else [min(max(v, codec.low), codec.high) for v in values])


@given(st.integers(-(1 << 40), 1 << 40), st.integers(0, 1 << 40))
def test_as_many_planes_as_a_range_needs(low, span):
    for value in (low, low + span):
        number = trimmed(constant(value) + constant(value)[-1:] * 50, low, low + span)
        assert sum(b << k for k, b in enumerate(number[:-1])) - (number[-1] << (len(number) - 1)) == value
        assert len(number) == width_of(low, low + span)


def test_constants_repetitions_and_inversions_take_no_gates():
    logic = Logic()
    a, b = logic.named("a"), logic.named("b")
    both = lambda x, y: x & y  # noqa: E731
    assert (logic.gate(both, a, ZERO), logic.gate(both, a, ONES)) == (ZERO, a)
    assert (logic.gate(both, a, a), logic.gate(both, a, a ^ 1)) == (a, ZERO)
    assert logic.gate(both, a, b) == logic.gate(both, b, a)
    assert logic.gate(lambda x, y: 1 - (x & y), a, b) == logic.gate(both, a, b) ^ 1
    assert logic.gate(lambda x, y, z: x ^ y ^ z, a, b, a) == b


@given(
    st.sampled_from([None, 0, 1, 3]), st.sampled_from(["none", "zero", "subtract"]), st.booleans(),
    st.sampled_from(["saturate", "wrap"]), st.integers(2, 5), st.data(),
)  # fmt: skip
def test_a_timestep_is_the_definition(leak, reset, signed, overflow, bits, data):
    """Every code and every current of a network's neuron, at a threshold that is read when it runs."""
    high = (1 << (bits - signed)) - 1
    net = IntegerNetwork([[1]], data.draw(st.integers(1, high + 1)), bits, overflow, reset, signed, leak)
    low_current, high_current = -data.draw(st.integers(0, 40)), data.draw(st.integers(0, 40))
    cases = list(product(range(net.low, net.high + 1), range(low_current, high_current + 1)))
    codes, currents = (np.array(c) for c in zip(*cases, strict=True))
    fired = (codes >= net.threshold[0]).astype(int)
    expected = step_many(net.body, currents, {"u": codes}, fired, net.parameters, np.zeros(len(cases), int))

    logic = Logic()
    named = lambda name, width: tuple(logic.named(f"{name}[{k}]") for k in range(width))  # noqa: E731
    code, current = named("code", bits), named("current", width_of(low_current, high_current))

    def leaf(i: Instruction) -> Number:
        match i.op:
            case "current":
                return current
            case "state":
                return code if signed else (*code, ZERO)
            case "prev":
                return (logic.named("fired"), ZERO)
            case "parameter" if i.name in ("theta", "reset"):
                return (*(logic.named(f"ALL_ZEROS + {i.name}[{k}]") for k in range(bits + 1)), ZERO)
            case _:
                return constant(int(net.parameters[i.name][0]) if i.op == "parameter" else int(i.immediate))

    bounds = intervals(net.body, net.parameters, np.array([low_current]), np.array([high_current]))
    order = [k for k in live(net.body, net.body.stores[0]) if k in bounds]
    made = render(logic, net.body, order, bounds, leaf)[net.body.stores[0]]
    words = {p: planes_of([int(a[0])] * len(cases), bits + 1) for p, a in net.parameters.items()}
    got = run(
        logic, made, len(cases), code=planes_of(codes.tolist(), bits), fired=planes_of(fired.tolist(), 1)[0],
        current=planes_of(currents.tolist(), len(current)), theta=words["theta"], reset=words.get("reset"),
    )  # fmt: skip
    assert values_of(got, len(cases)) == expected.codes["u"].tolist()


def test_what_has_no_planes_is_refused():
    codec = Uniform(4, -8, "saturate", "before reset")
    by = {
        "mul": "multiply by 0 or 1",
        "shr": "shift by a constant",
        "lookup": "add, compare, select or shift",
    }
    for op, message in by.items():
        body = Body(
            (Instruction("current"), Instruction("state", name="u"), Instruction(op, (0, 1))), (State("u", codec),),
            (2,), (2,), (1,), 0,
        )  # fmt: skip
        logic = Logic()
        x = tuple(logic.named(f"x[{k}]") for k in range(4))
        bounds = {k: (np.array([-8]), np.array([7])) for k in range(3)}
        with pytest.raises(BadProgram, match=message):
            render(logic, body, range(3), bounds, lambda i, x=x: x)
