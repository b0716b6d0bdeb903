"""Every row of the op table, exhaustively at small widths, in every form it has; and fixed.py, its foundation."""

from __future__ import annotations

import ctypes
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intspike import fixed, native
from intspike.neuron import IF, LIF
from intspike.ops import (
    OPS,
    Body,
    Carry,
    Dyadic,
    FastSigmoid,
    Form,
    Instruction,
    Shift,
    ShiftedArctan,
    State,
    Table,
    Triangle,
    Uniform,
    backward,
    step_many,
    step_one,
    trace,
)
from intspike.ops.c import helpers, render
from intspike.ops.codec import Codec
from intspike.ops.table import LEAVES

X, Y, N = range(-17, 18), range(-9, 10), range(6)

# What each op means, said once more: with true division, sets and conditionals.
MEANING: dict[str, tuple[Callable[..., int], Sequence[Sequence[int]]]] = {
    "add": (lambda x, y: x - -y, (X, Y)),
    "sub": (lambda x, y: x + -y, (X, Y)),
    "mul": (lambda x, y: sum([x] * abs(y)) * (1 if y > 0 else -1), (X, Y)),
    "shl": (lambda x, n: int(Fraction(x) / Fraction(1, 2**n)), (X, N)),
    "shr": (lambda x, n: floor(Fraction(x, 2**n)), (X, N)),
    "min": (lambda x, y: sorted([x, y])[0], (X, Y)),
    "max": (lambda x, y: sorted([x, y])[1], (X, Y)),
    "ge": (lambda x, y: 0 if x < y else 1, (X, Y)),
    "gt": (lambda x, y: 0 if x <= y else 1, (X, Y)),
    "select": (lambda c, x, y: [y, x][c], ((0, 1), Y, Y)),
    "wrap": (
        lambda x, low, bits: next(v for v in range(low, low + 2**bits) if (v - x) % 2**bits == 0),
        (X, range(-9, 3), range(1, 5)),
    ),
    "cut": (lambda x: x, (X,)),
}
READ_TABLES = {"encode", "decode", "lookup"}
BACKWARD_ONLY = {name for name, op in OPS.items() if not op.integer}


def body_of(instructions: Sequence[Instruction], codec: Codec | None = None, spikes: int = 1) -> Body:
    """A body whose output is the last of the instructions."""
    states = (State("u", codec),) if codec else ()
    last = len(instructions) - 1
    return Body(
        tuple(instructions),
        states,
        (last,) * len(states),
        (last,) * len(states),
        (0,) * len(states),
        last,
        spikes,
    )


def op_body(op: str, arguments: Sequence[int]) -> Body:
    """One op of the current and of parameters; what a wrap is bounded by must be constants."""
    leaves = [Instruction("current")]
    for j, a in enumerate(arguments[1:], 1):
        leaves.append(
            Instruction("constant", immediate=a) if op == "wrap" else Instruction("parameter", name=f"p{j}")
        )
    return body_of([*leaves, Instruction(op, tuple(range(len(leaves))))])


# --- completeness --------------------------------------------------------------------------------------------


def test_every_op_is_tested_here():
    assert set(OPS) == set(MEANING) | READ_TABLES | BACKWARD_ONLY


@pytest.mark.parametrize("name", OPS)
def test_a_row_has_every_column_that_applies(name: str):
    op = OPS[name]
    assert op.name == name
    assert name not in LEAVES
    assert op.doc
    assert op.cost
    assert op.integer or op.real
    fields = [f for _, f, _, _ in string.Formatter().parse(op.c) if f is not None]
    plain = name in MEANING
    assert all(bool(column) == plain for column in (op.meaning, op.vector, op.interval)), (
        "meaning, vector, interval"
    )
    # `table` and the calls of helpers are completed by the renderer
    assert fields == ["table"] if name in READ_TABLES else {int(f) for f in fields} == set(range(op.arity))
    assert (op.gradient is None) == (name == "cut" or name in BACKWARD_ONLY)
    assert (op.arity < 0) == (name == "lookup")


