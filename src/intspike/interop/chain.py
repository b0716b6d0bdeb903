"""What importers of chains share: parts one after the other become a network, and run in their own tool beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from .. import neuron as equations
from ..nn import Input, Neuron, Recurrent
from .brevitas import is_brevitas, read
from .given import GivenLevels, GivenSteps
from .imported import START, SUMS, Choice, Imported, Refusal, refuse
from .parts import plain
from .wired import INPUT, Constants, Wiring

Named = tuple[str, torch.nn.Module]


@dataclass(frozen=True)
class Read:
    """A layer of neurons of another tool, read.

    Attributes:
        equation, constants: what it is here; None where it is refused.
        choices: of its fields; the layer's name is added.
        refusals: why it has no equal.
        synapse: what it reads its input through, where that is a part of the layer.
        back: of a recurrent layer, the synapse through which it reads itself one timestep later, for the synapse that
            stands before it.
        stored: how its membranes are quantized there.
    """

    equation: equations.Neuron | None = None
    constants: Constants | None = None
    choices: Sequence[Choice] = ()
    refusals: Sequence[str] = field(default_factory=tuple[str, ...])
    synapse: torch.nn.Module | None = None
    back: Callable[[torch.nn.Module], torch.nn.Linear | torch.nn.Conv2d] | None = None
    stored: GivenLevels | None = None


@dataclass(frozen=True)
class Tool:
    """How a tool's layers are read and run.

    Attributes:
        source: its name and version.
        is_neuron: whether a part is a layer of neurons.
        read: a layer of neurons.
        call: one timestep of a layer on a current; the memory is empty at rest.
        rest: bring a layer to rest.
        torch_part: what a part is for torch (tools wrap torch's modules); by default itself.
    """

    source: str
    is_neuron: Callable[[torch.nn.Module], bool]
    read: Callable[[Any], Read]
    call: Callable[[Any, Tensor, dict[int, Any]], Tensor]
    rest: Callable[[Any], Any]
    torch_part: Callable[[torch.nn.Module], torch.nn.Module] = lambda m: m


def imported(tool: Tool, parts: Sequence[Named], scale: float, high: int) -> Imported:
    """The parts as a network in full precision.

    Args:
        scale, high: of the input, as `nn.Input` takes them.

    Raises:
        NotImportable: what has no equal here; all of it is named.
    """
    wiring, choices, refusals = Wiring(), [START, SUMS], list[Refusal]()
    steps: dict[str, GivenSteps] = {}
    last = wiring.add("codes", Input(scale, high), (INPUT,))
    layers: list[Named] = []
    for name, m in parts:
        if tool.is_neuron(m):
            found = tool.read(m)
            refusals += [Refusal(name, why) for why in found.refusals]
            if found.equation is None or found.constants is None:
                continue
            if found.synapse is not None:
                last = wiring.add(f"{name}_synapse", found.synapse, (last,))
            layer = Neuron(found.equation)
            if found.stored is not None:
                layer.store(found.stored)
            if found.back is not None:
                layer = Recurrent(layer, found.back(wiring.modules[last]))
            last = wiring.add(name, layer, (last,))
            wiring.constants[last] = found.constants
            choices += [replace(c, layer=last) for c in found.choices]
        else:
            part = tool.torch_part(m)
            module, said, refused, given = (
                read(name, part) if is_brevitas(part) else (*plain(name, part), None)
            )
            last = wiring.add(name, module, (last,))
            if given is not None:
                steps[last] = given
            choices += [replace(c, layer=last) for c in said]
            refusals += refused
        layers.append((last, m))
    if not tool.is_neuron(parts[-1][1]):
        why = "the last part must be a layer of neurons, whose spikes are counted; add one, or take it out"
        refusals.append(Refusal(parts[-1][0], why))
    refuse(tool.source, refusals)
    return Imported(
        wiring.network(last), tool.source, tuple(choices), _runner(tool, layers, scale), steps=steps
    )


def _runner(tool: Tool, layers: Sequence[Named], scale: float) -> Callable[[Tensor], dict[str, Tensor]]:
    """Runs the original parts, timestep by timestep, in evaluation and from rest; they are left at rest."""

    @torch.no_grad()
    def run(x: Tensor) -> dict[str, Tensor]:
        neurons = [m for _, m in layers if tool.is_neuron(m)]
        modes = [m.training for _, m in layers]
        spikes: dict[str, list[Tensor]] = {}
        memory: dict[int, Any] = {}
        for _, m in layers:
            m.eval()
        for m in neurons:
            tool.rest(m)
        for frame in x:
            value = frame.to(torch.get_default_dtype()) * scale
            for name, m in layers:
                value = tool.call(m, value, memory) if tool.is_neuron(m) else tool.torch_part(m)(value)
                if tool.is_neuron(m):
                    spikes.setdefault(name, []).append(value)
        for (_, m), mode in zip(layers, modes, strict=True):
            m.train(mode)
        for m in neurons:
            tool.rest(m)
        return {name: torch.stack(s) for name, s in spikes.items()}

    return run


def is_step(function: Callable[[Tensor], Tensor], *, strict: bool) -> bool:
    """Whether a surrogate is the step function when it runs; of 0 it is 0 if strict."""
    x = torch.tensor([-2.0, -1.0, -1e-3, -1e-30, 0.0, 1e-30, 1e-3, 1.0, 2.0]).repeat(8)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        return bool((function(x) == (x > 0 if strict else x >= 0)).all())


def span(x: Any) -> str:
    """A number, or the smallest and the largest of several."""
    a = torch.as_tensor(x).detach()
    low, high = float(a.min()), float(a.max())
    return f"{low:g}" if low == high else f"{low:g}..{high:g}"
