"""Range proofs of whole nodes against brute force: attained with free inputs, sound for every partial sum."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.engine.reference import Session
from intspike.errors import RangeExceeded
from intspike.ir import (
    Conv,
    Dense,
    Edge,
    Input,
    Integrator,
    Join,
    Node,
    Pool,
    Program,
    Readout,
    frozen,
    ranges,
)
from intspike.neuron import IF
from intspike.ops import Form, Instruction, Table
from strategies import Case, Recipe, neuron_steps, programs, random_inputs

LOW, HIGH = -2, 3
X = Edge("x")


def weights(*shape: int, seed: int = 0) -> Any:
    return frozen(np.random.default_rng(seed).integers(-3, 3, shape, endpoint=True))


def alone(n: Node, shape: tuple[int, ...], low: int = LOW, high: int = HIGH) -> Program:
    """A node that reads free inputs."""
    return Program((Input("x", shape, low, high), n, Readout("out", X, "last")))


def every_input(shape: tuple[int, ...], low: int = LOW, high: int = HIGH) -> Any:
    """All there are if they are few, else those at the two ends (sums and extremes are monotone in each)."""
    size = int(np.prod(shape))
    values = range(low, high + 1) if (high - low + 1) ** size <= 1 << 16 else (low, high)
    return np.array(list(product(values, repeat=size))).reshape(-1, *shape)


def attained(program: Program, name: str, shape: tuple[int, ...], timesteps: int = 1) -> tuple[int, int]:
    n = program.input
    x = every_input(shape, n.low, n.high)
    session = Session(program, len(x), timesteps)
    values = [session.step(x)[name].copy() for _ in range(timesteps)]
    return int(np.min(values)), int(np.max(values))


NODES: dict[str, tuple[Node, tuple[int, ...]]] = {
    "dense": (Dense("n", X, weights(4, 3)), (3,)),
    "dense of an image": (Dense("n", X, weights(4, 4)), (1, 2, 2)),
    "conv": (Conv("n", X, weights(2, 1, 2, 2)), (1, 2, 3)),
    "conv, padded": (Conv("n", X, weights(2, 1, 3, 3), padding=(1, 1)), (1, 2, 2)),
    "conv, all padding": (Conv("n", X, weights(1, 1, 1, 2), padding=(2, 3)), (1, 1, 2)),
    "conv, strided": (Conv("n", X, weights(2, 1, 2, 3), stride=(2, 1), padding=(0, 1)), (1, 3, 2)),
    "conv, grouped": (Conv("n", X, weights(4, 1, 1, 2), groups=2), (2, 1, 3)),
    "max": (Pool("n", X, "max", (2, 2), (1, 1)), (1, 2, 3)),
    "min and max": (Pool("n", X, "max", (1, 2), (1, 2), frozen([0, 1])), (2, 1, 2)),
    "sum": (Pool("n", X, "sum", (2, 2), (1, 1)), (1, 2, 3)),
    "or": (Pool("n", X, "or", (2, 1), (1, 1)), (1, 2, 2)),
    "shifted add of delayed": (Join("n", (X, Edge("x", 1), X), shifts=(0, 3, 1)), (2,)),
    "and": (Join("n", (X, Edge("x", 1)), "and"), (2,)),
    "iand": (Join("n", (Edge("x", 1), X), "iand"), (2,)),
}


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize(("low", "high"), [(LOW, HIGH), (0, 1), (0, 3), (2, 3), (-3, -1)])
def test_the_bounds_of_a_node_with_free_inputs_are_attained(name: str, low: int, high: int):
    n, shape = NODES[name]
    program = alone(n, shape, low, high)
    if name == "or" and (low, high) != (0, 1):
        with pytest.raises(
            RangeExceeded, match="n: an or pool must read spikes of 0 or 1, but its input could reach"
        ):
            ranges(program)
        return
    r = ranges(program)["n"]
    if isinstance(n, Join) and n.kind == "add":  # x is read twice, and is not free of itself
        x = every_input((1,), low, high).ravel().tolist()
        totals = [a + 8 * b + 2 * c for a, b, c in product(x, [*x, 0], x)]
        assert (r.low, r.high) == (min(totals), max(totals))
    elif isinstance(n, Join):
        assert (r.low, r.high) == (0, 1)
    else:
        assert (r.low, r.high) == attained(program, "n", shape)
    assert r.sum_low <= min(0 if isinstance(n, (Dense, Conv)) else r.low, r.low)
    assert r.sum_high >= r.high


def test_the_sum_bounds_every_partial_sum_in_any_order_and_is_attained():
    weight = weights(3, 4, seed=5)
    for low, high in ((LOW, HIGH), (1, 3), (-3, -1)):
        r = ranges(alone(Dense("n", X, weight), (4,), low, high))["n"]
        partial = [
            sum(w * v for w, v in chosen)
            for row in weight.tolist()
            for x in every_input((4,), low, high).tolist()
            for size in range(5)
            for chosen in combinations(list(zip(row, x, strict=True)), size)
        ]
        assert (r.sum_low, r.sum_high) == (min(partial), max(partial))


def test_the_sum_of_a_join_bounds_its_partial_sums():
    """a + b may leave the range of a + b + c; compiled code adds from the left."""
    nodes = [Input("x", (1,), 5, 10)]
    nodes.append(Dense("minus", X, frozen([[-1]])))
    join = Join("n", (X, X, Edge("minus")), shifts=(2, 0, 1))
    r = ranges(Program((*nodes, join, Readout("out", Edge("n")))))["n"]
    terms = [(20, 40), (5, 10), (-20, -10)]  # the ends of each shifted source
    chosen = [c for size in range(4) for c in combinations(terms, size)]
    partial = [sum(v) for c in chosen for v in product(*c)]
    assert (r.sum_low, r.sum_high) == (min(partial), max(partial))
    assert (r.sum_low, r.sum_high) == (-20, 50)
    assert (r.low, r.high) == (5, 40)


@pytest.mark.parametrize("timesteps", [1, 2, 5])
@pytest.mark.parametrize(("low", "high"), [(LOW, HIGH), (1, 3), (-3, -1)])
def test_what_runs_over_time_is_attained_in_the_longest_run(timesteps: int, low: int, high: int):
    sums = Program((Input("x", (1,), low, high), Integrator("n", X), Readout("out", Edge("n"), "last")))
    r = ranges(sums, timesteps)
    assert (r["n"].low, r["n"].high) == (min(low * timesteps, 0), max(high * timesteps, 0))
    seen = attained(sums, "n", (1,), timesteps)
    assert r["n"].low in (seen[0], 0)
    assert r["n"].high in (seen[1], 0)
    for kind in ("count", "last", "maximum"):
        made = Program((Input("x", (1,), low, high), Readout("out", X, kind)))
        r, seen = ranges(made, timesteps), attained(made, "out", (1,), timesteps)
        if kind == "count":
            assert (r["out"].low, r["out"].high) == (min(low * timesteps, 0), max(high * timesteps, 0))
            assert r["out"].low <= seen[0] <= seen[1] <= r["out"].high
        else:
            assert (r["out"].low, r["out"].high) == seen


def test_a_delayed_edge_starts_at_zero():
    made = Program(
        (Input("x", (1,), 2, 3), Dense("n", Edge("x", 4), frozen([[5]])), Readout("out", Edge("n")))
    )
    assert (ranges(made)["n"].low, ranges(made)["n"].high) == (0, 15)


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(0, 2**32 - 1), st.booleans())
def test_every_value_of_a_run_lies_within_its_range(case: Case, seed: int, static: bool):
    rng = random.Random(seed)
    x = random_inputs(rng, case.program, 8, 7, static)
    proved = ranges(case.program, 7)
    session = Session(case.program, 8, 7)
    assert neuron_steps(case.program, 8, 7) > 0
    for t in range(7):
        for name, value in session.step(x if static else x[t]).items():
            r = proved[name]
            assert r.sum_low <= r.low <= int(value.min()) <= int(value.max()) <= r.high <= r.sum_high
    longer = ranges(case.program, 70)
    assert all(longer[n].low <= r.low and r.high <= longer[n].high for n, r in proved.items())


def test_the_width_holds_the_sum_and_no_bit_more():
    for weight, high, bits in (
        ([[1]], 255, 8),
        ([[1]], 256, 9),
        ([[-1]], 128, 8),
        ([[-1]], 129, 9),
        ([[1, -1]], 127, 8),
    ):
        n = Dense("n", X, frozen(weight))
        assert ranges(alone(n, (len(weight[0]),), 0, high))["n"].bits == bits


# --- what must be refused ------------------------------------------------------------------------------------

BIG = frozen(np.full((1, 4), (1 << 31) - 1))
WIDE = Input("x", (1, 2, 2), -(1 << 31), (1 << 31) - 1)
LARGE = (WIDE, Dense("a", X, BIG[:, :4] // 4))  # reaches 2^62 / 2


def of(*nodes: Any, reads: str = "", kind: str = "last") -> Program:
    last = nodes[-1].name
    return Program((*nodes, Readout("out", Edge(reads or last), kind)))


REFUSED: dict[str, tuple[Any, str]] = {
    "a dense": (lambda: of(WIDE, Dense("n", X, BIG)), "n: a sum must fit 62 bits"),
    "a conv": (lambda: of(WIDE, Conv("n", X, BIG.reshape(1, 1, 2, 2))), "n: a sum must fit 62 bits"),
    "a chain": (
        lambda: of(*LARGE, Dense("b", Edge("a"), frozen([[4]]))),
        "b: a sum must fit 62 bits, but could reach",
    ),
    "a shift": (
        lambda: of(*LARGE, Join("n", (Edge("a"), Edge("a")), shifts=(31, 31))),
        "n: a sum must fit 62 bits",
    ),
    "a shift that wraps to nothing": (
        lambda: of(
            WIDE,
            Dense("a", X, frozen([[1 << 30] + [0] * 3])),
            Join("n", (Edge("a"), Edge("a")), shifts=(31, 31)),
        ),
        "n: a sum must fit 62 bits",
    ),
    "a sum over a window": (
        lambda: of(
            WIDE, Conv("a", X, frozen([[[[(1 << 31) - 1]]]])), Pool("n", Edge("a"), "sum", (2, 2), (1, 1))
        ),
        "n: a sum must fit 62 bits",
    ),
    "a count": (lambda: of(*LARGE, kind="count"), "out: a sum must fit 62 bits"),
    "an integrator": (
        lambda: of(WIDE, Integrator("n", X, 40)),
        "n: an integrator of 40 bits must hold 1024 timesteps, but needs 42",
    ),
    "an integrator of large sums": (
        lambda: of(*LARGE, Integrator("n", Edge("a"), 62)),
        "n: a sum must fit 62 bits",
    ),
    "a loop": (
        lambda: of(Input("x", (2,)), Dense("a", Edge("b", 1), weights(2, 2)), Join("b", (X, Edge("a")))),
        "a loop must pass through a neuron, or its sum grows for ever: a, b, out",
    ),
    "an integrator in a loop": (
        lambda: of(Input("x", (2,)), Join("b", (X, Edge("a", 1))), Integrator("a", Edge("b"))),
        "a loop must pass through a neuron",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_overflow_is_refused_by_name(name: str):
    make, message = REFUSED[name]
    program = make()
    with pytest.raises(RangeExceeded, match=message):
        ranges(program)
    with pytest.raises(RangeExceeded, match=message):
        Session(program, 1)
    assert "not proved for 1024 timesteps" in str(program)


def test_a_shorter_run_needs_fewer_bits():
    program = of(Input("x", (1,), 0, 1), Integrator("n", X, 3))
    assert ranges(program, 7)["n"].high == 7
    with pytest.raises(RangeExceeded, match="must hold 8 timesteps, but needs 4 bits; declare more bits"):
        ranges(program, 8)


def test_an_output_that_is_not_proved_is_refused():
    """Loops and storage rely on 0..D; a step that sends something else breaks both."""
    fractions = [-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95]
    n = Recipe(IF(), Form(Table(3, 2, "after reset")), [1], [0], [160], fractions=fractions).node("n", X)
    size = len(n.body.instructions)
    double = Instruction("add", (n.body.spike, n.body.spike))
    cut = [k for k, i in enumerate(n.body.instructions) if i.op == "cut" and i.args == (n.body.spike,)]
    parts = list(n.body.instructions)
    # the doubled spike must stand before what resets by it
    moved = [replace(i, args=tuple(a + (a >= cut[0]) for a in i.args)) for i in parts[cut[0] :]]
    moved[0] = Instruction("cut", (cut[0],))
    up = lambda k: k + (k >= cut[0])  # noqa: E731
    body = replace(
        n.body,
        instructions=(*parts[: cut[0]], double, *moved),
        stores=tuple(map(up, n.body.stores)),
        membranes=tuple(map(up, n.body.membranes)),
        spike=cut[0],
    )
    assert len(body.instructions) == size + 1
    program = Program((Input("x", (1,), 0, 255), replace(n, body=body), Readout("out", Edge("n"))))
    with pytest.raises(
        RangeExceeded, match=r"n: the output must be proved to lie in 0\.\.1, but could reach 0\.\.2"
    ):
        ranges(program)
