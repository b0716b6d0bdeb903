"""The engine that runs layer by layer: every integer equals the reference's, however the work is cut."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compiler_report import lines_with, vectorized_lines, vectorizing_compiler
from intspike import native as compilers
from intspike.engine import layers, native, reference, stepwise
from intspike.engine import plan as plans
from intspike.errors import BadInput
from intspike.ir import Conv, Dense, Edge, Input, Integrator, Join, Pool, Program, Readout, frozen, ranges
from intspike.native import FAST, fast, sets
from intspike.ops import Carry
from measure.small_programs import random_unfolded_program
from program_examples import EXAMPLES, weights
from strategies import Case, assert_equal, make_program, neuron_steps, random_inputs, random_recipe

needs_a_compiler = pytest.mark.skipif(compilers.compiler() is None, reason="no C compiler")

# what leaves 16-bit lanes and what needs 32
NARROW = {"codec": "table", "extra": 0, "bits": 4, "neuron": "LIF", "leak": Carry(), "refractory": 0}
WIDE = {"codec": "uniform", "bits": 16, "overflow": "wrap"}


def without_delays(choose: Callable[[Sequence[Any]], Any]) -> Callable[[Sequence[Any]], Any]:
    """The same choices, but for loops, delays and negative inputs."""

    def pick(options: Sequence[Any]) -> Any:
        options = [o for o in options if o not in ("recurrent", "lateral", (-3, 4))]
        if options == [False, False, False, True]:
            return False
        return 0 if options in ([0, 1], [1, 2, 0], [0, 0, 1]) else choose(options)

    return pick


@lru_cache(maxsize=64)
def case_of(seed: int) -> Case:
    """A program without delays; every second with narrow codes, every fourth with wide ones."""
    rng = random.Random(seed)
    only = {1: NARROW, 2: WIDE, 3: NARROW}.get(seed % 4)
    return make_program(without_delays(rng.choice), rng, 1 + seed % 3, only)


def texts(program: Program) -> Counter[str]:
    """How many nodes run by which kind of text; empty where the program runs timestep by timestep."""
    proved = ranges(program)
    made = plans._layers(program, proved)  # pyright: ignore[reportPrivateUsage]
    if made is None:
        return Counter()
    synapses = sum(layer.packs is not None for _, layer in made[1])
    count = Counter({"synapse": synapses, "plain": len(made[1]) - synapses - len(program.neurons)})
    for n in program.neurons:
        lane, _ = layers.neuron_lane(n, proved[n.name]) or ("", "")
        count[lane] += 1
    return count


@lru_cache(maxsize=1)
def images() -> Program:
    """Convolution with max-pool and minima, twice, a dense layer; every synapse is a kernel's."""
    rng = random.Random(5)
    nodes: list[Any] = [Input("x", (2, 11, 10))]

    def neurons(name: str, source: str, channels: int, spread: float) -> None:
        recipe = random_recipe(rng.choice, rng, channels, spread, NARROW | {"spikes": 1})
        nodes.append(recipe.node(name, Edge(source)))

    nodes.append(Conv("conv1", Edge("x"), weights(17, 2, 3, 2, seed=1), padding=(1, 1)))
    nodes.append(Pool("pool1", Edge("conv1"), "max", (2, 3), (2, 3), frozen([0, 1] * 8 + [1])))
    neurons("lif1", "pool1", 17, 300.0)
    nodes.append(Conv("conv2", Edge("lif1"), weights(20, 17, 3, 3, seed=2), (2, 1), (1, 2)))
    neurons("lif2", "conv2", 20, 20.0)
    nodes.append(Dense("fc", Edge("lif2"), weights(10, 20 * 3 * 5, seed=3)))
    neurons("lif3", "fc", 10, 30.0)
    nodes.append(Readout("out", Edge("lif3")))
    return Program(tuple(nodes))


def test_the_programs_below_take_every_way():
    assert texts(images()) == {"synapse": 3, "int16_t": 3, "plain": 1}
    seen = sum((texts(case_of(seed).program) for seed in range(24)), Counter[str]())
    assert min(seen[k] for k in ("synapse", "int16_t", "int32_t", "plain")) >= 5, seen
    assert not texts(EXAMPLES["recurrent"]())  # delays


@pytest.mark.slow
@pytest.mark.timeout(1200)
@needs_a_compiler
def test_layer_by_layer_equals_the_reference_in_many_programs():
    covered = [seed for seed in range(100, 260) if texts(case_of(seed).program)]
    assert len(covered) >= 60
    for seed in covered:
        compare(seed)


@needs_a_compiler
@pytest.mark.parametrize("seed", range(24))
def test_layer_by_layer_equals_the_reference(seed: int):
    compare(seed)


