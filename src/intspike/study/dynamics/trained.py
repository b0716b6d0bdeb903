"""`intspike dynamics trained`: what training made of a recurrent network, seen as a map: how it forgets, heals, falls
silent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ... import data, nn, train
from ...data import Dataset
from ...dynamics import ProgramMap, damage, orbit, raster, silence
from ...lower import lower
from ...quant import QuantConfig, ThresholdCentred, Uniform
from ..folder import clear_disk_errors
from ..watch import Watch
from .trained_network import NEURONS, Options, Trained
from .trained_report import write

BATCH = 50
_GOES_ON, _UNRESOLVED = -1, -2


def run(options: Options, out: Path, watch: Watch | None = None) -> list[Trained]:
    """Train, lower and follow every network; all files. After Ctrl-C of what is done.

    Raises:
        BadInput: a folder that cannot be used.
        KeyboardInterrupt: Ctrl-C, after what there is was written.
    """
    told, rows = watch or Watch(), list[Trained]()
    progress = told.start("networks", options.seeds * len(options.neurons))
    with clear_disk_errors(out, keeps=False):
        try:
            for seed in range(options.seeds):  # outermost: whatever stops it, kinds are compared alike
                for k, neuron in enumerate(options.neurons):
                    rows += networks(neuron, seed, options)
                    progress(seed * len(options.neurons) + k + 1, neuron)
        finally:
            if rows:
                write(rows, options, out)
    return rows


def networks(neuron: str, seed: int, options: Options) -> list[Trained]:
    """One network in full precision, then quantized to every width, each followed."""
    n = options.samples
    task = data.delayed_match(train=n, validation=max(50, n // 5), test=max(50, n // 5), seed=seed)
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        nn.Input(1, high=task.high), torch.nn.Linear(20, options.hidden),
        nn.Recurrent(NEURONS[neuron](), torch.nn.Linear(options.hidden, options.hidden, bias=False)),
        torch.nn.Linear(options.hidden, len(task.classes)), nn.LIF(beta=0.9),
    )  # fmt: skip
    timesteps = task.test.timesteps or 1
    shared: dict[str, Any] = {"timesteps": timesteps, "batch_size": BATCH, "seed": seed}
    full = train.fit(model, task, epochs=options.epochs, learning_rate=5e-3, **shared)
    right = train.accuracy(full, task.test, timesteps=timesteps)
    made: list[Trained] = []
    for bits in options.bits:
        config = QuantConfig(Uniform(bits), ThresholdCentred(bits, stores="before reset"))
        coded = train.fit(
            nn.quantize(full, config), task, epochs=options.coded_epochs, learning_rate=2e-3, **shared
        )
        accuracy = train.accuracy(coded, task.test, timesteps=timesteps)
        found = followed(ProgramMap(lower(coded)), task, options, seed)
        made.append(Trained(neuron, bits, seed, accuracy, right, **found))
    return made


def streams(task: Dataset, count: int, steps: int, seed: int) -> NDArray[np.int64]:
    """Test samples one behind the other, [steps, count, *shape]."""
    one = task.test.timesteps or 1
    r = np.random.default_rng(seed)
    parts = [
        np.asarray(task.test.batch(r.integers(0, len(task.test), count), one))
        for _ in range(-(-steps // one))
    ]
    return np.concatenate(parts)[:steps].astype(np.int64)


def followed(network: ProgramMap, task: Dataset, options: Options, seed: int) -> dict[str, Any]:
    """What `Trained` says of a program as a map."""
    count, steps = options.stimuli, options.steps
    x = streams(task, count, steps, seed)
    a, b = network.rest(count), network.random_states(count, seed)
    merged, sent = np.full(count, -1), np.zeros(network.neurons)
    for t in range(steps):
        a, b = network.follow(a, x[t]), network.follow(b, x[t])
        merged[(merged < 0) & (a == b).all(1)] = t + 1
        sent += network.spikes(a).reshape(count, -1).mean(0)
    ends = [last_spike(network, state, options.budget) for state in a]
    times = [e for e in ends if e >= 0]
    driven = network.driven_by(x[:, 0])  # one stream, again and again
    kicked = damage(driven, a[0], neurons=np.arange(min(network.neurons, options.hidden)), steps=steps)
    together = merged[merged >= 0]
    return {
        "rate": float(sent[: options.hidden].mean() / steps),
        "merged": len(together) / count,
        "washout": float(np.median(together)) if len(together) else None,
        "silent": len(times) / count,
        "quiet_after": float(np.median(times)) if times else None,
        "goes_on": ends.count(_GOES_ON) / count,
        "proved": silence(network) is not None,
        "slope": kicked.slope,
        "healed": kicked.healed,
        "plateau": kicked.plateau,
    }


def last_spike(network: ProgramMap, state: NDArray[np.int64], budget: int) -> int:
    """Timesteps without input until the last spike, 0 where none comes; -1 where spikes go on, -2 where that is not
    resolved."""
    found = orbit(network, state, budget)
    if found.cycle is None:
        return _UNRESOLVED
    if found.cycle.spikes.any():
        return _GOES_ON
    times = np.flatnonzero(raster(network, state, (found.transient or 0) + 1).any(1))
    return int(times.max(initial=0))  # at 0 stands what was sent before