def bodies() -> list[Body]:
    """Bodies of every neuron in forms that use every op there is."""
    forms = [
        Form(Table(2, 1), Carry()),
        Form(Uniform(4, -8, stores="before reset"), Shift(), blocked="ends"),
        Form(Uniform(4, -8, overflow="wrap"), Dyadic()),
        Form(None),
    ]
    neurons = [
        cls(reset=reset, compare=compare, spikes=2, refractory=r, surrogate=s)
        for cls in (IF, LIF)
        for reset, compare, r, s in [
            ("subtract", ">=", 0, ShiftedArctan()),
            ("zero", ">", 2, FastSigmoid()),
            ("subtract", ">", 1, Triangle()),
        ]
    ]
    return [trace(n, f) for n in neurons for f in forms]


def test_bodies_hold_nothing_that_the_table_lacks():
    used = {i.op for b in bodies() for i in (*b.instructions, *backward(b).instructions)}
    assert used <= set(OPS) | set(LEAVES)
    assert set(OPS) - used == {"wrap", "min", "shl"}  # for other neurons; no body of ours needs these
    assert set(LEAVES) == used - set(OPS)
    assert all(LEAVES.values())


# --- meaning -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MEANING)
def test_meaning_vector_and_interpreters_agree_exhaustively(name: str):
    means, ranges = MEANING[name]
    op = OPS[name]
    assert op.meaning is not None
    assert op.vector is not None
    every = list(product(*ranges))
    expected = [means(*a) for a in every]
    assert [op.meaning(*a) for a in every] == expected
    assert all(type(op.meaning(*a)) is int for a in every)
    arrays = [np.array(column, np.int64) for column in zip(*every, strict=True)]
    assert op.vector(*arrays).tolist() == expected
    assert op.vector(*arrays).dtype == np.int64
    one = [
        step_one(op_body(name, a), a[0], {}, 0, {f"p{j}": v for j, v in enumerate(a)}).spike for a in every
    ]
    assert one == expected
    if name != "wrap":
        channel, body = np.arange(len(every)), op_body(name, every[0])
        many = step_many(body, arrays[0], {}, arrays[0], {f"p{j}": v for j, v in enumerate(arrays)}, channel)
        assert many.spike.tolist() == expected


@pytest.mark.parametrize("name", MEANING)
def test_meaning_is_exact_beyond_64_bits(name: str):
    """The oracle's integers are unbounded: nothing may turn them into a machine's."""
    means, _ = MEANING[name]
    big = (1 << 70) + 1
    arguments = {
        "shl": (big, 3),
        "shr": (-big, 3),
        "select": (1, big, 0),
        "cut": (big,),
        "mul": (big, 3),
    }.get(name)
    if name == "wrap":
        assert OPS[name].meaning(big, -4, 3) == 1
    else:
        arguments = arguments or (big, 5)
        assert OPS[name].meaning(*arguments) == means(*arguments)


SMALL = range(-3, 4)


def intervals_of(values: Sequence[int]) -> list[tuple[int, int]]:
    return [(a, b) for a in values for b in values if a <= b]


@pytest.mark.parametrize("name", MEANING)
def test_interval_rules_are_attained_exhaustively(name: str):
    means, _ = MEANING[name]
    ranges = {"select": [(0, 1), range(-2, 3), range(-2, 3)], "cut": [SMALL]}
    ranges |= {"shl": [SMALL, range(4)], "shr": [SMALL, range(4)]}
    ranges["wrap"] = [SMALL, (-4, -2, 0), (1, 2, 3)]
    of = ranges.get(name, [SMALL, SMALL])
    boxes = list(product(*map(intervals_of, of)))
    if name == "wrap":
        boxes = [b for b in boxes if all(lo == hi for lo, hi in b[1:])]  # bounds of a wrap are constants
    arrays = [
        tuple(np.array(side) for side in zip(*column, strict=True)) for column in zip(*boxes, strict=True)
    ]
    low, high = OPS[name].interval(*arrays)
    low, high = np.broadcast_to(low, len(boxes)).tolist(), np.broadcast_to(high, len(boxes)).tolist()
    for box, lo, hi in zip(boxes, low, high, strict=True):
        reached = [means(*a) for a in product(*(range(p, q + 1) for p, q in box))]
        if name == "wrap":
            assert lo <= min(reached) <= max(reached) <= hi
        else:
            assert (lo, hi) == (min(reached), max(reached)), box


