"""What follows stimuli: whether a program forgets where it came from, and when it falls silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...dynamics import ProgramMap, Regime, classify, orbit, raster
from ...dynamics.map import Ints
from ...errors import BadInput
from ..watch import Watch
from .options import Options

_HORIZON = 256  # timesteps between two looks at the clock where single timesteps are followed
Check = Callable[[], None]


@dataclass(frozen=True, eq=False)
class After:
    """What follows stimuli, one entry each.

    Attributes:
        timesteps: T of a stimulus.
        merged: timestep of the stimulus from which on the states that began at rest and at a random state were one;
            -1 where they never were, [S].
        apart: share of neurons that sent something else in the two, mean over stimuli, [T].
        silent: timesteps after a stimulus until its last spike; -1 where spikes go on, -2 where that is not resolved,
            [S].
        rates: spikes per neuron and timestep after the stimulus, mean over stimuli, [steps].
        regimes: where each ended.
    """

    timesteps: int
    merged: Ints
    apart: NDArray[np.float64]
    silent: Ints
    rates: NDArray[np.float64]
    regimes: tuple[Regime, ...]


def followed(network: ProgramMap, options: Options, told: Watch, check: Check) -> After:
    """What stimuli leave: whether two states under one merge, and what goes on behind it."""
    x = stimuli(network, options)
    timesteps, count = x.shape[:2]
    progress = told.start("stimuli", count)
    a, b = network.rest(count), network.random_states(count, options.seed + 1)
    merged, apart = np.full(count, -1, np.int64), np.empty(timesteps)
    for t in range(timesteps):
        a, b = network.follow(a, x[t]), network.follow(b, x[t])
        apart[t] = (a[:, network.sends] != b[:, network.sends]).mean()
        merged[(merged < 0) & (a == b).all(1)] = t + 1
        if t % _HORIZON == 0:
            check()
    silent, regimes = np.full(count, -2, np.int64), list[Regime]()
    rates = np.zeros(options.steps)
    for k in range(count):
        found = orbit(network, a[k], options.budget)
        regimes.append(classify(network, found))
        sent = raster(network, a[k], max(options.steps, (found.transient or 0) + 1))
        rates += sent[: options.steps].mean(1) / count
        if found.cycle is not None:
            times = np.flatnonzero(sent.any(1))
            silent[k] = -1 if found.cycle.spikes.any() else int(times.max(initial=-1)) + 1
        progress(k + 1, "")
        check()
    return After(timesteps, merged, apart, silent, rates, tuple(regimes))


def stimuli(network: ProgramMap, options: Options) -> NDArray[np.int64]:
    """Input codes [T, S, *shape]."""
    declared = network.program.input
    if options.data is None:
        timesteps = options.timesteps or 25
        r = np.random.default_rng(options.seed)
        shape = (timesteps, options.samples, *declared.shape)
        return r.integers(declared.low, declared.high, shape, endpoint=True)
    from ..samples import check_fits, read_data

    dataset = read_data(options.data)
    check_fits(str(options.artifact), network.source, dataset)
    test = dataset.test
    count = min(options.samples, len(test))
    if not count:
        raise BadInput(f"there must be samples for stimuli, but the test split of {dataset.name} is empty")
    x = np.asarray(test.batch(np.arange(count), options.timesteps or test.timesteps or 25))
    return x.astype(np.int64)
