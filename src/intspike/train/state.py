"""Everything that changes while a network trains."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..nn import Network
from .history import Epoch
from .plan import Plan


@dataclass
class State:
    """A training between two batches; what dropout draws next is in torch's global generator.

    Attributes:
        net, optimizer: being trained.
        order: draws the order of samples of an epoch.
        drawn: what it was before this epoch's order, and the order.
        step: batches done.
        summed: loss of this epoch's batches, added up.
        best, best_accuracy: the network to keep, and its accuracy in validation.
        waited: epochs since validation got better.
        history: of every finished epoch.
    """

    net: Network
    optimizer: torch.optim.Adam
    order: torch.Generator
    drawn: tuple[Tensor, Tensor] = field(default_factory=lambda: (torch.empty(0), torch.empty(0)))
    step: int = 0
    summed: float = 0.0
    best: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    best_accuracy: float = -1.0
    waited: int = 0
    history: list[Epoch] = field(default_factory=list[Epoch])


def begin(plan: Plan, net: Network) -> State:
    """The state before the first batch; `net` is what will change."""
    learned = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=plan.rate_at(0), fused=True)
    order = torch.Generator().manual_seed(plan.seed)
    return State(net, optimizer, order, best=copy.deepcopy(net.state_dict()))


def draw_order(plan: Plan, state: State) -> None:
    """The order of samples of the next epoch."""
    before = state.order.get_state()
    state.drawn = before, torch.randperm(len(plan.data.train), generator=state.order)


def finished(plan: Plan, state: State) -> bool:
    """Whether all batches are done, or validation has not got better for too long."""
    if state.step >= plan.total:
        return True
    return bool(state.history) and state.step % plan.batches == 0 and state.waited >= plan.patience
