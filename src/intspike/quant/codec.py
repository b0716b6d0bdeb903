"""Storing real membrane potentials: what a value becomes when only its code is kept, with a straight-through gradient.

Two ops that `torch.compile` sees whole. On the CPU compiled code reads each value once and writes it once; the
torch text below defines what is computed, and does it for other devices and without a compiler.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import native
from ..errors import BadInput
from ..native import memory
from .state import StateQuantizer, form_of
from .storage import Storage, storage_of


def quantize(state: StateQuantizer, u: Tensor, theta: float = 1.0) -> Tensor:
    """Every value of u as it is after it was stored in a state's codes; see `ThresholdCentred.quantize`."""
    if u.dtype != torch.float32:
        raise BadInput(f"membrane potentials must be float32, not {u.dtype}; convert them: u.float()")
    s = _storage(state, theta)
    inside = None
    if state.gradient != "pass" and u.requires_grad:
        inside = torch.ops.intspike.inside_codes(u.detach(), s.levels, s.numbers, s.fires, s.wraps)
        if state.gradient == "block saturated":
            inside = inside | _open_ends(state, u.detach(), theta)
    return torch.ops.intspike.store_membrane(u, inside, s.levels, s.numbers, s.fires, s.wraps)


def _open_ends(state: StateQuantizer, u: Tensor, theta: float) -> Tensor:
    """Where an end code is not beyond the levels: the lowest as rest, the highest below theta (stored after reset)."""
    if state.codec.wraps:
        return torch.ones_like(u, dtype=torch.bool)
    after = state.stores == "after reset"
    at_top = u > (0 if not after else torch.where(u >= theta, theta, 0.0))
    open_top = (
        (u < theta)
        if after
        else torch.full_like(u, form_of(state, None).blocked == "below", dtype=torch.bool)
    )
    return torch.where(at_top, open_top, state.codec.rest == state.codec.low)


@torch.compiler.assume_constant_result
def _storage(state: StateQuantizer, theta: float) -> Storage:
    return storage_of(state, theta)


# ---------------------------------------------------------------- the definition


def oracle(u: Tensor, s: Storage) -> tuple[Tensor, Tensor]:
    """The stored values, and whether each code is neither the lowest nor the highest."""
    theta = s.numbers[-1] if s.levels else s.numbers[3]
    fired = torch.where(u >= theta, theta, 0.0) if s.fires else torch.zeros_like(u)
    x = u - fired
    if s.levels:
        edges = torch.tensor(s.numbers[:-1], device=u.device)
        code = torch.bucketize(x.contiguous(), edges, right=True)
        value = torch.tensor(s.levels, device=u.device)[code] + fired
        inside = (code > 0) & (code < len(edges)) & ~x.isnan()
        return torch.where(u.isnan(), u, value), inside
    step, low, high, _, above, count = s.numbers
    code = torch.floor(x / step + 0.5)
    if not s.fires:
        code = torch.where((u >= theta) & (code < above), above, code)
        code = torch.where((u < theta) & (code >= above), above - 1, code)
    if s.wraps:
        part = code - low
        code = part - torch.floor(part / count) * count + low
    else:
        code = code.clamp(low, high)
    return code * step + fired, (code > low) & (code < high)


# ---------------------------------------------------------------- the ops


@torch.library.custom_op("intspike::store_membrane", mutates_args=())
def _store(
    u: Tensor,
    inside: Tensor | None,
    levels: Sequence[float],
    numbers: Sequence[float],
    fires: bool,
    wraps: bool,
) -> Tensor:
    s = Storage(tuple(levels), tuple(numbers), fires, wraps)
    kernel = _kernels(s) if u.device.type == "cpu" else None
    if kernel is None:
        return oracle(u, s)[0]
    out = _like(u)
    large = u.numel() * u.element_size() >= memory.LARGE
    source = u if u.stride() == out.stride() else torch.empty_like(out).copy_(u)
    kernel.store(source, out, large)
    return out


