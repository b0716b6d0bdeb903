"""A body over all timesteps as one op on tensors: generated C where there is a compiler, else the oracle.

The op and its backward pass are registered with `torch.library`, so `torch.compile` sees them whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import BadInput, BadProgram
from ..native import Compiler, compiler, split
from ..native.loop_text import code_kind, is_real
from ..ops import Body, backward, parameter_shape
from . import oracle
from .loop import TORCH_TYPES, Neurons, pointers, prepare
from .sinks import PARTS

_BODIES: dict[str, Body] = {}  # by a hash of their content: an op of torch takes text, not objects


def run(
    body: Body, current: Tensor, parameters: Mapping[str, Tensor], timesteps: int
) -> tuple[Tensor, list[Tensor]]:
    """A body over time, with gradients to `current` and to the parameters that take them.

    Args:
        current: float32 sums (in full precision, currents) [T or 1, B, C, ...]; one frame is static. Integers
            must be below 2^24, which quantized layers prove.
        parameters: float32 or integer tensors [C], [C, entries] or [C, rows, entries]; beside carry tables the
            real leaks ("beta").

    Returns:
        spikes [T, B, C, ...] float32, and for each state the stored codes (full precision: the membrane).
    """
    if current.dtype != torch.float32 or current.device.type != "cpu" or not is_compiled(body):
        return oracle.run(body, current, parameters, timesteps)
    if len(current) not in (1, timesteps):
        raise BadInput(f"currents must be one frame or {timesteps}, not {len(current)}")
    if any(len(p) != current.shape[2] for p in parameters.values()):
        raise BadInput(f"parameters must have a row for each of {current.shape[2]} channels")
    learned, rows, entries = joined(body, parameters)
    spikes, *codes = torch.ops.intspike.time_loop(
        current.movedim(2, -1), rows, entries, _key(body), " ".join(learned), timesteps
    )
    return spikes.movedim(-1, 2), [c.movedim(-1, 2) for c in codes]


def joined(body: Body, parameters: Mapping[str, Tensor]) -> tuple[list[str], Tensor, Tensor]:
    """What takes gradients, parameters that are numbers [P, C], and the tables side by side [C, entries]."""
    numbers, tables = _names(body)
    takes = [p for p in (*numbers, *tables) if parameters[p].requires_grad]
    rows = torch.stack([parameters[p].float() for p in numbers])
    entries = [parameters[p].flatten(1).float() for p in tables]
    found = torch.cat(entries, 1) if entries else torch.zeros((rows.shape[1], 0))
    return takes if torch.is_grad_enabled() else [], rows, found


@torch.compiler.assume_constant_result
def _key(body: Body) -> str:
    key = hashlib.sha256(repr(body).encode()).hexdigest()
    _BODIES[key] = body
    return key


@torch.compiler.assume_constant_result
def is_compiled(body: Body) -> bool:
    """Whether loops can be compiled: in reals, a leak on the sum has a derivative that no loop keeps."""
    if compiler() is None:
        return False
    try:
        backward(body)
    except BadProgram:
        return False
    return True


@torch.compiler.assume_constant_result
def _names(body: Body) -> tuple[list[str], list[str]]:
    """Parameters that are numbers, and those that are tables."""
    names = [*body.parameters, *body.real_leaks]
    return [p for p in names if not parameter_shape(body, p)], [p for p in names if parameter_shape(body, p)]


def neurons_of(
    body: Body, numbers: Tensor, tables: Tensor, learned: Sequence[str] | None, resumes: bool = False
) -> Neurons:
    """Compiled loops with the parameters of an op: `numbers` and `tables` as `joined` makes them."""
    names, table_names = _names(body)
    real = is_real(body)
    arrays: dict[str, np.ndarray[Any, Any]] = {
        p: a if real or p in body.real_leaks else a.astype(np.int64)
        for p, a in zip(names, numbers.detach().numpy(), strict=True)
    }
    sizes = [prod(parameter_shape(body, p)) for p in table_names]
    arrays |= {p: a.numpy() for p, a in zip(table_names, tables.detach().int().split(sizes, 1), strict=True)}
    cc = compiler()
    assert isinstance(cc, Compiler)
    kind = torch.float32 if real else torch.int32
    return prepare(body, arrays, kind, None if learned is None else frozenset(learned), cc, resumes)


def _sums(body: Body, current: Tensor) -> Tensor:
    return current.detach().to(torch.float32 if is_real(body) else torch.int32).contiguous()


@torch.library.custom_op("intspike::time_loop", mutates_args=())
def _time_loop(
    current: Tensor, numbers: Tensor, tables: Tensor, body: str, learned: str, timesteps: int
) -> list[Tensor]:
    """Spikes, and the codes of each state, [T, B, ..., C] of currents [T or 1, B, ..., C]."""
    text = _BODIES[body]
    neurons, sums = neurons_of(text, numbers, tables, None), _sums(text, current)
    shape = (timesteps, *sums.shape[1:])
    spikes, codes = torch.empty(shape, dtype=torch.uint8), neurons.empty_codes(shape)
    elements = sums[0].numel()
    split(
        neurons.forward, elements // neurons.channels, torch.get_num_threads(), timesteps, elements,
        elements if len(sums) > 1 else 0, sums.data_ptr(), spikes.data_ptr(), pointers(codes),
    )  # fmt: skip
    return [spikes.float(), *codes]


@_time_loop.register_fake
def _(
    current: Tensor, numbers: Tensor, tables: Tensor, body: str, learned: Any, timesteps: int
) -> list[Tensor]:
    text, shape = _BODIES[body], (timesteps, *current.shape[1:])
    kinds = [TORCH_TYPES[code_kind(text, j)] for j in range(len(text.states))]
    return [current.new_empty(shape), *(current.new_empty(shape, dtype=k) for k in kinds)]


@torch.library.custom_op("intspike::time_loop_backward", mutates_args=())
def _time_loop_backward(
    gspikes: Tensor,
    current: Tensor,
    numbers: Tensor,
    tables: Tensor,
    kept: Sequence[Tensor],
    body: str,
    learned: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients to currents, to all numbers and to all tables, from the spikes and codes that were kept."""
    text = _BODIES[body]
    neurons, sums = neurons_of(text, numbers, tables, learned.split()), _sums(text, current)
    spikes, codes = kept[0].to(torch.uint8).contiguous(), [c.contiguous() for c in kept[1:]]
    gspikes = gspikes.contiguous()
    timesteps, elements, channels = len(spikes), spikes[0].numel(), neurons.channels
    rows, stride = elements // channels, elements if len(sums) > 1 else 0
    gcurrent = torch.empty(sums.shape)
    gnumbers = neurons.parts(PARTS)

    def part(first: int, last: int) -> None:
        for k in range(first, last):
            a, b = rows * k // PARTS, rows * (k + 1) // PARTS
            neurons.backward(
                a, b, timesteps, elements, stride, elements, gspikes.data_ptr() + 4 * a * channels,
                sums.data_ptr(), spikes.data_ptr(), pointers(codes), gcurrent.data_ptr(), gnumbers[k].ctypes.data,
            )  # fmt: skip

    split(part, PARTS, torch.get_num_threads())
    grad, gtables = parameter_gradients(text, neurons, gnumbers, numbers, tables)
    return gcurrent, grad, gtables


