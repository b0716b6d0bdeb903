"""Networks of the literature, as plain torch modules with intspike neurons."""

from __future__ import annotations

import torch

from .. import nn


def squat_fmnist(*, beta: float = 0.75, classes: int = 10) -> nn.Network:
    """The Fashion-MNIST network of SQUAT (arXiv 2404.19668): 16Conv5-MP2-64Conv5-MP2-1024Dense10.

    Each layer is convolution, max-pool, batch norm, LIF on currents; the dense layer has a batch norm as well,
    which is its per-channel gain and bias. Inputs are uint8 images [1, 28, 28]; spikes of the last layer are counted.
    """
    from collections import OrderedDict

    layers = OrderedDict[str, torch.nn.Module](
        input=nn.Input(scale=1 / 255),
        conv1=torch.nn.Conv2d(1, 16, 5, bias=False),
        pool1=torch.nn.MaxPool2d(2),
        norm1=torch.nn.BatchNorm2d(16),
        lif1=nn.LIF(beta=beta),
        conv2=torch.nn.Conv2d(16, 64, 5, bias=False),
        pool2=torch.nn.MaxPool2d(2),
        norm2=torch.nn.BatchNorm2d(64),
        lif2=nn.LIF(beta=beta),
        flatten=torch.nn.Flatten(),
        dense=torch.nn.Linear(1024, classes, bias=False),
        norm3=torch.nn.BatchNorm1d(classes),
        lif3=nn.LIF(beta=beta),
    )
    return nn.Network(torch.nn.Sequential(layers))
