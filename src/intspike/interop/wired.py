"""From parts of another tool to a network: modules in a graph, and what each layer of neurons has per channel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import NotImportable
from ..nn import Group, Network, Readout, Recurrent
from ..nn.tracing import layer_name

INPUT = "input"


@dataclass(frozen=True, eq=False)
class Constants:
    """What a layer of neurons has, as the other tool holds it: one number, or one for each neuron.

    Attributes:
        theta: thresholds.
        beta: leaks.
        gain: what currents are multiplied with before they are integrated; folded into the synapses.
        offset: what is added to currents behind the gain; folded into their biases.
        alpha: leaks of synaptic currents, of neurons that have one.
    """

    theta: Tensor
    beta: Tensor
    gain: Tensor | None = None
    offset: Tensor | None = None
    alpha: Tensor | None = None


@dataclass
class Wiring:
    """A graph of modules that grows part by part.

    Attributes:
        modules: by name, in an order in which each reads earlier ones.
        sources: the parts (or `INPUT`) whose sum each part reads.
        constants: of each layer of neurons.
    """

    modules: dict[str, torch.nn.Module] = field(default_factory=dict[str, torch.nn.Module])
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    constants: dict[str, Constants] = field(default_factory=dict[str, Constants])

    def add(self, name: str, module: torch.nn.Module, sources: Iterable[str]) -> str:
        """Add a part; returns its name in the network."""
        name = _identifier(name, {*self.modules, INPUT})
        self.modules[name], self.sources[name] = module, tuple(sources)
        return name

    def network(self, output: str) -> Network:
        """The network in full precision, its constants in place.

        Raises:
            BadInput, NotLowerable: parts in an order that a network does not have.
            NotImportable: constants that differ within a channel.
        """
        net = Network(_Wired(self.modules, self.sources, output))
        owner = {id(m.neuron if isinstance(m, Recurrent) else m): name for name, m in self.modules.items()}
        for group in net.layers:
            _place(group, self.constants[owner[id(group.neuron)]])
        if net.readout is not None and (made := self.constants.get(output)) and made.gain is not None:
            _scale_readout(net.readout, made.gain)
        return net.eval()


class _Wired(torch.nn.Module):
    """Modules in a graph; each reads the sum of its sources."""

    def __init__(
        self, modules: Mapping[str, torch.nn.Module], sources: Mapping[str, tuple[str, ...]], output: str
    ):
        super().__init__()
        for name, m in modules.items():
            self.add_module(name, m)
        self._reads, self._ends = dict(sources), output

    def forward(self, x: Tensor) -> Tensor:
        values = {INPUT: x}
        for name, (first, *others) in self._reads.items():
            total = values[first]
            for other in others:
                total = total + values[other]
            values[name] = self.get_submodule(name)(total)
        return values[self._ends]


def _identifier(name: str, taken: set[str]) -> str:
    """A name as a part of a network may have it."""
    plain = layer_name(re.sub(r"\W", "_", name, flags=re.ASCII) or "part")
    if hasattr(torch.nn.Module, plain) or plain in ("training", "_reads", "_ends"):
        plain += "_"
    return next(n for n in (plain, *(f"{plain}_{k}" for k in range(2, 100_000))) if n not in taken)


@torch.no_grad()
def _scale_readout(readout: Readout, gain: Tensor) -> None:
    rows = gain.reshape(-1, 1)
    if len(rows) not in (1, readout.synapse.out_features):
        raise NotImportable(
            f"{readout.name}: a gain must be one number or one for each of {readout.synapse.out_features} outputs, but "
            f"has the shape {list(gain.shape)}"
        )
    readout.synapse.weight.mul_(rows)


@torch.no_grad()
def _place(group: Group, given: Constants) -> None:
    neuron = group.neuron
    neuron.theta.copy_(per_channel(group, "threshold", given.theta))
    neuron.beta.copy_(per_channel(group, "leak", given.beta))
    if given.alpha is not None:
        alpha: Any = neuron.alpha  # which only equations with a synaptic current have
        alpha.copy_(per_channel(group, "leak", given.alpha))
    gain = None if given.gain is None else per_channel(group, "gain", given.gain)
    offset = None if given.offset is None else per_channel(group, "offset", given.offset)
    if gain is not None and not bool((gain == 1).all()):
        _scale(group, gain)
    if offset is not None and bool((offset != 0).any()):
        _shift(group, offset)


def per_channel(group: Group, what: str, value: Tensor) -> Tensor:
    """A value that broadcasts to the neurons [B, C, ...] as one number a channel, [C].

    Raises:
        NotImportable: it differs within a channel, or has another shape.
    """
    v = value.detach().to(torch.get_default_dtype())
    if v.numel() == 1:
        return v.reshape(1).expand(group.channels).clone()
    dims = 3 if isinstance(group.modules_of_synapses[0], torch.nn.Conv2d) else 1
    while v.ndim > dims and v.shape[0] == 1:
        v = v[0]
    if v.ndim != dims or v.shape[0] != group.channels:
        raise NotImportable(
            f"{group.name}: a {what} must be one number or one for each of {group.channels} channels "
            f"({'[C, 1, 1]' if dims == 3 else '[C]'}), but has the shape {list(value.shape)}"
        )
    rows = v.reshape(group.channels, -1)
    if not bool((rows == rows[:, :1]).all()):
        raise NotImportable(
            f"{group.name}: a {what} must be the same in all places of a channel, but differs; use one for each channel"
        )
    return rows[:, 0].clone()


def _scale(group: Group, gain: Tensor) -> None:
    """Multiply the currents of a group; a positive gain commutes with its pool."""
    if not bool((gain > 0).all()):
        raise NotImportable(f"{group.name}: a gain of currents must be positive, not {float(gain.min()):g}")
    if group.norm is not None:
        if not group.norm.affine:
            raise NotImportable(
                f"{group.name}: its gain must be folded into the norm before it, which is not affine; "
                "make it BatchNorm(affine=True)"
            )
        group.norm.weight.mul_(gain)
        group.norm.bias.mul_(gain)
        return
    for m in group.modules_of_synapses:
        m.weight.mul_(gain.reshape(-1, *(1,) * (m.weight.ndim - 1)))
        if m.bias is not None:
            m.bias.mul_(gain)


def _shift(group: Group, offset: Tensor) -> None:
    """Add to the currents of a group."""
    if group.norm is not None:
        if not group.norm.affine:
            raise NotImportable(
                f"{group.name}: its offset must be folded into the norm before it; make it affine"
            )
        group.norm.bias.add_(offset)
        return
    first = group.modules_of_synapses[0]
    if first.bias is None:
        first.bias = torch.nn.Parameter(offset.clone())
    else:
        first.bias.add_(offset)


def start_of(value: Tensor, low: float, high: float) -> float:
    """The number that a neuron's field names, where channels have their own: the first of them, in range."""
    first = float(value.detach().flatten()[0]) if value.numel() else 1.0
    return min(max(first, low), high)
