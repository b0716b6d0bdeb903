"""The integers of a group in evaluation, which engines and `lower` share."""

from __future__ import annotations

import numpy as np
import torch

from .affine import affine
from .group import Group
from .integers import Integers, neuron_integers, prove_exact
from .parts import area
from .shifts import Shifts, constant


def integers(group: Group, scale: float, most: float, shifts: Shifts | None = None) -> Integers:
    """The integers of a group in evaluation: computed once, then kept until it trains again.

    Args:
        scale: real value of one input code.
        most: largest input code.
        shifts: what every synapse's input is moved by, in codes; None: nothing.

    Raises:
        RangeExceeded: a sum could reach 2^24, where float32 stops being exact.
    """
    moved = tuple(float(s.detach()) for s in shifts or ())
    version = (moved, *((id(t), t._version) for t in (*group.parameters(), *group.buffers())))
    if group.frozen is not None and group.frozen[0] == version:  # not after a change in place
        return group.frozen[1]
    equation = group.neuron.equation
    with torch.no_grad():
        codes, step = group.coded()
        lacking = constant(group.modules_of_synapses, codes, shifts)
        gain, offset = affine(group, None, scale, step, lacking)
        _, made, origin = neuron_integers(group.name, group.neuron, group.form, gain, offset, group.bias)
        rows = torch.stack([c.double().abs().flatten(1).sum(1) for c in codes]).sum(0)
        most = max(most, float(equation.spikes)) if group.delay else most
    window = area(group.pool) if isinstance(group.pool, torch.nn.AvgPool2d) else 1
    sums = rows.numpy() * (most + max(map(abs, moved), default=0)) * window
    prove_exact(group.name, group.form, equation.spikes, sums, made)
    found = Integers(codes=tuple(c.numpy().astype(np.int64) for c in codes), constants=made, **origin)
    group.frozen = (version, found)
    return found
