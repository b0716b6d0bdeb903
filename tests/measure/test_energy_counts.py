"""Counts of the event-driven machine against plain loops that count what they do."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.engine import native
from intspike.engine.reference import run
from intspike.errors import BadInput
from intspike.ir import Dense, Edge, Input, Program, Readout, frozen
from intspike.measure import synops
from intspike.measure.energy import Counts, cycle_counts, event_counts, read
from measure.counting_machine import Machine, targets
from measure.small_programs import neuron_node, random_inputs, random_program, random_unfolded_program
from program_examples import EXAMPLES


def counted(program: Program, inputs: np.ndarray, timesteps: int, static: bool) -> list[Counter]:
    """What the plain machine counts for each sample; its spikes are those of the reference."""
    expected, made = run(program, inputs, timesteps), []
    for b in range(inputs.shape[0 if static else 1]):
        machine = Machine(program, timesteps, static)
        for t in range(timesteps):
            now = machine.step(inputs[b] if static else inputs[t, b])
            for n in program.neurons:
                assert all(now[n.name][p] == expected.spikes[n.name][(t, b, *p)] for p in now[n.name])
        made.append(machine.counted)
    return made


def as_counters(counts: Counts) -> list[Counter]:
    made = [Counter() for _ in range(counts.samples)]
    for c in counts.entries:
        for b, number in enumerate(np.asarray(c.number).tolist()):
            if number:
                made[b][c.layer, c.cause, c.operation, c.bits, c.memory, c.driven] += number
    return made


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 2), st.booleans())
def test_every_count_is_that_of_plain_loops(seed, timesteps, batch, static):
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    inputs = random_inputs(rng, program, timesteps, batch, static)
    found = event_counts(program, run(program, inputs, timesteps), inputs)
    assert as_counters(found) == counted(program, inputs, timesteps, static)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.booleans())
def test_every_count_on_substeps_is_that_of_plain_loops(seed, timesteps, static):
    rng = np.random.default_rng(seed)
    program = random_unfolded_program(rng)
    inputs = random_inputs(rng, program, timesteps, 2, static)
    trace = run(program, inputs, timesteps)
    found, operations = event_counts(program, trace, inputs), synops(program, trace, inputs)
    assert as_counters(found) == counted(program, inputs, timesteps, static)
    weights_read = sum(c.total for c in found.entries if c.cause == "weights" and c.layer == "deep")
    assert weights_read == sum(x.operations for x in operations.layers if x.layer == "deep")


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("static", [True, False])
def test_every_count_of_the_example_programs(name, static):
    """Table and uniform codecs, stored before and after reset, wrapping, gains, delays, refractory counters."""
    program, rng = EXAMPLES[name](), np.random.default_rng(5)
    inputs = random_inputs(rng, program, 4, 2, static)
    found = event_counts(program, run(program, inputs, 4), inputs)
    assert as_counters(found) == counted(program, inputs, 4, static)
    assert {c.cause for c in found.entries} >= {"input", "states", "neurons", "other"}


@pytest.mark.parametrize(
    ("gain", "operation", "more"), [([8, 4, 8], "add", 0), ([8, -4, 8], "add", 1), ([3, 5, 3], "multiply", 1)]
)
def test_a_gain_is_wires_a_sign_or_a_product(gain, operation, more):
    program = EXAMPLES["dense"]()
    nodes = [
        replace(n, parameters={**n.parameters, "gain": frozen(gain)}) if n.name == "lif" else n
        for n in program
    ]
    scaled, inputs = Program(tuple(nodes)), np.ones((1, 6), np.int64)
    found = event_counts(scaled, run(scaled, inputs, 2), inputs)
    assert as_counters(found) == counted(scaled, inputs, 2, static=True)
    plain = event_counts(program, run(program, inputs, 2), inputs)  # its gains are 8
    mine = lambda c: c.cause == "neurons"  # noqa: E731
    assert found.total(operation, mine) - plain.total(operation, mine) == 2 * 3 * more


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.booleans())
def test_weights_read_are_the_synaptic_operations(seed, timesteps, static):
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    inputs = random_inputs(rng, program, timesteps, 3, static)
    trace = run(program, inputs, timesteps)
    found, operations = event_counts(program, trace, inputs), synops(program, trace, inputs)
    expected = {
        x.layer: x.operations for x in operations.layers if x.layer != "conv"
    }  # which reads the input
    weights = {c.layer: c.total for c in found.entries if c.cause == "weights"}
    assert weights == {k: v for k, v in expected.items() if v}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 5), st.booleans())
def test_cycles_are_those_of_plain_loops(seed, timesteps, lanes, static):
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    inputs = random_inputs(rng, program, timesteps, 1, static)
    table = read(f'name = "a"\ntitle = "b"\nmachine = "cycles"\nlanes = {lanes}\n', "a.toml")
    trace = run(program, inputs, timesteps)
    found = cycle_counts(program, trace, inputs, table)
    machine = Machine(program, timesteps, static)
    expected: Counter = Counter()
    for t in range(timesteps):
        machine.step(inputs[0] if static else inputs[t, 0])
        for n in program:
            if n is program.input or (t and n.name in machine.once):
                continue
            if n.name in machine.connections:
                values = machine.read(n.source)
                fan = Counter(p for p, _, _ in targets(n, program.shapes[n.source.source]))
                expected[n.name] += sum(-(-fan[p] // lanes) for p, v in values.items() if v)
            else:
                size = len(machine.places(n.name))
                reads = int(np.prod(n.size)) if hasattr(n, "size") else len(getattr(n, "sources", "x"))
                expected[n.name] += -(-size * reads // lanes)
    assert {c.layer: c.total for c in found.entries} == {k: v for k, v in expected.items() if v}


def test_batches_add_up_and_engines_agree():
    program = EXAMPLES["convolution"]()
    x = np.random.default_rng(1).integers(0, 256, (150, *program.input.shape))
    whole = event_counts(program, native.run(program, x, 3), x)
    parts = [event_counts(program, run(program, part, 3), part) for part in (x[:70], x[70:])]
    assert as_counters(parts[0] + parts[1]) == as_counters(whole)
    with pytest.raises(BadInput, match="one program and one number of timesteps"):
        _ = whole + event_counts(program, run(program, x[:1], 2), x[:1])


def test_a_dense_layer_agrees_with_the_equations_of_lemaire():
    """theta events, N outputs, T timesteps, with the sum of a neuron kept apart from its stored code: RdW = theta N,
    RdPot = WrPot = theta N + T N (sums), additions theta N, addresses theta N (equations 8, 10, 15, 2.4, 17.2)."""
    nodes = (
        Input("x", (4,), 0, 1),
        Dense("in", Edge("x"), frozen(4 * np.eye(4, dtype=np.int64))),
        neuron_node("first", "in", 4),
        Dense("fc", Edge("first"), frozen(np.arange(-6, 6).reshape(3, 4))),
        neuron_node("second", "fc", 3),
        Readout("out", Edge("second")),
    )
    program, inputs, timesteps, n = Program(nodes), np.random.default_rng(2).integers(0, 2, (6, 5, 4)), 6, 3
    trace = run(program, inputs, timesteps)
    theta, samples = int(trace.spikes["first"].sum()), 5
    found = event_counts(program, trace, inputs)

    def many(operation: str, *causes: str, layer: str = "fc") -> int:
        return found.total(operation, lambda c: c.layer == layer and c.cause in causes)

    assert theta > 0
    assert many("read", "spikes") == theta
    assert many("read", "weights") == theta * n
    assert many("add", "adds") == many("add", "spikes") == theta * n
    assert many("write", "states") == theta * n + samples * timesteps * n
    sums_read_by_neurons = samples * timesteps * n
    codes = samples * timesteps * n
    assert many("read", "states") == theta * n
    assert many("read", "states", layer="second") == sums_read_by_neurons + codes
    assert many("write", "states", layer="second") == codes
    assert many("write", "spikes", layer="first") == theta


def test_a_trace_of_other_inputs_is_refused():
    program = EXAMPLES["dense"]()
    trace = run(program, np.ones((2, 6), np.int64), 4)
    with pytest.raises(BadInput, match=r"must hold spikes \[4, 3, 3\] of lif, not \[4, 2, 3\]"):
        event_counts(program, trace, np.ones((3, 6), np.int64))
