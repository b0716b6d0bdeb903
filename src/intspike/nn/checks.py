"""What modules must be, so that they have an integer form; frames, so that synapses can read them; and input codes."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor

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


def check_frame(name: str, m: Synapse, frame: tuple[int, ...], hint: str = "") -> None:
    """Refuse a frame that a synapse cannot read; the error ends in the hint."""
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
    raise BadInput(f"{name} must read {wanted} a frame, but is given {list(frame)}{hint}")


def time_hint(frame: tuple[int, ...]) -> str:
    """What an error adds where frames, neither [C, H, W] nor [N], look as if the time were missing."""
    if len(frame) in (1, 3):
        return ""
    return "; inputs of a network are [T, B, ...], and encode.direct(x, T) adds the time"


def check_codes(x: Tensor, most: int, *, scaled: bool, proved: bool) -> None:
    """Refuse what is no code: it would be scaled twice, or leave the range that sums are proved for.

    Args:
        x: what a network is given.
        most: the largest code that its input declares.
        scaled: whether codes are scaled; else any numbers may come in.
        proved: whether they must lie in 0..most.
    """
    if not scaled or not x.numel() or (x.dtype == torch.uint8 and most >= 255):
        return
    low, high = float(x.min()), float(x.max())
    whole = not x.is_floating_point() or bool((x == x.round()).all())
    if not whole or (proved and not (low >= 0 and high <= most)):
        kind = "integers" if whole else "real numbers"
        raise BadInput(
            f"inputs must be the integer codes 0..{most} that nn.Input declares, not {kind} in {low:g}..{high:g}; "
            "pass the unscaled codes (uint8 images): nn.Input(scale=...) scales them"
        )
