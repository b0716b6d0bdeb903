"""A small spiking vision transformer whose attention is Boolean, so that all of it lowers.

Tokens are the places of a grid of patches. Self-attention is the spike-driven one (Yao et al., NeurIPS 2023, arXiv
2307.01694): with spikes q, k, v of every token and channel, and the sum over all tokens of a channel,

    a = LIF(norm(sum over tokens of (q and k)));    attention = a and v

A channel of the values passes where queries and keys of that channel coincide often enough in the whole image. No two
matrices of spikes are multiplied: a token does not choose among other tokens, as in attention by dot products; it
sees them all in one sum a channel. The sum stands at every token, made by a depthwise convolution of ones that reaches
over the whole grid and is not trained. What follows the paper besides: residual sums of spikes, and an MLP of 1 x 1
convolutions. Width, patches, the convolution that places tokens and the norm before a are choices of ours.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor

from .. import nn
from ..errors import BadInput


def _layer(synapse: torch.nn.Conv2d, beta: float) -> torch.nn.Sequential:
    """A convolution, its norm and its neurons."""
    return torch.nn.Sequential(
        OrderedDict[str, torch.nn.Module](
            conv=synapse, norm=torch.nn.BatchNorm2d(synapse.out_channels), lif=nn.LIF(beta=beta)
        )
    )


def _dense(before: int, after: int, beta: float) -> torch.nn.Sequential:
    """The same dense layer at every token."""
    return _layer(torch.nn.Conv2d(before, after, 1, bias=False), beta)


class Attention(torch.nn.Module):
    """Spike-driven self-attention of `width` channels over a grid of tokens: see above.

    Args:
        width: channels.
        grid: tokens a side.
        beta: leak of its neurons.
    """

    def __init__(self, width: int, grid: int, beta: float):
        super().__init__()
        self.query, self.key, self.value = (_dense(width, width, beta) for _ in range(3))
        self.both, self.chosen = nn.Join("and"), nn.Join("and")
        ones = torch.nn.Conv2d(width, width, 2 * grid - 1, padding=grid - 1, groups=width, bias=False)
        torch.nn.init.ones_(ones.weight).requires_grad_(False)
        self.everywhere = _layer(ones, beta)

    def forward(self, x: Tensor) -> Tensor:
        """Of spikes, or sums of them, [B, C, H, W]: spikes of the same shape."""
        passes = self.everywhere(self.both(self.query(x), self.key(x)))
        return self.chosen(passes, self.value(x))


class _Block(torch.nn.Module):
    """Attention and an MLP twice as wide, each with a residual sum."""

    def __init__(self, width: int, grid: int, beta: float):
        super().__init__()
        self.attention, self.project = Attention(width, grid, beta), _dense(width, width, beta)
        self.up, self.down = _dense(width, 2 * width, beta), _dense(2 * width, width, beta)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.project(self.attention(x))
        return x + self.down(self.up(x))


class _Transformer(torch.nn.Module):
    def __init__(
        self,
        classes: int,
        width: int,
        layers: int,
        patch: int,
        beta: float,
        channels: int,
        grid: int,
        high: int,
    ):
        super().__init__()
        self.input = nn.Input(1 / high, high)
        self.patches = _layer(torch.nn.Conv2d(channels, width, patch, patch, bias=False), beta)
        self.place = _layer(torch.nn.Conv2d(width, width, 3, padding=1, bias=False), beta)
        self.blocks = torch.nn.Sequential(*(_Block(width, grid, beta) for _ in range(layers)))
        self.pool, self.flatten = torch.nn.AvgPool2d(grid), torch.nn.Flatten()
        self.dense = torch.nn.Linear(width, classes, bias=False)
        self.norm, self.lif = torch.nn.BatchNorm1d(classes), nn.LIF(beta=beta)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(self.input(x))
        x = self.blocks(x + self.place(x))
        return self.lif(self.norm(self.dense(self.flatten(self.pool(x)))))


def spiking_transformer(
    classes: int = 10,
    *,
    width: int = 32,
    layers: int = 1,
    patch: int = 4,
    beta: float = 0.5,
    channels: int = 1,
    image: int = 28,
    high: int = 255,
) -> nn.Network:
    """Patches, their places, blocks of spike-driven attention and MLP, average pool, dense.

    Args:
        classes: neurons of the last layer, whose spikes are counted.
        width: channels of a token.
        layers: blocks.
        patch: side of a patch in pixels.
        beta: leak of every neuron.
        channels, image: inputs are codes 0..high of shape [channels, image, image]; image is a multiple of patch.
        high: largest input code; it stands for 1.

    Raises:
        BadInput: an image that patches do not divide, or sizes out of range.
    """
    for name, value, most in (
        ("width", width, 1 << 12),
        ("layers", layers, 16),
        ("patch", patch, 1 << 8),
        ("classes", classes, 1 << 16),
    ):
        if not 1 <= value <= most:
            raise BadInput(f"{name} must be in 1..{most}, not {value}")
    if image < patch or image % patch:
        raise BadInput(f"image must be a multiple of {patch}, so that patches divide it, not {image}")
    return nn.Network(_Transformer(classes, width, layers, patch, beta, channels, image // patch, high))