# --- tables --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """A body that reads tables, and its output at every x: its current, or (`state`) its stored code."""

    body: Body
    parameters: dict[str, Any]
    xs: list[int]
    expected: list[int]
    state: bool = False
    prev: int = 0


ENCODE = [Instruction("current"), Instruction("encode", (0,), "u")]
DECODE = [Instruction("state", name="u"), Instruction("decode", (0,), "u")]


def around(values: Sequence[int]) -> list[int]:
    return sorted({v + d for v in values for d in (-2, -1, 0, 1, 2)} | set(range(-40, 41)))


def tables(bits: int) -> Iterator[Judged]:
    """A table counts boundaries and names levels; edges in a row and far apart, so every width of them occurs."""
    draw, codec = np.random.default_rng(bits), Table(bits, 0)
    for span in (1, 3, 1 << 9, 1 << 20, 1 << 33):
        edges = np.cumsum(draw.integers(1, span, 2**bits - 1, endpoint=True)) - draw.integers(
            0, 2**bits * span
        )
        edges = edges.tolist()
        levels = [edges[0] - span, *edges]
        xs = around(edges)
        p = {"u.boundaries": edges, "u.levels": levels}
        yield Judged(body_of(ENCODE, codec), p, xs, [len([e for e in edges if e <= x]) for x in xs])
        yield Judged(body_of(DECODE, codec), p, list(range(2**bits)), levels, state=True)


def uniforms(bits: int) -> Iterator[Judged]:
    """A uniform code is a rounded shift that saturates (perhaps at a channel's own top) or wraps."""
    kinds = product(
        ("saturate", "wrap"), ("after reset", "before reset"), {0, 1 - 2**bits, -(2 ** (bits - 1))}
    )
    for (overflow, stores, low), shift in product(kinds, (0, 1, 2, 4, 30, 31)):
        codec = Uniform(bits, low, overflow, stores)
        near = [k << max(shift - 1, 0) for k in range(2 * low - 2, 2 * codec.high + 3)]
        near = [x for x in near if abs(x) < 1 << 30] if shift == 31 else near  # the largest step, in 32 bits
        xs = around(near)
        rounded = [floor(Fraction(x, 2**shift) + Fraction(1, 2)) for x in xs]
        for high in range(codec.high + 1) if codec.has_top else [codec.high]:
            expected = [sorted([low, r, high])[1] for r in rounded]
            if overflow == "wrap":
                expected = [(r - low) % 2**bits + low for r in rounded]
            yield Judged(body_of(ENCODE, codec), {"u.shift": shift, "u.high": high}, xs, expected)
        codes = list(range(low, codec.high + 1))
        yield Judged(
            body_of(DECODE, codec), {"u.shift": shift}, codes, [c * 2**shift for c in codes], state=True
        )


def lookups() -> Iterator[Judged]:
    """A lookup takes the row of the last output and the entry of the code."""
    leaves = [Instruction("state", name="u"), Instruction("prev")]
    for codec, rows in product((Table(3, 2), Uniform(3, -5)), (1, 3)):
        table = (np.arange(8 * rows).reshape(rows, 8) * 1000 - 5000).tolist()
        body = body_of(
            [*leaves, Instruction("lookup", (0, 1, 0) if rows > 1 else (0, 0), "carry")], codec, spikes=2
        )
        codes = list(range(codec.low, codec.high + 1))
        for s in range(rows):
            yield Judged(
                body, {"carry": table if rows > 1 else table[0]}, codes, table[s], state=True, prev=s
            )


def judged() -> list[Judged]:
    made = [j for bits in range(1, 9) for j in tables(bits)]
    return [*made, *(j for bits in (1, 2, 3) for j in uniforms(bits)), *lookups()]


