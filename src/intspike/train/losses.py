"""Losses on output spikes [T, B, K]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import BadInput

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class CountCrossEntropy:
    """Cross entropy on spike counts.

    Attributes:
        form: "counts": softmax of the counts, scaled to 0..scale; "steps": softmax of the spikes of each timestep,
            averaged over time (as SQUAT prints it, arXiv 2404.19668).
        scale: the logit of a neuron that fires at every timestep.
    """

    form: Literal["counts", "steps"] = "counts"
    scale: float = 10.0

    def __post_init__(self) -> None:
        if self.form not in ("counts", "steps"):
            raise BadInput(
                f"the form of a count cross entropy must be 'counts' or 'steps', not {self.form!r}"
            )

    def __call__(self, spikes: Tensor, labels: Tensor) -> Tensor:
        if self.form == "counts":
            return F.cross_entropy(spikes.mean(0) * self.scale, labels)
        return F.cross_entropy(spikes.flatten(0, 1), labels.repeat(len(spikes)))


@dataclass(frozen=True)
class CountMSE:
    """Mean squared error of firing rates to target rates.

    Attributes:
        correct, incorrect: target spikes per timestep of the right class and of the others.
    """

    correct: float = 0.8
    incorrect: float = 0.2

    def __call__(self, spikes: Tensor, labels: Tensor) -> Tensor:
        rate = spikes.mean(0)
        target = torch.full_like(rate, self.incorrect)
        target[torch.arange(len(labels)), labels] = self.correct
        return F.mse_loss(rate, target)
