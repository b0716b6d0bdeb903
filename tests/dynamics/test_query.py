"""Exact queries against the whole graph."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from integer_networks import COMPILED, network
from intspike.dynamics import IntegerNetwork, attractors, find_orbit, orbit
from intspike.errors import BadInput, Divergence, MissingDependency

pytest.importorskip("ortools")

SMALL = [f for f in COMPILED if f["bits"] <= 4]


@pytest.mark.parametrize("fields", SMALL, ids=str)
def test_an_orbit_is_found_exactly_where_the_graph_has_one(fields):
    answers = set()
    for seed in range(3):
        net = network(2 + seed % 2, seed, most=3, phases=1 + seed % 2, **fields)
        graph = attractors(net)
        fires = [k for k in range(graph.attractors) if net.spikes(graph.cycle(k)).any()]
        for period in range(net.phases, 5, net.phases):
            expected = any(period % int(graph.periods[k]) == 0 for k in fires)
            found = find_orbit(net, period)
            answers.add(found.status)
            assert (found.status, found.period) == ("found" if expected else "absent", period)
            if expected:
                again = orbit(net, found.state)
                assert again.transient == 0
                assert period % again.cycle.period == 0
                assert again.cycle.spikes.any()
    assert answers <= {"found", "absent"}


def test_absence_is_proved_where_no_one_could_enumerate():
    r = np.random.default_rng(0)
    n = 30
    weights = r.integers(-9, 6, (n, n)) * (r.random((n, n)) < 0.1)
    net = IntegerNetwork(weights, 40, 8, reset="subtract", leak=3)
    assert find_orbit(net, 1, seconds=60).status == "absent"


def test_a_question_without_time_stays_open():
    r = np.random.default_rng(1)
    net = IntegerNetwork(r.integers(-60, 61, (40, 40)), 50, 8, reset="subtract", leak=3)
    assert find_orbit(net, 6, seconds=0.01).status == "unknown"


def test_a_false_witness_is_found_out():
    from intspike.dynamics.query import _replay

    net = IntegerNetwork([[0]], 5, 5, leak=1)
    with pytest.raises(Divergence, match="solver and network must agree"):
        _replay(net, np.array([4]), 1)
    with pytest.raises(Divergence):
        _replay(net, np.array([0]), 1)  # recurs, but nothing fires


def test_questions_that_cannot_be(monkeypatch):
    net = network(2, **{**COMPILED[0], "phases": 2})
    for period in (0, 3, 1.5):
        with pytest.raises(BadInput, match="positive multiple of the drive's 2"):
            find_orbit(net, period)
    with pytest.raises(BadInput, match="seconds must be positive"):
        find_orbit(net, 2, seconds=0)
    monkeypatch.setitem(sys.modules, "ortools.sat.python", None)
    with pytest.raises(MissingDependency, match=r"intspike\[exact\]"):
        find_orbit(net, 2)
