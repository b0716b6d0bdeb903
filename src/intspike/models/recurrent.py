"""A network that remembers by reading itself: one recurrent layer between dense ones."""

from __future__ import annotations

from collections import OrderedDict

import torch

from .. import nn


def recurrent(
    beta: float = 0.9, classes: int = 2, inputs: int = 20, hidden: int = 100, high: int = 1
) -> nn.Network:
    """inputs-hidden-classes, its hidden layer recurrent with a delay of one timestep.

    Args:
        beta: leak of every neuron.
        inputs, hidden: how many channels come in, and recurrent neurons are between.
        high: largest input code; it must be 1 where the network is quantized, for the recurrent layer adds spikes.
    """
    neurons, back = nn.LIF(beta=beta), torch.nn.Linear(hidden, hidden, bias=False)
    layers = OrderedDict[str, torch.nn.Module](
        input=nn.Input(1 / high, high),
        dense1=torch.nn.Linear(inputs, hidden),
        recurrent=nn.Recurrent(neurons, back),
        dense2=torch.nn.Linear(hidden, classes),
        lif2=nn.LIF(beta=beta),
    )
    return nn.Network(torch.nn.Sequential(layers))
