"""The event-driven machine: every read, write and operation of a run, counted exactly.

The machine executes a program as it stands, timestep by timestep (what a static input alone decides, once):

- A node that a synapse reads writes each nonzero output as an event: its address, and its value where that can be
  another than 0 and 1. The network's input arrives as events.
- A synapse reads its events, and for each connection of an event reads the weight, multiplies where it reads more than
  -1, 0 and 1, and adds to the sum of its target, which it reads and writes. Each connection takes one addition of
  addresses; an event of a convolution two more, and two multiplications (Lemaire et al. 2022, equations 16 and 17).
  Sums are cleared before they are formed. A layer in front of all neurons that multiplies, as behind an image, works
  output by output instead: its sums stay in a register and are written once.
- A neuron reads its sum and its stored codes, updates (`update`), and writes its codes, at every timestep.
- Pools, joins, offsets, integrators and readouts read and write every element; pools do one operation less than they
  read, and an offset reads its map. So does what starts and ends the substep clock: an unfold compares its integer at
  every substep, a fold sums what it reads at all of them.

Connections into the padding do not exist, those of weight zero do. A number takes the bits that its proved range
needs and lies in a memory just large enough. Delays cost nothing: what is delayed is read where it lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from ...engine.trace import Trace, checked_inputs
from ...fixed import bits_for
from ...ir import (
    Conv,
    Dense,
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
from ..replay import Replay, check_trace
from ..synops import fan_out
from .counts import Count, Counts, Ints, Ledger
from .update import FLOAT, state_bits, update

SAMPLES = 64  # replayed at a time, so that memory does not grow with the batch


def event_counts(program: Program, trace: Trace, inputs: NDArray[np.generic], real: bool = False) -> Counts:
    """What the event-driven machine does in a run.

    Args:
        program: what ran.
        trace: every spike of the run; any engine's, they are equal.
        inputs: what the run read: integers [B, *shape] (static) or [T, B, *shape].
        real: the same events in floating point: weights, sums, states and constants are float32, and the arithmetic
            is. Codecs vanish, a leak is a multiplication, gains are in the weights.

    Raises:
        BadInput: inputs or trace of another shape than the program's.
    """
    x = checked_inputs(program, inputs, trace.timesteps)
    batch = x.shape[1]
    check_trace(program, trace, batch)
    ledger = Ledger(batch)
    machine = _Machine(program, ranges(program, trace.timesteps), trace.timesteps, len(x) == 1, real)
    for first in range(0, batch, SAMPLES):
        part = slice(first, first + SAMPLES)
        replay = Replay(
            program, {k: v[:, part] for k, v in trace.spikes.items()}, x[:, part], trace.timesteps
        )
        for n in program:
            for c in machine.node(n, replay):
                ledger.add(c, part)
    return Counts(ledger.entries(), tuple(n.name for n in program), batch, trace.timesteps)


def input_side(program: Program) -> frozenset[str]:
    """Nodes between the input and the first neurons: what they read comes from nothing but the input."""
    side: set[str] = set()
    for n in program:
        kept = isinstance(n, (Neuron, Integrator, Readout))
        if isinstance(n, Input) or (not kept and all(e.source in side for e in n.edges)):
            side.add(n.name)
    return frozenset(side)


def event_bits(size: int, low: int, high: int) -> int:
    """Bits of an event: the address of one of `size` elements, and its value where it is not 0 or 1."""
    return bits_for(0, size - 1)[0] + (0 if low >= 0 and high <= 1 else bits_for(low, high)[0])


class _Machine:
    """A program, and where its numbers lie."""

    def __init__(
        self, program: Program, proved: Mapping[str, Range], timesteps: int, static: bool, real: bool
    ):
        self.program, self.proved, self.timesteps, self.real = program, proved, timesteps, real
        synapses = [n for n in program if isinstance(n, (Dense, Conv))]
        self._side = input_side(program)
        self._once = static_nodes(program) if static else frozenset[str]()
        self._sends = {n.source.source for n in synapses}
        self._shows = {e.source for n in program if not isinstance(n, (Dense, Conv)) for e in n.edges}
        self._fans = {n.name: fan_out(n, program.shapes[n.source.source]).reshape(-1) for n in synapses}
        self._sums: set[str] = set()  # what is no spike and no code, and so a float in floating point
        for n in program:
            if isinstance(n, (Dense, Conv, Integrator, Readout)) or (
                isinstance(n, (Pool, Join, Offset, Fold)) and any(e.source in self._sums for e in n.edges)
            ):
                self._sums.add(n.name)
        self._work = {n.name: update(n, proved[n.name], real) for n in program.neurons}

    def node(self, n: Node, replay: Replay) -> Iterator[Count]:
        """What a node does in all timesteps of the replayed samples."""
        match n:
            case Dense() | Conv():
                yield from self._synapse(n, replay)
            case Neuron():
                yield from self._neuron(n)
            case Pool():
                window = n.size[0] * n.size[1]
                yield from self._elementwise(n, window, window - 1)
            case Join():
                yield from self._elementwise(n, len(n.sources), len(n.sources) - 1)
            case Offset():
                yield from self._elementwise(n, 1, 1)
                bits = bits_for(int(n.offset.min()), int(n.offset.max()))[0]
                number = self._frames(n.name) * n.offset.size
                yield Count(n.name, "other", "read", bits, bits * n.offset.size, number)
            case Unfold():
                yield from self._elementwise(n, 1, 1)
            case Fold():
                yield from self._elementwise(n, self.program.substeps, self.program.substeps - 1)
            case Integrator() | Readout():
                yield from self._keeper(n)
            case Input():
                return
        yield from self._output(n, replay)

    def _size(self, name: str) -> int:
        return prod(self.program.shapes[name])

    def _frames(self, name: str) -> int:
        """How often a node is computed."""
        substeps = self.program.substeps if name in self.program.on_substeps else 1
        return 1 if name in self._once else self.timesteps * substeps

    def _bits(self, name: str) -> int:
        """Width of one element of a node's output."""
        n, r = self.program[name], self.proved[name]
        if name in self._sums:
            return FLOAT if self.real else n.bits if isinstance(n, Integrator) else r.bits
        return bits_for(r.low, r.high)[0]

    def _event(self, name: str) -> tuple[int, int]:
        """Bits of an event of a node, and of the memory that holds one of every element."""
        r, size = self.proved[name], self._size(name)
        bits = event_bits(size, r.low, r.high)
        return bits, bits * size

    def _operation(self, name: str, real: bool) -> tuple[str, int]:
        return ("float add", FLOAT) if real else ("add", self._bits(name))

    def _synapse(self, n: Dense | Conv, replay: Replay) -> Iterator[Count]:
        read = replay.read(n.source)
        nonzero = np.count_nonzero(read.reshape(*read.shape[:2], -1), 0)  # [B, M]
        events, operations = nonzero.sum(1), nonzero @ self._fans[n.name]
        source, size = n.source.source, self._size(n.name)
        side = n.name in self._side

        def count(cause: str, operation: str, bits: int, memory: int, number: Ints | int) -> Count:
            return Count(n.name, "input" if side else cause, operation, bits, memory, number, not side)

        address = bits_for(0, size - 1)[0]
        yield count("spikes", "read", *self._event(source), events)
        yield count("spikes", "add", address, 0, operations)
        if isinstance(n, Conv):
            yield count("spikes", "add", address, 0, 2 * events)
            yield count("spikes", "multiply", address, 0, 2 * events)
        weight = FLOAT if self.real else bits_for(int(n.weight.min()), int(n.weight.max()))[0]
        yield count("weights", "read", weight, weight * n.weight.size, operations)
        r = self.proved[source]
        multiplies = r.low < -1 or r.high > 1
        if multiplies:
            value = max(weight, bits_for(r.low, r.high)[0])
            yield count(
                "adds",
                "float multiply" if self.real else "multiply",
                FLOAT if self.real else value,
                0,
                operations,
            )
        operation, width = self._operation(n.name, self.real)
        yield count("adds", operation, width, 0, operations)
        for way in () if side and multiplies else ("read", "write"):
            yield count("states", way, width, width * size, operations)
        cleared = self._frames(n.name) * size
        yield replace(count("states", "write", width, width * size, cleared), driven=False)

    def _neuron(self, n: Neuron) -> Iterator[Count]:
        size = self._size(n.name)
        updates = self.timesteps * size
        current, state = self._bits(n.source.source), state_bits(n, self.real)
        memory = current * self._size(n.source.source)
        yield Count(n.name, "states", "read", current, memory, updates)
        for way in ("read", "write"):
            yield Count(n.name, "states", way, state, state * size, updates)
        for w in self._work[n.name]:
            yield Count(n.name, "neurons", w.operation, w.bits, w.memory, updates * w.times)

    def _elementwise(
        self, n: Pool | Join | Offset | Unfold | Fold, reads: int, operations: int
    ) -> Iterator[Count]:
        outputs = self._frames(n.name) * self._size(n.name)
        for e in n.edges:
            bits = self._bits(e.source)
            yield Count(
                n.name, "other", "read", bits, bits * self._size(e.source), outputs * reads // len(n.edges)
            )
        logic = isinstance(n, Join) and n.kind != "add"
        operation, width = (
            ("add", 1) if logic else self._operation(n.name, self.real and n.name in self._sums)
        )
        yield Count(n.name, "other", operation, width, 0, outputs * operations)

    def _keeper(self, n: Integrator | Readout) -> Iterator[Count]:
        size, source = self._size(n.name), n.source.source
        last = isinstance(n, Readout) and n.kind == "last"
        elements = size * (1 if last else self.timesteps)
        bits = self._bits(source)
        yield Count(n.name, "other", "read", bits, bits * size, elements)
        if last:
            return
        operation, width = self._operation(n.name, self.real)
        yield Count(n.name, "other", operation, width, 0, elements)
        for way in ("read", "write"):
            yield Count(n.name, "other", way, width, width * size, elements)

    def _output(self, n: Node, replay: Replay) -> Iterator[Count]:
        """Events for synapses, and elements for whatever else reads the node."""
        cause = "spikes" if isinstance(n, Neuron) else "other"
        if n.name in self._sends:
            sent = replay.output(n.name)
            events = np.count_nonzero(sent.reshape(*sent.shape[:2], -1), (0, 2))
            driven = n.name not in self._side
            yield Count(
                n.name, "spikes" if driven else "input", "write", *self._event(n.name), events, driven
            )
        if n.name in self._shows and isinstance(n, (Neuron, Pool, Join, Offset, Unfold, Fold)):
            size, bits = self._size(n.name), self._bits(n.name)
            yield Count(n.name, cause, "write", bits, bits * size, self._frames(n.name) * size)
