"""Training: Adam, a cosine schedule, early stopping, and a model chosen on validation data only."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ..data import Dataset, Split
from ..errors import BadInput
from ..nn import Network
from ..nn.quantize import norms
from .losses import CountCrossEntropy, Loss


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    Attributes:
        epoch: counted from 1.
        loss: mean training loss.
        validation: accuracy on the validation split, 0..1.
        rate: learning rate at its end.
    """

    epoch: int
    loss: float
    validation: float
    rate: float


@dataclass(frozen=True)
class Progress:
    """What a progress bar shows: batches done of all, and the last finished epoch."""

    done: int
    total: int
    loss: float
    last: Epoch | None


def fit(
    net: torch.nn.Module,
    data: Dataset,
    *,
    epochs: int = 5,
    learning_rate: float | None = None,
    batch_size: int = 100,
    timesteps: int = 25,
    test_timesteps: int | None = None,
    loss: Loss | None = None,
    patience: int = 20,
    warmup: int = 20,
    seed: int = 0,
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
        timesteps: T in training; test_timesteps: T in validation (None: the same).
        loss: of output spikes [T, B, K] and labels [B]; None: CountCrossEntropy().
        patience: epochs without a better validation accuracy after which training stops.
        warmup: first batches over which the learning rate rises.
        seed: of the order of samples and of dropout; everything else is deterministic.
        progress: called after every batch.
        history: takes an Epoch after every epoch.

    Raises:
        BadInput: epochs, sizes or rates out of range, or a loss that is not finite.
    """
    for name, value, least in (
        ("epochs", epochs, 0),
        ("batch_size", batch_size, 1),
        ("timesteps", timesteps, 1),
    ):
        if value < least:
            raise BadInput(f"{name} must be at least {least}, not {value}")
    if test_timesteps is not None and test_timesteps < 1:
        raise BadInput(f"test_timesteps must be at least 1 (or None), not {test_timesteps}")
    if not (hasattr(data, "train") and hasattr(data, "validation")):
        raise BadInput(
            f"data must be a data.Dataset of training, validation and test splits, not {type(data).__name__}; "
            "wrap arrays in data.Split(inputs, labels)"
        )
    if not len(data.train):
        raise BadInput("data must hold at least one training sample")
    made = copy.deepcopy(net) if isinstance(net, Network) else Network(copy.deepcopy(net))
    rate = learning_rate if learning_rate is not None else (2e-3 if made.quantized else 3e-3)
    if not (math.isfinite(rate) and rate > 0):
        raise BadInput(f"the learning rate must be a positive number, not {learning_rate!r}")
    count = len(data.train)
    batch_size = min(batch_size, count)
    batches = count // batch_size
    total = epochs * batches
    optimizer = torch.optim.Adam([p for p in made.parameters() if p.requires_grad], lr=rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(total, min(warmup, total // 5)))
    measure = loss or CountCrossEntropy()
    best, best_accuracy, waited = copy.deepcopy(made.state_dict()), -1.0, 0
    last: Epoch | None = None
    random = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=()):  # dropout draws from the global generator
        torch.manual_seed(seed)
        for epoch in range(epochs):
            made.train()
            summed = 0.0
            order = torch.randperm(count, generator=random)
            for k in range(batches):
                if (epoch * batches + k) * 5 >= total * 4:
                    for n in norms(made):
                        n.eval()
                x, labels = _batch(data.train, order[k * batch_size : (k + 1) * batch_size], timesteps)
                value = measure(made(x), labels)
                value_now = float(value.detach())
                if not math.isfinite(value_now):
                    raise BadInput(
                        f"the loss must stay finite, but is {value_now} in epoch {epoch + 1}; lower the learning rate "
                        f"({rate:g})"
                    )
                optimizer.zero_grad(set_to_none=True)
                value.backward()
                optimizer.step()
                schedule.step()
                summed += value_now
                if progress is not None:
                    progress(Progress(epoch * batches + k + 1, total, summed / (k + 1), last))
            correct = correct_on(made, data.validation, timesteps=test_timesteps or timesteps)
            accuracy = correct / max(1, len(data.validation))
            last = Epoch(epoch + 1, summed / batches, accuracy, float(schedule.get_last_lr()[0]))
            if history is not None:
                history.append(last)
            waited = 0 if accuracy > best_accuracy or not len(data.validation) else waited + 1
            if accuracy >= best_accuracy or not len(
                data.validation
            ):  # of equals the later, which trained longer
                best, best_accuracy = copy.deepcopy(made.state_dict()), accuracy
            if waited >= patience:
                break
    if epochs:
        made.load_state_dict(best)
    return made.eval()


def _cosine(total: int, warmup: int) -> Callable[[int], float]:
    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))

    return factor


def _batch(split: Split, index: Tensor, timesteps: int) -> tuple[Tensor, Tensor]:
    at = index.numpy()
    return torch.from_numpy(split.batch(at, timesteps)), torch.from_numpy(split.labels[at])


@torch.no_grad()
def correct_on(net: Network, split: Split, *, timesteps: int = 25, batch_size: int = 250) -> int:
    """How many samples of a split the network classifies rightly by spike count; ties go to the lowest class."""
    was_training = net.training
    modes = {m: m.training for m in net.modules()}
    net.eval()
    right = 0
    for k in range(0, len(split), batch_size):
        x, labels = _batch(split, torch.arange(k, min(k + batch_size, len(split))), timesteps)
        right += int((net(x).sum(0).argmax(1) == labels).sum())
    net.train(was_training)
    for m, mode in modes.items():
        m.training = mode
    return right


def accuracy(net: Network, split: Split, *, timesteps: int = 25) -> float:
    """Share of a split that is classified rightly, 0..1."""
    return correct_on(net, split, timesteps=timesteps) / max(1, len(split))


def history_to_dict(history: list[Epoch]) -> list[dict[str, Any]]:
    """Plain data, for JSON."""
    return [asdict(e) for e in history]
