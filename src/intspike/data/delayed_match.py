"""Delayed match to sample: a made-up task that only a network with memory can solve."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from .checks import new_frames
from .dataset import Dataset, Split, whole


def delayed_match(
    *,
    train: int = 4000,
    validation: int = 500,
    test: int = 500,
    symbols: int = 2,
    channels: int = 10,
    cue: int = 3,
    delay: int = 3,
    rate: float = 0.9,
    noise: float = 0.01,
    seed: int = 0,
) -> Dataset:
    """Two symbols with silence between them; the class is whether they are the same.

    Symbol k are spikes on channels k * channels to (k + 1) * channels - 1. A sample is `cue` timesteps of one symbol,
    `delay` timesteps without, and `cue` timesteps of the same or another one, in half of the samples each. Spikes of a
    symbol come with probability `rate` a channel and timestep, elsewhere with probability `noise`.

    Without memory, what a network counts is f(first) + g(second). Where f(i) + g(i) > 0 for all i, at least one of
    f(i) + g(j) and f(j) + g(i) is positive as well, so that it takes half of all different pairs for same ones: no such
    network is right in more than 75 % of the cases, however large it is.

    Args:
        train, validation, test: samples in each split.
        symbols, channels: how many there are, and channels of each.
        cue, delay: in timesteps.
        rate, noise: probabilities.
        seed: of everything; the same one gives the same samples in every version of numpy.
    """
    counts = [
        whole(n, v, 1, 1 << 20) for n, v in (("train", train), ("validation", validation), ("test", test))
    ]
    symbols, channels = whole("symbols", symbols, 2, 1 << 10), whole("channels", channels, 1, 1 << 10)
    cue, delay = whole("cue", cue, 1, 1 << 16), whole("delay", delay, 0, 1 << 16)
    for name, value in (("rate", rate), ("noise", noise)):
        if not 0 <= value <= 1:
            raise BadInput(f"{name} must be a probability, 0 to 1, but is {value!r}")
    if not noise < rate:
        raise BadInput(
            f"rate must be above noise, or there is nothing to see, but they are {rate} and {noise}"
        )
    random = np.random.PCG64(whole("seed", seed, 0))

    def uniform(*shape: int) -> NDArray[np.float64]:
        raw = np.asarray(random.random_raw(math.prod(shape)), np.uint64) >> np.uint64(11)
        return np.asarray(raw.reshape(shape), np.float64) * 2.0**-53

    def split(count: int) -> Split:
        inputs = new_frames(count, (2 * cue + delay, symbols * channels))
        labels = (np.argsort(np.argsort(uniform(count))) % 2).astype(np.int64)
        first = (uniform(count) * symbols).astype(np.int64)
        other = (first + 1 + (uniform(count) * (symbols - 1)).astype(np.int64)) % symbols
        for sample, a, b in zip(inputs, first, np.where(labels == 1, first, other), strict=True):
            chance = np.full(sample.shape, noise)
            chance[:cue, a * channels : (a + 1) * channels] = rate
            chance[cue + delay :, b * channels : (b + 1) * channels] = rate
            sample[:] = uniform(*sample.shape) < chance
        return Split(inputs, labels, timed=True)

    parts = [split(count) for count in counts]
    source = (
        f"made up: {symbols} symbols, {cue} + {delay} + {cue} timesteps, rate {rate:g}, noise {noise:g}, "
        f"seed {seed}"
    )
    return Dataset("delayed match", *parts, classes=("different", "same"), source=source, high=1)
