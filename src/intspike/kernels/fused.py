"""A body over all timesteps as one op: generated C where there is a compiler, else the oracle."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import BadInput, BadProgram
from ..native import compiler, load
from ..ops import Body
from . import oracle
from .render import Kernel, code_type, is_real, kernel, row_length

_DTYPES = {"uint8_t": torch.uint8, "int16_t": torch.int16, "int32_t": torch.int32, "float": torch.float32}


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
    if compiler() is None or current.dtype != torch.float32 or current.device.type != "cpu":
        return oracle.run(body, current, parameters, timesteps)
    shape = current.shape[1:]
    if len(current) not in (1, timesteps):
        raise BadInput(f"currents must be one frame or {timesteps}, not {len(current)}")
    if any(len(p) != shape[1] for p in parameters.values()):
        raise BadInput(f"parameters must have a row for each of {shape[1]} channels")
    flat = current.reshape(len(current), shape[0], shape[1], -1)
    try:
        made = kernel(body, flat.shape[3] == 1)
    except (
        BadProgram
    ):  # a derivative needs a value that no kernel keeps (in reals, a leak on the sum): slower
        return oracle.run(body, current, parameters, timesteps)
    numbers = torch.stack([parameters[p].float() for p in made.numbers])
    tables = tuple(_padded(parameters[p], row_length(body, p)) for p in made.tables)
    outputs = _Fused.apply(flat, numbers, body, made, tables, timesteps)
    spikes, *codes = outputs
    full = (timesteps, *shape)
    return spikes.reshape(full), [c.reshape(full) for c in codes]


def _padded(table: Tensor, length: int) -> Tensor:
    rows = table.detach().flatten(1)
    return torch.nn.functional.pad(rows, (0, length - rows.shape[1]))


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="intspike")


def split(function: Any, batch: int, *arguments: Any) -> None:
    """Call a kernel on parts of the batch from threads; ctypes lets go of the interpreter lock."""
    threads = max(1, min(torch.get_num_threads(), batch))
    edges = [batch * k // threads for k in range(threads + 1)]
    if threads == 1:
        function(0, batch, *arguments)
        return
    work = [_pool(threads).submit(function, a, b, *arguments) for a, b in itertools.pairwise(edges)]
    for w in work:
        w.result()


def _pointer(t: Tensor) -> int:
    return t.data_ptr()


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        current: Tensor,
        numbers: Tensor,
        body: Body,
        made: Kernel,
        tables: tuple[Tensor, ...],
        timesteps: int,
    ) -> tuple[Tensor, ...]:
        frames, batch, channels, positions = current.shape
        current = current.detach().contiguous()
        size = batch * channels * positions
        stride = size if frames > 1 else 0
        values = (
            numbers.detach() if is_real(body) else numbers.detach().round().to(torch.int32)
        ).contiguous()
        if is_real(body):
            values = values.float()
        beta = numbers.detach()[made.numbers.index("beta")].clone() if "beta" in made.numbers else None
        joined = (
            torch.cat([t.detach().reshape(-1).to(torch.int32) for t in tables])
            if tables
            else values.to(torch.int32)
        )
        offsets = np.cumsum([0, *(t.numel() // channels for t in tables)]).astype(np.int64)
        spikes = torch.empty((timesteps, batch, channels, positions))
        codes = [
            torch.empty((timesteps, batch, channels, positions), dtype=_DTYPES[code_type(body, j)])
            for j in range(len(body.states))
        ]
        pointers = (ctypes.c_void_p * len(codes))(*(_pointer(c) for c in codes))
        library = _library(made)
        split(
            library.forward, batch, channels, positions, timesteps, size, stride, _pointer(current),
            _pointer(values), _pointer(joined), offsets.ctypes.data, _pointer(spikes), pointers,
        )  # fmt: skip
        ctx.body, ctx.made, ctx.offsets, ctx.beta, ctx.frames = body, made, offsets, beta, frames
        ctx.save_for_backward(values, joined, spikes, *codes)
        ctx.mark_non_differentiable(*codes)
        ctx.set_materialize_grads(False)
        return (spikes, *codes)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor | None) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        values, joined, spikes, *codes = ctx.saved_tensors
        made: Kernel = ctx.made
        gspikes = outputs[0]
        if gspikes is None:
            return (None,) * 6
        timesteps, batch, channels, positions = spikes.shape
        gspikes = gspikes.contiguous()
        size = batch * channels * positions
        frames = ctx.frames
        gcurrent = torch.empty((frames, batch, channels, positions))
        count = max(1, len(made.gradients))
        gnumbers = torch.zeros((batch, count, channels))
        pointers = (ctypes.c_void_p * len(codes))(*(_pointer(c) for c in codes))
        reals = _pointer(ctx.beta) if ctx.beta is not None else None
        split(
            _library(made).backward, batch, channels, positions, timesteps, size, size if frames > 1 else 0,
            _pointer(gspikes), _pointer(values), _pointer(joined), ctx.offsets.ctypes.data, _pointer(spikes),
            pointers, reals, _pointer(gcurrent), _pointer(gnumbers),
        )  # fmt: skip
        totals = gnumbers.sum(0)
        grad = torch.zeros((len(made.numbers), channels))
        for name, g in zip(made.gradients, totals, strict=False):
            grad[made.numbers.index(name)] = g
        return gcurrent, grad, None, None, None, None


@lru_cache(maxsize=64)
def _library(made: Kernel) -> ctypes.CDLL:
    cc = compiler()
    assert cc is not None
    library = load(made.source, cc)
    integers, pointer = ctypes.c_int64, ctypes.c_void_p
    library.forward.argtypes = [integers] * 7 + [pointer] * 6
    library.forward.restype = None
    library.backward.argtypes = [integers] * 7 + [pointer] * 9
    library.backward.restype = None
    return library
