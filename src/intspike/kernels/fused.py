"""A body over all timesteps as one op on tensors: generated C where there is a compiler, else the oracle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import BadInput, BadProgram
from ..native import compiler, split
from ..native.loop_text import is_real
from ..ops import Body
from . import oracle
from .frames import PARTS
from .loop import Neurons, pointers, prepare


def run(
    body: Body, current: Tensor, parameters: Mapping[str, Tensor], timesteps: int
) -> tuple[Tensor, list[Tensor]]:
    """A body over time, with gradients to `current` and to the parameters that take them.

    Args:
        current: float32 sums (in full precision, currents) [T or 1, B, C, ...]; one frame is static. Integers
            must be below 2^24, which quantized layers prove.
        parameters: float32 or integer tensors [C], [C, entries] or [C, rows, entries]; "beta" beside a carry table.

    Returns:
        spikes [T, B, C, ...] float32, and for each state the stored codes (full precision: the membrane).
    """
    cc = compiler()
    if cc is None or current.dtype != torch.float32 or current.device.type != "cpu":
        return oracle.run(body, current, parameters, timesteps)
    if len(current) not in (1, timesteps):
        raise BadInput(f"currents must be one frame or {timesteps}, not {len(current)}")
    if any(len(p) != current.shape[2] for p in parameters.values()):
        raise BadInput(f"parameters must have a row for each of {current.shape[2]} channels")
    names = tuple(p for p, t in parameters.items() if t.requires_grad and t.ndim == 1)
    numbers = torch.stack([parameters[p].float() for p in names]) if names else torch.empty(0)
    kind = torch.float32 if is_real(body) else torch.int32
    arrays = {p: arrayed(t, kind) for p, t in parameters.items()}
    wanted = frozenset(names) if torch.is_grad_enabled() and (names or current.requires_grad) else None
    try:
        neurons = prepare(body, arrays, kind, wanted, cc)
    except BadProgram:  # a derivative needs a value that no loop keeps (in reals, a leak on the sum): slower
        return oracle.run(body, current, parameters, timesteps)
    spikes, *codes = _Fused.apply(current.movedim(2, -1), numbers, names, neurons, timesteps, kind)
    return spikes.movedim(-1, 2), [c.movedim(-1, 2) for c in codes]


def arrayed(t: Tensor, kind: torch.dtype) -> np.ndarray[Any, Any]:
    """A parameter as numbers: integers exactly, or reals."""
    return t.detach().to(torch.float32 if kind == torch.float32 else torch.float64).numpy()


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        current: Tensor,
        numbers: Tensor,
        names: tuple[str, ...],
        neurons: Neurons,
        timesteps: int,
        kind: torch.dtype,
    ) -> tuple[Tensor, ...]:
        sums = current.detach().to(kind).contiguous()
        shape = (timesteps, *sums.shape[1:])
        spikes = torch.empty(shape, dtype=torch.uint8)
        codes = neurons.empty_codes(shape)
        elements = sums[0].numel()
        rows = elements // neurons.channels
        stride = elements if len(sums) > 1 else 0
        split(
            neurons.forward, rows, torch.get_num_threads(), timesteps, elements, stride, sums.data_ptr(),
            spikes.data_ptr(), pointers(codes),
        )  # fmt: skip
        ctx.neurons, ctx.names, ctx.stride = neurons, names, stride
        ctx.save_for_backward(sums, spikes, *codes)
        ctx.mark_non_differentiable(*codes)
        ctx.set_materialize_grads(False)
        return (spikes.float(), *codes)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor | None) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        sums, spikes, *codes = ctx.saved_tensors
        neurons: Neurons = ctx.neurons
        if outputs[0] is None:
            return (None,) * 6
        gspikes = outputs[0].float().contiguous()
        timesteps, elements = len(spikes), spikes[0].numel()
        rows, channels = elements // neurons.channels, neurons.channels
        gcurrent = torch.empty(sums.shape)
        gnumbers = np.zeros((PARTS, max(1, len(neurons.made.gradients)), neurons.width))

        def part(first: int, last: int) -> None:
            for k in range(first, last):
                a, b = rows * k // PARTS, rows * (k + 1) // PARTS
                neurons.backward(
                    a, b, timesteps, elements, ctx.stride, elements, gspikes.data_ptr() + 4 * a * channels,
                    sums.data_ptr(), spikes.data_ptr(), pointers(codes), gcurrent.data_ptr(), gnumbers[k].ctypes.data,
                )  # fmt: skip

        split(part, PARTS, torch.get_num_threads())
        totals = dict(zip(neurons.made.gradients, neurons.totals(gnumbers), strict=False))
        grad = None
        if ctx.names:
            none = np.zeros(channels)
            grad = torch.from_numpy(np.stack([totals.get(n, none) for n in ctx.names])).float()
        return gcurrent, grad, None, None, None, None
