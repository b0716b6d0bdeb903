"""Firing drift as a part of a loss: how far a network's firing rates are from those of a teacher."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from ..errors import BadInput
from ..nn import Network

Rates = Mapping[str, Tensor]  # of each layer, spikes per timestep of each neuron


@dataclass(frozen=True, eq=False)
class FiringRegularizer:
    """weight * the mean over layers of the distance between a layer's firing rates and the teacher's.

    A neuron's rate is the mean of its spikes over all timesteps and samples of the batch: firing drift is defined on
    rates over a whole data set, and those of a batch estimate them. Rates of single samples would ask for more, equal
    answers to every input, and are not compared. Student and teacher see the same batch, so which samples it holds
    moves both alike. Every layer counts alike, however many neurons it has.

        emd     mean |sort(r_teacher) - sort(r)|, the earth mover's distance; neurons may change places
        paired  mean |r_teacher - r|, neuron by neuron

    Gradients go through the sort to the rates and through spikes by their surrogate.

    Attributes:
        teacher: usually the full-precision network; a copy of it runs in evaluation, without gradients.
        kind: "emd" or "paired".
        weight: of the distance in the loss; rates, and so distances, are 0..D.

    Raises:
        BadInput: an unknown kind, a weight that is negative or not finite, or a teacher that is no Network.
    """

    teacher: Network = field(repr=False)
    kind: Literal["emd", "paired"] = "emd"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in ("emd", "paired"):
            raise BadInput(f"the kind of a firing regularizer must be 'emd' or 'paired', not {self.kind!r}")
        if not 0 <= self.weight < float("inf"):
            raise BadInput(
                f"the weight of a firing regularizer must be 0 or a positive number, not {self.weight!r}"
            )
        if not isinstance(self.teacher, Network):
            raise BadInput(
                f"the teacher of a firing regularizer must be an nn.Network, not {type(self.teacher).__name__}; wrap "
                "the model: nn.Network(model)"
            )
        kept = copy.deepcopy(self.teacher).eval().requires_grad_(False)
        object.__setattr__(self, "teacher", kept)

    @torch.no_grad()
    def taught(self, x: Tensor) -> dict[str, Tensor]:
        """The teacher's rates on inputs [T, B, ...]."""
        return self.teacher.forward_with_rates(x)[1]

    def __call__(self, rates: Rates, taught: Rates) -> Tensor:
        """The weighted distance of rates to the teacher's, a scalar.

        Raises:
            BadInput: the two networks have other layers, or layers of other shapes.
        """
        before = {name: list(r.shape) for name, r in taught.items()}
        after = {name: list(r.shape) for name, r in rates.items()}
        if before != after:
            names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
            listed = ", ".join(f"{n}: {before.get(n, 'none')} and {after.get(n, 'none')}" for n in names)
            raise BadInput(
                f"teacher and student must have the same layers of the same shape, but these differ ({listed}); "
                "take the network as teacher that was quantized"
            )
        distances = [self._distance(rates[name].flatten(), r.flatten()) for name, r in taught.items()]
        return self.weight * torch.stack(distances).mean()

    def _distance(self, rates: Tensor, taught: Tensor) -> Tensor:
        if self.kind == "emd":
            rates, taught = rates.sort().values, taught.sort().values
        return (rates - taught.to(rates.dtype)).abs().mean()
