"""Everything a training does, decided and checked before its first step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import Dataset, Split
from ..errors import BadInput
from .evaluate import batch_of
from .firing import FiringRegularizer
from .losses import Loss

Augmentation = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class Plan:
    """What a training does. Samples that do not fill a batch wait for the next epoch, in another order.

    Attributes:
        data: whose training split is learned, and whose validation split chooses.
        epochs, batch_size: as they are used.
        rate: learning rate at its highest.
        timesteps: T in training; of several, each batch draws one.
        test_timesteps: T in validation.
        loss: of output spikes [T, B, K] and labels [B].
        patience: epochs without a better validation accuracy after which training stops.
        warmup: batches over which the learning rate rises.
        seed: of the order, of dropout and of augmentation.
        augment: changes the samples of a batch; None: as they are.
        regularizer: adds the distance to a teacher's firing rates to the loss; None: the loss alone.
    """

    data: Dataset
    epochs: int
    batch_size: int
    rate: float
    timesteps: int | tuple[int, ...]
    test_timesteps: int
    loss: Loss
    patience: int
    warmup: int
    seed: int
    augment: Augmentation | None
    regularizer: FiringRegularizer | None

    def __post_init__(self) -> None:
        for name, value, least in (
            ("epochs", self.epochs, 0),
            ("batch_size", self.batch_size, 1),
            *(("timesteps", t, 1) for t in self.all_timesteps),
        ):
            if not isinstance(value, Integral):
                raise BadInput(f"{name} must be a whole number, not {value!r}")
            if value < least:
                raise BadInput(f"{name} must be at least {least}, not {value}")
        if not self.all_timesteps or len(set(self.all_timesteps)) < len(self.all_timesteps):
            raise BadInput(f"timesteps must be one number or several different ones, not {self.timesteps!r}")
        if self.test_timesteps < 1:
            raise BadInput(f"test_timesteps must be at least 1 (or None), not {self.test_timesteps}")
        if not (hasattr(self.data, "train") and hasattr(self.data, "validation")):
            raise BadInput(
                "data must be a data.Dataset of training, validation and test splits, not "
                f"{type(self.data).__name__}; wrap arrays in data.Split(inputs, labels)"
            )
        if not len(self.data.train):
            raise BadInput("data must hold at least one training sample")
        if isinstance(self.rate, bool) or not isinstance(self.rate, (int, float)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadInput(
                f"the learning rate must be a positive number, such as 1e-3, not the {type(self.rate).__name__} "
                f"{self.rate!r}; give learning_rate without quotes"
            )
        if not callable(self.loss):  # pyright: ignore[reportUnnecessaryComparison]
            raise BadInput(
                f"the loss must be a function of spikes and labels, such as train.CountCrossEntropy(), "
                f"not {self.loss!r}"
            )
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise BadInput(f"the learning rate must be a positive number, not {self.rate!r}")
        object.__setattr__(self, "batch_size", min(self.batch_size, len(self.data.train)))
        object.__setattr__(self, "warmup", min(self.warmup, self.total // 5))

    @property
    def all_timesteps(self) -> tuple[int, ...]:
        """Every T that a batch may have."""
        return (self.timesteps,) if isinstance(self.timesteps, int) else self.timesteps

    def timesteps_at(self, step: int) -> int:
        """T of a batch: a function of seed and step, so that a resumed training draws the same."""
        choices = self.all_timesteps
        if len(choices) == 1:
            return choices[0]
        draw = np.random.Generator(np.random.PCG64((self.seed % (1 << 64), step, 1)))
        return choices[int(draw.integers(len(choices)))]

    @property
    def batches(self) -> int:
        """Batches of an epoch."""
        return len(self.data.train) // self.batch_size

    @property
    def total(self) -> int:
        """Batches of all epochs."""
        return self.epochs * self.batches

    def rate_at(self, step: int) -> float:
        """The learning rate after so many batches: a linear rise, then half a cosine to zero."""
        if step < self.warmup:
            return self.rate * ((step + 1) / self.warmup)
        falling = math.pi * (step - self.warmup) / max(1, self.total - self.warmup)
        return self.rate * (0.5 * (1 + math.cos(falling)))

    def freezes(self, step: int) -> bool:
        """Whether batch norms use their running statistics: in the last fifth."""
        return step * 5 >= self.total * 4

    def batch(self, step: int, index: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs [T, B, ...] and labels [B] of a batch, augmented with what its step draws."""
        if self.augment is None:
            return batch_of(self.data.train, index, self.timesteps_at(step))
        picked = self.data.train.pick(index.numpy())
        draw = np.random.Generator(np.random.PCG64((self.seed % (1 << 64), step)))
        changed: Any = self.augment(picked.inputs, draw)
        if getattr(changed, "dtype", None) != np.uint8 or changed.shape != picked.inputs.shape:
            raise BadInput(
                f"augment must return uint8 of shape {list(picked.inputs.shape)}, as it was given, not "
                f"{getattr(changed, 'dtype', type(changed).__name__)} {list(getattr(changed, 'shape', ()))}"
            )
        return batch_of(
            Split(changed, picked.labels, picked.timed), torch.arange(len(picked)), self.timesteps_at(step)
        )
