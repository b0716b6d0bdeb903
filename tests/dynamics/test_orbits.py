"""Orbits are exact: against a dictionary of all states seen, with and without a compiler, at every budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from integer_networks import COMPILED, compiled, network, walk
from intspike.dynamics import IntegerNetwork, advance, classify, dead_zone, orbit, raster, settling_time
from intspike.dynamics.orbits import _Plain
from intspike.dynamics.words import canonical, smallest_period, smallest_rotation
from intspike.errors import BadInput
from intspike.native import sets

MOST = 3000


def by_dictionary(net, state, phase):
    """(transient, states of the cycle in order, phase of the first), by remembering every state."""
    seen = {}
    for t, u in enumerate(walk(net, tuple(map(int, state)), phase)):
        key = (u, (phase + t) % net.phases)
        if key in seen:
            states = [v for v, _ in list(seen)[seen[key] :]]
            return seen[key], states, (phase + seen[key]) % net.phases
        if t > MOST:
            return None
        seen[key] = t


@settings(max_examples=60, deadline=None)
@given(compiled(), st.integers(0, 2**32 - 1), st.integers(0, 2), st.integers(1, 30))
def test_compiled_timesteps_are_the_definition(net, seed, phase, steps):
    states = net.random_states(5, seed)
    assert np.array_equal(advance(net, states, steps, phase), net.run(states, steps, phase).states[-1])


def test_compiled_timesteps_fill_several_blocks_and_portions(monkeypatch):
    monkeypatch.setattr("intspike.dynamics.kernel.CHUNK", 140)  # seven timesteps
    for fields in COMPILED:
        net = network(9, 5, phases=3, **fields)
        states = net.random_states(700, 1)
        assert np.array_equal(advance(net, states, 23, 1, threads=2), net.run(states, 23, 1).states[-1])


def test_wide_sums_get_wide_lanes():
    for weight in (3, 1 << 14, (1 << 31) - 1):
        net = IntegerNetwork([[weight, -weight], [weight, 1]], 5, 16, overflow="wrap", leak=4)
        states = net.random_states(50, 0)
        assert np.array_equal(advance(net, states, 9), net.run(states, 9).states[-1])


@settings(max_examples=80, deadline=None)
@given(compiled(most_neurons=4), st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_an_orbit_is_that_of_a_dictionary(net, seed, phase):
    start, phase = net.random_states(1, seed)[0], phase % net.phases
    expected = by_dictionary(net, start, phase)
    assume(expected is not None)
    transient, states, at = expected
    budget = transient + len(states)
    found = orbit(net, start, budget, phase)
    assert (found.transient, found.cycle.period) == (transient, len(states))
    least, k = min((u, k) for k, u in enumerate(states) if (at + k) % net.phases == 0)
    assert found.cycle.state.tolist() == list(least)
    turned = np.array(states[k:] + states[:k])
    assert np.array_equal(found.cycle.spikes, net.spikes(turned))
    ends = (turned == net.high) | ((turned == net.low) & net.signed)
    assert found.cycle.rails == ends.mean()
    assert not orbit(net, start, budget - 1, phase).resolved if budget > 1 else True
    # from anywhere on the cycle it is the same cycle
    again = orbit(net, states[len(states) // 2], MOST * 3, (at + len(states) // 2) % net.phases)
    assert (again.transient, again.cycle.id) == (0, found.cycle.id)
    assert again.cycle.observable == found.cycle.observable


@settings(max_examples=25, deadline=None)
@given(compiled(most_neurons=4), st.integers(0, 2**32 - 1), st.integers(0, 2), st.integers(1, 300))
def test_without_a_compiler_it_is_the_same(net, seed, phase, budget):
    start, phase = net.random_states(1, seed)[0], phase % net.phases
    found = orbit(net, start, budget, phase)
    plain = _Plain(net)
    period = plain.period(start, phase, budget)
    transient = None if period is None else plain.transient(start, phase, period, budget - period)[0]
    assert found.transient == transient
    if found.cycle is not None:
        first = plain.transient(start, phase, period, budget)[1]
        assert np.array_equal(plain.least(first, (phase + transient) % net.phases, period), found.cycle.state)
        spikes, rails = plain.sent(found.cycle.state, period)
        assert np.array_equal(spikes, found.cycle.spikes)
        assert rails / spikes.size == found.cycle.rails


def test_portions_change_nothing(monkeypatch):
    net, again = (network(5, 2, bits=4, leak=None, reset="zero", overflow="wrap", phases=2) for _ in range(2))
    whole = orbit(net, net.random_states(1, 4)[0])
    monkeypatch.setattr("intspike.dynamics.kernel.CHUNK", 24)  # three timesteps
    parts = orbit(again, net.random_states(1, 4)[0])
    assert whole.cycle.period > 3
    assert (whole.transient, whole.cycle.id) == (parts.transient, parts.cycle.id)
    assert np.array_equal(whole.cycle.spikes, parts.cycle.spikes)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=8), st.integers(1, 4))
def test_words_in_their_smallest_form(word, times):
    repeated = np.array(word * times)
    n = len(repeated)
    p = next(p for p in range(1, n + 1) if n % p == 0 and (np.roll(repeated, p) == repeated).all())
    assert smallest_period(repeated) == p
    rotations = [word[k:] + word[:k] for k in range(len(word))]
    k = smallest_rotation(word)
    assert rotations[k] == min(rotations)
    assert rotations.index(min(rotations)) == k
    rows = repeated[:, None] % 2
    assert np.array_equal(canonical(rows), canonical(np.roll(rows, 3, 0)))


def test_the_spikes_can_repeat_before_the_states():
    # a silent neuron that wraps round and round
    net = IntegerNetwork([[0]], 100, 4, overflow="wrap", signed=False, drive=1)
    found = orbit(net)
    assert (found.cycle.period, found.cycle.spike_period) == (16, 1)
    assert str(classify(net, found)) == "quiescent (dead zone)"


def regime(*arguments, state=None, budget=1000, **fields):
    net = IntegerNetwork(*arguments, **fields)
    return str(classify(net, orbit(net, state, budget)))


def test_regimes_by_construction(monkeypatch):
    monkeypatch.setattr(
        "intspike.dynamics.orbits.compiled", lambda network: None
    )  # nothing to compile for so little
    assert regime([[0]], 5, 8, leak=3) == "quiescent (zero)"
    assert regime([[0]], 50, 8, leak=3, state=[40]) == "quiescent (dead zone)"
    # driven above its rheobase, ceil(theta / 2^k) = 3, a neuron fires now and then
    assert regime([[0]], 20, 8, leak=3, drive=2, reset="zero") == "quiescent (dead zone)"
    assert regime([[0]], 20, 8, leak=3, drive=3, reset="zero").startswith("limit cycle P(")
    assert regime([[0, 9], [9, 0]], 5, 4, signed=False, leak=2, state=[9, 9]) == "saturated"
    assert regime([[0, 5], [5, 0]], 5, 4, leak=0, reset="zero", state=[5, 0]) == "limit cycle P(2)"
    quiet = [[5, 0], [0, 0]]
    assert regime(quiet, 5, 4, leak=0, reset="zero", state=[5, 0]) == "active steady state"
    assert (
        regime([[0]], 7, 16, overflow="wrap", drive=1, reset="zero", budget=5)
        == "unresolved within the budget"
    )


def test_a_long_transient_is_marked(monkeypatch):
    monkeypatch.setattr("intspike.dynamics.orbits.compiled", lambda network: None)
    net = IntegerNetwork([[0, 0], [0, 0]], [200, 3], 8, overflow="saturate", drive=[[1, 0]], leak=None)
    found = orbit(net)
    assert (found.transient, settling_time(net)) == (127, 1)
    assert str(classify(net, found)) == "quiescent (dead zone), long transient"


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("signed", [True, False])
def test_the_dead_zone_by_counting(k, signed):
    net = IntegerNetwork([[0]], 5, 5, leak=k, signed=signed)
    kept = [u for u in range(net.low, 5) if net.step([u])[0] == u]
    assert kept == list(range(dead_zone(net)[0], dead_zone(net)[1] + 1))
    with pytest.raises(BadInput, match="without drive"):
        dead_zone(IntegerNetwork([[0]], 5, 5, drive=1))


def test_bad_orbits_are_refused():
    net = IntegerNetwork([[0]], 5, 5)
    with pytest.raises(BadInput, match="a budget must be at least 1 timestep, not 0"):
        orbit(net, budget=0)
    with pytest.raises(BadInput, match="an orbit starts from one state"):
        orbit(net, [[0], [1]])


@pytest.mark.parametrize("march", sets())
@pytest.mark.parametrize("tables", [True, False])
@pytest.mark.parametrize("most", [1, 9])  # sums that fit a byte, and sums that do not
def test_single_states_on_every_processor(most, tables, march, monkeypatch):
    monkeypatch.setenv("INTSPIKE_MARCH", march)
    if not tables:
        monkeypatch.setattr("intspike.dynamics.kernel.MOST_BY_FOURS", 0)
    for fields, neurons in zip((*COMPILED[:3], COMPILED[4]), (9, 16, 65, 130), strict=True):
        net = network(neurons, 5, phases=3, most=most, **fields)
        state = net.random_states(1, 1)[0]
        sent = net.spikes(np.concatenate([state[None], net.run(state, 20).states]))[:20]
        assert np.array_equal(raster(net, state, 20), sent)


@pytest.mark.parametrize("march", sets())
@pytest.mark.parametrize(
    ("overflow", "reset", "leak", "most"),
    [("saturate", "subtract", 3, 3), ("saturate", "none", 1, 90), ("wrap", "zero", None, 21)],
)
def test_many_states_advance_on_every_processor(overflow, reset, leak, most, march, monkeypatch):
    """From no sender to all of them, neurons that never fire, a last block that is not full."""
    monkeypatch.setenv("INTSPIKE_MARCH", march)
    r = np.random.default_rng(most)
    weights = r.integers(-most, most + 1, (70, 70)) * (r.random((70, 70)) < np.linspace(0, 1, 70)[:, None])
    theta, drive = r.integers(1, 300, 70), r.integers(-9, 10, (2, 70))
    net = IntegerNetwork(weights, theta, 8, overflow, reset, leak=leak, drive=drive)
    states = net.random_states(600, 1)
    assert np.array_equal(advance(net, states, 9, 1), net.run(states, 9, 1).states[-1])
