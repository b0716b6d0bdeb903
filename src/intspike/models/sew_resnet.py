"""Spike-element-wise residual networks for small images (Fang et al., arXiv 2102.04159).

A block computes spikes A = LIF(BN(conv3x3(LIF(BN(conv3x3(S)))))) of its input S and joins the two, O = g(A, S):

    add   A + S        iand  (1 - A) S        and   A S

Where a block changes the shape (stride 2, more channels), S passes a shortcut LIF(BN(conv1x1(S))) first. The sum is an
integer, 1 more at every block of a stage, and the next convolution reads it as it is.

The paper's networks are for ImageNet. For small images the stem is one 3x3 convolution of stride 1 without a pool, as
usual; width, leak and the batch norm behind the dense layer (its gain and bias per channel) are choices of ours.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from .. import nn
from ..errors import BadInput
from ..nn.join import Kind


class Block(torch.nn.Module):
    """One residual block.

    Args:
        before, after: channels of its input and of its output.
        stride: of the first convolution, and of the shortcut.
        join: how A and S become one.
        beta: leak of its neurons.
    """

    def __init__(self, before: int, after: int, stride: int, join: Kind, beta: float):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = torch.nn.BatchNorm2d(after)
        self.lif1 = nn.LIF(beta=beta)
        self.conv2 = torch.nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = torch.nn.BatchNorm2d(after)
        self.lif2 = nn.LIF(beta=beta)
        self.shortcut: torch.nn.Module = torch.nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = torch.nn.Sequential(
                OrderedDict[str, torch.nn.Module](
                    conv=torch.nn.Conv2d(before, after, 1, stride, bias=False),
                    norm=torch.nn.BatchNorm2d(after),
                    lif=nn.LIF(beta=beta),
                )
            )
        self.join = nn.Join(join)

    def forward(self, s: Tensor) -> Tensor:
        a = self.lif1(self.norm1(self.conv1(s)))
        a = self.lif2(self.norm2(self.conv2(a)))
        return self.join(a, self.shortcut(s))


def sew_resnet_8(
    classes: int = 10,
    join: Kind = "add",
    *,
    width: int = 16,
    beta: float = 0.5,
    channels: int = 3,
    image: int = 32,
    high: int = 255,
) -> nn.Network:
    """Stem, three stages of one block (`width`, 2 `width`, 4 `width` channels), average pool, dense.

    Args:
        classes: neurons of the last layer, whose spikes are counted.
        join: "add", "and" or "iand".
        width: channels of the stem and of the first stage.
        beta: leak of every neuron; 0.5 is a time constant of two timesteps.
        channels, image: inputs are codes 0..high of shape [channels, image, image]; image is a multiple of 4.
        high: largest input code; it stands for 1.

    Raises:
        BadInput: an image that the strides do not divide, or an unknown join.
    """
    return _residual((1, 1, 1), classes, join, width, beta, channels, image, high)


def sew_resnet_18(
    classes: int = 10,
    join: Kind = "add",
    *,
    width: int = 64,
    beta: float = 0.5,
    channels: int = 3,
    image: int = 32,
    high: int = 255,
) -> nn.Network:
    """Stem, four stages of two blocks (`width` to 8 `width` channels), average pool, dense.

    Arguments are those of `sew_resnet_8`; image is a multiple of 8.
    """
    return _residual((2, 2, 2, 2), classes, join, width, beta, channels, image, high)


def _residual(
    blocks: Sequence[int],
    classes: int,
    join: Kind,
    width: int,
    beta: float,
    channels: int,
    image: int,
    high: int,
) -> nn.Network:
    shrinks = 2 ** (len(blocks) - 1)
    if image < 1 or image % shrinks:
        raise BadInput(f"image must be a multiple of {shrinks}, so that every stride divides it, not {image}")
    layers = OrderedDict[str, torch.nn.Module](
        input=nn.Input(1 / high, high),
        conv=torch.nn.Conv2d(channels, width, 3, 1, 1, bias=False),
        norm=torch.nn.BatchNorm2d(width),
        lif=nn.LIF(beta=beta),
    )
    before = width
    for stage, count in enumerate(blocks, start=1):
        after = width << (stage - 1)
        for k in range(1, count + 1):
            stride = 2 if stage > 1 and k == 1 else 1
            layers[f"block{stage}_{k}"] = Block(before, after, stride, join, beta)
            before = after
    layers |= {
        "pool": torch.nn.AvgPool2d(image // shrinks),
        "flatten": torch.nn.Flatten(),
        "dense": torch.nn.Linear(before, classes, bias=False),
        "norm_out": torch.nn.BatchNorm1d(classes),
        "lif_out": nn.LIF(beta=beta),
    }
    return nn.Network(torch.nn.Sequential(layers))
