"""A tiny data set and a network for it, which other processes can import too."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from intspike import nn
from intspike.data import Dataset, Split
from intspike.nn import Network
from intspike.quant import QuantConfig, ThresholdCentred, Uniform

CONFIG = QuantConfig(Uniform(3), ThresholdCentred(3))
SMALL: dict[str, Any] = {"timesteps": 3, "batch_size": 20}


def split(count: int, seed: int) -> Split:
    """Images of 4 x 4 whose brighter half, left or right, is the class."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, count)
    images = draw.integers(0, 100, (count, 1, 4, 4))
    for image, label in zip(images, labels, strict=True):
        image[:, :, 2 * label : 2 * label + 2] += 100
    return Split(images.astype(np.uint8), labels.astype(np.int64))


class Guarded(Dataset):
    """A data set whose test split must not be looked at once it is made."""

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "made", True)

    def __getattribute__(self, name: str) -> Any:
        assert name != "test" or "made" not in vars(self), "training looked at test data"
        return super().__getattribute__(name)


DATA = Guarded("halves", split(200, 0), split(60, 1), split(60, 2), ("left", "right"), "random numbers")


def network(dropout: float = 0.0) -> Network:
    torch.manual_seed(0)
    layers = [
        nn.Input(1 / 255), torch.nn.Linear(16, 6), torch.nn.BatchNorm1d(6), nn.LIF(), torch.nn.Dropout(dropout),
        torch.nn.Linear(6, 2), torch.nn.BatchNorm1d(2), nn.LIF(),
    ]  # fmt: skip
    return Network(torch.nn.Sequential(*layers))


def same(a: Network, b: Network) -> bool:
    """Whether two networks hold equal tensors."""
    x, y = a.state_dict(), b.state_dict()
    return x.keys() == y.keys() and all(torch.equal(x[k], y[k]) for k in x)


def noisy(images: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """An augmentation: a little noise."""
    return images + draw.integers(0, 30, images.shape, np.uint8)
