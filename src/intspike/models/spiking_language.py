"""A small spiking language model: a token a timestep, mixed over time by the leaks of integer neurons."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import nn
from ..errors import BadInput


class _Block(torch.nn.Module):
    """Token mixing and a spiking MLP, each with a residual connection of spikes.

    The mixer's membranes are a linear recurrence over tokens between their spikes, so mixing is causal; the neurons of
    the MLP remember nothing.
    """

    def __init__(self, width: int, D: int, beta: float):
        super().__init__()
        self.mix = torch.nn.Linear(width, width, bias=False)
        self.mix_norm = torch.nn.BatchNorm1d(width)
        self.mixer = nn.NILIF(D, beta=beta, learn_beta=True)
        self.up = torch.nn.Linear(width, 2 * width, bias=False)
        self.up_norm = torch.nn.BatchNorm1d(2 * width)
        self.hidden = nn.NILIF(D, beta=0.0)
        self.down = torch.nn.Linear(2 * width, width, bias=False)
        self.down_norm = torch.nn.BatchNorm1d(width)
        self.sent = nn.NILIF(D, beta=0.0)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mixer(self.mix_norm(self.mix(x)))
        y = self.hidden(self.up_norm(self.up(x)))
        return x + self.sent(self.down_norm(self.down(y)))


class _Language(torch.nn.Module):
    def __init__(self, vocabulary: int, width: int, layers: int, D: int, beta: float):
        super().__init__()
        self.input = nn.Input(high=1)
        self.embed = torch.nn.Linear(vocabulary, width, bias=False)
        self.norm = torch.nn.BatchNorm1d(width)
        self.token = nn.NILIF(D, beta=beta, learn_beta=True)
        self.blocks = torch.nn.Sequential(*(_Block(width, D, beta) for _ in range(layers)))
        self.predict = torch.nn.Linear(width, vocabulary, bias=False)
        self.readout = nn.Integrator()

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.token(self.norm(self.embed(self.input(x)))))
        return self.readout(self.predict(x))


def spiking_language(
    vocabulary: int, *, width: int = 128, layers: int = 2, D: int = 4, beta: float = 0.9
) -> nn.Network:
    """Predicts the next token at every timestep; all of it lowers.

    Inputs are spikes [T, B, V], a token a timestep (`data.Text`, `train.next_tokens`); outputs are currents [T, B, V],
    the logits of the token that follows.

    Args:
        vocabulary: V.
        width: channels between blocks.
        layers: blocks of token mixing and MLP.
        D: largest output of the neurons.
        beta: leak of the mixing neurons, which is learned.
    """
    for name, value, most in (
        ("vocabulary", vocabulary, 1 << 12),
        ("width", width, 1 << 12),
        ("layers", layers, 16),
    ):
        if not 1 <= value <= most:
            raise BadInput(f"{name} must be in 1..{most}, not {value}")
    return nn.Network(_Language(vocabulary, width, layers, D, beta))
