"""Ensembles are paired across widths and hold what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from intspike.dynamics import Ensemble
from intspike.errors import BadInput


def test_one_seed_is_one_network_at_every_width():
    few, many = (Ensemble(40, 0.4, bits, threshold="scaled") for bits in (6, 16))
    a, b = few.network(3), many.network(3)
    assert np.array_equal(np.sign(a.weights), np.sign(b.weights))
    ratio = many.theta // few.theta
    far = np.abs(b.weights - ratio * a.weights)
    assert far[np.abs(a.weights) > 1].max() <= ratio / 2  # each is rounded by itself
    assert np.array_equal(few.start(3), many.start(3) >> 10)
    assert not np.array_equal(few.network(4).weights, a.weights)


def test_weights_are_what_is_asked_for():
    net = Ensemble(120, 0.25, 8, inhibition=0.2, gain=2.0).network(0)
    there = net.weights != 0
    assert not np.diag(there).any()
    assert abs(there.sum() / (120 * 119) - 0.25) < 0.03
    assert abs((net.weights < 0).sum() / there.sum() - 0.2) < 0.03
    assert np.abs(net.weights).max() <= 16
    assert Ensemble(9, 0.0, 4).network(0).weights.any() == False  # noqa: E712
    assert (Ensemble(9, 1.0, 4, inhibition=0).network(0).weights[~np.eye(9, dtype=bool)] > 0).all()


@pytest.mark.parametrize(
    ("bits", "signed", "theta"), [(4, False, 8), (3, False, 4), (5, True, 8), (2, True, 1), (1, False, 1), (1, True, 1)]
)  # fmt: skip
def test_thresholds(bits, signed, theta):
    e = Ensemble(5, 0.5, bits, signed=signed, threshold="scaled")
    assert e.theta == e.network(0).threshold[0] == theta
    assert replace(e, threshold="fixed").theta == 8


def test_starts_are_codes():
    for bits, signed in ((1, True), (3, False), (16, True)):
        e = Ensemble(500, 0.1, bits, signed=signed)
        start, net = e.start(1), replace(e, neurons=2).network(0)
        assert (int(start.min()), int(start.max())) == (net.low, net.high) if bits < 5 else True
        assert net.low <= start.min() < 0 or not signed


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"density": 1.5}, "density must be in 0..1, not 1.5"),
        ({"inhibition": -0.1}, "inhibition must be in"),
        ({"gain": float("nan")}, "gain must be in"),
        ({"threshold": "free"}, "threshold must be fixed or scaled"),
        ({"bits": 17}, "bits must be an integer in 1..16"),
        ({"neurons": 0}, "neurons must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(fields, words):
    with pytest.raises(BadInput, match=words):
        Ensemble(**({"neurons": 4, "density": 0.5, "bits": 4} | fields))
