"""The definition of a program, executable: int64 arrays, one timestep after the other, ranges asserted.

Slow and plain on purpose. Other engines answer to it; where two tools disagree, this one says who is right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput, RangeExceeded
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
    Range,
    Readout,
    Unfold,
    ranges,
    static_nodes,
)
from ..ir.ranges import conv, windows
from ..ops import step_many
from .trace import Trace, checked_inputs

Ints = NDArray[np.int64]


class Session:
    """A program that is run step by step: `reset()`, then `step(x)` once a timestep.

    Args:
        program: what to run.
        batch: number of samples B.
        timesteps: the longest run, for which ranges are proved and asserted.
    """

    def __init__(self, program: Program, batch: int, timesteps: int = 1024):
        self.program, self.batch, self.timesteps = program, batch, timesteps
        self._ranges = ranges(program, timesteps)
        self.reset()

    def reset(self) -> None:
        """Back to rest: rest codes, no last output, empty delays, zero readout."""
        shape = {n.name: (self.batch, *self.program.shapes[n.name]) for n in self.program}
        self.t = 0
        self.values: dict[str, Ints] = {}
        self.codes = {
            n.name: {
                s.name: np.full(shape[n.name], n.body.codec(s.name).rest, np.int64) for s in n.body.states
            }
            for n in self.program.neurons
        }
        self.spikes = {n.name: np.zeros(shape[n.name], np.int64) for n in self.program.neurons}
        self._sums = {
            n.name: np.zeros(shape[n.name], np.int64) for n in self.program if isinstance(n, Integrator)
        }
        self.readout: Ints | None = None
        self.past: dict[str, deque[Ints]] = {}
        for n in self.program:
            for e in n.edges:
                if e.delay:
                    longest = (
                        max(e.delay, self.past[e.source].maxlen or 0) if e.source in self.past else e.delay
                    )
                    zeros = [np.zeros(shape[e.source], np.int64)] * longest
                    self.past[e.source] = deque(zeros, maxlen=longest)

    def step(self, x: Ints, static: bool = False) -> Mapping[str, Ints]:
        """One timestep on inputs [B, *shape]; returns every node's output.

        Args:
            static: the input is the one of the last timestep, so what depends on it alone is kept.
        """
        x = checked_inputs(self.program, x, 1)[0]
        if len(x) != self.batch:
            raise BadInput(
                f"a session of batch {self.batch} must be given {self.batch} samples, not {len(x)}"
            )
        keep = static_nodes(self.program) if static and self.t else frozenset[str]()
        for n in self.program:
            if n.name in keep:
                continue
            self.values[n.name] = self._node(n, x)
            self._assert_range(n, self._ranges[n.name])
        for name, past in self.past.items():
            past.append(self.values[name])
        self.t += 1
        return self.values

    def _read(self, e: Edge) -> Ints:
        return self.past[e.source][-e.delay] if e.delay else self.values[e.source]

    def _node(self, n: Node, x: Ints) -> Ints:
        match n:
            case Input():
                return x
            case Dense():
                x = self._read(n.source)
                return x.reshape(len(x), -1) @ n.weight.T
            case Conv():
                return conv(n, self._read(n.source), n.weight)
            case Pool():
                return pool(n, self._read(n.source))
            case Join():
                return join(n, [self._read(e) for e in n.sources])
            case Offset():
                return self._read(n.source) + n.offset
            case Unfold():
                return unfold(n, self._read(n.source)).reshape(-1, *self.program.shapes[n.name])
            case Fold():
                x = self._read(n.source)
                return x.reshape(self.program.substeps, -1, *x.shape[1:]).sum(0)
            case Neuron():
                return self._neuron(n, self._read(n.source))
            case Integrator():
                self._sums[n.name] = self._sums[n.name] + self._read(n.source)
                return self._sums[n.name]
            case Readout():
                value = self._read(n.source)
                if self.readout is None or n.kind == "last":
                    self.readout = value
                elif n.kind == "count":
                    self.readout = self.readout + value
                else:
                    self.readout = np.maximum(self.readout, value)
                return self.readout

    def _neuron(self, n: Neuron, current: Ints) -> Ints:
        channel = np.arange(current.shape[1]).reshape(-1, *(1,) * (current.ndim - 2))
        result = step_many(n.body, current, self.codes[n.name], self.spikes[n.name], n.parameters, channel)
        full = current.shape
        self.codes[n.name] = {s: np.broadcast_to(c, full) for s, c in result.codes.items()}
        self.spikes[n.name] = np.broadcast_to(result.spike, full)
        return self.spikes[n.name]

    def _assert_range(self, n: Node, r: Range) -> None:
        value = self.values[n.name]
        if value.size and not (r.low <= int(value.min()) and int(value.max()) <= r.high):
            raise RangeExceeded(
                f"{n.name}: proved to stay in {r.low}..{r.high} for {self.timesteps} timesteps, but reached "
                f"{int(value.min())}..{int(value.max())} at timestep {self.t}; run with more timesteps declared"
            )


def unfold(n: Unfold, x: Ints) -> Ints:
    """Integers x as spikes [substeps, *x.shape]: as many as x says, from the first substep on."""
    at = np.arange(n.substeps).reshape(-1, *(1,) * x.ndim)
    return (x[None] > at).astype(np.int64)


def pool(n: Pool, x: Ints) -> Ints:
    """Windows of x [B, C, H, W], summed or their extremum taken."""
    view = windows(n, x)
    if n.kind == "sum":
        return view.sum((-1, -2))
    largest = view.max((-1, -2))
    if n.minimum is None:
        return largest
    return np.where(n.minimum.astype(bool)[:, None, None], view.min((-1, -2)), largest)


def join(n: Join, inputs: list[Ints]) -> Ints:
    """Elementwise sum of shifted inputs, or a Boolean of two spike tensors."""
    if n.kind == "add":
        shifts = n.shifts or (0,) * len(inputs)
        return sum((x << k for x, k in zip(inputs, shifts, strict=True)), np.zeros_like(inputs[0]))
    a, b = ((x > 0).astype(np.int64) for x in inputs)
    return a & b if n.kind == "and" else (1 - a) & b


def run(program: Program, inputs: NDArray[np.generic], timesteps: int) -> Trace:
    """Run a program from rest by the definition.

    Args:
        inputs: integers [B, *shape] (static: the same at every timestep) or [T, B, *shape].
        timesteps: T.
    """
    x = checked_inputs(program, inputs, timesteps)
    batch = x.shape[1]
    session = Session(program, batch, timesteps)
    shape = {n.name: (timesteps, batch, *program.shapes[n.name]) for n in program.neurons}
    spikes = {n.name: np.zeros(shape[n.name], np.uint8) for n in program.neurons}
    codes = {
        n.name: {s.name: np.zeros(shape[n.name], np.int32) for s in n.body.states} for n in program.neurons
    }
    for t in range(timesteps):
        session.step(x[min(t, len(x) - 1)], static=len(x) == 1)
        for n in program.neurons:
            spikes[n.name][t] = session.spikes[n.name]
            for s in codes[n.name]:
                codes[n.name][s][t] = session.codes[n.name][s]
    assert session.readout is not None
    return Trace(spikes, codes, session.readout, timesteps)