@torch.library.custom_op("intspike::inside_codes", mutates_args=())
def _inside(u: Tensor, levels: Sequence[float], numbers: Sequence[float], fires: bool, wraps: bool) -> Tensor:
    s = Storage(tuple(levels), tuple(numbers), fires, wraps)
    kernel = _kernels(s) if u.device.type == "cpu" else None
    if kernel is None:
        return oracle(u, s)[1]
    out = torch.empty_like(u, dtype=torch.bool)
    kernel.inside(u if u.stride() == out.stride() else torch.empty_like(out, dtype=u.dtype).copy_(u), out)
    return out


def _like(u: Tensor) -> Tensor:
    """An uninitialized tensor like u, a large one in memory that is kept."""
    size = u.numel() * u.element_size()
    if size < memory.LARGE:
        return torch.empty_like(u)
    shape = torch.empty_like(u, device="meta")
    flat = torch.from_numpy(memory.borrow(size).view(np.float32))
    return flat.as_strided(shape.shape, shape.stride())


@_store.register_fake
def _(u: Tensor, inside: Any, levels: Any, numbers: Any, fires: bool, wraps: bool) -> Tensor:
    return torch.empty_like(u)


@_inside.register_fake
def _(u: Tensor, levels: Any, numbers: Any, fires: bool, wraps: bool) -> Tensor:
    return torch.empty_like(u, dtype=torch.bool)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    inside = inputs[1]
    ctx.blocked = inside is not None
    if inside is not None:
        ctx.save_for_backward(inside)


def _straight_through(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    if ctx.blocked:
        (inside,) = ctx.saved_tensors
        gradient = torch.where(inside, gradient, 0.0)
    return gradient, None, None, None, None, None


_store.register_autograd(_straight_through, setup_context=_keep)


# ---------------------------------------------------------------- compiled code


class _Kernels:
    """The compiled loops of one storage, on dense tensors of equal strides."""

    def __init__(self, s: Storage, library: ctypes.CDLL):
        numbers = np.array(s.numbers, np.float32)
        if s.levels:
            levels = np.array(s.levels, np.float32)
            bits = levels.view(np.uint32)
            differences = np.concatenate([bits[:1], bits[1:] ^ bits[:-1]])
            self._arrays = (numbers, levels, differences)  # the pointers below are into these
            theta = ctypes.c_float(s.numbers[-1])
            self._store, self._after = library.quantize_table, (theta,)
            self._inside, self._inside_after = library.inside_table, (_pointer(numbers), theta)
        else:
            self._arrays = (numbers,)
            self._store, self._after = library.quantize_uniform, ()
            self._inside, self._inside_after = library.inside_uniform, (_pointer(numbers),)
        self._numbers = tuple(_pointer(a) for a in self._arrays)

    def store(self, u: Tensor, out: Tensor, large: bool) -> None:
        arguments = (*self._numbers, *self._after, *([ctypes.c_int32(large)] if self._after else []))
        self._run(self._store, u, out, *arguments)

    def inside(self, u: Tensor, out: Tensor) -> None:
        self._run(self._inside, u, out, *self._inside_after)

    def _run(self, function: Any, u: Tensor, out: Tensor, *numbers: Any) -> None:
        def part(first: int, last: int) -> None:
            function(
                ctypes.c_int64(first), ctypes.c_int64(last), ctypes.c_void_p(u.data_ptr()),
                ctypes.c_void_p(out.data_ptr()), *numbers,
            )  # fmt: skip

        size = u.numel()
        native.split(part, size, torch.get_num_threads() if size >= 1 << 16 else 1)


def _pointer(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _kernels(s: Storage) -> _Kernels | None:
    cc = native.compiler()
    return _compiled(s, cc) if cc else None


@lru_cache(maxsize=256)
def _compiled(s: Storage, cc: native.Compiler) -> _Kernels:
    defines = f"#define FIRES {int(s.fires)}\n"
    if s.levels:
        name, defines = "codec.c", f"{defines}#define BITS {len(s.levels).bit_length() - 1}\n"
    else:
        name, defines = "codec_uniform.c", f"{defines}#define WRAPS {int(s.wraps)}\n"
    text = Path(native.__file__).with_name(name).read_text("utf-8")
    # masks in place of branches: no value depends on whether a comparison could trap
    return _Kernels(s, native.load(defines + text, cc, (*native.FAST, "-fno-trapping-math")))
