"""How far an imported network agrees with the one it came from, measured and not claimed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import BadInput
from .imported import Imported

TIE = 2.0**-16  # of the threshold: float32 sums in another order differ by less


@dataclass(frozen=True)
class Agreement:
    """Spikes of two tools, compared one by one.

    Attributes:
        compared: spikes (or silences) that were compared, of all layers.
        differ: how many are not equal.
        causes: differences of neurons whose inputs had agreed until then; all others follow from these.
        ties: causes whose membrane here is nearer to the threshold than 2^-16 of it, where float32 sums in another
            order decide.
        first: the first cause: timestep, layer, sample, neuron.
    """

    compared: int
    differ: int
    causes: int
    ties: int
    first: tuple[int, str, int, tuple[int, ...]] | None

    def __str__(self) -> str:
        if not self.differ:
            return f"0 of {self.compared} spikes differ"
        return (
            f"{self.differ} of {self.compared} spikes differ, from {self.causes} neurons, {self.ties} of them ties of "
            f"float32; first {self.first}"
        )


def agreement(imported: Imported, inputs: Tensor) -> Agreement:
    """Run both on inputs [T, B, ...] and compare every spike of every layer; `==`.

    Raises:
        BadInput: the original cannot be run.
    """
    if imported.original is None:
        raise BadInput(f"an import from {imported.source} has no original that could be run beside it")
    theirs, net = imported.original(inputs), imported.network
    ours = net.record(inputs)
    compared = differ = causes = ties = 0
    first: tuple[int, str, int, tuple[int, ...]] | None = None
    spoilt: dict[str, Tensor] = {}  # per value, the first timestep [B] at which it differs
    layers = {g.name: g for g in net.layers}
    steps, never = len(inputs), len(inputs)
    for s in net.steps:
        before = torch.full((inputs.shape[1],), never)
        for source in s.inputs:
            before = torch.minimum(before, spoilt[source])
        if s.kind == "group":
            a, b = ours.spikes[s.name], theirs[s.name]
            wrong = a != b
            compared, differ = compared + wrong.numel(), differ + int(wrong.sum())
            time = torch.arange(steps).reshape(-1, *(1,) * (wrong.ndim - 1))
            start = torch.where(wrong, time, never).amin(0)  # of each neuron
            if delay := layers[s.name].delay:
                before = torch.minimum(before, start.flatten(1).amin(1) + delay)  # it reads itself
            own = (start < never) & (start <= before.reshape(-1, *(1,) * (start.ndim - 1)) - 1)
            for at in own.nonzero().tolist():
                t = int(start[tuple(at)])
                u, theta = ours.states[s.name][0][(t, *at)], layers[s.name].neuron.theta[at[1]]
                causes += 1
                ties += bool((u - theta).abs() <= TIE * theta)
                if first is None or t < first[0]:
                    first = t, s.name, at[0], tuple(at[1:])
            before = torch.minimum(before, start.flatten(1).amin(1))
        spoilt[s.name] = before
    return Agreement(compared, differ, causes, ties, first)
