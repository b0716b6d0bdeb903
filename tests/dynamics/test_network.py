"""An integer network is the equation it prints, and the program it lowers to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integer_networks import network, networks, successor
from intspike.dynamics import IntegerNetwork
from intspike.engine import native, reference
from intspike.errors import BadInput


@settings(max_examples=30, deadline=None)
@given(networks(), st.integers(0, 2**32 - 1), st.integers(0, 7))
def test_a_step_is_the_equation_in_python_integers(net, seed, phase):
    states = net.random_states(4, seed)
    after = net.step(states, phase)
    expected = [successor(net, tuple(map(int, u)), phase) for u in states]
    assert after.tolist() == [list(u) for u in expected]


@settings(max_examples=30, deadline=None)
@given(networks(), st.integers(1, 12))
def test_the_program_is_the_network(net, steps):
    run = net.run(steps=steps)
    trace = reference.run(net.program(), net.drive_for(steps), steps)
    assert np.array_equal(trace.codes["neurons"]["u"][:, 0], run.states)
    assert np.array_equal(trace.spikes["neurons"][:, 0], run.spikes)
    assert np.array_equal(trace.readout[0], run.spikes.sum(0))


@settings(max_examples=30, deadline=None)
@given(networks(), st.integers(0, 2**32 - 1))
def test_the_program_is_the_network_from_any_state(net, seed):
    start = net.random_states(3, seed)
    session = reference.Session(net.program(), 3, 8)
    session.codes["neurons"] = {"u": start}
    session.spikes["neurons"] = net.spikes(start)
    session.past["neurons"].append(net.spikes(start))
    run = net.run(start, 8)
    for t in range(8):
        session.step(np.repeat(net.drive_for(8)[t], 3, 0))
        assert np.array_equal(session.codes["neurons"]["u"], run.states[t])
        assert np.array_equal(session.spikes["neurons"], run.spikes[t])


def test_the_native_engine_runs_it_too():
    net = network(20, 3, bits=8, phases=3, leak=3, reset="subtract", drive=9)
    trace = native.run(net.program(), net.drive_for(50), 50)
    run = net.run(steps=50)
    assert np.array_equal(trace.spikes["neurons"][:, 0], run.spikes)
    assert 0 < run.spikes.mean() < 1


def test_a_periodic_drive_starts_at_its_phase():
    net = network(3, 1, bits=6, phases=3, leak=2)
    whole = net.run(steps=9)
    later = net.run(whole.states[1], 7, phase=2)
    assert np.array_equal(later.states, whole.states[2:])


def test_a_threshold_above_the_codes_never_fires_and_has_no_program():
    net = IntegerNetwork([[5, 5], [5, 5]], threshold=8, bits=3, signed=False, leak=1, drive=7)
    assert not net.run(steps=50).spikes.any()
    with pytest.raises(BadInput, match="thresholds of at most 7"):
        net.program()


def test_a_network_is_frozen():
    weights = np.eye(2, dtype=np.int64)
    net = IntegerNetwork(weights, 3, 4)
    weights[0, 0] = 9
    assert net.weights[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        net.weights[0, 0] = 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"weights": [[1.5]]}, "weights must be integers"),
        ({"weights": [[1, 2]]}, r"weights must be \[N, N\]"),
        ({"weights": [[1 << 40]]}, "weights must fit 32 bits"),
        ({"threshold": 0}, "threshold must be one integer or .* rest"),
        ({"threshold": [1, 2]}, "threshold must be one integer"),
        ({"bits": 17}, "bits must be an integer in 1..16"),
        ({"overflow": "clip"}, "overflow must be one of saturate, wrap"),
        ({"reset": "soft"}, "reset must be one of none, zero, subtract"),
        ({"leak": 16}, "leak must be None or a shift in 0..15"),
        ({"drive": [1, 2, 3]}, "drive must be one integer"),
    ],
)
def test_bad_fields_are_refused(fields, words):
    with pytest.raises(BadInput, match=words):
        IntegerNetwork(**({"weights": [[1]], "threshold": 3, "bits": 4} | fields))


def test_states_that_are_none_are_refused():
    net = IntegerNetwork([[1]], 3, 4)
    with pytest.raises(BadInput, match=r"codes -8..7, not 8..8"):
        net.step([8])
    with pytest.raises(BadInput, match=r"a state must be \[..., 1\]"):
        net.step([0, 0])
    with pytest.raises(BadInput, match="steps must be at least 1"):
        net.run(steps=0)
