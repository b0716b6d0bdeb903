"""The peers' networks, written as their users write them: one loop over time, or all timesteps as one batch.

They need the packages of `make bench`. Every network takes over the weights of ours, so that all fire alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from intspike import nn

from .harness import Missing

try:
    import brevitas.nn as qnn  # pyright: ignore[reportMissingImports]
    import snntorch  # pyright: ignore[reportMissingImports]
    from snntorch.functional import quant  # pyright: ignore[reportMissingImports]
    from spikingjelly.activation_based import functional, neuron, surrogate  # pyright: ignore[reportMissingImports]
except ImportError as e:
    raise Missing(f"the peers are not installed ({e.name}); make bench installs them") from e

Currents = Sequence[
    torch.nn.Module
]  # of each layer, from spikes (or the frame) to the current of its neurons


def fmnist_currents(bits: int | None) -> Currents:
    """16Conv5-MP2-64Conv5-MP2-1024Dense10, each with its batch norm; weights of `bits` bits by Brevitas."""
    quantized: dict[str, Any] = {} if bits is None else {"weight_bit_width": bits}
    conv, linear = (torch.nn.Conv2d, torch.nn.Linear) if bits is None else (qnn.QuantConv2d, qnn.QuantLinear)
    stack = torch.nn.Sequential
    return [
        stack(conv(1, 16, 5, bias=False, **quantized), torch.nn.MaxPool2d(2), torch.nn.BatchNorm2d(16)),
        stack(conv(16, 64, 5, bias=False, **quantized), torch.nn.MaxPool2d(2), torch.nn.BatchNorm2d(64)),
        stack(torch.nn.Flatten(), linear(1024, 10, bias=False, **quantized), torch.nn.BatchNorm1d(10)),
    ]


def dense_currents(sizes: Sequence[int], bits: int | None) -> Currents:
    """Dense layers without norms."""
    if bits is None:
        return [torch.nn.Linear(a, b, bias=False) for a, b in itertools.pairwise(sizes)]
    return [qnn.QuantLinear(a, b, bias=False, weight_bit_width=bits) for a, b in itertools.pairwise(sizes)]


def take_over(currents: Currents, net: nn.Network) -> None:
    """Copy the weights and norms of a network of ours, layer by layer."""
    for current, layer in zip(currents, net.layers, strict=True):
        (synapse,) = layer.synapses
        for m in current.modules():
            if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear)):
                m.load_state_dict(synapse.state_dict(), strict=False)  # Brevitas has more
            elif isinstance(m, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
                assert layer.norm is not None
                m.load_state_dict(layer.norm.state_dict())


def stored(bits: int) -> Callable[[Tensor], Tensor]:
    """snnTorch's quantizer of membranes, its levels dense around the threshold 1."""
    return quant.state_quant(num_bits=bits, uniform=False, thr_centered=True, threshold=1.0)


class SnnTorch(torch.nn.Module):
    """A loop over time; with `bits`, the membrane is quantized by `state_quant`, centred on the threshold."""

    def __init__(self, currents: Currents, beta: float, bits: int | None):
        super().__init__()
        self.currents = torch.nn.ModuleList(currents)
        states: Any = False if bits is None else stored(bits)
        self.cells: Any = torch.nn.ModuleList(snntorch.Leaky(beta=beta, state_quant=states) for _ in currents)

    def forward(self, inputs: Tensor) -> Tensor:
        """Spike counts of the last layer [B, K] for inputs [T, B, ...]."""
        membranes = [cell.reset_mem() for cell in self.cells]
        count: Any = 0
        for x in inputs:
            for k, (current, cell) in enumerate(zip(self.currents, self.cells, strict=True)):
                x, membranes[k] = cell(current(x), membranes[k])
            count = count + x
        return count


class SpikingJelly(torch.nn.Module):
    """All timesteps as one batch. A static frame runs through the first layer once: its fastest form on a CPU."""

    def __init__(self, currents: Currents, beta: float):
        super().__init__()
        self.currents = torch.nn.ModuleList(currents)
        self.cells: Any = torch.nn.ModuleList(
            neuron.LIFNode(
                tau=1 / (1 - beta),
                decay_input=False,
                v_reset=None,  # subtracts the threshold
                surrogate_function=surrogate.ATan(),
                step_mode="m",
            )
            for _ in currents
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Spike counts of the last layer [B, K] for one frame at every timestep, [T, B, ...] of stride 0."""
        functional.reset_net(self)
        first = self.currents[0](inputs[0])
        x = self.cells[0](first.expand(len(inputs), *first.shape))
        for current, cell in zip(self.currents[1:], self.cells[1:], strict=True):
            x = cell(functional.seq_to_ann_forward(x, current))
        return x.sum(0)


def firing(net: SnnTorch | SpikingJelly, inputs: Tensor) -> dict[str, float]:
    """Firing rate of every layer of neurons of a peer, spikes per neuron and timestep."""
    total: dict[int, list[float]] = {}

    def hook(cell: torch.nn.Module, given: Any, out: Any) -> None:
        spikes = out[0] if isinstance(out, tuple) else out
        total.setdefault(id(cell), []).append(float(spikes.detach().mean()))

    handles = [cell.register_forward_hook(hook) for cell in net.cells]
    with torch.no_grad():
        net(inputs)
    for h in handles:
        h.remove()
    return {f"layer {k + 1}": round(sum(r) / len(r), 4) for k, r in enumerate(total.values())}
