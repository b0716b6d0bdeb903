"""What a side of a comparison runs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...engine import native
from ...engine.trace import Trace
from ...ir import Program
from ...measure.membranes import MembraneCounts
from ..trained_for import trained_timesteps

Inputs = NDArray[np.generic]


class Runner(Protocol):
    """What can be run on inputs [T, B, *shape].

    Attributes:
        words: what it is, for people.
        program: the stored program; None where there is none.
        connections: a program with its connections, for counting operations; None where there is none.
        most: largest output of each layer.
        timesteps: T of its training; None where nothing says it.
    """

    words: str
    program: Program | None
    connections: Program | None
    most: Mapping[str, int]
    timesteps: int | None

    def run(self, inputs: Inputs, timesteps: int) -> Trace: ...

    def count_membranes(self, into: MembraneCounts, inputs: Inputs, trace: Trace) -> None: ...


class ProgramRunner:
    """A stored program on the native engine."""

    words = "integer program, native engine"

    def __init__(self, program: Program):
        self.program: Program | None = program
        self.connections: Program | None = program
        self.most: Mapping[str, int] = {n.name: n.body.spikes for n in program.neurons}
        self.timesteps = trained_timesteps(program.notes)
        self._program = program

    def run(self, inputs: Inputs, timesteps: int) -> Trace:
        return native.run(self._program, inputs, timesteps)

    def count_membranes(self, into: MembraneCounts, inputs: Inputs, trace: Trace) -> None:
        into.add(self._program, trace)
