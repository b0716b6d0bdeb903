"""Nearest codes in one pass of compiled code, and their straight-through gradient in another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ... import native
from ...native import weights


def nearest(rows: Tensor, step: Tensor, low: int, high: int) -> Tensor | None:
    """round(clamp(rows / step)), half to even, with the gradient of the clamp to the rows.

    Args:
        rows: [N, K].
        step: [N] or [1]; it takes no gradient.
        low, high: the least and the largest code.

    Returns:
        the codes; None where no compiled code covers it, so that torch's ops must.
    """
    usual = all(t.dtype == torch.float32 and t.device.type == "cpu" for t in (rows, step))
    if not usual or step.requires_grad or torch.compiler.is_compiling() or native.compiler() is None:
        return None
    return _Nearest.apply(rows, step, (float(low), float(high)))


class _Nearest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, step: Tensor, ends: tuple[float, float]) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        cc = native.compiler()
        assert cc is not None
        ctx.save_for_backward(rows, step)
        ctx.ends, ctx.cc = ends, cc
        made = weights.encode(_array(rows), _array(step), ends, torch.get_num_threads(), cc)
        return torch.from_numpy(made)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        rows, step = map(_array, ctx.saved_tensors)
        passed = weights.passed(rows, step, ctx.ends, _array(gradient), torch.get_num_threads(), ctx.cc)
        return torch.from_numpy(passed), None, None


def _array(t: Tensor) -> Any:
    return t.detach().contiguous().numpy()
