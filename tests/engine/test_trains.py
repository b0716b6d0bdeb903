"""Spike trains that are looked up: equal to the reference's, before and after the tables are made."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import program_examples
from intspike import native as compilers
from intspike.engine import native, reference, trains
from intspike.engine.plan import Plan
from intspike.ir import Conv, Dense, Edge, Input, Pool, Program, Readout, frozen
from intspike.native import FAST
from intspike.neuron import IF, LIF
from intspike.neuron.base import Neuron
from intspike.ops import Carry, Form, Shift, Table, Uniform
from program_examples import EXAMPLES
from strategies import random_inputs

pytestmark = pytest.mark.skipif(compilers.compiler() is None, reason="no C compiler")


AFTER = Form(Table(3, 2, "after reset"), Carry("guaranteed"))
NEURONS: dict[str, tuple[Neuron, Form, dict[str, Any]]] = {
    "table": (LIF(), AFTER, {"fractions": program_examples.AFTER}),
    "before reset": (LIF(), Form(Table(3, 1, "before reset")), {"fractions": program_examples.BEFORE}),
    "to zero": (LIF(reset="zero"), AFTER, {"fractions": program_examples.AFTER}),
    "refractory": (LIF(refractory=2), AFTER, {"fractions": program_examples.AFTER}),
    "no leak": (IF(), Form(Uniform(8, -128)), {"shift": 2}),
    "shift": (LIF(), Form(Uniform(16, -20000, "wrap"), Shift()), {"shift": 0, "beta": np.full(5, 0.5)}),
}


@lru_cache(maxsize=16)
def static_program(name: str) -> Program:
    """Images through a convolution, a pool with minima and neurons of five channels; then a dense layer."""
    equation, form, more = NEURONS[name]
    if "shift" in more:
        more = more | {"shift": np.full(5, more["shift"])}
    nodes = (
        Input("image", (2, 7, 6)),
        Conv("conv", Edge("image"), program_examples.weights(5, 2, 3, 3, seed=1, most=3), padding=(1, 1)),
        Pool("pool", Edge("conv"), "max", (2, 2), (2, 2), frozen([0, 1, 0, 1, 1])),
        program_examples.neuron("lif", Edge("pool"), 5, equation, form, **more),
        Dense("fc", Edge("lif"), program_examples.weights(3, 45, seed=2)),
        program_examples.neuron("last", Edge("fc"), 3, LIF(), AFTER, fractions=program_examples.AFTER),
        Readout("out", Edge("last")),
    )
    return Program(nodes)


def plan(program: Program) -> Plan | None:
    cc = compilers.compiler()
    assert cc is not None
    return native._plan(program, native.PROVED, cc, FAST)


@pytest.fixture
def fresh() -> Iterator[None]:
    """Nothing is compiled before or after, so tables are not made yet."""
    native._plan.cache_clear()
    yield
    native._plan.cache_clear()


@pytest.mark.parametrize("name", NEURONS)
def test_trains_equal_those_of_the_time_loop(name, fresh):
    program = static_program(name)
    made = plan(program)
    assert made is not None
    assert len(made.tables.makers) == 1
    fired = 0
    for timesteps in (
        1,
        25,
        32,
        33,
        70,
        8,
        trains.MOST_TIMESTEPS + 1,
    ):  # the table grows, and serves shorter runs
        x = random_inputs(random.Random(timesteps), program, 5, timesteps, static=True)
        expected = reference.run(program, x, timesteps)
        fired += int(expected.spikes["lif"].sum())
        for pays, threads in ((1 << 60, 1), (0, 1), (0, 3)):
            made.tables.pays = pays
            got = native.run(program, x, timesteps, record=False, threads=threads)
            assert np.array_equal(got.readout, expected.readout), (timesteps, pays, threads)
    assert made.tables._timesteps == 96
    assert fired > 0


def test_a_table_is_made_when_it_pays(fresh, monkeypatch):
    program = EXAMPLES["dense"]()
    made = plan(program)
    assert made is not None
    (node,) = program.neurons
    tables, neurons = made.tables, len(node.parameters["theta"])
    x = np.ones((2, *program.input.shape), np.uint8)
    calls = -(-tables.pays // (2 * neurons))
    for k in range(calls):
        assert tables._timesteps == 0, k
        native.run(program, x, 7, record=False)
    assert tables._timesteps == 32


def test_what_is_recorded_or_moves_is_not_looked_up(fresh):
    program = EXAMPLES["dense"]()
    made = plan(program)
    assert made is not None
    made.tables.pays = 0
    moving = np.ones((4, 2, *program.input.shape), np.uint8)
    native.run(program, moving, 4, record=False)
    native.run(program, moving[0], 4)
    assert made.tables._timesteps == 0


def test_wide_ranges_keep_the_loop(fresh, monkeypatch):
    program = EXAMPLES["dense"]()
    monkeypatch.setattr("intspike.engine.trains.MOST_ENTRIES", 1)
    made = plan(replace(program, notes={"another": "hash"}))
    assert made is not None
    assert not made.tables.makers
