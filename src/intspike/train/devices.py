"""Several devices: each process learns its part of every batch, and Lightning Fabric adds the gradients up.

All processes hold the same network after every batch, bit for bit: gradients are averaged, batch norms take the
statistics of the whole batch, and what else a forward pass changes depends on weights alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import Split
from ..nn import Network


@dataclass(frozen=True)
class Worker:
    """How one process runs and differentiates its network.

    Attributes:
        net: called as the network is.
        backward: of a loss.
    """

    net: Any
    backward: Callable[[Tensor], None]


@dataclass(frozen=True)
class Share:
    """One process's share of a training.

    Attributes:
        rank, count: it is the rank-th of count processes.
        fabric: a Lightning Fabric that joins them and knows the precision; None: this process alone, in 32 bits.
    """

    rank: int = 0
    count: int = 1
    fabric: Any = None

    @contextmanager
    def worker(self, net: Network, optimizer: torch.optim.Optimizer) -> Generator[Worker]:
        """The network set up for this process."""
        if self.fabric is None:
            yield Worker(net, torch.Tensor.backward)
            return
        made, _ = self.fabric.setup(net, optimizer)
        made.mark_forward_method("forward_with_rates")
        for g in net.layers:
            g.over_devices = self.sums if self.count > 1 else None
        try:
            yield Worker(made, self.fabric.backward)
        finally:
            for g in net.layers:
                g.over_devices = None

    def seed(self, seed: int) -> int:
        """Of this process's dropout masks."""
        if self.rank == 0:
            return seed
        return int(np.random.SeedSequence((seed % (1 << 64), self.rank)).generate_state(1, np.uint64)[0])

    def part(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """This process's samples of a batch [T, B, ...]."""
        size = len(labels) // self.count
        mine = slice(self.rank * size, (self.rank + 1) * size)
        return (x, labels) if self.count == 1 else (x[:, mine], labels[mine])

    def samples(self, split: Split) -> Split:
        """This process's samples of a split, as views."""
        if self.count == 1:
            return split
        mine = slice(self.rank, None, self.count)
        return replace(split, inputs=split.inputs[mine], labels=split.labels[mine])

    # --- over all processes -----------------------------------------------------------------------------

    def summed(self, x: Tensor) -> Tensor:
        """The sum of a tensor, without gradients."""
        if self.count == 1:
            return x
        total = x.clone()
        torch.distributed.all_reduce(total)  # Fabric's own waits for all processes before it does the same
        return total

    def sums(self, x: Tensor) -> Tensor:
        """The sum of a tensor, with gradients: each takes those of all."""
        return _Sum.apply(x, self)

    def total(self, value: int) -> int:
        return value if self.count == 1 else int(self.summed(torch.tensor(value)))

    def mean(self, value: float) -> float:
        if self.count == 1:
            return value
        return float(self.summed(torch.tensor(value, dtype=torch.float64))) / self.count

    def means(self, values: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Means of tensors, with gradients."""
        return values if self.count == 1 else {name: self.sums(v) / self.count for name, v in values.items()}

    def gathered(self, x: Tensor) -> Tensor:
        """The tensors of all processes, [count, ...]."""
        if self.count == 1:
            return x[None]
        found = [torch.empty_like(x) for _ in range(self.count)]
        torch.distributed.all_gather(found, x)
        return torch.stack(found)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, share: Share) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.share = share
        return share.summed(x.detach())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return ctx.share.summed(gradient), None
