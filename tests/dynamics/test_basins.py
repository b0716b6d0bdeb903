"""Sampled basins against the whole graph, and what is said of the unseen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integer_networks import compiled, network
from intspike.dynamics import IntegerNetwork, attractors, basins, index_of, orbit, state_of
from intspike.dynamics.basins import random_map_log2
from intspike.errors import BadInput
from intspike.measure import wilson


@settings(max_examples=12, deadline=None)
@given(compiled(most_neurons=3, most_bits=4), st.integers(0, 1000))
def test_samples_end_where_the_graph_says(net, seed):
    graph, states = attractors(net), net.random_states(40, seed)
    found = basins(net, 40, seed=seed, threads=2)
    labels = graph.labels[index_of(net, states)]
    hits = np.bincount(labels, minlength=graph.attractors)
    assert {int(index_of(net, b.cycle.state)): b.hits for b in found.attractors} == {
        int(graph.least[k]): int(hits[k]) for k in np.flatnonzero(hits)
    }
    observed = np.bincount(graph.observable[labels])
    assert sorted(b.hits for b in found.observable) == sorted(observed[observed > 0].tolist())
    assert all(b.share == wilson(b.hits, 40) for b in (*found.attractors, *found.observable))
    assert np.array_equal(found.transients, graph.transients[index_of(net, states)])
    assert found.unseen_mass == (hits == 1).sum() / 40
    assert found.samples == 40


def test_intervals_hold_the_true_basins():
    held = total = 0
    for seed in range(30):
        net = network(3, seed, bits=3, leak=1, reset="subtract", overflow="saturate")
        graph = attractors(net)
        true = {int(v): b / net.size for v, b in zip(graph.least, graph.basins, strict=True)}
        for b in basins(net, 100, seed=seed + 1000).attractors:
            share = true[int(index_of(net, b.cycle.state))]
            held += (b.share.low or 0) <= share <= (b.share.high or 1)
            total += 1
    assert total > 45
    assert held / total > 0.9


def test_the_sampling_measure_is_named():
    net = IntegerNetwork([[0, 9], [9, 0]], 5, 4, signed=False, leak=2)
    with pytest.raises(BadInput, match=r"measure=\.\.\."):
        basins(net, states=[[0, 0]])
    given = basins(net, states=[[0, 0], [9, 9], [15, 15]], measure="by hand")
    assert "3 states drawn by hand: 2 state attractors, 2 observable" in str(given)
    assert [b.hits for b in given.attractors] == [2, 1]
    assert [str(b.regime) for b in given.attractors] == ["saturated", "quiescent (zero)"]
    assert [b.id for b in basins(net, 200, seed=1).multistable()] == [
        b.id for b in basins(net, 200, seed=1).observable
    ]
    with pytest.raises(BadInput, match="samples must be at least 1"):
        basins(net, 0)


def test_the_unresolved_are_counted():
    net = IntegerNetwork([[0]], 30_000, 16, overflow="wrap", reset="zero", drive=1)
    found = basins(net, 5, budget=100)
    assert (found.unresolved, found.samples, found.attractors) == (5, 5, ())
    assert found.transient_ratio is None
    assert 1 - (1 - found.largest_unseen) ** 5 == pytest.approx(0.95)


def test_the_random_map_is_the_null_model():
    assert 2 ** random_map_log2(network(2, bits=3)) == pytest.approx(math.sqrt(math.pi * 64 / 8))
    wide = network(200, bits=16)
    assert random_map_log2(wide) == pytest.approx(
        1600 + math.log2(math.pi / 8) / 2
    )  # 2^3200 states overflow a float
    net = network(3, 4, bits=3, leak=1, reset="subtract")
    every = state_of(net, range(net.size))[0]
    found = basins(net, states=every, measure="all")
    graph = attractors(net)
    expected = math.sqrt(math.pi * net.size / 8)
    assert found.transient_ratio == pytest.approx(graph.transients.mean() / expected)
    assert found.period_ratio == pytest.approx(graph.periods[graph.labels].mean() / expected)
    assert len(found.attractors) == graph.attractors
    assert orbit(net, every[5]).cycle.id in {b.id for b in found.attractors}
