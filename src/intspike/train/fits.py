"""Whether a network, its data and its loss belong together: asked before a training, not found in the middle of one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..data import Dataset
from ..errors import BadInput, IntspikeError
from ..nn import Network
from .losses import Loss


def check_fits(net: Network, data: Dataset, name: str, *, more: bool = False) -> None:
    """Run two samples for one timestep.

    Args:
        net: it is left in evaluation.
        name: what errors call the network.
        more: whether it may have more outputs than there are classes.

    Raises:
        BadInput: the network cannot read the data, or its outputs are not the classes.
    """
    x = torch.from_numpy(data.train.batch(np.arange(min(2, len(data.train))), 1))
    try:
        shape = tuple(net.eval().record(x).output.shape)[2:]
    except (IntspikeError, RuntimeError) as e:
        why = " ".join(str(e).split()) or type(e).__name__
        raise BadInput(f"{name} must read frames {list(data.frame)} of {data.name}, but {why}") from e
    count = len(data.classes)
    if not data.labelled and len(shape) == 1:
        return
    if shape != (count,) and not (more and len(shape) == 1 and shape[0] > count):
        raise BadInput(
            f"{name} must end in {count} neurons, one for each class 0..{count - 1} of {data.name}, but ends in "
            f"{list(shape)}; end it in torch.nn.Linear(..., {count}) and neurons"
            + (", with torch.nn.Flatten() before them" if len(shape) > 1 else "")
        )


def value_of(loss: Loss, spikes: Tensor, labels: Tensor) -> Tensor:
    """The loss of output spikes [T, B, K] and labels [B], one number.

    Raises:
        BadInput: the loss takes something else, or returns something else.
    """
    repair = (
        "train.CountCrossEntropy() and train.CountMSE() are losses, and a loss of torch reads the counts: "
        "lambda spikes, labels: loss(spikes.mean(0) * 10, labels)"
    )
    must = "the loss must be called with spikes [T, B, K] and labels [B] and return one number, but"
    try:
        value = loss(spikes, labels)
    except IntspikeError:
        raise
    except torch.OutOfMemoryError:
        raise
    except (TypeError, ValueError, RuntimeError, IndexError) as e:
        why = (str(e).splitlines() or [""])[0]
        raise BadInput(
            f"{must} {_name(loss)} fails on {list(spikes.shape)} and {list(labels.shape)} with {type(e).__name__}: "
            f"{why}; {repair}"
        ) from e
    if not isinstance(value, Tensor) or value.numel() != 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        what = list(value.shape) if isinstance(value, Tensor) else type(value).__name__  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(f"{must} {_name(loss)} returns {what}; {repair}")
    return value


def _name(loss: object) -> str:
    return getattr(loss, "__name__", type(loss).__name__)
