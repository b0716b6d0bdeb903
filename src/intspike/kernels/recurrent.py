"""Neurons that read themselves, over all timesteps: a product with what they sent, and a generated loop that resumes.

As many timesteps as the delay run at once, because what they read is known before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..native import split
from ..native.loop_text import is_real
from ..ops import Body
from . import oracle
from .fused import is_compiled, joined, neurons_of, parameter_gradients
from .loop import pointers
from .sinks import PARTS


def run(
    body: Body, current: Tensor, parameters: Mapping[str, Tensor], timesteps: int, weight: Tensor, delay: int
) -> tuple[Tensor, list[Tensor]]:
    """A body over time whose neurons add weight @ s[t - delay] to their current, with gradients to all of it.

    Args:
        current: float32 [T or 1, B, C]; one frame is static.
        parameters: as of `fused.run`.
        weight: [C, C]; integers where the body is quantized, and then sums must be below 2^24.

    Returns:
        spikes [T, B, C] float32, and for each state the stored codes (full precision: the membrane).
    """
    if not (
        current.dtype == weight.dtype == torch.float32 and current.device.type == "cpu" and is_compiled(body)
    ):
        return oracle.run(
            body, current, parameters, timesteps, back=lambda s: F.linear(s, weight), delay=delay
        )
    learned, rows, entries = joined(body, parameters)
    spikes, *codes = _Loop.apply(current, weight, rows, entries, body, tuple(learned), timesteps, delay)
    return spikes, codes


class _Loop(torch.autograd.Function):
    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        current: Tensor,
        weight: Tensor,
        numbers: Tensor,
        tables: Tensor,
        body: Body,
        learned: tuple[str, ...],
        timesteps: int,
        delay: int,
    ) -> tuple[Tensor, ...]:
        neurons = neurons_of(body, numbers, tables, None, resumes=True)
        batch, channels = current.shape[1:]
        shape, elements = (timesteps, batch, channels), batch * channels
        sums = torch.empty(shape, dtype=torch.float32 if is_real(body) else torch.int32)
        sums[:] = current  # integers, where the type is one
        spikes, codes = torch.empty(shape, dtype=torch.uint8), neurons.empty_codes(shape)
        for t in range(0, timesteps, delay):
            now = sums[t : t + delay]
            if t:
                now += F.linear(spikes[t - delay : t - delay + len(now)].float(), weight).to(sums.dtype)
            split(
                neurons.forward, batch, torch.get_num_threads(), len(now), elements, elements, now.data_ptr(),
                spikes[t].data_ptr(), pointers([c[t] for c in codes]), int(t > 0),
            )  # fmt: skip
        ctx.save_for_backward(weight, numbers, tables, sums, spikes, *codes)
        ctx.body, ctx.learned, ctx.delay, ctx.static = body, learned, delay, len(current) == 1
        ctx.mark_non_differentiable(*codes)
        return spikes.float(), *codes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        weight, numbers, tables, sums, spikes, *codes = ctx.saved_tensors
        if gradients[0] is None:
            return (None,) * 8
        neurons = neurons_of(ctx.body, numbers, tables, ctx.learned, resumes=True)
        timesteps, batch, channels = spikes.shape
        elements, delay = batch * channels, ctx.delay
        gspikes = gradients[0].clone(memory_format=torch.contiguous_format)
        gcurrent = torch.empty(spikes.shape)
        adjoints = torch.zeros(len(codes) + 1, batch, channels)
        parts = neurons.parts(PARTS)

        def backwards(t: int, count: int) -> None:
            stored = pointers([c[t] for c in codes])
            g, s, y, to = (a[t].data_ptr() for a in (gspikes, sums, spikes, gcurrent))

            def some(first: int, last: int) -> None:
                for k in range(first, last):
                    a, b = batch * k // PARTS, batch * (k + 1) // PARTS
                    neurons.backward(
                        a, b, count, elements, elements, elements, g + 4 * a * channels, s, y, stored, to,
                        parts[k].ctypes.data, int(t > 0), adjoints.data_ptr(),
                    )  # fmt: skip

            split(some, PARTS, torch.get_num_threads())

        for t in reversed(range(0, timesteps, delay)):
            count = min(delay, timesteps - t)
            backwards(t, count)
            if t:
                gspikes[t - delay : t - delay + count] += gcurrent[t : t + count] @ weight
        late, sent = gcurrent[delay:].flatten(0, 1), spikes[: max(timesteps - delay, 0)].flatten(0, 1)
        gnumbers, gtables = parameter_gradients(ctx.body, neurons, np.asarray(parts), numbers, tables)
        return (
            gcurrent.sum(0, keepdim=True) if ctx.static else gcurrent, late.T @ sent.float(), gnumbers, gtables,
            None, None, None, None,
        )  # fmt: skip
