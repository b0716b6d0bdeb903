"""Encodings of a study: the same samples as values that stand still, or as spikes in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from .. import encode
from ..data import Dataset, Split
from ..errors import BadInput

Encoding = Literal["direct", "rate", "latency", "delta"]
ENCODINGS: tuple[Encoding, ...] = ("direct", "rate", "latency", "delta")
MOST = 2 << 30  # bytes of encoded samples that a process holds


def encoded(dataset: Dataset, how: str, timesteps: int, seed: int = 0) -> Dataset:
    """The data set as `how` encodes it.

    - direct: as it is: images stand still, what has time keeps it.
    - rate: images as spikes as likely as their values; a sample's draws hang on its place in the data set, not on its
      batch, so a run of fewer timesteps is the beginning of a longer one.
    - latency: images as one spike an element, brightest first, on a clock of all `timesteps`: a shorter run ends
      before the darker ones. Values of 0 send nothing.
    - delta: signals in time as their rises and falls, in twice as many channels.

    Args:
        timesteps: T of the longest run.
        seed: of rate.

    Raises:
        BadInput: images that delta would silence, signals that rate or latency do not take, or too many bytes.
    """
    if how == "direct":
        return dataset
    if how == "delta" and not dataset.timed:
        raise BadInput(
            f"--encode delta sends changes in time, but samples of {dataset.name} stand still; use rate or latency"
        )
    if how != "delta" and dataset.timed:
        raise BadInput(
            f"--encode {how} gives time to samples that stand still, but those of {dataset.name} have their own; use "
            "direct or delta"
        )
    parts = (dataset.train, dataset.validation, dataset.test)
    size = sum(p.inputs.size for p in parts) * (2 if dataset.timed else timesteps)
    if size > MOST:
        raise BadInput(
            f"encoded samples must fit {MOST >> 30} GiB, but {how} makes {size / (1 << 30):.1f} GiB of them; give "
            "--subset, or fewer timesteps"
        )
    firsts: Sequence[int] = np.cumsum([0, *map(len, parts)]).tolist()
    made = [_split(p, how, timesteps, seed, first) for p, first in zip(parts, firsts, strict=False)]
    source = f"{dataset.source}; {how} encoding"
    return replace(dataset, train=made[0], validation=made[1], test=made[2], source=source, high=1)


def _split(part: Split, how: str, timesteps: int, seed: int, first: int) -> Split:
    if how == "rate":
        spikes = encode.rate(part.inputs, timesteps, seed=seed, sample=first)
    elif how == "latency":
        spikes = encode.latency(part.inputs, timesteps, threshold=1)
    else:
        spikes = encode.delta(part.inputs.swapaxes(0, 1))
    return Split(np.ascontiguousarray(spikes.swapaxes(0, 1)), part.labels, timed=True)
