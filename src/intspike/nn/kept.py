"""Tensors that a quantizer keeps in a module: the quantizer says which, and which of them are learned.

They are ordinary parameters and buffers of the module, so they are saved, loaded and copied with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor


def keep(module: torch.nn.Module, tensors: Mapping[str, Tensor], learned: Collection[str]) -> None:
    """Replace what a module keeps: learned tensors become parameters, the others buffers."""
    for name in names(module):
        delattr(module, name)
    for name, value in tensors.items():
        if name in learned:
            module.register_parameter(name, torch.nn.Parameter(value))
        else:
            module.register_buffer(name, value)
    module._kept = tuple(tensors)  # type: ignore[assignment]


def names(module: torch.nn.Module) -> tuple[str, ...]:
    """Names of what a module keeps."""
    return getattr(module, "_kept", ())


def kept(module: torch.nn.Module) -> dict[str, Tensor]:
    """What a module keeps, by name."""
    return {name: getattr(module, name) for name in names(module)}


@torch.no_grad()
def move(module: torch.nn.Module, changed: Mapping[str, Tensor]) -> None:
    """Change kept tensors in place."""
    for name, value in changed.items():
        getattr(module, name).copy_(value)