def compare(seed: int) -> None:
    """A program of a seed, with and without its trace."""
    case, rng = case_of(seed), random.Random(seed)
    timesteps = rng.choice([1, 2, 13, 30])
    batch = max(1, round(3000 / neuron_steps(case.program, 1, timesteps)))
    x = random_inputs(rng, case.program, batch, timesteps, rng.random() < 0.4)
    expected = reference.run(case.program, x, timesteps)
    assert_equal(expected, native.run(case.program, x, timesteps), case)
    readout = native.run(case.program, x, timesteps, record=False)
    assert (readout.readout == expected.readout).all()
    assert not readout.spikes
    assert not readout.codes


@needs_a_compiler
@pytest.mark.parametrize("march", sets() or ["native"])
@pytest.mark.parametrize("rate", [0.0, 0.03, 1.0])
def test_every_instruction_set(march: str, rate: float):
    program, rng = images(), np.random.default_rng(6)
    x = rng.integers(0, 255, (9, 5, 2, 11, 10), endpoint=True) * (rng.random((9, 5, 2, 11, 10)) < rate)
    expected = reference.run(program, x, 9)
    assert_equal(expected, native.run(program, x, 9, flags=fast(march)))
    assert_equal(expected, stepwise.run(program, x, 9, flags=fast(march)))
    assert 0 < expected.spikes["lif2"].mean() < 1 or rate == 0


@needs_a_compiler
@pytest.mark.parametrize("name", [*EXAMPLES, "images"])
def test_neither_threads_nor_batches_nor_tiles_change_a_run(name: str, monkeypatch: pytest.MonkeyPatch):
    program = images() if name == "images" else EXAMPLES[name]()
    x = random_inputs(random.Random(7), program, 7, 6, static=False)
    whole = reference.run(program, x, 6)
    for threads in (1, 2, 5, 100):
        assert_equal(whole, native.run(program, x, 6, threads=threads))
    monkeypatch.setattr(plans, "TILE_BYTES", 1)
    assert_equal(whole, native.run(program, x, 6, threads=2))
    monkeypatch.setattr(plans, "TILE_BYTES", 1 << 30)
    assert_equal(whole, native.run(program, x, 6, threads=2))
    for cut in (1, 3):
        parts = [native.run(program, x[:, s], 6) for s in (slice(0, cut), slice(cut, None))]
        assert (np.concatenate([p.readout for p in parts]) == whole.readout).all()
        for n in whole.spikes:
            assert (np.concatenate([p.spikes[n] for p in parts], 1) == whole.spikes[n]).all()


@needs_a_compiler
@pytest.mark.parametrize("name", [*EXAMPLES, "images"])
def test_a_static_input_is_one_that_is_repeated(name: str):
    program = images() if name == "images" else EXAMPLES[name]()
    x = random_inputs(random.Random(8), program, 3, 1, static=True)
    whole = reference.run(program, x, 5)
    assert_equal(whole, native.run(program, x, 5))
    assert_equal(whole, native.run(program, x[None].repeat(5, 0), 5))
    assert_equal(reference.run(program, x, 1), native.run(program, x, 1))


@needs_a_compiler
def test_nodes_that_no_kernel_covers():
    """Grouped and wide-weight synapses, sums of sums, pools that overlap, an integrator, in one program."""
    rng = random.Random(9)
    recipe = random_recipe(rng.choice, rng, 6, 3000.0, NARROW | {"spikes": 3})
    nodes = (
        Input("x", (2, 7, 6), 0, 200),
        Conv("grouped", Edge("x"), weights(6, 1, 3, 3, seed=1), (2, 1), (2, 1), groups=2),
        Conv("wide", Edge("x"), weights(6, 2, 3, 3, seed=2, most=5000), (2, 1), (2, 1)),
        Join("sum", (Edge("grouped"), Edge("wide")), "add", (3, 0)),
        Pool("overlap", Edge("sum"), "max", (2, 2), (1, 1), frozen([0, 1, 1, 0, 0, 1])),
        recipe.node("neurons", Edge("overlap")),
        Pool("average", Edge("neurons"), "sum", (2, 2), (1, 2)),
        Pool("largest", Edge("neurons"), "max", (2, 2), (1, 2)),
        Join("both", (Edge("average"), Edge("largest")), "and"),
        Dense("fc", Edge("average"), weights(4, 6 * 3 * 2, seed=3, most=70_000)),
        Dense("again", Edge("fc"), weights(3, 4, seed=4)),
        Integrator("total", Edge("again"), 62),
        Dense("seen", Edge("both"), weights(3, 6 * 3 * 2, seed=5)),
        Join("end", (Edge("total"), Edge("seen"))),
        Readout("out", Edge("end"), "maximum"),
    )
    program = Program(nodes)
    assert texts(program)["plain"] >= 10
    x = random_inputs(rng, program, 4, 7, static=False)
    expected = reference.run(program, x, 7)
    assert expected.spikes["neurons"].any()
    assert_equal(expected, native.run(program, x, 7))


