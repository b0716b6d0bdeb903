"""Training of artificial networks, the rivals of spiking ones, by the same loop."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import cast

from ..data import Dataset
from ..errors import BadInput
from ..nn import Artificial, Network
from .devices import Share
from .history import Epoch, Listener, Progress
from .loop import train
from .losses import CountCrossEntropy
from .plan import Augmentation, Plan


def fit_artificial(
    net: Artificial,
    data: Dataset,
    *,
    epochs: int = 5,
    learning_rate: float | None = None,
    batch_size: int = 100,
    augment: Augmentation | None = None,
    patience: int = 20,
    warmup: int = 20,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    history: list[Epoch] | None = None,
) -> Artificial:
    """A new artificial network, trained as `fit` trains spiking ones, with cross entropy on its logits.

    Args:
        net: in full precision or quantized.
        data: static inputs; training and validation splits are used.
        (the others are those of `fit`)

    Raises:
        BadInput: timed data, arguments out of range, or a loss that is not finite.
    """
    if data.train.timed:
        raise BadInput("an artificial network reads one frame a sample, but these data have frames in time")
    made = copy.deepcopy(net)
    plan = Plan(
        data=data,
        epochs=epochs,
        batch_size=batch_size,
        rate=learning_rate if learning_rate is not None else (2e-3 if made.quantized else 3e-3),
        timesteps=1,
        test_timesteps=1,
        loss=CountCrossEntropy(scale=1.0),
        patience=patience,
        warmup=warmup,
        seed=seed,
        augment=augment,
        regularizer=None,
    )
    listener = Listener(progress, history.append if history is not None else None)
    # the loop needs parameters, layers with norms, and a call on [T, B, ...]: what both kinds have
    return cast(Artificial, train(plan, cast(Network, made), Share(), None, listener))
