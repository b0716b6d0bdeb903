"""What one code of each value of a quantized network stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ..errors import NotLowerable
from .group import Group
from .parts import area
from .recurrent import check_scale
from .step import Step


def value_scales(
    steps: Sequence[Step], groups: Mapping[str, Group]
) -> tuple[dict[str, float], dict[str, float]]:
    """Real value of one code, and the largest code, of every value of a quantized network."""
    scales: dict[str, float] = {}
    most: dict[str, float] = {}
    for s in steps:
        if s.kind == "input":
            scales[s.name], most[s.name] = s.module.scale, float(s.module.high)
        elif s.kind == "group":
            equation = groups[s.name].neuron.equation
            scales[s.name], most[s.name] = equation.unit_of_spike, float(equation.spikes)
            if groups[s.name].delay:
                check_scale(s.name, scales[s.inputs[0]])
            if len({scales[i] for i in s.inputs}) > 1:
                raise NotLowerable(
                    f"{s.name}: synapses of one neuron must read values of one scale, not "
                    f"{', '.join(f'{i} ({scales[i]:g})' for i in s.inputs)}; use sums instead of averages, or "
                    "pool alike"
                )
        elif s.kind == "readout":
            continue  # its unit is its own, and nothing reads it
        elif s.kind in ("add", "and", "iand"):
            a, b = s.inputs
            if scales[a] != scales[b]:
                raise NotLowerable(
                    f"{s.name}: added values must have one scale, not {scales[a]:g} and {scales[b]:g}"
                )
            scales[s.name], most[s.name] = scales[a], most[a] + most[b] if s.kind == "add" else 1.0
        else:
            (a,) = s.inputs
            n = area(s.module) if s.kind == "pool" and isinstance(s.module, torch.nn.AvgPool2d) else 1
            scales[s.name], most[s.name] = scales[a] / n, most[a] * n
    return scales, most


def sends_spikes(steps: Sequence[Step], groups: Mapping[str, Group], name: str) -> bool:
    """Whether a value is known to be 0 or 1 and to stand for that: what "and" and "iand" may read."""
    s = next(s for s in steps if s.name == name)
    match s.kind:
        case "input":
            return s.module.high == 1 and s.module.scale == 1
        case "group":
            equation = groups[name].neuron.equation
            return equation.spikes == 1 and equation.unit_of_spike == 1 and not equation.has_shift
        case "and" | "iand":
            return True
        case "flatten" | "dropout":
            return sends_spikes(steps, groups, s.inputs[0])
        case "pool":
            return isinstance(s.module, torch.nn.MaxPool2d) and sends_spikes(steps, groups, s.inputs[0])
        case _:
            return False
