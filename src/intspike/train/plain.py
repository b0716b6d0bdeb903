"""Training of ordinary torch modules, the baselines of spiking networks, by the same loop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from ..data import Dataset
from ..nn import Network
from ..nn.group import Group
from .devices import Share
from .history import Epoch, Listener, Progress
from .loop import train
from .losses import CountCrossEntropy, Loss
from .plan import Plan


class _Plain(torch.nn.Module):
    """A module as the loop sees networks: without layers of neurons."""

    layers: Sequence[Group] = ()

    def __init__(self, module: torch.nn.Module):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)


def fit_plain(
    module: torch.nn.Module,
    data: Dataset,
    *,
    epochs: int = 5,
    learning_rate: float = 3e-3,
    batch_size: int = 100,
    timesteps: int = 1,
    loss: Loss | None = None,
    warmup: int = 20,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    history: list[Epoch] | None = None,
) -> torch.nn.Module:
    """A trained copy of a module of torch's, as `fit` trains spiking networks: the same batches, steps and schedule.

    Args:
        module: of uint8 codes [T, B, ...], logits [T, B, K].
        loss: of logits [T, B, K] and labels [B]; None: cross entropy of their mean over time.
        (the others are those of `fit`)

    Raises:
        BadInput: arguments out of range, or a loss that is not finite.
    """
    made = _Plain(copy.deepcopy(module))
    plan = Plan(
        data=data,
        epochs=epochs,
        batch_size=batch_size,
        rate=learning_rate,
        timesteps=timesteps,
        test_timesteps=timesteps,
        loss=loss or CountCrossEntropy(scale=1.0),
        patience=max(1, epochs),
        warmup=warmup,
        seed=seed,
        augment=None,
        regularizer=None,
    )
    listener = Listener(progress, history.append if history is not None else None)
    # the loop needs parameters, layers with norms (none), and a call on [T, B, ...]
    train(plan, cast(Network, made), Share(), None, listener)
    return made.module
