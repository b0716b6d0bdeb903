"""Random programs in every engine: each spike, stored code and readout equals the reference's.

Few programs run long, because each is compiled. What was compared is counted, and must be enough.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike import native as compilers
from intspike.engine import exported, native, reference
from intspike.engine.trace import Trace
from intspike.ir import Program
from strategies import (
    Case,
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
                    n.reset_order,
                    n.leak_on,
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
        "integrator", "readout count", "readout last", "readout maximum", "delayed", "recurrent", "grouped", "minima",
        "IF", "LIF", "subtract", "zero", "none", ">=", ">", "D=1", "D=2", "D=3", "refractory True", "refractory False",
        "Table", "Uniform", "after reset", "before reset", "saturate", "wrap", "gain True", "gain False",
        "Carry guaranteed", "Carry nearest", "Shift", "Dyadic", "before leak", "after leak", "state", "sum",
        *(f"Table {n}" for n in range(1, 9)), *(f"Uniform {n}" for n in (*range(1, 11), 12, 14, 15, 16)),
    }  # fmt: skip
    assert expected <= seen, expected - seen
    busy = [r for r in rates if 0.01 < r < 1]
    assert len(busy) > len(rates) / 3, "most layers are silent, or fire always"
