"""Damage against single copies in plain Python, and what must hold of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integer_networks import compiled, walk
from intspike.dynamics import IntegerNetwork, damage
from intspike.errors import BadInput


@settings(max_examples=20, deadline=None)
@given(compiled(most_bits=8, most_neurons=4), st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(0, 2))
def test_damage_is_that_of_single_copies(net, seed, kick, phase):
    state = net.random_states(1, seed)[0].tolist()
    found = damage(net, state, kick=kick, steps=8, phase=phase)
    differing, spikes, distance = np.zeros((3, 9, net.neurons))
    for k in range(net.neurons):
        other = list(state)
        other[k] += kick if other[k] + kick <= net.high else -kick
        merged = -1
        for t, (a, b) in enumerate(
            zip(walk(net, tuple(state), phase), walk(net, tuple(other), phase), strict=False)
        ):
            if t == 9:
                break
            differing[t, k] = sum(x != y for x, y in zip(a, b, strict=True))
            distance[t, k] = sum(abs(x - y) for x, y in zip(a, b, strict=True))
            fires = [[x >= theta for x, theta in zip(s, net.threshold, strict=True)] for s in (a, b)]
            spikes[t, k] = np.mean([x != y for x, y in zip(*fires, strict=True)])
            merged = t if merged < 0 and a == b else merged
        assert found.merged[k] == merged
    assert np.array_equal(found.differing, differing.mean(1))
    assert np.array_equal(found.distance, distance.mean(1))
    assert found.spikes == pytest.approx(spikes.mean(1))  # means of the same shares, added in another order


def test_without_spikes_damage_never_grows():
    net = IntegerNetwork(np.ones((6, 6), np.int64), 100, 3, leak=1, reset="subtract")
    found = damage(net, net.random_states(1, 3)[0], steps=60, kick=3)
    assert (np.diff(found.distance) <= 0).all()
    assert found.slope <= 1
    assert found.plateau == 0


def test_a_leak_of_everything_heals_at_once():
    net = IntegerNetwork([[0, 1], [1, 0]], 50, 16, overflow="wrap", leak=0, reset="subtract", signed=False)
    found = damage(net, [3, 4], neurons=[1], steps=5)
    assert found.merged.tolist() == [1]
    assert (found.healed, found.slope, found.differing[0]) == (1.0, 0.0, 1.0)


def test_kicks_that_cannot_be():
    net = IntegerNetwork([[0]], 5, 4, leak=1)
    for kick in (0, 9):
        with pytest.raises(BadInput, match=r"a kick must be in 1\.\.8 LSB"):
            damage(net, [0], kick=kick)
    with pytest.raises(BadInput, match=r"neurons must be in 0\.\.0"):
        damage(net, [0], neurons=[1])
    with pytest.raises(BadInput, match="at least 1 timestep"):
        damage(net, [0], steps=0)