@needs_a_compiler
def test_many_python_threads_may_run_one_program():
    program = images()
    x = [random_inputs(random.Random(k), program, 3, 4, static=False) for k in range(6)]
    expected = [reference.run(program, a, 4) for a in x]
    failures: list[BaseException] = []

    def work(k: int) -> None:
        try:
            for _ in range(20):
                assert_equal(expected[k], native.run(program, x[k], 4, threads=2))
        except BaseException as e:  # it is raised again below
            failures.append(e)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(len(x))]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    if failures:
        raise failures[0]


@needs_a_compiler
def test_a_longer_run_is_proved_anew():
    program = EXAMPLES["resting"]()
    x = random_inputs(random.Random(1), program, 2, 1, static=True)
    assert_equal(reference.run(program, x, 1500), native.run(program, x, 1500))


def test_inputs_are_checked():
    program = EXAMPLES["dense"]()
    with pytest.raises(BadInput, match="integers"):
        native.run(program, np.zeros((1, 6)), 3)
    with pytest.raises(BadInput, match=r"0\.\.1"):
        native.run(program, np.full((1, 6), 2, np.uint8), 3)
    with pytest.raises(BadInput, match="empty"):
        native.run(program, np.zeros((0, 6), np.uint8), 3)
    with pytest.raises(BadInput, match="timesteps"):
        native.run(program, np.zeros((1, 6), np.uint8), 0)


@pytest.mark.skipif(vectorizing_compiler() is None, reason="no gcc for a machine with AVX2")
@pytest.mark.parametrize("march", sets() or ["native"])
def test_neuron_loops_are_vectorized_among_the_other_layers(march: str, tmp_path: Path):
    made = plans._layers(images(), ranges(images()))  # pyright: ignore[reportPrivateUsage]
    assert made is not None
    source = plans._source(images(), made[0], made[1])  # pyright: ignore[reportPrivateUsage]
    lines = source.splitlines()
    loops = lines_with(source, "for (int64_t p = 0; p < lanes; p++) {")
    over_time = [k for k in loops if "prev[p] = 0;" not in lines[k]]  # but for those that set a tile to rest
    assert len(over_time) == 6  # currents and bodies of three layers
    vectorized = vectorized_lines(source, tmp_path, fast(march))
    assert {k: lines[k - 1 : k + 2] for k in over_time if k not in vectorized} == {}


@needs_a_compiler
def test_programs_of_one_structure_share_a_library():
    """Weights and parameters are no text."""
    program = images()
    other = Program(
        tuple(
            replace(n, weight=frozen(-n.weight)) if isinstance(n, (Conv, Dense)) else n for n in program.nodes
        )
    )
    cc = compilers.compiler()
    assert cc is not None
    a, b = (plans.plan(p, 1024, cc, FAST) for p in (program, other))
    assert a is not None
    assert b is not None
    x = random_inputs(random.Random(4), program, 2, 3, static=True)
    assert_equal(reference.run(other, x, 3), native.run(other, x, 3))
    made = [plans._layers(p, ranges(p)) for p in (program, other)]  # pyright: ignore[reportPrivateUsage]
    sources = [plans._source(program, m[0], m[1]) for m in made if m]  # pyright: ignore[reportPrivateUsage]
    assert sources[0] == sources[1]


@needs_a_compiler
@pytest.mark.parametrize("seed", range(5))
def test_substeps_run_layer_by_layer(seed: int):
    """Integers as binary spikes through pools, joins and synapses, however samples are cut into tiles."""
    rng = np.random.default_rng(seed)
    program = random_unfolded_program(rng)
    cc = compilers.compiler()
    assert cc is not None
    low, high = program.input.low, program.input.high
    runs_plainly = plans.plan(program, 3, cc, FAST) is None
    assert runs_plainly == (low < 0)  # negative inputs are no bytes
    for shape in ((5, *program.input.shape), (3, 5, *program.input.shape)):
        x = rng.integers(low, high + 1, shape)
        wanted = reference.run(program, x, 3)
        for threads in (1, 3):
            assert_equal(native.run(program, x, 3, threads=threads), wanted)
        bare = native.run(program, x, 3, record=False)
        assert (bare.readout == wanted.readout).all()
