"""Integer spikes as binary ones: at each of K substeps of a timestep a neuron sends at most one.

An integer s becomes s spikes at the first substeps (thermometer order), synapses run once a substep, and a neuron sums
all substeps before it fires. Synapses are linear, and the maximum of thermometers is the thermometer of the maximum, so
nothing changes: of integers, the outputs are equal bit for bit.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from ..errors import NotLowerable
from .network import Network
from .step import Step
from .substeps import spike_values


def unfold(net: Network) -> Network:
    """A copy of a quantized network that runs on binary spikes, in evaluation.

    Its outputs and recorded spikes are 0 or 1, [T * K, B, ...], K the largest D of its neurons; summed over the K
    substeps of each timestep they are those of `net`, with `==`. It takes the same inputs and lowers to a program with
    a substep clock. Input codes stay as they are: the first synapses run once a timestep.

    Raises:
        NotLowerable: full precision, where sums in another order would round otherwise, or a step between neurons that
            is not linear.
    """
    if not net.quantized:
        raise NotLowerable(
            "a network must be quantized in weights and states to be unfolded, because sums of reals depend on their "
            "order; quantize(net, QuantConfig(weight=..., state=...)) first"
        )
    loops = [g.name for g in net.layers if g.delay]
    if loops:
        raise NotLowerable(
            f"{', '.join(loops)} reads its own spikes, and substeps of a loop are not known before it has run; unfold "
            "a network without nn.Recurrent"
        )
    spikes = spike_values(net.steps)
    ordered = _thermometers(net.steps)
    for s in net.steps:
        what = f"{s.name} ({type(s.module).__name__})"
        if s.kind == "other":
            raise NotLowerable(
                f"{what} must be linear to be unfolded, but is unknown; replace it by a pool, a join or a layer with "
                "neurons"
            )
        mixed = {i in spikes for i in s.inputs} == {True, False}
        if s.kind in ("add", "and", "iand") and mixed:
            raise NotLowerable(
                f"{s.name} joins spikes with input codes, which have no substeps; put a layer with neurons before"
            )
        largest = s.kind == "pool" and isinstance(s.module, torch.nn.MaxPool2d)
        if largest and s.inputs[0] in spikes and s.inputs[0] not in ordered:
            raise NotLowerable(
                f"{what} takes the maximum of sums of spikes, which is not the sum of maxima of their substeps; pool "
                "before the addition"
            )
    made = copy.deepcopy(net).eval()
    made.substeps = max(g.neuron.equation.spikes for g in net.layers)
    return made


def _thermometers(steps: Sequence[Step]) -> frozenset[str]:
    """Values whose substeps are never 1 behind a 0: of neurons, and through maxima and Boolean joins."""
    found: set[str] = set()
    for s in steps:
        passes = s.kind in ("flatten", "dropout", "and", "iand") or isinstance(s.module, torch.nn.MaxPool2d)
        if s.kind == "group" or (passes and all(i in found for i in s.inputs)):
            found.add(s.name)
    return frozenset(found)
