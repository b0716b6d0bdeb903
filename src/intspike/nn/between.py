"""What a network does with spikes between its layers: on frames of bytes where that is possible, else on tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import NotLowerable
from ..kernels import between
from ..kernels.frames import Frames
from .join import joined
from .parts import area, pair, summed
from .step import Step


def on_frames(s: Step, inputs: list[Frames], training: bool) -> tuple[Frames, int] | None:
    """The value of a step, and how many times its codes count what the inputs' do; None where tensors must do it."""
    x = inputs[0]
    match s.kind:
        case "flatten":
            return x.flattened(), 1
        case "dropout":
            return (x.masked(_kept(s.module, x.data, x.image)) if training else x), 1
        case "add" | "and" | "iand":
            made = between.join(s.kind, x, inputs[1])
            return None if made is None else (made, 1)
        case "pool" if isinstance(s.module, torch.nn.AvgPool2d):
            size = pair(s.module.kernel_size)
            made = between.sums(x, size) if size == pair(s.module.stride) else None
            return None if made is None else (made, area(s.module))
        case _:
            return None


def on_tensors(s: Step, inputs: list[Tensor], training: bool, integer: bool) -> Tensor:
    """The value [T, B, ...] of a step.

    Args:
        integer: the inputs are codes, so averages are taken as sums.

    Raises:
        NotLowerable: the step has no integer form.
    """
    x = inputs[0]
    match s.kind:
        case "add" | "and" | "iand":
            return joined(s.kind, x, inputs[1])
        case "flatten":
            return x.flatten(2)
        case "dropout":
            if not training:
                return x
            return x * _kept(s.module, x, tuple(x.shape[2:])).to(x.dtype)
        case "pool":
            sums = integer and isinstance(s.module, torch.nn.AvgPool2d)
            y = summed(s.module, x.flatten(0, 1)) if sums else s.module(x.flatten(0, 1))
        case _:
            if integer:
                raise NotLowerable(f"{s.name} has no integer form; {REPAIR}")
            y = s.module(x.flatten(0, 1))
    return y.reshape(*x.shape[:2], *y.shape[1:])


REPAIR = (
    "a model's forward must be free of time and made of modules (Conv2d, Linear, pools, batch norms, intspike "
    "neurons), flatten(x, 1), additions and nn.Join"
)


def _kept(dropout: torch.nn.Dropout, x: Tensor, image: tuple[int, ...]) -> Tensor:
    """Where a dropout keeps spikes, [1, B, C, ...]: one mask a sample for all timesteps, and never a rescaled spike."""
    return torch.rand((1, x.shape[1], *image), device=x.device, dtype=torch.float32) >= dropout.p
