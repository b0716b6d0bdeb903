"""What spiking language models are compared with: a recurrent network and a transformer of as many parameters.

Both are ordinary torch modules in full precision, for `train.fit_plain`: they read tokens as spikes [T, B, V] and
predict the next one at every timestep, as logits [T, B, V]. They have no integer program.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import BadInput

HEADS = 4


class _Gru(torch.nn.Module):
    def __init__(self, vocabulary: int, width: int):
        super().__init__()
        self.embed = torch.nn.Linear(vocabulary, width, bias=False)
        self.mix = torch.nn.GRU(width, width)
        self.predict = torch.nn.Linear(width, vocabulary)

    def forward(self, x: Tensor) -> Tensor:
        return self.predict(self.mix(self.embed(x.to(self.embed.weight.dtype)))[0])


class _Attention(torch.nn.Module):
    """A block with norms before its parts: causal attention, then an MLP four times as wide."""

    def __init__(self, width: int):
        super().__init__()
        self.norm, self.mlp_norm = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.project = torch.nn.Linear(width, 3 * width, bias=False)
        self.join = torch.nn.Linear(width, width, bias=False)
        self.up, self.down = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Of x [B, T, W]."""
        parts = self.project(self.norm(x)).unflatten(-1, (3, HEADS, -1)).movedim(1, -2)
        q, k, v = parts.unbind(1)  # [B, heads, T, W / heads]
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.join(mixed.movedim(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.mlp_norm(x))))


class _Transformer(torch.nn.Module):
    def __init__(self, vocabulary: int, width: int, layers: int, context: int):
        super().__init__()
        self.embed = torch.nn.Linear(vocabulary, width, bias=False)
        self.place = torch.nn.Parameter(0.02 * torch.randn(context, 1, width))
        self.blocks = torch.nn.Sequential(*(_Attention(width) for _ in range(layers)))
        self.norm = torch.nn.LayerNorm(width)
        self.predict = torch.nn.Linear(width, vocabulary)

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > len(self.place):
            raise BadInput(
                f"this transformer has places for {len(self.place)} tokens, but is given {len(x)}; give shorter "
                "sequences, or a larger context"
            )
        y = self.embed(x.to(self.embed.weight.dtype)) + self.place[: len(x)]
        return self.predict(self.norm(self.blocks(y.movedim(0, 1)).movedim(1, 0)))


def gru_language(vocabulary: int, parameters: int) -> torch.nn.Module:
    """A GRU between an embedding and a readout, of the width whose number of parameters is nearest.

    Args:
        vocabulary: V.
        parameters: how many it is compared with.

    Raises:
        BadInput: a vocabulary or a number of parameters that no network of this kind has.
    """
    return _nearest(vocabulary, parameters, 1, lambda width: _Gru(vocabulary, width))


def transformer_language(
    vocabulary: int, parameters: int, *, context: int = 64, layers: int = 2
) -> torch.nn.Module:
    """A causal transformer with learned places, of the width (a multiple of four heads) that is nearest.

    Args:
        vocabulary: V.
        parameters: how many it is compared with.
        context: tokens of the longest sequence.
        layers: blocks of attention and MLP.

    Raises:
        BadInput: as `gru_language`, or longer sequences than the context when it runs.
    """
    return _nearest(
        vocabulary, parameters, HEADS, lambda width: _Transformer(vocabulary, width, layers, context)
    )


def _nearest(
    vocabulary: int, parameters: int, multiple: int, make: Callable[[int], torch.nn.Module]
) -> torch.nn.Module:
    """The network whose number of parameters is nearest, found without making all of them."""
    if not 1 <= vocabulary <= 1 << 12:
        raise BadInput(f"vocabulary must be in 1..{1 << 12}, not {vocabulary}")

    def size(k: int) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in make(multiple * k).parameters())

    if not size(1) <= parameters <= 1 << 26:
        raise BadInput(
            f"parameters must be in {size(1)}..{1 << 26} for such a network of {vocabulary} tokens, not {parameters}"
        )
    low, high = 1, 2
    while size(high) < parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) < parameters else (low, middle)
    best = min((low, high), key=lambda k: abs(size(k) - parameters))
    return make(multiple * best)
