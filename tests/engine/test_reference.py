"""The reference engine is the definition: an oracle in plain Python integers judges it."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from intspike.engine import exported, native, reference
from intspike.engine.reference import Session
from intspike.errors import BadInput, RangeExceeded
from intspike.ir import Dense, Edge, Input, Integrator, Join, Node, Pool, Program, Readout, frozen
from intspike.ir.clock import runs
from intspike.native import compiler
from intspike.neuron import LIF
from intspike.ops import Carry, Dyadic, Form, Shift, Table, step_one, trace
from strategies import Case, Recipe, assert_equal, programs, random_inputs, random_program, random_recipe

TIMESTEPS = 6
quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def inputs_of(case: Case, seed: int, batch: int = 2, static: bool = False) -> Any:
    return random_inputs(random.Random(seed), case.program, batch, TIMESTEPS, static)


def assert_oracle_agrees(case: Case, x: Any, recipes: Any) -> None:
    """Every spike, every stored code, and the readout after every timestep."""
    expected = oracle.run(case.program, x.tolist(), TIMESTEPS, recipes)
    batch = len(expected)
    session = Session(case.program, batch, TIMESTEPS)
    for t in range(TIMESTEPS):
        values = session.step(x[t] if x.ndim == len(case.program.input.shape) + 2 else x)
        for b in range(batch):
            for n in case.program.neurons:
                where = n.name, t, b
                assert values[n.name][b].ravel().tolist() == expected[b]["spikes"][n.name][t], where
                for s, history in expected[b]["codes"][n.name].items():
                    assert session.codes[n.name][s][b].ravel().tolist() == history[t], (s, *where)
            assert values[case.program.readout.name][b].ravel().tolist() == expected[b]["readout"][t], (t, b)


@quick
@given(programs(), seeds, st.booleans())
def test_reference_equals_the_oracle(case: Case, seed: int, static: bool):
    assert_oracle_agrees(case, inputs_of(case, seed, 1, static), case.recipes)


@quick
@given(programs(), seeds, st.booleans())
def test_reference_equals_the_definition_of_the_ops(case: Case, seed: int, static: bool):
    assert_oracle_agrees(case, inputs_of(case, seed, 1, static), None)


FIELDS: dict[str, list[Any]] = {
    "reset": ["subtract", "zero", "none"],
    "compare": [">=", ">"],
    "spikes": [1, 3],
    "refractory": [0, 2],
    "neuron": ["IF", "LIF", "CubaLIF", "AdaptiveLIF"],
    "leak": [Carry(), Carry("nearest"), Shift(), Dyadic(4)],
    "leak_on": ["state", "sum"],
    "reset_order": ["before leak", "after leak"],
    "overflow": ["saturate", "wrap"],
}


@pytest.mark.parametrize("stores", ["after reset", "before reset"])
@pytest.mark.parametrize("codec", ["table", "uniform"])
@pytest.mark.parametrize("refractory", FIELDS["refractory"])
def test_every_combination_of_fields_is_the_contract(stores: str, codec: str, refractory: int):
    """One neuron each, over 60 timesteps of currents from far below rest to several thresholds."""
    rng, tried = random.Random(0), 0
    for values in product(*FIELDS.values()):
        fields = {
            **dict(zip(FIELDS, values, strict=True)),
            "stores": stores,
            "codec": codec,
            "bits": 4,
            "beta": None,
        }
        known = {
            "IF": fields["neuron"] == "IF" and values[5:8] != (Carry(), "state", "before leak"),
            "sum": isinstance(fields["leak"], Carry) and fields["leak_on"] == "sum",
            "none": stores == "after reset" and fields["reset"] == "none",
            "wrap": codec == "table" and fields["overflow"] == "wrap",
            "later": fields["refractory"] != refractory,
            "adapts": stores == "after reset" and fields["neuron"] == "AdaptiveLIF",
        }
        if any(known.values()):  # no such combination, or the same as another
            continue
        r = random_recipe(rng.choice, rng, 1, 5.0, {**fields, "extra": 0, "coarse": rng.choice([0, 1])})
        made = r.constants()
        row = {name: a[0].tolist() for name, a in made.items()}
        body, one = trace(r.neuron, r.form), oracle.OneNeuron(r, 0)
        codes, last = {s.name: body.codec(s.name).rest for s in body.states}, 0
        reach = 4 * r.theta[0] // abs(r.gain[0]) + 1
        for t in range(60):
            total = rng.randint(-reach // 2, reach) * (1 if r.gain[0] > 0 else -1)
            step = step_one(body, total, codes, last, row)
            codes, last = step.codes, step.spike
            assert (last, codes["u"]) == (one.timestep(total), one.code), (t, r)
            assert codes.get("r", 0) == one.waits
            assert all(codes[state] == other.code for state, other in one.others.items())
        tried += 1
    assert tried >= 72


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_reference_equals_the_oracle_on_many_programs(part: int):
    for seed in range(part * 100, part * 100 + 100):
        case = random_program(random.Random(seed))
        x = inputs_of(case, seed, static=seed % 3 == 0)
        assert_oracle_agrees(case, x, case.recipes)
        assert_oracle_agrees(case, x, None)


def test_the_oracle_gives_the_worked_example():
    fractions = [-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95]
    recipe = Recipe(LIF(), Form(Table(3, 2), Carry()), [8], [3], [160], [0.75], fractions)
    one = oracle.OneNeuron(recipe, 0)
    assert one.levels == [-120, -40, 0, 32, 64, 96, 128, 152]
    assert one.edges == [-80, -20, 16, 48, 80, 112, 140]
    seen = [(one.timestep(total), one.code) for total in (-5, 13, 13, 4, 9, 10)]
    assert seen == [(0, 1), (0, 5), (1, 3), (0, 4), (0, 6), (1, 3)]


@quick
@given(programs(), seeds)
def test_a_static_input_is_a_repeated_one(case: Case, seed: int):
    x = inputs_of(case, seed, static=True)
    repeated = np.repeat(x[None], TIMESTEPS, 0)
    assert_equal(
        reference.run(case.program, x, TIMESTEPS), reference.run(case.program, repeated, TIMESTEPS), case
    )


@quick
@given(programs(), seeds, st.booleans())
def test_samples_do_not_see_their_batch(case: Case, seed: int, static: bool):
    x = inputs_of(case, seed, 3, static)
    whole = reference.run(case.program, x, TIMESTEPS)
    for b in range(3):
        alone = reference.run(case.program, x[b : b + 1] if static else x[:, b : b + 1], TIMESTEPS)
        for name in whole.spikes:
            assert (whole.spikes[name][:, b] == alone.spikes[name][:, 0]).all()
            assert all((c[:, b] == alone.codes[name][s][:, 0]).all() for s, c in whole.codes[name].items())
        assert (whole.readout[b] == alone.readout[0]).all()
        assert whole.classes[b] == alone.classes[0]


@quick
@given(programs(), seeds)
def test_a_session_is_a_run(case: Case, seed: int):
    x = inputs_of(case, seed)
    whole = reference.run(case.program, x, TIMESTEPS)
    session = Session(case.program, 2, TIMESTEPS)
    for _ in range(2):  # the second time after a reset: nothing is left of the first
        for t in range(TIMESTEPS):
            session.step(x[t])
            for name in whole.spikes:
                assert (session.spikes[name] == whole.spikes[name][t]).all()
                assert all((session.codes[name][s] == c[t]).all() for s, c in whole.codes[name].items())
        assert (session.readout == whole.readout).all()
        session.reset()


def reordered(program: Program, rng: random.Random) -> Program:
    """The same graph, its nodes in another order that the rules allow; what runs on substeps stays in one run."""
    parts = [[run] if on else [[n] for n in run] for on, run in runs(program.nodes)]
    left, done = [part for several in parts for part in several], []
    while left:
        chosen = rng.choice([part for part in left if reads_only(part, done)])
        done += chosen
        left = [part for part in left if part is not chosen]
    return Program(tuple(done))


def reads_only(part: list[Node], before: list[Node]) -> bool:
    """Whether nodes read, in the same timestep, nothing but themselves and what is before them."""
    known = {n.name for n in (*before, *part)}
    return all(e.delay or e.source in known for n in part for e in n.edges)


@quick
@given(programs(), seeds)
def test_the_order_of_the_nodes_means_nothing(case: Case, seed: int):
    x, other = inputs_of(case, seed), reordered(case.program, random.Random(seed))
    a, b = reference.run(case.program, x, TIMESTEPS), reference.run(other, x, TIMESTEPS)
    names = list(a.spikes)
    assert_equal(
        a, replace(b, spikes={n: b.spikes[n] for n in names}, codes={n: b.codes[n] for n in names}), case
    )


# --- what a session refuses ----------------------------------------------------------------------------------


def small() -> Program:
    x = Input("x", (1, 2, 2))
    total = Pool("total", Edge("x"), "sum", (2, 2), (1, 1))
    both = Join("both", (Edge("total"), Edge("total", 1)), shifts=(4, 0))
    return Program((x, total, both, Readout("out", Edge("both"), "last")))


def test_bytes_do_not_overflow():
    x = np.full((1, 1, 2, 2), 255, np.uint8)
    session = Session(small(), 1)
    assert session.step(x)["both"].ravel().tolist() == [16 * 1020]
    assert session.step(x)["both"].ravel().tolist() == [17 * 1020]
    assert reference.run(small(), x, 2).readout.ravel().tolist() == [17 * 1020]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 1, 2, 2), int), "must be given 1 samples, not 2"),
        (np.zeros((1, 1, 2, 3), int), r"inputs must be \[B, 1, 2, 2\]"),
        (np.zeros((1, 1, 2, 2)), "must be integers"),
        (np.full((1, 1, 2, 2), 256), r"must be in 0\.\.255, not 256"),
        (np.full((1, 1, 2, 2), -1), r"must be in 0\.\.255, not -1"),
    ],
)
def test_wrong_inputs_are_refused(x: Any, message: str):
    with pytest.raises(BadInput, match=message):
        Session(small(), 1).step(x)
    if len(x) == 1:
        with pytest.raises(BadInput, match=message):
            reference.run(small(), x, 1)


@pytest.mark.parametrize("run", [reference.run, native.run])
def test_a_run_of_no_timesteps_or_of_no_program_is_refused(run: Any):
    frames = np.zeros((1, 1, 2, 2), int)
    with pytest.raises(BadInput, match="timesteps must be at least 1"):
        run(small(), frames, 0)
    with pytest.raises(BadInput, match=r"timesteps must be a whole number, not 4\.5"):
        run(small(), frames, 4.5)
    with pytest.raises(BadInput, match=r"must be of a Program, not str; .*artifact\.load"):
        run("model.intspike", frames, 4)


def test_frames_must_be_as_many_as_timesteps():
    with pytest.raises(BadInput, match=r"or \[3, B, 1, 2, 2\]"):
        reference.run(small(), np.zeros((2, 1, 1, 2, 2), int), 3)


def test_a_run_longer_than_declared_is_noticed():
    program = Program(
        (Input("x", (1,), 0, 1), Integrator("sum", Edge("x"), 3), Readout("out", Edge("sum"), "last"))
    )
    session = Session(program, 1, timesteps=4)
    for _ in range(4):
        session.step(np.ones((1, 1), int))
    with pytest.raises(RangeExceeded, match=r"sum: proved to stay in 0\.\.4 for 4 timesteps, but reached 5"):
        session.step(np.ones((1, 1), int))


def test_ties_go_to_the_lowest_class():
    weight = frozen([[0], [1], [1], [-1]])
    program = Program((Input("x", (1,), 0, 1), Dense("fc", Edge("x"), weight), Readout("out", Edge("fc"))))
    assert reference.run(program, np.array([[0], [1]]), 2).classes.tolist() == [0, 1]


@pytest.mark.parametrize("engine", ["reference", "native", "exported"])
def test_an_empty_batch_is_refused(engine):
    if engine == "exported" and compiler() is None:
        pytest.skip("there is no C compiler")
    module = {"reference": reference, "native": native, "exported": exported}[engine]
    case = random_program(random.Random(0))
    with pytest.raises(BadInput, match="at least one sample"):
        module.run(case.program, np.zeros((0, *case.program.input.shape), np.uint8), 3)
