"""A network: an ordinary torch module, traced once, run node by node over time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from ..errors import BadInput
from ..kernels.frames import Frames, from_tensor
from . import compiled, uncompiled
from .between import on_frames, on_tensors
from .checks import check_codes, time_hint
from .group import Group
from .neuron import Input
from .scales import value_scales
from .shifts import value_shifts
from .step import Step
from .substeps import folded, spike_values, thermometer
from .tracing import Traced

Value = Tensor | Frames  # between layers
F = TypeVar("F", bound=Callable[..., Any])


def _uncompiled(f: F) -> F:
    """`torch.compile` leaves it as it is: the layers in it are compiled already."""
    return cast(F, torch.compiler.disable(f))


@dataclass(frozen=True)
class Record:
    """Everything a network did.

    Attributes:
        spikes: of each layer of neurons, [T, B, C, ...].
        states: of each layer, stored codes of each state (full precision: the membrane), [T, B, C, ...].
        output: what the network returned, [T, B, K].
    """

    spikes: dict[str, Tensor]
    states: dict[str, list[Tensor]]
    output: Tensor

    @property
    def readout(self) -> Tensor:
        """What every class has after all timesteps, [B, K], in float64; integers of spikes, and where quantized."""
        return self.output.double().sum(0)


class Network(torch.nn.Module):
    """A model over time: inputs [T, B, ...] in, spikes of the last layer (or currents of an integrator) [T, B, K] out.

    Neurons see time; everything else sees T * B as one batch. Inputs whose time has stride 0 (`encode.direct`) are
    static, and what depends on them alone runs once. Each call starts at rest.

    Args:
        module: the model; its `forward` maps one frame to spikes.

    Raises:
        NotLowerable: a loop or a branch over values that cannot be traced, with the repair.
        BadInput: parts in an order that has no meaning, for example a neuron without a synapse.
    """

    def __init__(self, module: torch.nn.Module):
        super().__init__()
        if not isinstance(module, torch.nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadInput(f"a network must be made of a torch.nn.Module, {_instead(module)}")
        made = Traced(module)
        self.steps, self.output = made.steps, made.output
        self.groups = torch.nn.ModuleDict(made.groups)
        self.readout = made.readout
        for name, other in made.others.items():
            self.add_module(f"other_{name}", other)
        self.input_shape: tuple[int, ...] | None = None  # of one frame, known once it has run
        self.substeps = 1  # more in networks that `unfold` makes

    @property
    def layers(self) -> list[Group]:
        """The groups in order; each is named after its neuron."""
        return [g for g in self.groups.values() if isinstance(g, Group)]

    @property
    def layers_by_name(self) -> dict[str, Group]:
        return {g.name: g for g in self.layers}

    @property
    def input(self) -> Input:
        return self.steps[0].module

    @property
    def quantized(self) -> bool:
        coded = self.readout is None or self.readout.weight is not None
        return coded and all(g.quantized for g in self.layers)

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of the last layer [T, B, K] for inputs [T, B, ...]; of an integrator, its currents."""
        return self._run(x)[0]

    def forward_with_rates(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Spikes of the last layer, and the firing rates of every layer, both with gradients.

        A rate is the mean of a neuron's spikes over the T timesteps and B samples of this call, in 0..D, in the shape
        of its layer [C, ...].
        """
        y, spikes, _ = self._run(x)
        return y, {name: _rates(v) for name, v in spikes.items()}

    def record(self, x: Tensor) -> Record:
        """Everything the network does on inputs [T, B, ...], without gradients."""
        with torch.no_grad():
            y, spikes, states = self._run(x)
        return Record({n: _tensor(v) for n, v in spikes.items()}, states, y)

    @_uncompiled
    def _run(self, x: Tensor) -> tuple[Tensor, dict[str, Value], dict[str, list[Tensor]]]:
        """Output, spikes and states of all layers. Integers opt out of autocast: fewer bits would round them."""
        coded = self.readout is not None and self.readout.weight is not None
        real = not coded and all(g.weight is None and g.state is None for g in self.layers)
        kind = x.device.type if isinstance(x, Tensor) else "cpu"
        with nullcontext() if real else torch.autocast(kind, enabled=False):
            return self._run_steps(x)

    def _run_steps(self, x: Tensor) -> tuple[Tensor, dict[str, Value], dict[str, list[Tensor]]]:
        if not isinstance(x, Tensor) or x.ndim < 2:  # pyright: ignore[reportUnnecessaryIsInstance]
            what = list(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise BadInput(f"inputs must be a tensor [T, B, ...], not {what}; encode.direct(x, T) adds time")
        timesteps = x.shape[0]
        self.input_shape = tuple(x.shape[2:])
        if self.substeps > 1 and self.training:
            raise BadInput(
                "an unfolded network is for evaluation; train the integer network it was made from"
            )
        if timesteps > 1 and x.stride(0) == 0:
            x = x[:1]
        last = [] if self.readout is None else [self.readout]
        modes = {g.quantized for g in self.layers} or {self.quantized}
        # states alone leave the readout as it is, and it may be quantized with weights alone
        if len(modes | ({r.weight is not None for r in last} if modes == {True} else set())) > 1:
            full = [g.name for g in self.layers if not g.quantized]
            full += [r.name for r in last if r.weight is None]
            raise BadInput(
                f"a network must be quantized in every layer or in none, but {', '.join(full)} is not"
            )
        integer = modes == {True}
        check_codes(x, self.input.high, scaled=integer or self.input.scale != 1.0, proved=integer)
        values: dict[str, Value] = {}
        by_name = self.layers_by_name
        if integer:
            scales, most = value_scales(self.steps, by_name)
        else:  # only what is still codes has a scale
            scales, most = {}, {}
        shifts = value_shifts(self.steps, by_name, integer)
        on_substeps = spike_values(self.steps) if self.substeps > 1 else frozenset[str]()
        spikes: dict[str, Value] = {}
        states: dict[str, list[Tensor]] = {}
        for s in self.steps:
            if s.kind == "input":
                values[s.name] = self._input(x, integer)
                if isinstance(values[s.name], Frames):
                    scales[s.name] = self.input.scale
            elif s.kind == "group":
                each = tuple(self.substeps if i in on_substeps else 1 for i in s.inputs)
                run = self._run_group(s, values, scales, most, timesteps, integer, shifts, each)
                values[s.name], states[s.name] = run
                if self.substeps > 1:
                    values[s.name] = thermometer(_tensor(run[0]), self.substeps)
                spikes[s.name] = values[s.name]
                equation = by_name[s.name].neuron.equation
                most.setdefault(s.name, float(equation.spikes))
                scales.setdefault(s.name, equation.unit_of_spike)
            elif s.kind == "readout":
                assert self.readout is not None
                scale, largest = scales.get(s.inputs[0], 1.0), most.get(s.inputs[0], 1.0)
                given, shift = (
                    _tensor(values[s.inputs[0]], 1.0 if integer else scale),
                    shifts.get(s.inputs[0]),
                )
                if s.inputs[0] in on_substeps:  # a sum over substeps is a sum of what synapses make of each
                    given = folded(given, self.substeps)
                values[s.name] = self.readout(given, scale if integer else None, largest, timesteps, shift)
            else:
                inputs = [values[i] for i in s.inputs]
                values[s.name] = self._between(s, inputs, scales, integer, shifts)
        return _tensor(values[self.output]), spikes, states

    def _between(
        self,
        s: Step,
        inputs: list[Value],
        scales: dict[str, float],
        integer: bool,
        shifts: dict[str, Tensor],
    ) -> Value:
        """A step on spikes: on bytes where they hold it, and where what it joins has one scale."""
        known = [scales.get(i, 1.0) for i in s.inputs]
        frames = [v for v in inputs if isinstance(v, Frames)]
        if len(frames) == len(inputs) and len(set(known)) == 1:
            done = on_frames(s, frames, self.training)
            if done is not None:
                scales.setdefault(s.name, known[0] / done[1])
                return done[0]
        tensors = [_tensor(v, 1.0 if integer else k) for v, k in zip(inputs, known, strict=True)]
        if s.kind == "other" and s.inputs[0] in shifts:
            tensors = [tensors[0] + shifts[s.inputs[0]].to(tensors[0].dtype)]
        return on_tensors(s, tensors, self.training, integer)

    def _input(self, x: Tensor, integer: bool) -> Value:
        if x.dtype == torch.uint8 and x.device.type == "cpu" and self.input.high <= 255:
            return Frames(x.movedim(2, -1).contiguous() if x.ndim > 3 else x.contiguous(), self.input.high)
        x = x.to(torch.get_default_dtype())
        return x if integer else x * self.input.scale

    def _run_group(
        self,
        s: Step,
        values: dict[str, Value],
        scales: dict[str, float],
        most: dict[str, float],
        timesteps: int,
        integer: bool,
        shifts: dict[str, Tensor],
        substeps: tuple[int, ...],
    ) -> tuple[Value, list[Tensor]]:
        """A group on compiled kernels where they cover it, else by torch's ops."""
        group = self.groups[s.name]
        assert isinstance(group, Group)
        inputs = [values[i] for i in s.inputs]
        shapes = [tuple(v.shape) if isinstance(v, Frames) else tuple(v.shape[2:]) for v in inputs]
        group.check(shapes, time_hint(self.input_shape or ()))
        scale, largest = scales.get(s.inputs[0], 1.0), max(most.get(i, 1.0) for i in s.inputs)
        if len(inputs) == 1 and substeps == (1,):
            x = inputs[0]
            if isinstance(x, Tensor) and s.inputs[0] in most and largest <= 255 and x.dtype == torch.float32:
                x = from_tensor(x, int(largest))
            moved = self._shifts_of(s, shifts, scale if not integer else 1.0)
            if (
                isinstance(x, Frames)
                and (done := compiled.run(group, x, scale, timesteps, moved)) is not None
            ):
                return done[0], [c.movedim(-1, 2) for c in done[1]]
        tensors = [
            _tensor(v, 1.0 if integer else scales.get(i, 1.0)) for i, v in zip(s.inputs, inputs, strict=True)
        ]
        moved = self._shifts_of(s, shifts, 1.0)
        return uncompiled.run(group, tensors, scale, largest, timesteps, moved, substeps)

    @staticmethod
    def _shifts_of(s: Step, shifts: dict[str, Tensor], unit: float) -> list[Tensor] | None:
        """What each input of a step is moved by, in such units; None where nothing is."""
        if not any(i in shifts for i in s.inputs):
            return None
        none = torch.zeros(1, dtype=torch.float64)
        return [shifts[i] / unit if i in shifts else none for i in s.inputs]


def _tensor(v: Value, scale: float = 1.0) -> Tensor:
    """A value as a float tensor [T, B, C, ...], in reals where its codes have a scale."""
    codes = v if isinstance(v, Tensor) else v.tensor()
    return codes if scale == 1 else codes * scale


def _rates(v: Value) -> Tensor:
    return v.rates() if isinstance(v, Frames) else v.sum((0, 1)) / max(1, v.shape[0] * v.shape[1])


def _instead(given: Any) -> str:
    """What was given in place of a module, and what to give."""
    if not isinstance(given, type):
        return f"not {type(given).__name__}; give the model itself"
    module = "" if given.__module__ == "__main__" else f"{given.__module__}."
    return f"not the class {given.__name__}; give an instance, {module}{given.__qualname__}()"
