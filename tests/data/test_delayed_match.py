"""Delayed match: samples are what they are said to be, and memory is what it takes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from intspike import models, train
from intspike.data import delayed_match
from intspike.errors import BadInput


def test_samples_are_two_symbols_that_are_the_same_or_not():
    data = delayed_match(
        train=60, validation=21, test=40, symbols=3, channels=4, cue=2, delay=5, rate=1, noise=0
    )
    assert (data.timed, data.high, data.frame, data.train.timesteps) == (True, 1, (12,), 9)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [60, 21, 40]
    assert np.bincount(data.train.labels).tolist() == [30, 30]
    seen = set()
    for split in (data.train, data.validation, data.test):
        for sample, label in zip(split.inputs, split.labels, strict=True):
            symbols = sample.reshape(9, 3, 4)
            assert not symbols[2:7].any()
            found = []
            for part in (symbols[:2], symbols[7:]):
                (which,) = set(np.flatnonzero(part.any((0, 2))).tolist())
                assert part[:, which].all()
                found.append(which)
            assert (found[0] == found[1]) == bool(label)
            seen.add(tuple(found))
    assert len(seen) == 9


def test_rates_and_noise():
    data = delayed_match(train=400, symbols=2, channels=10, cue=5, delay=10, rate=0.5, noise=0.1)
    silence = data.train.inputs[:, 5:15]
    assert abs(silence.mean() - 0.1) < 0.005
    assert abs(data.train.inputs[:, :5].mean() - 0.3) < 0.01  # one symbol of two


def test_the_seed_decides_everything():
    a, b, c = (delayed_match(train=20, validation=20, test=20, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(a.train.inputs, b.train.inputs)
    assert not np.array_equal(a.train.inputs, c.train.inputs)
    assert not np.array_equal(a.train.inputs, a.validation.inputs)
    digest = hashlib.sha256(a.test.inputs.tobytes() + a.test.labels.tobytes()).hexdigest()
    assert digest[:16] == "36aab6afb2215449"  # also in later versions of numpy


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"symbols": 1}, "symbols must be a whole number from 2"),
        ({"train": 0}, "train must be a whole number from 1"),
        ({"delay": -1}, "delay must be a whole number from 0"),
        ({"rate": 1.5}, "rate must be a probability"),
        ({"noise": float("nan")}, "noise must be a probability"),
        ({"noise": 0.9}, "rate must be above noise"),
        ({"train": 10**9}, "train must be a whole number from 1 to 1048576, but is"),
        ({"train": 1 << 20, "channels": 1024, "cue": 1}, "the frames of a split must have at most"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(BadInput, match=message):
        delayed_match(**options)


@pytest.mark.slow
def test_it_takes_memory():
    """A leak of 0 keeps nothing from one timestep to the next: such a network is right three times in four at most."""
    data = delayed_match()
    right = {}
    for beta in (0.0, 0.9):
        torch.manual_seed(0)
        net = models.squat_shd(beta=beta, classes=2, inputs=20, hidden=100, dropout=0.0)
        net = train.fit(net, data, epochs=12, timesteps=9, batch_size=50, learning_rate=5e-3)
        right[beta] = train.accuracy(net, data.test, timesteps=9)
    assert right[0.0] < 0.8  # 75 %, and what 500 samples leave open
    assert right[0.9] > 0.95
