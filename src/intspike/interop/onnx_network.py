"""A network in full precision as ONNX, unrolled over its timesteps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import BadInput, NotLowerable
from ..export.onnx_graph import BOOL, FLOAT, Graph
from ..export.onnx_model import check_steps, finish, onnx_package
from ..nn import Group, Network
from ..nn.parts import pair
from ..nn.step import Step
from ..ops import Form, trace

_OPS = {"add": "Add", "sub": "Sub", "mul": "Mul", "min": "Min", "max": "Max", "abs": "Abs"}


def export_network_onnx(
    net: Network,
    path: Path | str,
    *,
    input_shape: tuple[int, ...],
    timesteps: int,
    timed: bool = False,
    force: bool = False,
) -> None:
    """Write a network in full precision as ONNX of a fixed number of timesteps and any batch.

    The input is float32 codes [B, *shape] (timed: [T, B, *shape]); the outputs are "readout" [B, K], summed over time,
    and "spikes/K" [T, B, *shape] of layer K. Neurons compute in the order of the network; sums of synapses are those
    of ONNX Runtime, so a spike may differ where float32 rounds a membrane to the other side of its threshold.

    Args:
        input_shape: of one frame.
        timesteps: T.
        timed: every timestep has a frame of its own.
        force: replace a file.

    Raises:
        NotLowerable: a quantized layer (lower it and export the program), or a function that only torch can run.
        MissingDependency: the onnx package is not installed.
        BadInput: the file exists and `force` is not given, or cannot be written.
    """
    check_steps(Path(path), timesteps, force)
    made = _Real(onnx_package(), net.eval(), timesteps, timed)
    outputs: dict[str, tuple[str, Sequence[Any]]] = {"readout": (made.readout, ["batch", made.width])}
    with torch.no_grad():
        x = torch.zeros(1, 1, *input_shape)
        shapes = {name: list(s.shape[2:]) for name, s in net.record(x).spikes.items()}
    for k, (name, parts) in enumerate(made.spikes.items()):
        stacked = made.g.node("Concat", *parts, axis=0)
        outputs[f"spikes/{k}"] = (stacked, [timesteps, "batch", *shapes[name]])
    finish(made.g, Path(path), [*([timesteps] if timed else []), "batch", *input_shape], outputs, FLOAT)


class _Real:
    """The graph of all timesteps."""

    def __init__(self, onnx: Any, net: Network, timesteps: int, timed: bool):
        self.g, self.net, self.timed = Graph(onnx), net, timed
        self.states: dict[str, list[str]] = {}
        self.prev: dict[str, str] = {}
        self.spikes: dict[str, list[str]] = {}
        self.readout, self.width = "", 0
        for t in range(timesteps):
            values: dict[str, str] = {}
            for s in net.steps:
                values[s.name] = self.step(s, [values[i] for i in s.inputs], t)
            last = values[net.output]
            self.readout = self.g.node("Add", self.readout, last) if t else last
        last_layer = net.layers[-1].channels if net.readout is None else net.readout.synapse.out_features
        self.width = last_layer

    def real(self, x: Any) -> str:
        return self.g.constant(x.detach().numpy() if isinstance(x, torch.Tensor) else x, np.float32)

    def step(self, s: Step, given: list[str], t: int) -> str:
        g = self.g
        match s.kind:
            case "input":
                x = g.node("Gather", "input", g.constant(t), axis=0) if self.timed else "input"
                return x if s.module.scale == 1 else g.node("Mul", x, self.real(s.module.scale))
            case "group":
                group = self.net.groups[s.name]
                assert isinstance(group, Group)
                return self.group(group, given)
            case "readout":
                last = self.net.readout
                assert last is not None
                if last.weight is not None:
                    raise NotLowerable(f"{last.name}: is quantized; lower the network and export its program")
                return g.node("MatMul", g.node("Flatten", given[0], axis=1), self.real(last.synapse.weight.T))
            case "pool":
                return self.pool(s.module, given[0])
            case "flatten":
                return g.node("Flatten", given[0], axis=1)
            case "dropout":
                return given[0]
            case "add":
                return g.node("Add", *given)
            case "and" | "iand":
                a = given[0] if s.kind == "and" else g.node("Sub", self.real(1.0), given[0])
                return g.node("Mul", a, given[1])
            case _:
                raise NotLowerable(
                    f"{s.name}: {type(s.module).__name__} has no form in ONNX here; leave it out"
                )

    def pool(self, m: Any, x: str) -> str:
        op = "MaxPool" if isinstance(m, torch.nn.MaxPool2d) else "AveragePool"
        return self.g.node(op, x, kernel_shape=list(pair(m.kernel_size)), strides=list(pair(m.stride)))

    def group(self, group: Group, given: list[str]) -> str:
        if group.weight is not None or group.state is not None or group.neuron.comparison is not None:
            raise NotLowerable(f"{group.name}: is quantized; lower the network and export its program")
        g, total = self.g, ""
        for x, m in zip(given, group.modules_of_synapses, strict=True):
            if isinstance(m, torch.nn.Linear):
                y = g.node("MatMul", g.node("Flatten", x, axis=1), self.real(m.weight.T))
            else:
                padding = list(pair(m.padding)) * 2
                y = g.node(
                    "Conv", x, self.real(m.weight), strides=list(pair(m.stride)), pads=padding, group=m.groups
                )
            total = g.node("Add", total, y) if total else y
        image = isinstance(group.modules_of_synapses[0], torch.nn.Conv2d)
        spread = (-1, 1, 1) if image else (-1,)
        for m in group.modules_of_synapses:
            if m.bias is not None:
                total = g.node("Add", total, self.real(m.bias.reshape(spread)))
        for stage in (group.pool, group.norm) if group.order == "pool first" else (group.norm, group.pool):
            if stage is not None and stage is group.norm:
                total = self.norm(stage, total)
            elif stage is not None:
                total = self.pool(stage, total)
        return self.neuron(group, total, spread)

    def norm(self, m: Any, x: str) -> str:
        ones = torch.ones_like(m.running_mean)
        weight, bias = (m.weight, m.bias) if m.affine else (ones, 0 * ones)
        named = [self.real(p) for p in (weight, bias, m.running_mean, m.running_var)]
        return self.g.node("BatchNormalization", x, *named, epsilon=m.eps)

    def neuron(self, group: Group, current: str, spread: tuple[int, ...]) -> str:
        g, body, name = self.g, trace(group.neuron.equation, Form()), group.name
        zero = g.node("Mul", current, self.real(0.0))
        codes = self.states.get(name, [zero] * len(body.states))
        prev = self.prev.get(name, zero)
        names = [s.name for s in body.states]
        parameters = group.reals()
        values: list[str] = []
        for i in body.instructions:
            args = [values[a] for a in i.args]
            match i.op:
                case "current":
                    values.append(current)
                case "state":
                    values.append(codes[names.index(i.name)])
                case "prev":
                    values.append(prev)
                case "parameter":
                    values.append(self.real(parameters[i.name].reshape(spread)))
                case "constant":
                    values.append(self.real(float(i.immediate)))
                case "encode" | "decode" | "cut":
                    values.append(args[0])
                case "ge" | "gt":
                    values.append(
                        g.cast(g.node("GreaterOrEqual" if i.op == "ge" else "Greater", *args), FLOAT)
                    )
                case "select":
                    values.append(g.node("Where", g.cast(args[0], BOOL), args[1], args[2]))
                case _ if i.op in _OPS:
                    values.append(g.node(_OPS[i.op], *args))
                case _:
                    raise BadInput(f"{name}: the op {i.op} has no real form in ONNX here")
        self.states[name] = [values[k] for k in body.stores]
        self.prev[name] = values[body.spike]
        self.spikes.setdefault(name, []).append(g.node("Unsqueeze", values[body.spike], g.constant([0])))
        return values[body.spike]