def test_what_reads_tables_is_the_same_as_a_definition_and_on_arrays():
    for j in [*judged(), *uniforms(5)]:
        code = [{"u": x if j.state else 0} for x in j.xs]
        one = [step_one(j.body, x, c, j.prev, j.parameters).spike for x, c in zip(j.xs, code, strict=True)]
        assert one == j.expected
        row = {n: np.array(v)[None] for n, v in j.parameters.items()}
        x, zero = np.array(j.xs)[:, None], np.zeros((len(j.xs), 1), np.int64)
        many = step_many(j.body, x, {"u": x if j.state else zero}, zero + j.prev, row, np.array([0]))
        assert many.spike[:, 0].tolist() == j.expected


# --- C -------------------------------------------------------------------------------------------------------

NARROW, WIDE = (1 << 31) - 1, 1 << 62


class Text:
    """One C file of functions, each of which writes a body's output at every point."""

    def __init__(self, wide: bool):
        self.wide = wide
        self.searches: dict[str, str] = {}
        self.functions: list[str] = []
        self.expected: list[list[int]] = []

    def add(
        self, body: Body, leaves: Sequence[Sequence[int]], parameters: dict[str, Any], expected: list[int]
    ) -> None:
        """Values of the first instructions at every point are in `leaves`."""
        k, last = len(self.functions), len(body.instructions) - 1
        text = [self._array(f"in{k}_{j}", values) for j, values in enumerate(leaves)]
        text += [self._array(f"t{k}_{j}", np.ravel(v).tolist()) for j, v in enumerate(parameters.values())]
        names = {p: f"t{k}_{j}" for j, p in enumerate(parameters)}
        inputs = {i: f"in{k}_{j}[n]" for j, i in enumerate(body.instructions[: len(leaves)])}

        every = [*(x for values in leaves for x in values), *expected]
        most = max(map(abs, every))
        most = WIDE if self.wide or most > NARROW else most

        def leaf(i: Instruction) -> str:
            if i in inputs:
                return f"({'int32_t' if most <= NARROW else 'int64_t'}){inputs[i]}"
            return f"{names[i.name]}[0]" if i.name in names else str(i.immediate)

        bounds = dict.fromkeys(range(last + 1), (np.array([-most]), np.array([most])))
        types = dict.fromkeys(names, "int64_t")
        lines = render(body, range(last + 1), bounds, types, leaf, lambda p: names[p], self.searches)
        text.append(f"void f{k}(int64_t *out)\n{{\n    for (int n = 0; n < {len(expected)}; n++) {{")
        text += [f"        {line}" for line in lines]
        text.append(f"        out[n] = v{last};\n    }}\n}}")
        self.functions.append("\n".join(text))
        self.expected.append(expected)

    @staticmethod
    def _array(name: str, values: Sequence[int]) -> str:
        return f"static const int64_t {name}[] = {{{', '.join(map(str, values))}}};"

    def check(self) -> None:
        cc = native.compiler()
        if cc is None:
            pytest.skip("no C compiler")
        source = "\n".join(["#include <stdint.h>", helpers(), *self.searches.values(), *self.functions])
        library = native.load(source, cc, ("-std=c99", "-O1", "-fPIC", "-shared"))
        for k, values in enumerate(self.expected):
            out = np.zeros(len(values), np.int64)
            library[f"f{k}"](ctypes.c_void_p(out.ctypes.data))
            assert out.tolist() == values, self.functions[k]


widths = pytest.mark.parametrize("wide", [False, True], ids=["32 bits where they do", "64 bits"])


@widths
def test_c_says_the_same_exhaustively(wide: bool):
    text = Text(wide)
    for name, (means, ranges) in MEANING.items():
        groups: dict[Any, list[Any]] = {}
        for a in product(*ranges):  # the bounds of a wrap are in the text
            groups.setdefault(a[1:] if name == "wrap" else (), []).append(a)
        for points in groups.values():
            columns = [list(c) for c in zip(*points, strict=True)]
            leaves = columns[:1] if name == "wrap" else columns
            text.add(op_body(name, points[0]), leaves, {}, [means(*a) for a in points])
    text.check()


