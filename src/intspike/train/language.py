"""Language modelling with `fit`: windows of a text as samples, and a loss on the token that follows each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..data import Dataset, Split, Text
from ..data.text import learned_windows, one_hot
from ..errors import BadInput
from ..nn import Network
from ..nn.scales import value_scales

Ints = NDArray[np.int64]
Logits = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class NextToken:
    """Cross entropy of the token that follows, over all timesteps; labels are numbers of windows.

    Attributes:
        targets: [N, T], the tokens that follow, of every window.
    """

    targets: Tensor

    def __call__(self, logits: Tensor, windows: Tensor) -> Tensor:
        """Of logits [T, B, V] and windows [B]."""
        return F.cross_entropy(logits.flatten(0, 1), self.targets[windows].T.flatten())

    def __repr__(self) -> str:
        return f"NextToken({list(self.targets.shape)})"


def next_tokens(text: Text, context: int, held: float = 0.1) -> tuple[Dataset, NextToken, Ints]:
    """A data set and a loss for `fit`, and the windows [N, context + 1] at the end of the text that are held out.

    The data set has no validation split, so the last network of a training is kept.

    Args:
        context: tokens of a window.
        held: share of the windows that is held out.

    Raises:
        BadInput: the text has less than two windows, or a share outside 0..1.
    """
    windows = text.windows(context)
    kept = learned_windows(len(windows), context, held)
    numbers = np.arange(kept, dtype=np.int64)
    learned = one_hot(list(windows[:kept, :-1]), numbers, len(text.vocabulary), context)
    none = Split(learned.inputs[:0], learned.labels[:0], timed=True)
    source = f"{text.source}; {kept:,} windows of {context}"
    words = tuple(text.vocabulary)
    dataset = Dataset("next tokens", learned, none, none, words, source, high=1, labelled=False)
    return dataset, NextToken(torch.from_numpy(windows[:kept, 1:].copy())), windows[kept:]


def bits_per_token(net: Network, windows: Ints, *, batch: int = 64) -> float:
    """Mean bits that a network in evaluation needs for the tokens that follow, over windows [N, T + 1]."""
    was_training = net.training
    logits = spiking_logits(net)
    assert net.readout is not None
    found = bits_of_windows(logits, windows, net.readout.synapse.out_features, batch=batch)
    net.train(was_training)
    return float(found.mean())


def spiking_logits(net: Network) -> Logits:
    """What a spiking language model predicts, as a function; it is put into evaluation.

    Raises:
        BadInput: a network that does not end in an integrator.
    """
    unit = _unit(net)
    net.eval()
    return lambda x: net(x).double() * unit


@torch.no_grad()
def bits_of_windows(
    logits: Logits, windows: Ints, vocabulary: int, *, batch: int = 64
) -> NDArray[np.float64]:
    """Mean bits for the tokens that follow, of each of windows [N, T + 1].

    Args:
        logits: of spikes [T, B, V], the logits of the token that follows each, [T, B, V].
        vocabulary: V.

    Raises:
        BadInput: no windows.
    """
    if not len(windows):
        raise BadInput("bits per token must be measured on at least one window")
    made = np.empty(len(windows))
    for at in range(0, len(windows), batch):
        part = windows[at : at + batch]
        x = one_hot(list(part[:, :-1]), np.zeros(len(part), np.int64), vocabulary, part.shape[1] - 1)
        given = logits(torch.from_numpy(x.batch(np.arange(len(part)), part.shape[1] - 1)))
        follows = torch.from_numpy(part[:, 1:].T.copy())
        each = F.cross_entropy(given.double().flatten(0, 1), follows.flatten(), reduction="none")
        made[at : at + batch] = each.reshape(follows.shape).mean(0).numpy() / math.log(2)
    return made


def _unit(net: Network) -> float:
    """Real value of one code of the readout; 1 in full precision."""
    if net.readout is None:
        raise BadInput("a language model must end in an integrator, whose currents are logits")
    if not net.quantized:
        return 1.0
    scales, _ = value_scales(net.steps, net.layers_by_name)
    return float(net.readout.coded()[1].detach().double()) * scales[net.readout.source]
