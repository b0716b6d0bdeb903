"""Training steps: forward, backward, Adam; the same loss for everyone, on spike counts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from intspike import nn

Step = Callable[[], float]
Counts = Callable[[Tensor], Tensor]  # inputs [T, B, ...] to spike counts [B, K]


def ours(net: nn.Network) -> Counts:
    """Spike counts of one of our networks."""
    return lambda inputs: net(inputs).sum(0)


def step(net: torch.nn.Module, counts: Counts, inputs: Tensor, labels: Tensor) -> Step:
    """One training step of a network on a batch; a call returns the loss."""
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], fused=True)
    gain = 10 / len(inputs)  # a neuron that always fires has the logit 10

    def run() -> float:
        loss = F.cross_entropy(counts(inputs) * gain, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return run


def firing(net: nn.Network, inputs: Tensor) -> dict[str, float]:
    """Firing rate of every layer of ours in its present mode, spikes per neuron and timestep."""
    spikes = net.record(inputs).spikes.values()
    return {f"layer {k + 1}": round(float(s.mean()), 4) for k, s in enumerate(spikes)}
