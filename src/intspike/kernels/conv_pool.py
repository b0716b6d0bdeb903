"""A convolution of spikes and the max-pool behind it as one op, where both are of the plain kind."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor

from ..native import compiler, load
from .fused import split

# Weight gradients are summed in so many parts, whatever the number of threads, so their bits do not depend on it.
PARTS = 8
_FLAGS = ("-std=c11", "-O3", "-march=native", "-ffp-contract=fast", "-fPIC", "-shared")


def applies(x: Tensor, conv: torch.nn.Conv2d, pool: torch.nn.MaxPool2d) -> bool:
    """Whether the op covers this pair: stride 1, no padding, one group, pool windows that do not overlap."""
    kernel, stride = _pair(pool.kernel_size), _pair(pool.stride)
    plain = _pair(conv.stride) == (1, 1) and conv.padding in ((0, 0), 0) and conv.groups == 1
    return (
        plain
        and kernel == stride
        and kernel[0] == kernel[1] <= 8
        and x.dtype == torch.float32
        and x.device.type == "cpu"
        and compiler() is not None
    )


def run(x: Tensor, weight: Tensor, flip: Tensor, pool: int) -> Tensor:
    """max_pool2d(flip * conv2d(x, weight), pool) * flip, with gradients to x and weight.

    Args:
        x: [N, C_in, H, W]; zeros cost nothing.
        weight: [C_out, C_in, K_h, K_w].
        flip: [C_out], -1 where the minimum is wanted, else 1.
        pool: window and stride.
    """
    return _ConvPool.apply(x, weight, flip, pool)  # type: ignore[no-untyped-call]


def _pair(x: Any) -> tuple[int, int]:
    a, b = x if isinstance(x, tuple) else (x, x)
    return int(a), int(b)


@lru_cache(maxsize=32)
def _library(
    channels: int, height: int, width: int, out: int, kernel: tuple[int, int], pool: int
) -> ctypes.CDLL:
    cc = compiler()
    assert cc is not None
    sizes = {
        "CI": channels,
        "H": height,
        "W": width,
        "CO": out,
        "KH": kernel[0],
        "KW": kernel[1],
        "POOL": pool,
    }
    text = (files("intspike.native") / "conv_pool.c").read_text()
    library = load("".join(f"#define {k} {v}\n" for k, v in sizes.items()) + text, cc, _FLAGS)
    for name, pointers in (("forward", 5), ("backward", 6)):
        function = getattr(library, name)
        function.argtypes = [ctypes.c_int64] * 2 + [ctypes.c_void_p] * pointers
        function.restype = None
    return library


class _ConvPool(torch.autograd.Function):
    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, x: Tensor, weight: Tensor, flip: Tensor, pool: int
    ) -> Tensor:
        x, weight, flip = x.detach().contiguous(), weight.detach(), flip.detach().float().contiguous()
        n, channels, h, w = x.shape
        out, _, kh, kw = weight.shape
        shape = (n, out, (h - kh + 1) // pool, (w - kw + 1) // pool)
        y = torch.empty(shape)
        winner = torch.empty(shape, dtype=torch.uint8)
        ordered = weight.permute(1, 2, 3, 0).contiguous()
        library = _library(channels, h, w, out, (kh, kw), pool)
        pointers = [t.data_ptr() for t in (x, ordered, flip, y, winner)]
        split(library.forward, n, *pointers)
        ctx.save_for_backward(x, weight, winner)
        ctx.pool = pool
        return y

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight, winner = ctx.saved_tensors
        n, channels, h, w = x.shape
        out, _, kh, kw = weight.shape
        gy = gy.contiguous()
        ordered = weight.permute(0, 2, 3, 1).contiguous()
        gx = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        sums = torch.zeros((PARTS, out, kh, kw, channels))
        library = _library(channels, h, w, out, (kh, kw), ctx.pool)

        def part(first: int, last: int) -> None:
            for k in range(first, last):
                pointers = [t.data_ptr() for t in (x, ordered, gy, winner)]
                rest = gx.data_ptr() if gx is not None else None
                library.backward(n * k // PARTS, n * (k + 1) // PARTS, *pointers, rest, sums[k].data_ptr())

        split(part, PARTS)
        return gx, sums.sum(0).permute(0, 3, 1, 2).contiguous(), None, None
