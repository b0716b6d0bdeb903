"""How many samples a network classifies rightly."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data import Split
from ..errors import BadInput
from ..nn import Artificial, Network


def batch_of(split: Split, index: Tensor, timesteps: int) -> tuple[Tensor, Tensor]:
    """Inputs [T, B, ...] and labels [B] of the samples at the given positions."""
    at = index.numpy()
    return torch.from_numpy(split.batch(at, timesteps)), torch.from_numpy(split.labels[at])


@torch.no_grad()
def correct_on(net: Network | Artificial, split: Split, *, timesteps: int = 25, batch_size: int = 250) -> int:
    """How many samples of a split the network classifies rightly by spike count; ties go to the lowest class."""
    was_training = net.training
    modes = {m: m.training for m in net.modules()}
    net.eval()
    right = 0
    for k in range(0, len(split), batch_size):
        x, labels = batch_of(split, torch.arange(k, min(k + batch_size, len(split))), timesteps)
        right += int((net(x).double().sum(0).argmax(1) == labels).sum())
    net.train(was_training)
    for m, mode in modes.items():
        m.training = mode
    return right


def accuracy(net: Network | Artificial, split: Split, *, timesteps: int = 25) -> float:
    """Share of a split that is classified rightly, 0..1.

    Raises:
        BadInput: a data set in place of one of its splits.
    """
    if not isinstance(split, Split):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(
            f"accuracy must be asked of a data.Split, such as the test split of a data set (data.test), not "
            f"{type(split).__name__}"
        )
    return correct_on(net, split, timesteps=timesteps) / max(1, len(split))
