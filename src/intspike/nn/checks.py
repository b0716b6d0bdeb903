"""What a model's modules must be, so that they have an integer form; and frames, so that synapses can read them."""

from __future__ import annotations

from math import prod
from typing import Any

import torch

from ..errors import BadInput, NotLowerable
from .parts import Pool, Synapse, pair


def check_flatten(name: str, start_dim: Any, end_dim: Any) -> None:
    if (start_dim, end_dim) != (1, -1):
        raise NotLowerable(
            f"{name}: a flatten must keep the batch and flatten all else, as flatten(x, 1) does, not dimensions "
            f"{start_dim}..{end_dim}"
        )


def check_conv(name: str, m: torch.nn.Conv2d) -> None:
    if m.padding_mode != "zeros" or isinstance(m.padding, str) or pair(m.dilation) != (1, 1):
        raise NotLowerable(
            f"{name}: a convolution must have zero padding given in numbers and no dilation, not "
            f"padding={m.padding!r} ({m.padding_mode}), dilation={m.dilation}"
        )


def check_pool(name: str, m: Pool) -> None:
    plain = pair(m.padding) == (0, 0) and not m.ceil_mode and pair(getattr(m, "dilation", 1)) == (1, 1)
    if not plain or getattr(m, "return_indices", False) or getattr(m, "divisor_override", None):
        raise NotLowerable(
            f"{name}: a pool must have no padding, ceil_mode, dilation, indices or divisor, not {m}"
        )


def check_frame(name: str, m: Synapse, frame: tuple[int, ...]) -> None:
    if isinstance(m, torch.nn.Linear):
        if prod(frame) == m.in_features:
            return
        wanted = f"{m.in_features} values"
    else:
        assert not isinstance(m.padding, str)
        (ph, pw), (kh, kw) = pair(m.padding), pair(m.kernel_size)
        image = len(frame) == 3 and frame[0] == m.in_channels
        if image and frame[1] + 2 * ph >= kh and frame[2] + 2 * pw >= kw:
            return
        wanted = f"{m.in_channels} channels of at least {max(kh - 2 * ph, 1)}x{max(kw - 2 * pw, 1)}"
    raise BadInput(
        f"{name} must read {wanted} a frame, but is given {list(frame)}; inputs of a network are [T, B, ...], and "
        "encode.direct(x, T) adds the time"
    )
