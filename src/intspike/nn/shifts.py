"""Shifted outputs: what is sent is s in 0..D, and what readers mean is s + a, so they add a constant current.

Linear synapses turn a into W a. Without padding that is one number a channel, and joins the bias; behind padding it is
a map, because positions at a border see fewer taps, and joins the sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .group import Group
from .parts import Synapse, area, pair
from .step import Step

Shifts = Sequence[Tensor]  # [1] each, of what each synapse reads


def value_shifts(steps: Sequence[Step], groups: Mapping[str, Group], codes: bool) -> dict[str, Tensor]:
    """What readers of each value add to it, [1], with gradients; values that are not shifted are not named.

    A shift passes flattening, dropout (which masks what is sent), pools and additions; in a value that another module
    reads in full precision it is added before.

    Args:
        codes: whether it counts codes of the value, whose averages are sums, or is real.
    """
    shifts: dict[str, Tensor] = {}
    for s in steps:
        found = [shifts[i] for i in s.inputs if i in shifts]
        if s.kind == "group":
            neuron = groups[s.name].neuron
            if (window := neuron.window) is not None:
                shifts[s.name] = window * (1.0 if codes else neuron.equation.unit_of_spike)
        elif not found or s.kind in ("readout", "other", "and", "iand"):
            continue
        elif s.kind == "pool" and codes and isinstance(s.module, torch.nn.AvgPool2d):
            shifts[s.name] = found[0] * area(s.module)
        else:
            shifts[s.name] = found[0] if len(found) == 1 else found[0] + found[1]
    return shifts


def is_uniform(synapses: Sequence[Synapse]) -> bool:
    """Whether a constant input gives one sum everywhere: no synapse sees padding."""
    return all(isinstance(m, torch.nn.Linear) or pair(m.padding) == (0, 0) for m in synapses)


def constant(synapses: Sequence[Synapse], weights: Sequence[Tensor], shifts: Shifts | None) -> Tensor | None:
    """What the sums of shifted inputs are more than those of what was sent, [C], where that is uniform; else None.

    Args:
        weights: of each synapse, or their codes.
        shifts: of what each of them reads; None: nothing is shifted.
    """
    if shifts is None or not is_uniform(synapses):
        return None
    rows = [w.flatten(1).sum(1).double() * s for w, s in zip(weights, shifts, strict=True)]
    return torch.stack(rows).sum(0)
