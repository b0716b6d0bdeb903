"""What a change does, against networks by hand; the real network is the integer one where nothing is rounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.dynamics import Ensemble, IntegerNetwork, robustness
from intspike.dynamics.robust import CHANGES, flips, in_reals, lsb
from intspike.errors import BadInput

ENSEMBLE = Ensemble(12, 0.4, 8, reset="subtract", signed=True, threshold="scaled")


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from(["none", "zero", "subtract"]), st.sampled_from([None, 0]),
    st.integers(0, 6),
)  # fmt: skip
def test_where_nothing_is_rounded_both_are_one(seed, reset, leak, drive):
    r = np.random.default_rng(seed)
    net = IntegerNetwork(r.integers(-9, 10, (5, 5)), 7, 6, reset=reset, leak=leak, drive=drive)
    start = net.random_states(1, seed)[0]
    drives = np.full((30, 5), drive)
    assert np.array_equal(in_reals(net, net.weights.astype(float), drives, start), net.run(start, 30).spikes)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4000))
def test_changes_are_what_they_say(seed, most):
    r = np.random.default_rng(seed)
    w = r.integers(-most, most + 1, (9, 9)) * (r.random((9, 9)) < 0.5)
    moved = lsb(w, r)
    assert (np.abs(moved) == (w != 0)).all()
    after = w + flips(w, r, 0.2)
    bits = 1
    while not (-(2 ** (bits - 1)) <= w.min() and w.max() < 2 ** (bits - 1)):
        bits += 1
    assert after.min() >= -(2 ** (bits - 1))
    assert after.max() < 2 ** (bits - 1)
    assert (after[w == 0] == 0).all()
    assert (w + flips(w, r, 0.0) == w).all()
    assert ((w ^ (w + flips(w, r, 1.0)))[w != 0] == -1).all()  # every bit, the sign as well


@pytest.mark.parametrize("change", CHANGES)
def test_a_network_before_and_after(change):
    found = robustness(ENSEMBLE, 3, change, steps=60, budget=500)
    net = ENSEMBLE.network(3)
    constant = int(np.floor(0.15 * ENSEMBLE.theta + 0.5))
    before = IntegerNetwork(net.weights, net.threshold, 8, reset="subtract", leak=3, drive=constant)
    assert found.rates[0] == before.run(ENSEMBLE.start(3), 60).spikes.mean()
    assert 0 <= found.distance[0] <= 1
    assert (found.attractor is None) == (change == "noise") or found.attractor is None
    assert found == robustness(ENSEMBLE, 3, change, steps=60, budget=500)
    real = ENSEMBLE.real(3)
    assert np.array_equal(np.maximum(1, np.floor(np.abs(real) + 0.5)) * np.sign(real), net.weights)


def test_what_cannot_be():
    with pytest.raises(BadInput, match="a change must be one of"):
        robustness(ENSEMBLE, 0, "heat")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="wrap have no floating-point network"):
        robustness(Ensemble(3, 0.5, 4, "wrap"), 0, "noise")
    with pytest.raises(BadInput, match="at least 4"):
        robustness(ENSEMBLE, 0, "noise", steps=3)
