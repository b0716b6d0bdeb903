"""What every node of a program sent in a run, worked out again from its spikes and inputs alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..engine.reference import join, pool, unfold
from ..engine.trace import Trace
from ..errors import BadInput
from ..ir import (
    Conv,
    Dense,
    Edge,
    Fold,
    Input,
    Integrator,
    Join,
    Neuron,
    Offset,
    Pool,
    Program,
    Readout,
    Unfold,
)
from ..ir.ranges import conv

Array = NDArray[np.integer]


def check_trace(program: Program, trace: Trace, batch: int) -> None:
    """Raise BadInput unless a trace holds the spikes of every neuron of so many samples."""
    for n in program.neurons:
        shape = (trace.timesteps, batch, *program.shapes[n.name])
        if n.name not in trace.spikes or trace.spikes[n.name].shape != shape:
            given = list(trace.spikes[n.name].shape) if n.name in trace.spikes else "nothing"
            raise BadInput(
                f"the trace must hold spikes {list(shape)} of {n.name}, not {given}; run the same inputs"
            )


class Replay:
    """Outputs of nodes without running a neuron; every loop of a program passes through one, so this ends.

    Args:
        spikes: of every neuron node, [T, B, *shape].
        inputs: [T, B, *shape], or [1, B, *shape] for a static input.
        timesteps: T.
    """

    def __init__(self, program: Program, spikes: Mapping[str, Array], inputs: Array, timesteps: int):
        self.program, self.timesteps = program, timesteps
        self._spikes, self._inputs = spikes, inputs
        self._known: dict[str, Array] = {}

    def read(self, edge: Edge) -> Array:
        """What arrives over an edge, [T, B, *shape]; [1, B, *shape] where it is the same at every timestep."""
        x = self.output(edge.source)
        if not edge.delay:
            return x
        late = np.zeros((self.timesteps, *x.shape[1:]), x.dtype)
        late[edge.delay :] = self._every_timestep(x)[: max(self.timesteps - edge.delay, 0)]
        return late

    def output(self, name: str) -> Array:
        """What a node sent: [T, B, *shape], or [1, B, *shape] where nothing but a static input reaches it.

        Of a node on the substep clock there is a frame a substep.
        """
        if name not in self._known:
            self._known[name] = self._output(name)
        return self._known[name]

    def _every_timestep(self, x: Array) -> Array:
        return np.broadcast_to(x, (self.timesteps, *x.shape[1:]))

    def _output(self, name: str) -> Array:
        n = self.program[name]
        match n:
            case Input():
                return self._inputs
            case Neuron():
                return self._spikes[name]
            case Dense():
                x = self.read(n.source)
                return x.reshape(*x.shape[:2], -1).astype(np.int64) @ n.weight.T
            case Conv():
                return conv(n, self.read(n.source).astype(np.int64), n.weight)
            case Pool():
                return pool(n, self.read(n.source).astype(np.int64))
            case Join():
                parts = [self.read(e).astype(np.int64) for e in n.sources]
                return join(n, list(np.broadcast_arrays(*parts)))
            case Offset():
                return self.read(n.source).astype(np.int64) + n.offset
            case Unfold():  # substeps are frames of their own: [T * substeps, B, *shape]
                x = self.read(n.source).astype(np.int64)
                return unfold(n, x).swapaxes(0, 1).reshape(-1, *x.shape[1:])
            case Fold():
                x = self.read(n.source).astype(np.int64)
                return x.reshape(-1, self.program.substeps, *x.shape[1:]).sum(1)
            case Integrator():
                return self._every_timestep(self.read(n.source)).cumsum(0)
            case Readout():
                x = self._every_timestep(self.read(n.source))
                if n.kind == "last":
                    return x
                return x.cumsum(0) if n.kind == "count" else np.maximum.accumulate(x, axis=0)