@widths
def test_c_reads_tables_the_same(wide: bool):
    text = Text(wide)
    for j in judged():
        text.add(
            j.body, [j.xs, [j.prev] * len(j.xs)][: len(j.body.instructions) - 1], j.parameters, j.expected
        )
    text.check()


# --- fixed.py ------------------------------------------------------------------------------------------------


def test_shifts_and_roundings_exhaustively():
    for x, n in product(range(-70, 71), range(7)):
        assert fixed.shift_left(x, n) == x * 2**n
        assert fixed.shift_right(x, n) == floor(Fraction(x, 2**n))
        assert fixed.half_up_shift(x, n) == floor(Fraction(x, 2**n) + Fraction(1, 2))
        for f in (fixed.shift_left, fixed.shift_right, fixed.half_up_shift):
            for shift in (np.int64(n), np.array([n])):
                assert np.all(f(np.array([x]), shift) == f(x, n))


def test_roundings_commute_with_adding_integers():
    """Why only floor and half up are offered: events may then be added in any order, in place."""
    for x, n, k in product(range(-33, 34), range(5), range(-3, 4)):
        assert fixed.shift_right(x + k * 2**n, n) == fixed.shift_right(x, n) + k
        assert fixed.half_up_shift(x + k * 2**n, n) == fixed.half_up_shift(x, n) + k


def test_saturate_and_wrap_exhaustively():
    for low, high in ((a, b) for a in range(-5, 6) for b in range(a, 6)):
        for x in range(-30, 31):
            assert fixed.saturate(x, low, high) == sorted([low, x, high])[1]
            assert fixed.saturate(np.array(x), low, high) == fixed.saturate(x, low, high)
    for low, bits, x in product(range(-9, 10), range(1, 5), range(-40, 41)):
        wrapped = fixed.wrap(x, low, bits)
        assert low <= wrapped < low + 2**bits
        assert (wrapped - x) % 2**bits == 0
        assert fixed.wrap(np.array(x), low, bits) == wrapped
        assert fixed.wrap(np.array(x), np.int64(low), np.int64(bits)) == wrapped


AWKWARD = [
    0.5, -0.5, 0.49999999999999994, -0.49999999999999994, 0.5000000000000001, -0.5000000000000001,
    1.5, 2.5, -1.5, -2.5, 1.4999999999999998, -1.4999999999999998, 2.0**52 + 0.5, -(2.0**52) - 0.5,
    2.0**52 - 0.5, 2.0**51 + 0.25, 4503599627370497.5, 2.0**53, 2.0**53 + 2, -(2.0**62), 1e-300, -1e-300, 0.0, -0.0,
]  # fmt: skip


@pytest.mark.parametrize("x", AWKWARD)
def test_half_up_of_awkward_numbers(x: float):
    expected = floor(Fraction(x) + Fraction(1, 2))
    assert fixed.half_up(x) == expected
    assert type(fixed.half_up(x)) is int
    assert fixed.half_up(np.array([x])).tolist() == [expected]
    assert fixed.half_up(np.array([x])).dtype == np.int64


@given(st.floats(-(2.0**62), 2.0**62))
def test_half_up_of_any_number(x: float):
    assert fixed.half_up(x) == floor(Fraction(x) + Fraction(1, 2))


def test_half_up_of_quarters():
    for k in range(-50, 51):
        assert fixed.half_up(k / 4) == floor(Fraction(k, 4) + Fraction(1, 2))
        assert fixed.half_up(np.float32(k / 4)) == floor(Fraction(k, 4) + Fraction(1, 2))
        assert fixed.half_up(k) == k


def test_widths_exhaustively():
    for low, high in ((a, b) for a in range(-40, 41) for b in range(a, 41)):
        bits, signed = fixed.bits_for(low, high)
        assert signed == (low < 0)
        widths = range(1, 9)
        if signed:
            fit = [n for n in widths if -(2 ** (n - 1)) <= low <= high < 2 ** (n - 1)]
        else:
            fit = [n for n in widths if high < 2**n]
        assert bits == fit[0]
