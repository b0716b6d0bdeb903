"""Training: Adam, a cosine schedule, early stopping, and a model chosen on validation data only."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import torch

from ..data import Dataset
from ..errors import BadInput
from ..nn import Network
from .checkpoint import Keeper
from .devices import Share
from .fingerprint import fingerprint
from .firing import FiringRegularizer
from .fits import check_fits
from .history import Epoch, Listener, Progress
from .history import history_to_dict as history_to_dict  # noqa: PLC0414
from .launch import launch
from .loop import train
from .losses import CountCrossEntropy, Loss
from .plan import Augmentation, Plan


def fit(
    net: torch.nn.Module,
    data: Dataset,
    *,
    epochs: int = 5,
    learning_rate: float | None = None,
    batch_size: int = 100,
    timesteps: int | Sequence[int] = 25,
    test_timesteps: int | None = None,
    loss: Loss | None = None,
    regularizer: FiringRegularizer | None = None,
    augment: Augmentation | None = None,
    patience: int = 20,
    warmup: int = 20,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | timedelta | None = None,
    devices: int = 1,
    precision: str = "32-true",
    progress: Callable[[Progress], None] | None = None,
    history: list[Epoch] | None = None,
) -> Network:
    """A new network, trained; the best on the validation split is kept, test data are never looked at.

    Full precision and quantized networks train alike. Batch statistics freeze for the last fifth, because what is
    evaluated and lowered uses running statistics.

    Args:
        net: a Network, or a plain module (which is wrapped).
        data: a Dataset; its training and validation splits are used; inputs may be static or timed. Without validation
            samples the last model is kept.
        epochs: 0 returns a copy.
        learning_rate: None: 3e-3 in full precision, 2e-3 quantized.
        timesteps: T in training; of several, each batch draws one, and the network serves them all.
        test_timesteps: T in validation (None: as in training, the largest of several).
        loss: of output spikes [T, B, K] and labels [B], a mean over samples; None: CountCrossEntropy().
        regularizer: adds the distance to a teacher's firing rates to the loss.
        augment: changes the samples of each batch: of (uint8 [B, ...], numpy.random.Generator) the same shape. Timed
            samples are [B, T, ...]. The generator is made of the seed and of the batch's number.
        patience: epochs without a better validation accuracy after which training stops.
        warmup: first batches over which the learning rate rises.
        seed: of the order of samples, of dropout and of augmentation; everything else is deterministic.
        checkpoint: a file from which training goes on where it exists, and that is written on the way.
        checkpoint_every: batches, or a timedelta, after which it is written; None: after every epoch.
        devices: processes that share each batch, on the CPU; more than 1 needs the extra [devices].
        precision: "32-true", or "bf16-mixed" for what is in full precision and has no compiled kernel.
        progress: called after every batch.
        history: takes an Epoch after every epoch.

    Raises:
        BadInput: epochs, sizes or rates out of range, a network that cannot read the data or has fewer outputs than
            they have classes, a loss that is called otherwise or is not finite, a teacher with other layers, or a
            checkpoint of a training with other arguments.
        BadData: a checkpoint that is damaged or something else.
        MissingDependency: Lightning Fabric is wanted and not installed.
    """
    made = copy.deepcopy(net) if isinstance(net, Network) else Network(copy.deepcopy(net))
    times = timesteps if isinstance(timesteps, int) else tuple(timesteps)
    plan = Plan(
        data=data,
        epochs=epochs,
        batch_size=batch_size,
        rate=learning_rate if learning_rate is not None else (2e-3 if made.quantized else 3e-3),
        timesteps=times,
        test_timesteps=(times if isinstance(times, int) else max(times, default=0))
        if test_timesteps is None
        else test_timesteps,
        loss=loss or CountCrossEntropy(),
        patience=patience,
        warmup=warmup,
        seed=seed,
        augment=augment,
        regularizer=regularizer,
    )
    check_fits(copy.deepcopy(made), data, "the network", more=True)
    keeper = None
    if checkpoint is not None:
        arguments = fingerprint(plan, made, devices=devices, precision=precision)
        keeper = Keeper(Path(checkpoint), checkpoint_every, arguments)
    elif checkpoint_every is not None:
        raise BadInput("checkpoint_every must come with checkpoint, the file to write; give checkpoint=PATH")
    listener = Listener(progress, history.append if history is not None else None)
    if devices == 1 and precision == "32-true":
        return train(plan, made, Share(), keeper, listener)
    return launch(plan, made, keeper, listener, devices, precision)