def parameter_gradients(
    body: Body, neurons: Neurons, parts: np.ndarray[Any, Any], numbers: Tensor, tables: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of `numbers` and `tables` from what the loops summed."""
    grad, gtables = torch.zeros(numbers.shape), torch.zeros(tables.shape)
    names, table_names = _names(body)
    starts = np.cumsum([0, *(prod(parameter_shape(body, p)) for p in table_names)])
    for name, total in neurons.totals(parts).items():
        if name in names:
            grad[names.index(name)] = torch.from_numpy(total).float()
        else:
            at = int(starts[table_names.index(name)])
            gtables[:, at : at + total.shape[1]] = torch.from_numpy(total).float()
    return grad, gtables


@_time_loop_backward.register_fake
def _(
    gspikes: Tensor, current: Tensor, numbers: Tensor, tables: Tensor, kept: Any, body: str, learned: Any
) -> tuple[Tensor, Tensor, Tensor]:
    return current.new_empty(current.shape), numbers.new_empty(numbers.shape), tables.new_empty(tables.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    current, numbers, tables, ctx.body, ctx.learned, _ = inputs
    ctx.save_for_backward(current, numbers, tables, *output)
    ctx.mark_non_differentiable(*output[1:])


def _backward(ctx: Any, gradients: Sequence[Tensor | None]) -> tuple[Any, ...]:
    current, numbers, tables, *kept = ctx.saved_tensors
    if gradients[0] is None:
        return (None,) * 6
    gcurrent, gnumbers, gtables = torch.ops.intspike.time_loop_backward(
        gradients[0], current, numbers, tables, kept, ctx.body, ctx.learned
    )
    return gcurrent, gnumbers, gtables, None, None, None


_time_loop.register_autograd(_backward, setup_context=_setup)
