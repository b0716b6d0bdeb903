"""Packed sizes, by hand and by their rules."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.errors import BadInput
from intspike.ir import Conv, Dense, Edge, Input, Integrator, Join, Neuron, Program, Readout, frozen
from intspike.measure import Packing, size_bits
from intspike.neuron import LIF
from intspike.neuron.constants import constants
from intspike.ops import Carry, Form, Table, Uniform, trace
from measure.small_programs import neuron_node, random_program


def golden() -> Program:
    """The worked example of the numeric contract, stored after reset."""
    one = lambda x: np.array([x])  # noqa: E731
    form = Form(Table(3, 2), Carry())
    made = constants(
        LIF(),
        form,
        gain=one(8),
        bias=one(3),
        theta=one(160),
        beta=np.array([0.75]),
        fractions=[-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95],
    )
    return Program(
        (
            Input("x", (4,), 0, 1),
            Dense("synapses", Edge("x"), frozen([[7, 6, -5, 3]])),
            Neuron("lif", Edge("synapses"), trace(LIF(), form), {k: frozen(v) for k, v in made.items()}),
            Readout("out", Edge("lif")),
        )
    )


def test_golden_by_hand():
    report = size_bits(golden(), timesteps=6)
    synapses, lif, out = report.nodes
    assert synapses.weights == 4 * 4  # -5..7 needs 4 bits
    assert lif.biases == 32
    assert lif.thresholds == 8  # 160; the reset is the same number
    assert lif.shifts == 2  # gain 2^3
    program = golden()
    widths = {"u.levels": 9, "u.boundaries": 9, "carry": 8}  # -120..152, -80..140, -80..114
    tables = {p: a for p, a in program["lif"].parameters.items() if a.ndim > 1}
    assert lif.tables == sum(widths[p] * a.size for p, a in tables.items())
    assert lif.states == 3 + 1  # the code and the spike beside it
    assert out.states == 3  # counts 0..6
    assert report.total == 16 + 32 + 8 + 2 + lif.tables + 4 + 3
    assert report.float32 == 32 * (4 + 3 + 1 + 1)  # weights; bias, theta, beta; membrane; count
    assert json.loads(json.dumps(report.to_dict()))["nodes"]["lif"]["states"] == 4
    assert "times smaller than" in str(report)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_parts_add_up_and_packing_never_grows_weights(seed):
    program = random_program(np.random.default_rng(seed))
    report = size_bits(program)
    parts = report.to_dict()
    kinds = ("weights", "biases", "thresholds", "tables", "shifts", "states")
    assert report.total == sum(parts[k] for k in kinds) == sum(n.total for n in report.nodes)
    assert report.float32 == sum(n.float32 for n in report.nodes)
    for n in program:
        if isinstance(n, (Dense, Conv)):
            (size,) = (s.weights for s in report.nodes if s.node == n.name)
            width = size // n.weight.size
            signed = n.weight.min() < 0
            assert -(1 << width - 1) * signed <= n.weight.min()
            assert n.weight.max() < 1 << width - signed


def layers(weight, delay: int = 0, codec=None) -> Program:
    theta = 1000 if isinstance(codec, Table) else 4
    weight = frozen(weight)
    return Program(
        (
            Input("x", (weight.shape[1],), 0, 255),
            Dense("dense", Edge("x", delay), weight),
            neuron_node("lif", "dense", weight.shape[0], codec=codec, theta=theta),
            Readout("out", Edge("lif"), "last"),
        )
    )


@pytest.mark.parametrize(
    ("weight", "bits"),
    [([[-1, 0, 1]], 2), ([[0, 1, 1]], 1), ([[-8, 7, 0]], 4), ([[-8, 8, 0]], 5), ([[0, 0, 0]], 1)],
)
def test_needed_weight_bits(weight, bits):
    assert size_bits(layers(weight)).weights == 3 * bits


def test_declared_weight_bits():
    program = layers([[-3, -1, 1, 3]])
    assert size_bits(program).weights == 4 * 3
    assert size_bits(program, {"dense": 2}).weights == 4 * 2
    assert size_bits(program, {"dense": 8}).weights == 4 * 8
    with pytest.raises(BadInput, match="dense: weights of 4 different codes need 2 bits, not 1"):
        size_bits(program, {"dense": 1})
    with pytest.raises(BadInput, match="not for 'dens'; did you mean 'dense'"):
        size_bits(program, {"dens": 2})


def test_a_basis_is_counted_and_tells_the_codes_of_its_channel_apart():
    program = layers([[-90, -10, 10, 90], [-50, -8, 8, 50]])
    report = size_bits(program, {"dense": Packing(2, table=14, per_channel=True)})
    assert (report.nodes[0].weights, report.nodes[0].tables) == (8 * 2, 2 * 14)
    with pytest.raises(BadInput, match="dense: weights of 8 different codes need 3 bits, not 2"):
        size_bits(program, {"dense": 2})


def test_declared_biases():
    """They share a power of two; its shift is counted once."""
    program = layers([[1, 2], [3, 4]])
    (before,) = (n for n in size_bits(program).nodes if n.node == "lif")
    lif = program["lif"]
    assert isinstance(lif, Neuron)
    for bias, bits, shift in (([24, -40], 4, 2), ([0, 0], 2, 1), ([-8, 7], 4, 1)):
        node = Neuron(lif.name, lif.source, lif.body, {**lif.parameters, "bias": frozen(bias)})
        changed = Program(tuple(node if n is lif else n for n in program))
        (after,) = (n for n in size_bits(changed, {"lif": bits}).nodes if n.node == "lif")
        assert after.biases == 2 * bits
        assert after.shifts == before.shifts + shift
    with pytest.raises(BadInput, match=r"lif: biases -8\.\.7 need 4 bits, not 3"):
        size_bits(changed, {"lif": 3})


@pytest.mark.parametrize(
    ("codec", "bits"),
    [
        (Table(1, 0), 1 + 1),
        (Table(4, 5), 4 + 1),
        (Table(8, 100), 8 + 1),
        (Uniform(5, -16), 5 + 1),
        (Uniform(16, -(1 << 15), stores="before reset"), 16),
    ],
    ids=str,
)
def test_states_are_codes_and_what_the_codec_keeps(codec, bits):
    assert size_bits(layers([[1, 2], [3, 4], [5, 6]], codec=codec)).states == 3 * bits


def test_delays_and_running_sums_are_states():
    assert (
        size_bits(layers([[1, 2]], delay=3)).states == 8 + 3 * 2 * 8
    )  # the codes; three frames of two pixels
    program = Program(
        (
            Input("x", (2,), 0, 1),
            Dense("in", Edge("x"), frozen([[1, 1]])),
            Dense("back", Edge("lif", 1), frozen([[1]])),
            Dense("late", Edge("lif", 4), frozen([[1]])),
            Join("sum", (Edge("in"), Edge("back"), Edge("late"))),
            neuron_node("lif", "sum", 1),
            Integrator("total", Edge("lif"), bits=12),
            Readout("out", Edge("total"), "last"),
        )
    )
    # the last output is part of the neuron's own state, three older ones are held, and the sum
    assert size_bits(program).states == 8 + 3 + 12
