"""The network of the MNIST timestep study: 32Conv3-64Conv3-256-10 with a readout that never fires.

The study (repository Quantized_SNN) describes one network and trains another; both are here:

- "described": leaky neurons, each convolution followed by its neurons and a 2x2 max-pool of their spikes;
- "trained": neurons without a leak that fire above 0.5 and are reset to zero, no pool behind the first convolution,
  and the currents of the second pooled twice (a 4x4 max-pool) in front of its neurons.

Its logits are the mean over time of the last layer's currents; an integrator's sums rank classes alike.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch

from .. import nn
from ..errors import BadInput


def spiking_cnn(
    variant: Literal["described", "trained"] = "described",
    *,
    beta: float = 0.5,
    classes: int = 10,
    channels: int = 1,
    image: int = 28,
    high: int = 255,
    dropout: float = 0.0,
    norm: bool = True,
) -> nn.Network:
    """The spiking network of the study.

    Args:
        variant: see above.
        beta: leak of the neurons of "described".
        classes: sums of the readout.
        channels, image: inputs are codes 0..high of shape [channels, image, image]; image is a multiple of 4.
        high: largest input code; it stands for 1.
        dropout: share of the spikes before the first dense layer that a training sample loses.
        norm: batch norms behind convolutions and the hidden layer; the study has none, and few bits need them.

    Raises:
        BadInput: an unknown variant, or an image that the pools do not divide.
    """
    if variant not in ("described", "trained"):
        raise BadInput(f"variant must be 'described' or 'trained', not {variant!r}")
    if image < 4 or image % 4:
        raise BadInput(f"image must be a multiple of 4, so that both pools divide it, not {image}")

    def neuron() -> nn.Neuron:
        if variant == "described":
            return nn.LIF(beta=beta)
        return nn.IF(theta=0.5, reset="zero", compare=">")

    layers = OrderedDict[str, torch.nn.Module](input=nn.Input(1 / high, high))
    before = channels
    for k, after in enumerate((32, 64), start=1):
        layers[f"conv{k}"] = torch.nn.Conv2d(before, after, 3, padding=1, bias=not norm)
        if norm:
            layers[f"norm{k}"] = torch.nn.BatchNorm2d(after)
        if variant == "trained" and k == 2:
            layers["pool"] = torch.nn.MaxPool2d(4)
        layers[f"neuron{k}"] = neuron()
        if variant == "described":
            layers[f"pool{k}"] = torch.nn.MaxPool2d(2)
        before = after
    if dropout:
        layers["dropout"] = torch.nn.Dropout(dropout)
    layers["flatten"] = torch.nn.Flatten()
    layers["dense"] = torch.nn.Linear(64 * (image // 4) ** 2, 256, bias=not norm)
    if norm:
        layers["norm3"] = torch.nn.BatchNorm1d(256)
    layers["neuron3"] = neuron()
    layers["out"] = torch.nn.Linear(256, classes, bias=False)
    layers["readout"] = nn.Integrator()
    return nn.Network(torch.nn.Sequential(layers))
