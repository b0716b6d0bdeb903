"""The whole graph is what single orbits say, with and without a compiler; exports are read by another tool."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integer_networks import COMPILED, compiled, network
from intspike.dynamics import IntegerNetwork, attractors, dot, graphml, index_of, orbit, state_of
from intspike.dynamics import graph as module
from intspike.dynamics.cycles import cycles_of
from intspike.errors import BadInput
from intspike.native import sets


def fields_of(graph):
    names = ("successors", "labels", "transients", "least", "periods", "basins", "longest")
    return {name: np.asarray(getattr(graph, name), np.int64).tolist() for name in names}


@settings(max_examples=25, deadline=None)
@given(compiled(most_neurons=2, most_bits=4), st.integers(0, 2**32 - 1))
def test_the_graph_is_brent_from_every_state(net, seed):
    graph = attractors(net)
    ids = {}
    index = range(net.size) if net.size <= 128 else np.random.default_rng(seed).integers(0, net.size, 60)
    for v in map(int, index):
        state, phase = state_of(net, v)
        found, k = orbit(net, state, phase=int(phase)), int(graph.labels[v])
        assert found.transient == graph.transients[v]
        assert found.cycle.period == graph.periods[k]
        assert index_of(net, found.cycle.state) == graph.least[k]
        assert ids.setdefault(k, (found.cycle.id, found.cycle.observable))[0] == found.cycle.id
    for (a, (_, seen)), (b, (_, other)) in itertools.product(ids.items(), repeat=2):
        assert (seen == other) == (graph.observable[a] == graph.observable[b])
    assert graph.basins.sum() == graph.observable_basins.sum() == net.size


@settings(max_examples=25, deadline=None)
@given(compiled(most_neurons=3, most_bits=4))
def test_without_a_compiler_the_graph_is_the_same(net):
    made = attractors(net)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("intspike.dynamics.cycles.compiler", lambda: None)
        patch.setattr(module, "compiled", lambda network: None)
        patch.setattr(module, "_PART", 100)
        assert fields_of(attractors(net)) == fields_of(made)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**20), min_size=1, max_size=60))
def test_any_map_is_taken_apart(numbers):
    following = np.array(numbers, np.uint32) % len(numbers)
    labels, transients, least, periods, basins, longest = cycles_of(following)
    for v in range(len(following)):
        seen = [v]
        while (u := int(following[seen[-1]])) not in seen:
            seen.append(u)
        transient = seen.index(u)
        k = labels[v]
        assert transients[v] == transient
        assert (periods[k], least[k]) == (len(seen) - transient, min(seen[transient:]))
    assert np.array_equal(basins, np.bincount(labels))
    assert longest.tolist() == [int(transients[labels == k].max()) for k in range(len(basins))]
    assert (np.diff(least) > 0).all()


@pytest.mark.parametrize("march", sets())
def test_several_threads_and_blocks_make_the_same_successors(march, monkeypatch):
    monkeypatch.setenv("INTSPIKE_MARCH", march)
    for fields in COMPILED[:4]:
        net = network(4, 8, phases=2, **fields)
        each = net.size // 2
        index = np.arange(net.size)
        states, phases = state_of(net, index)
        assert np.array_equal(index_of(net, states, phases), index)
        after = np.concatenate([net.step(states[:each], 0), net.step(states[each:], 1)])
        expected = index_of(net, after, 1 - phases)
        assert np.array_equal(module.successors(net, threads=2), expected)


@pytest.mark.parametrize(("k", "neurons"), [(1, 3), (2, 3), (1, 5), (2, 2)])
def test_the_dead_zone_alone_makes_so_many_steady_states(k, neurons):
    net = IntegerNetwork(np.zeros((neurons, neurons), np.int64), 7, 4, leak=k, reset="zero")
    graph = attractors(net)
    assert graph.attractors == (2**k) ** neurons
    assert graph.observable_attractors == 1
    assert graph.periods.tolist() == [1] * graph.attractors
    assert f"{graph.attractors:,} state attractors, 1 observable" in str(graph)


def test_degrees_and_transients_are_counted():
    graph = attractors(network(3, 1, bits=3, leak=1, reset="subtract"))
    indegree = np.bincount(graph.successors, minlength=512)
    assert graph.in_degrees.tolist() == [int((indegree == d).sum()) for d in range(indegree.max() + 1)]
    assert graph.transient_counts.sum() == 512
    assert graph.transient_counts[0] == graph.periods.sum()


def test_exports_are_read_by_networkx():
    networkx = pytest.importorskip("networkx")
    graph = attractors(network(2, 5, bits=3, leak=1, reset="subtract", phases=2))
    read = networkx.read_graphml(io.BytesIO(graphml(graph).encode()))
    assert {(int(a[1:]), int(b[1:])) for a, b in read.edges} == set(enumerate(map(int, graph.successors)))
    cycles = [sorted(int(v[1:]) for v in c) for c in networkx.simple_cycles(read)]
    assert sorted(map(min, cycles)) == graph.least.tolist()
    for name, data in read.nodes(data=True):
        v = int(name[1:])
        assert (data["attractor"], data["transient"]) == (graph.labels[v], graph.transients[v])
        assert data["state"].partition(";")[0] == ",".join(map(str, state_of(graph.network, v)[0]))
    assert dot(graph).count(" -> ") == graph.network.size == dot(graph).count("fillcolor=")


def test_too_many_states_are_refused():
    with pytest.raises(BadInput, match=r"up to 2\^26 = 67,108,864, but this network has 2 \* 2\^32 states"):
        attractors(network(4, bits=8, phases=2))
    with pytest.raises(BadInput, match="drawn up to 8,192 states, not 16,384"):
        dot(attractors(network(2, bits=7)))
