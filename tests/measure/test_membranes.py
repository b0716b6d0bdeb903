"""Membranes behind stored codes: what fires lies at or above threshold, and histograms count every one."""

from __future__ import annotations

import numpy as np
import pytest

from intspike.engine.reference import run
from intspike.errors import BadInput
from intspike.ir import Dense, Edge, Input, Program, Readout, frozen
from intspike.measure.codes import membranes
from intspike.measure.membranes import MembraneCounts, bin_edges
from intspike.ops import Table, Uniform
from measure.small_programs import neuron_node

T = 9
CODECS = [
    Table(4, 5, stores="after reset"),
    Uniform(8, -128, stores="after reset"),
    Uniform(8, -128, stores="before reset"),
    Uniform(5, -9, stores="after reset"),
]


def program(codec, spikes: int = 1) -> Program:
    return Program(
        (
            Input("x", (3,), 0, 9),
            Dense("first", Edge("x"), frozen([[9, -3, 5], [4, 4, -7]])),
            neuron_node("n", "first", 2, spikes=spikes, codec=codec, theta=40),
            Readout("out", Edge("n")),
        )
    )


def inputs() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 10, (T, 6, 3))


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_a_neuron_fires_exactly_where_its_membrane_reaches_the_threshold(codec):
    made = program(codec)
    trace = run(made, inputs(), T)
    node = made.neurons[0]
    u = membranes(node, trace.codes["n"]["u"], trace.spikes["n"])
    assert u.shape == (T, 6, 2)
    assert 0 < trace.spikes["n"].mean() < 1
    assert ((u >= 40) == (trace.spikes["n"] > 0)).all()
    codes = trace.codes["n"]["u"]
    for t, b, c in np.ndindex(u.shape):  # the definition, one by one
        code = int(codes[t, b, c])
        if isinstance(codec, Table):
            level = int(node.parameters["u.levels"][c, code])
        else:
            level = code << int(node.parameters["u.shift"][c])
        took = 40 * int(trace.spikes["n"][t, b, c]) if codec.stores == "after reset" else 0
        assert u[t, b, c] == level + took


def test_several_spikes_take_several_thresholds():
    made = program(Uniform(8, -128, stores="after reset"), spikes=3)
    trace = run(made, inputs(), T)
    u = membranes(made.neurons[0], trace.codes["n"]["u"], trace.spikes["n"])
    fired = trace.spikes["n"].astype(int)
    assert fired.max() > 1
    below = fired < 3
    assert (np.clip(u // 40, 0, 3) == fired)[below].all()


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_histograms_add_up_and_the_threshold_is_an_edge(codec):
    made, x = program(codec), inputs()
    trace = run(made, x, T)
    whole, parts = MembraneCounts(), MembraneCounts()
    whole.add(made, trace)
    for k in range(0, 6, 2):
        parts.add(made, run(made, x[:, k : k + 2], T))
    assert parts.counts["n"].tolist() == whole.counts["n"].tolist()
    assert (whole.samples, parts.samples) == (6, 6)
    assert whole.counts["n"].sum() == T * 6 * 2
    assert whole.counts["n"][bin_edges()[:-1] >= 1].sum() == (trace.spikes["n"] > 0).sum()
    u = membranes(made.neurons[0], trace.codes["n"]["u"], trace.spikes["n"])
    plain, _ = np.histogram(np.clip(u / 40, -3, np.nextafter(3, 0)), bin_edges())
    inner = slice(1, -1)
    assert whole.counts["n"][inner].tolist() == plain[inner].tolist()


def test_real_membranes_are_counted_alike_and_ends_hold_what_is_beyond():
    counted = MembraneCounts()
    u = np.array([-50.0, -3.0, -0.01, 0.0, 0.96, 1.0, 2.99, 3.0, 70.0]).reshape(1, 1, -1)
    counted.add_real({"n": u}, 1)
    found = {round(float(bin_edges()[k]), 2): int(n) for k, n in enumerate(counted.counts["n"]) if n}
    assert found == {-3.0: 2, -0.05: 1, 0.0: 1, 0.95: 1, 1.0: 1, 2.95: 3}
    assert len(bin_edges()) == 121
    with pytest.raises(BadInput, match="membranes of n must be finite"):
        counted.add_real({"n": u + np.inf}, 1)
