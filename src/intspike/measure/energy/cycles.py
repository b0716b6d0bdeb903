"""The sequential machine of an FPGA: how many clock cycles a run takes, exactly.

A design with L lanes adds L weights, updates L neurons or handles L elements of a pool in one cycle, and does one thing
after the other. So an event of fan-out f takes ceil(f / L) cycles, and a layer of N neurons ceil(N / L) a timestep.
Reads, writes and the pipeline's filling are hidden behind that.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
from numpy.typing import NDArray

from ...engine.trace import Trace, checked_inputs
from ...ir import Conv, Dense, Input, Join, Neuron, Node, Pool, Program, static_nodes
from ..replay import Replay, check_trace
from ..synops import fan_out
from .counts import Count, Counts, Ledger
from .events import SAMPLES, input_side
from .table import Coefficients


def cycle_counts(program: Program, trace: Trace, inputs: NDArray[np.generic], table: Coefficients) -> Counts:
    """Cycles of a run; arguments as of `event_counts`, and a table of the machine "cycles"."""
    x = checked_inputs(program, inputs, trace.timesteps)
    batch, lanes = x.shape[1], table.settings["lanes"]
    check_trace(program, trace, batch)
    once = static_nodes(program) if len(x) == 1 else frozenset[str]()
    side = input_side(program)
    ledger = Ledger(batch)
    for first in range(0, batch, SAMPLES):
        part = slice(first, first + SAMPLES)
        spikes = {k: v[:, part] for k, v in trace.spikes.items()}
        replay = Replay(program, spikes, x[:, part], trace.timesteps)
        for n in program:
            frames = 1 if n.name in once else trace.timesteps
            for c in _node(n, program, replay, lanes, frames, n.name not in side):
                ledger.add(c, part)
    return Counts(ledger.entries(), tuple(n.name for n in program), batch, trace.timesteps)


def _node(
    n: Node, program: Program, replay: Replay, lanes: int, frames: int, driven: bool
) -> Iterator[Count]:
    size = prod(program.shapes[n.name])
    match n:
        case Input():
            return
        case Dense() | Conv():
            read = replay.read(n.source)
            each = -(-fan_out(n, program.shapes[n.source.source]).reshape(-1) // lanes)
            cycles = np.count_nonzero(read.reshape(*read.shape[:2], -1), 0) @ each
            yield Count(n.name, "adds" if driven else "input", "cycle", 0, 0, cycles, driven)
        case Neuron():
            yield Count(n.name, "neurons", "cycle", 0, 0, frames * -(-size // lanes))
        case _:
            reads = (
                n.size[0] * n.size[1] if isinstance(n, Pool) else len(n.sources) if isinstance(n, Join) else 1
            )
            times = frames * (program.substeps if n.name in program.on_substeps else 1)
            yield Count(n.name, "other", "cycle", 0, 0, times * -(-size * reads // lanes))
