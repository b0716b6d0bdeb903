"""What a data set asks of the networks of the neuron study: its samples, the loss, and how they are tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ... import train
from ...data import Dataset, Split
from ...lower.drift import Side
from ...nn import Network
from ...train.losses import Loss
from ..models import Where, load
from ..networks import AT_ONCE, fired, tested
from ..splits import few, split
from .cells import NeuronCell

Tested = Callable[[Network, Split, int], tuple[dict[str, Any], Side]]


@dataclass(frozen=True)
class Task:
    """What a cell is trained and tested on.

    Attributes:
        dataset: the samples of its seed and subset.
        loss: None: cross entropy of spike counts.
        tested: of a network, test samples and T: what is recorded of them, and how it fires.
    """

    dataset: Dataset
    loss: Loss | None
    tested: Tested


def task_of(cell: NeuronCell, where: Where) -> Task:
    """The task of a cell's data set."""
    dataset = split(load(where), cell.seed)
    if cell.subset is not None:
        dataset = few(dataset, cell.subset)
    if not cell.language:
        return Task(dataset, None, tested)
    return Task(dataset, next_token(dataset.train, cell.timesteps), measured_on_text)


def tokens_of(windows: Split, timesteps: int) -> NDArray[np.int64]:
    """Tokens [N, T + 1] of windows of a text: inputs are all but the last, targets all but the first."""
    return windows.inputs[:, : timesteps + 1].argmax(-1)


def next_token(windows: Split, timesteps: int) -> train.NextToken:
    """The loss of windows, whose labels are their numbers."""
    targets = np.zeros((int(windows.labels.max()) + 1, timesteps), np.int64)
    targets[windows.labels] = tokens_of(windows, timesteps)[:, 1:]
    return train.NextToken(torch.from_numpy(targets))


def measured_on_text(net: Network, test: Split, timesteps: int) -> tuple[dict[str, Any], Side]:
    """Bits per character of every window and in the mean, and how each layer fires."""
    side, batch = Side(net), max(1, AT_ONCE // timesteps)
    for at in range(0, len(test), batch):
        side.add(test.batch(np.arange(at, min(at + batch, len(test))), timesteps))
    return {**bits_of(train.spiking_logits(net), test, timesteps), "layers": fired(side)}, side


def bits_of(logits: Callable[[torch.Tensor], torch.Tensor], test: Split, timesteps: int) -> Mapping[str, Any]:
    """What is recorded of logits [T, B, V]: bits per character of every window and in the mean."""
    found = train.bits_of_windows(logits, tokens_of(test, timesteps), test.frame[0])
    return {
        "bits_per_character": float(found.mean()),
        "bits_of_windows": [round(float(x), 5) for x in found],
        "n": len(test),
    }
