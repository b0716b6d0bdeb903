"""Synaptic operations against loops over every connection."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.engine.reference import Session, run
from intspike.errors import BadInput
from intspike.ir import Conv, Dense, Edge, Input, Program, Readout, frozen, static_nodes
from intspike.measure import fan_out, synops
from measure.small_programs import neuron_node, random_inputs, random_program


def connections(node: Conv | Dense, shape: tuple[int, ...]):
    """Every connection: (index of the presynaptic value, weight)."""
    if isinstance(node, Dense):
        for out, flat in product(*map(range, node.weight.shape)):
            yield np.unravel_index(flat, shape), node.weight[out, flat]
        return
    (_, h, w), (out, per_group, kh, kw) = shape, node.weight.shape
    ho = (h + 2 * node.padding[0] - kh) // node.stride[0] + 1
    wo = (w + 2 * node.padding[1] - kw) // node.stride[1] + 1
    for o, oy, ox, c, i, j in product(*map(range, (out, ho, wo, per_group, kh, kw))):
        y, x = oy * node.stride[0] + i - node.padding[0], ox * node.stride[1] + j - node.padding[1]
        if 0 <= y < h and 0 <= x < w:
            yield (o // (out // node.groups) * per_group + c, y, x), node.weight[o, c, i, j]


def brute_force(program: Program, inputs: np.ndarray, timesteps: int, static: bool, skip: bool):
    """Operations, events and computed timesteps of every synapse node, connection by connection."""
    batch = inputs.shape[0] if static else inputs.shape[1]
    session = Session(program, batch, timesteps)
    synapses = [n for n in program if isinstance(n, (Dense, Conv))]
    found = {n.name: [0, 0, 0] for n in synapses}
    past: list[dict[str, np.ndarray]] = []
    once = static_nodes(program) if static else frozenset()
    for t in range(timesteps):
        past.append({k: np.array(v) for k, v in session.step(inputs if static else inputs[t]).items()})
        for n in synapses:
            if t and n.name in once:
                continue
            at = t - n.source.delay
            x = past[at][n.source.source] if at >= 0 else None
            found[n.name][2] += 1
            for b in range(batch if x is not None else 0):
                found[n.name][1] += int((x[b] != 0).sum())
                for where, weight in connections(n, program.shapes[n.source.source]):
                    found[n.name][0] += int(x[b][where] != 0 and not (skip and weight == 0))
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 2), st.booleans(), st.booleans())
def test_operations_agree_with_loops(seed, timesteps, batch, static, skip):
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    inputs = random_inputs(rng, program, timesteps, batch, static)
    found = synops(program, run(program, inputs, timesteps), inputs, skip_zero_weights=skip)
    expected = brute_force(program, inputs, timesteps, static, skip)
    assert {x.layer: [x.operations, x.events, x.timesteps] for x in found.layers} == expected
    assert found.total == sum(v[0] for v in expected.values())
    assert found.accumulates + found.multiply_accumulates == found.total
    neurons = sum(np.prod(program.shapes[n.name]) for n in program.neurons)
    assert found.updates == timesteps * neurons
    for x, n in zip(found.layers, (n for n in program if isinstance(n, (Dense, Conv))), strict=True):
        weights = [w for _, w in connections(n, program.shapes[n.source.source])]
        assert x.synapses == (np.count_nonzero(weights) if skip else len(weights))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_fan_out_agrees_with_loops(seed, skip):
    program = random_program(np.random.default_rng(seed))
    for n in program:
        if isinstance(n, (Dense, Conv)):
            shape = program.shapes[n.source.source]
            expected = np.zeros(shape, np.int64)
            for where, weight in connections(n, shape):
                expected[where] += not (skip and weight == 0)
            assert (fan_out(n, shape, skip) == expected).all()


def two_layers(high: int = 255, spikes: int = 1, low: int = 0) -> Program:
    return Program(
        (
            Input("x", (3,), low, high),
            Dense("first", Edge("x"), frozen([[2, 0, 1], [1, 1, 1]])),
            neuron_node("hidden", "first", 2, spikes),
            Dense("second", Edge("hidden"), frozen([[1, 1], [0, 1], [3, 3]])),
            neuron_node("last", "second", 3),
            Readout("out", Edge("last")),
        )
    )


def test_by_hand():
    program, x = two_layers(), np.array([[4, 9, 0]])
    trace = run(program, x, 5)
    hidden = int(trace.spikes["hidden"].sum())
    found = synops(program, trace, x)
    first, second = found.layers
    # two nonzero pixels, two outputs each, once because the image does not change
    assert (first.kind, first.operations, first.timesteps) == ("multiply-accumulate", 4, 1)
    assert (second.kind, second.operations, second.timesteps) == ("accumulate", 3 * hidden, 5)
    assert (found.multiply_accumulates, found.accumulates) == (4, 3 * hidden)
    assert found.per_inference == 4 + 3 * hidden
    assert found.updates == 25
    repeated = np.repeat(x[None], 5, 0)
    assert synops(program, run(program, repeated, 5), repeated).layers[0].operations == 20


def test_what_is_read_decides_accumulate_or_multiply():
    for program, expected in [
        (two_layers(1), ["accumulate"] * 2),
        (two_layers(1, low=-1), ["accumulate"] * 2),
        (two_layers(1, low=-2), ["multiply-accumulate", "accumulate"]),
        (two_layers(2), ["multiply-accumulate", "accumulate"]),
        (two_layers(1, spikes=2), ["accumulate", "multiply-accumulate"]),
    ]:
        x = np.ones((1, 3), np.int64)
        assert [n.kind for n in synops(program, run(program, x, 2), x).layers] == expected


def test_batches_add_up():
    program, rng = two_layers(), np.random.default_rng(3)
    x = rng.integers(0, 9, (150, 3))
    whole = synops(program, run(program, x, 6), x)
    parts = [synops(program, run(program, part, 6), part) for part in (x[:70], x[70:])]
    assert parts[0] + parts[1] == whole
    other = synops(program, run(program, x, 5), x)
    with pytest.raises(BadInput, match="one program, timesteps and convention"):
        _ = whole + other
    text = json.dumps(whole.to_dict())
    assert json.loads(text)["layers"]["second"]["kind"] == "accumulate"
    assert "neuron updates per inference: 30" in str(whole)


def test_a_trace_of_other_inputs_is_refused():
    program = two_layers()
    trace = run(program, np.ones((2, 3), np.int64), 4)
    with pytest.raises(BadInput, match=r"must hold spikes \[4, 3, 2\] of hidden, not \[4, 2, 2\]"):
        synops(program, trace, np.ones((3, 3), np.int64))
    with pytest.raises(BadInput, match="inputs must be"):
        synops(program, trace, np.ones((2, 4), np.int64))
