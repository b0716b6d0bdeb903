"""Random programs in every engine: each spike, stored code and readout equals the reference's.

Few programs run long, because each is compiled. What was compared is counted, and must be enough.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from intspike import native as compilers
from intspike.engine import exported, native, reference
from intspike.engine.trace import Trace
from intspike.ir import Dense, Edge, Input, Join, Neuron, Program, Readout, frozen
from intspike.neuron import IF
from intspike.neuron.base import Neuron as Equation
from intspike.ops import Form, State, Table, Uniform, trace
from intspike.ops.trace import Tracer, Value
from strategies import (
    Case,
    Recipe,
    assert_equal,
    neuron_steps,
    programs,
    random_inputs,
    random_program,
)

Run = Callable[[Program, Any, int], Trace]
ENGINES: dict[str, Run] = {"native": native.run, "exported": exported.run}
every_engine = pytest.mark.parametrize("engine", ENGINES)

FAST, FULL = 50_000, 1_000_000  # neuron-steps that a pair must compare
EACH = 8_000  # neuron-steps of one program, about

# Corners that chance alone meets seldom: wide sums, one bit, coarse steps, counters beside table codes.
CORNERS: list[dict[str, Any]] = [
    {"codec": "table", "extra": 20},
    {"codec": "uniform", "coarse": 40},
    {"codec": "table", "stores": "before reset", "refractory": 5, "neuron": "LIF", "bits": 4},
    {"codec": "uniform", "bits": 16, "overflow": "wrap"},
    {"bits": 1, "spikes": 1},
    {"codec": "table", "bits": 8, "spikes": 3},
    {"neuron": "LIF", "bits": 5, "reset_order": "after leak", "stores": "after reset", "spikes": 3},
]


@pytest.fixture(autouse=True)
def _needs_a_compiler():
    if compilers.compiler() is None:
        pytest.skip("no C compiler")


def make(seed: int) -> tuple[Case, Any, int]:
    """A program, its inputs and the number of timesteps; every third is larger, every second a corner."""
    rng = random.Random(seed)
    case = random_program(rng, 1 + seed % 3, CORNERS[seed // 2 % len(CORNERS)] if seed % 2 else None)
    timesteps = rng.choice([1, 2, 13, 40, 40])
    batch = max(1, round(EACH / neuron_steps(case.program, 1, timesteps)))
    return case, random_inputs(rng, case.program, batch, timesteps, rng.random() < 0.3), timesteps


def compare(engine: str, seeds: Iterable[int]) -> int:
    """The number of neuron-steps in which an engine was seen to agree."""
    compared = 0
    for seed in seeds:
        case, x, timesteps = make(seed)
        expected = reference.run(case.program, x, timesteps)
        got = ENGINES[engine](case.program, x, timesteps)
        try:
            assert_equal(expected, got)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{case!r}") from None
        steps = sum(s.size for s in got.spikes.values())
        assert steps == neuron_steps(case.program, len(got.readout), timesteps)
        compared += steps
    return compared


@every_engine
def test_engines_equal_the_reference(engine: str):
    assert compare(engine, range(8)) >= FAST


@pytest.mark.slow
@pytest.mark.timeout(1200)
@every_engine
def test_engines_equal_the_reference_in_a_million_neuron_steps(engine: str):
    assert compare(engine, range(100, 250)) >= FULL


@pytest.mark.slow
@pytest.mark.timeout(1200)
@every_engine
@settings(max_examples=60, deadline=None)
@given(case=programs(), seed=st.integers(0, 2**32 - 1), static=st.booleans())
def test_engines_equal_the_reference_down_to_the_simplest_program(
    engine: str, case: Case, seed: int, static: bool
):
    x = random_inputs(random.Random(seed), case.program, 5, 9, static)
    assert_equal(reference.run(case.program, x, 9), ENGINES[engine](case.program, x, 9), case)


@every_engine
def test_the_number_of_samples_and_timesteps_means_nothing(engine: str):
    """One sample of one timestep, an odd batch, a static input that is repeated: the same beginning of a run."""
    case, _, _ = make(2)
    x = random_inputs(random.Random(0), case.program, 3, 5, True)
    whole = reference.run(case.program, x, 5)
    assert_equal(whole, ENGINES[engine](case.program, x, 5), case)
    assert_equal(whole, ENGINES[engine](case.program, x[None].repeat(5, 0), 5), case)
    first = ENGINES[engine](case.program, x[:1], 1)
    for name, s in whole.spikes.items():
        assert (s[:1, :1] == first.spikes[name]).all()


# --- a neuron of another kind ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Odd(Equation):
    """An adaptive threshold kept in a table, a phase that wraps, a gate, and the ops that IF and LIF never use."""

    def states(self, form: Form) -> tuple[State, ...]:
        more = State("a", Table(2, 0, "before reset")), State("p", Uniform(3, -4, "wrap", "before reset"))
        return *super().states(form), *more

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        op = lambda name, *args: ops.value(ops.emit(name, *(a.index for a in args)))  # noqa: E731
        number = lambda x: ops.value(ops.constant(x))  # noqa: E731
        fired = ops.cut(ops.prev()) > 0
        tired = ops.store("a", ops.select(fired, state["a"] + 40, state["a"] >> 1))
        phase = ops.store("p", state["p"] + 1)
        swing = op("shl", op("wrap", state["p"] + 3, number(-2), number(2)), number(3))
        x = op("min", ops.reset(state["u"], ops.prev()) + current + swing, number(500)).max(-700)
        return ops.fire("u", x - tired, phase > -3)


@pytest.mark.parametrize("stores", ["after reset", "before reset"])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_a_neuron_with_more_states_and_every_op(stores: Any, reset: Any):
    form = Form(Uniform(6, -20, stores=stores))
    made = Recipe(IF(reset=reset, compare=">"), form, [2, -4], [5, -3], [160, 180], shift=[4, 5]).constants()
    table = {"a.levels": [[0, 30, 80, 200]] * 2, "a.boundaries": [[15, 50, 100]] * 2, "p.shift": [0, 0]}
    body = trace(Odd(reset=reset, compare=">"), form)
    assert {"wrap", "shl", "min"} <= {i.op for i in body.instructions}
    parameters = {p: frozen({**made, **table}[p]) for p in body.parameters}
    n = Neuron("odd", Edge("x"), body, parameters)
    program = Program((Input("x", (2, 5), -60, 90), n, Readout("out", Edge("odd"))))
    x = random_inputs(random.Random(1), program, 4, 30, False)
    expected = reference.run(program, x, 30)
    assert 0 < expected.spikes["odd"].mean() < 0.5
    for b, sample in enumerate(oracle.run(program, x.tolist(), 30)):
        assert expected.spikes["odd"][:, b].reshape(30, -1).tolist() == sample["spikes"]["odd"]
        for s, codes in expected.codes["odd"].items():
            assert codes[:, b].reshape(30, -1).tolist() == sample["codes"]["odd"][s]
    for run in ENGINES.values():
        assert_equal(expected, run(program, x, 30))


# --- the ends of a machine's widths ---------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1 << 7, 1 << 15, 1 << 16, (1 << 31) - 1])
def test_sums_at_the_ends_of_a_machines_integers(most: int):
    """Weights and inputs at their extremes, whose sums just fit 8, 16, 32 and 62 bits, or just do not."""
    weight = [v for k in (8, 15, 16, 31) for v in ((1 << k) - 1, 1 - (1 << k)) if abs(v) * most * 6 < 1 << 61]
    rows = [row for v in [1, *weight] for row in ((v, 1), (v, v), (v, -v))]
    nodes = (
        Input("x", (2,), -most, most),
        Dense("sums", Edge("x"), frozen(rows)),
        Join("both", (Edge("sums"), Edge("sums", 1)), shifts=(1, 0)),
    )
    x = np.array(list(product((-most, 0, most), repeat=2)))
    x = np.stack([x, x[::-1], x])
    for kind in ("count", "last", "maximum"):
        program = Program((*nodes, Readout("out", Edge("both"), kind)))
        expected = reference.run(program, x, 3)
        samples = oracle.run(program, x.tolist(), 3)
        assert [s["readout"][-1] for s in samples] == expected.readout.tolist()
        for run in ENGINES.values():
            assert_equal(expected, run(program, x, 3))


# --- the fuzzer itself -----------------------------------------------------------------------------------------


def test_the_generator_reaches_what_it_claims_to():
    """A fuzzer that stopped making something would agree with everything."""
    seen: set[str] = set()
    rates: list[float] = []
    for seed in range(300):
        case = random_program(random.Random(seed))
        for n in case.program:
            kind = type(n).__name__.lower()
            seen.add(f"{kind} {getattr(n, 'kind', '')}".strip())
            seen |= {"delayed" for e in n.edges if e.delay}
        for r in case.recipes.values():
            n, f = r.neuron, r.form
            seen |= {type(n).__name__, n.reset, n.compare, f"D={n.spikes}", f"refractory {n.refractory > 0}"}
            seen |= {type(f.codec).__name__, f.codec.stores, f"{type(f.codec).__name__} {f.codec.bits}"}
            seen.add(getattr(f.codec, "overflow", ""))
            seen.add(f"gain {min(r.gain) < 0}")
            if r.beta:
                seen |= {
                    f"{type(f.leak).__name__} {getattr(f.leak, 'decay', '')}".strip(),
                    getattr(n, "reset_order", ""),
                    getattr(n, "leak_on", ""),
                }
        if seed < 50:
            x = random_inputs(random.Random(seed), case.program, 1, 9, False)
            rates += [float(s.mean()) for s in reference.run(case.program, x, 9).spikes.values()]
        first: dict[str, int] = {n.name: k for k, n in enumerate(case.program)}
        seen |= {"recurrent" for n in case.program for e in n.edges if first[e.source] >= first[n.name]}
        seen |= {"grouped" for n in case.program if getattr(n, "groups", 1) > 1}
        seen |= {
            "minima" for n in case.program if getattr(n, "minimum", None) is not None and n.minimum.any()
        }
    expected = {
        "input", "dense", "conv", "pool max", "pool sum", "pool or", "join add", "join and", "join iand", "neuron",
        "offset", "unfold", "fold", "integrator", "readout count", "readout last", "readout maximum", "delayed",
        "recurrent", "grouped", "minima", "IF", "LIF", "ILIF", "subtract", "zero", "none", ">=", ">",
        "D=1", "D=2", "D=3", "refractory True", "refractory False",
        "Table", "Uniform", "after reset", "before reset", "saturate", "wrap", "gain True", "gain False",
        "Carry guaranteed", "Carry nearest", "Shift", "Dyadic", "before leak", "after leak", "state", "sum",
        *(f"Table {n}" for n in range(1, 9)), *(f"Uniform {n}" for n in (*range(1, 11), 12, 14, 15, 16)),
    }  # fmt: skip
    assert expected <= seen, expected - seen
    busy = [r for r in rates if 0.01 < r < 1]
    assert len(busy) > len(rates) / 3, "most layers are silent, or fire always"
