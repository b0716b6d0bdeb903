"""A program as ONNX, unrolled over its timesteps: every value is an integer, and ONNX Runtime gives the same ones.

Neurons compute in int64. Synapses and pools compute in float32 where the proof says that every partial sum stays below
2^24, where float32 is exact in any order; a dense layer beyond it multiplies in int64, anything else is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import NotLowerable
from ..ir import (
    Conv,
    Dense,
    Edge,
    Fold,
    Input,
    Integrator,
    Join,
    Neuron,
    Node,
    Offset,
    Pool,
    Program,
    Readout,
    Unfold,
    ranges,
    static_nodes,
)
from .onnx_graph import FLOAT, INT64, Graph
from .onnx_model import check_steps, finish, onnx_package

EXACT = 1 << 24  # float32 holds every integer below
Values = tuple[str, ...]  # one tensor, or one a substep


def export_onnx(
    program: Program,
    path: Path | str,
    *,
    timesteps: int,
    timed: bool = False,
    trace: bool = False,
    force: bool = False,
) -> None:
    """Write a program as ONNX of a fixed number of timesteps and any batch.

    The input is int64 [B, *shape] (timed: [T, B, *shape]), the output "readout" int64 [B, *shape].

    Args:
        timesteps: T.
        timed: every timestep has a frame of its own.
        trace: also give every layer's spikes and stored codes [T, B, *shape]: "spikes/K" and "codes/K/J" of layer K and
            state J.
        force: replace a file.

    Raises:
        NotLowerable: sums that float32 does not hold.
        MissingDependency: the onnx package is not installed.
        BadInput: the file exists and `force` is not given, or cannot be written.
    """
    check_steps(Path(path), timesteps, force)
    made = _Unrolled(onnx_package(), program, timesteps, timed, trace)
    declared = [*([timesteps] if timed else []), "batch", *program.input.shape]
    finish(made.g, Path(path), declared, made.outputs(), INT64)


class _Unrolled:
    """The graph of all timesteps."""

    def __init__(self, onnx: Any, program: Program, timesteps: int, timed: bool, trace: bool):
        self.program, self.timesteps = program, timesteps
        self.timed, self.trace = timed, trace
        self.g = Graph(onnx)
        self.proved = ranges(program, timesteps)
        self.batch = self.g.node(
            "Gather", self.g.node("Shape", "input"), self.g.constant([int(timed)]), axis=0
        )
        self.past: list[dict[str, Values]] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.spikes: dict[str, str] = {}
        self.sums: dict[str, str] = {}
        self.readout = ""
        self.kept: dict[tuple[int, int], list[str]] = {}
        for n in program.neurons:
            shape = program.shapes[n.name]
            self.codes[n.name] = {
                s.name: self.filled(shape, n.body.codec(s.name).rest) for s in n.body.states
            }
            self.spikes[n.name] = self.filled(shape, 0)
        for t in range(timesteps):
            self.step(t)

    def filled(self, shape: Sequence[int], value: int) -> str:
        """A constant [B, *shape]."""
        size = self.g.node("Concat", self.batch, self.g.constant(list(shape)), axis=0)
        return self.g.node("Expand", self.g.constant(value), size)

    def step(self, t: int) -> None:
        values: dict[str, Values] = {}
        static = frozenset[str]() if self.timed or not t else static_nodes(self.program)
        self.past.append(values)
        for n in self.program:
            values[n.name] = self.past[0][n.name] if n.name in static else self.node(n, t)

    def read(self, e: Edge, t: int) -> Values:
        if t < e.delay:
            return (self.filled(self.program.shapes[e.source], 0),)
        return self.past[t - e.delay][e.source]

    def node(self, n: Node, t: int) -> Values:
        sources = [self.read(e, t) for e in n.edges]
        given: Values = sources[0] if sources else tuple[str, ...]()
        g = self.g
        match n:
            case Input():
                return (g.node("Gather", "input", g.constant(t), axis=0) if self.timed else "input",)
            case Dense():
                return tuple(self.dense(n, x) for x in given)
            case Conv():
                return tuple(self.conv(n, x) for x in given)
            case Pool():
                return tuple(self.pool(n, x) for x in given)
            case Join():
                return tuple(self.join(n, inputs) for inputs in zip(*sources, strict=True))
            case Offset():
                return tuple(g.node("Add", x, g.constant(n.offset)) for x in given)
            case Unfold():
                (x,) = given
                return tuple(g.cast(g.node("Greater", x, g.constant(d)), INT64) for d in range(n.substeps))
            case Fold():
                return (self.total(given),)
            case Neuron():
                return (self.neuron(n, given[0], t),)
            case Integrator():
                before = self.sums.get(n.name)
                self.sums[n.name] = given[0] if before is None else g.node("Add", before, given[0])
                return (self.sums[n.name],)
            case Readout():
                if t == 0 or n.kind == "last":
                    self.readout = given[0]
                else:
                    self.readout = g.node("Add" if n.kind == "count" else "Max", self.readout, given[0])
                return (self.readout,)

    def total(self, parts: Sequence[str]) -> str:
        made = parts[0]
        for x in parts[1:]:
            made = self.g.node("Add", made, x)
        return made

    # --- nodes ------------------------------------------------------------------------------------------

    def real(self, n: Dense | Conv | Pool) -> bool:
        """Whether float32 is exact for every partial sum of a node."""
        r = self.proved[n.name]
        source = self.proved[n.source.source]
        return max(-r.sum_low, r.sum_high, -source.low, source.high) < EXACT

    def dense(self, n: Dense, x: str) -> str:
        g = self.g
        flat = g.node("Flatten", x, axis=1) if len(self.program.shapes[n.source.source]) > 1 else x
        if self.real(n):
            y = g.node("MatMul", g.cast(flat, FLOAT), g.constant(n.weight.T, np.float32))
            return g.cast(y, INT64)
        return g.node("MatMul", flat, g.constant(n.weight.T))

    def conv(self, n: Conv, x: str) -> str:
        if not self.real(n):
            raise NotLowerable(
                f"{n.name}: sums of a convolution must stay below 2^24 to be exact in ONNX's float32"
            )
        weight = self.g.constant(n.weight, np.float32)
        padding = [*n.padding, *n.padding]
        y = self.g.node(
            "Conv", self.g.cast(x, FLOAT), weight, strides=list(n.stride), pads=padding, group=n.groups
        )
        return self.g.cast(y, INT64)

    def pool(self, n: Pool, x: str) -> str:
        g = self.g
        if not self.real(n):
            raise NotLowerable(
                f"{n.name}: values of a pool must stay below 2^24 to be exact in ONNX's float32"
            )
        real, size = g.cast(x, FLOAT), {"kernel_shape": list(n.size), "strides": list(n.stride)}
        if n.kind == "sum":
            channels = self.program.shapes[n.name][0]
            ones = g.constant(np.ones((channels, 1, *n.size)), np.float32)
            return g.cast(g.node("Conv", real, ones, strides=list(n.stride), group=channels), INT64)
        if n.minimum is None:
            return g.cast(g.node("MaxPool", real, **size), INT64)
        sign = g.constant(1 - 2 * n.minimum.reshape(-1, 1, 1), np.float32)
        return g.cast(g.node("Mul", g.node("MaxPool", g.node("Mul", real, sign), **size), sign), INT64)

    def join(self, n: Join, inputs: Sequence[str]) -> str:
        g = self.g
        if n.kind == "add":
            shifts = n.shifts or (0,) * len(inputs)
            return self.total(
                [
                    g.node("Mul", x, g.constant(1 << k)) if k else x
                    for x, k in zip(inputs, shifts, strict=True)
                ]
            )
        a, b = (g.node("Greater", x, g.constant(0)) for x in inputs)
        return g.cast(g.node("And", a if n.kind == "and" else g.node("Not", a), b), INT64)

    def neuron(self, n: Neuron, current: str, t: int) -> str:
        g, shape = self.g, self.program.shapes[n.name]
        codes, spike = g.neuron(n, shape, current, self.codes[n.name], self.spikes[n.name])
        self.codes[n.name], self.spikes[n.name] = codes, spike
        k = self.program.neurons.index(n)
        for j, value in enumerate((spike, *codes.values())):
            self.kept.setdefault((k, j), []).append(g.node("Unsqueeze", value, g.constant([0])))
        return spike

    def outputs(self) -> dict[str, tuple[str, list[Any]]]:
        """By name, the value and its shape."""
        found = {"readout": (self.readout, ["batch", *self.program.shapes[self.program.readout.name]])}
        for (k, j), parts in self.kept.items() if self.trace else ():
            shape = [self.timesteps, "batch", *self.program.shapes[self.program.neurons[k].name]]
            name = f"codes/{k}/{j - 1}" if j else f"spikes/{k}"
            found[name] = (self.g.node("Concat", *parts, axis=0), shape)
        return found
