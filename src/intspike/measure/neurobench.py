"""NeuroBench's metrics under its names and by its definitions, so that numbers can stand beside its leaderboards.

Definitions are those of neurobench 2.3 (Yik et al., Nature Communications 16, 2025), where a network is called once a
timestep on a whole batch; they differ from ours (`synops`, `size_bits`) and say so:

| Metric | NeuroBench | Ours |
| --- | --- | --- |
| footprint | bytes of all arrays, each element in a whole number of bytes | packed bits, also here |
| connection sparsity | zero weights of all weights, four decimals | |
| activation sparsity | silent neurons of all neurons and timesteps | 1 - firing rate where D = 1 |
| synaptic operations | zero weights do not count; a static image counts at every timestep | the other way round |
| MACs or ACs | by the values of a batch at a timestep: all in -1, 0, 1 or not | by the proved range |
| membrane updates | first timestep: every neuron; later: whose stored membrane changed | every neuron, always |

What codecs that store a membrane after its reset leave is a code: there, updates count changed codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.trace import Trace, checked_inputs
from ..ir import Conv, Dense, Integrator, Neuron, Offset, Pool, Program
from ..ir.container import storage
from .memory import size_bits
from .replay import Replay, check_trace
from .synops import fan_out

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class NeuroBench:
    """The metrics of a run on B samples.

    Attributes:
        footprint: bytes of constants and of one sample's states, elements in 1, 2, 4 or 8 bytes.
        footprint_bits: the same, packed (`size_bits`).
        connection_sparsity: share of weights that are zero, four decimals.
        activation_sparsity: share of outputs of neurons that are zero.
        effective_macs, effective_acs: operations of nonzero weights and nonzero inputs, a sample.
        dense: operations of all weights and inputs, a sample.
        membrane_updates: a sample.
    """

    footprint: int
    footprint_bits: int
    connection_sparsity: float
    activation_sparsity: float
    effective_macs: float
    effective_acs: float
    dense: float
    membrane_updates: float

    def to_dict(self) -> dict[str, Any]:
        """The numbers under NeuroBench's own keys, and the packed bits."""
        return {
            "Footprint": self.footprint,
            "Footprint (packed bits)": self.footprint_bits,
            "ConnectionSparsity": self.connection_sparsity,
            "ActivationSparsity": self.activation_sparsity,
            "SynapticOperations": {
                "Effective_MACs": self.effective_macs,
                "Effective_ACs": self.effective_acs,
                "Dense": self.dense,
            },
            "MembraneUpdates": self.membrane_updates,
        }


def neurobench(program: Program, trace: Trace, inputs: NDArray[np.generic]) -> NeuroBench:
    """NeuroBench's metrics of a run.

    Args:
        program: what ran.
        trace: its spikes and codes; any engine's, they are equal.
        inputs: what the run read: integers [B, *shape] (static) or [T, B, *shape].

    Raises:
        BadInput: inputs or trace of another shape than the program's.
    """
    x = checked_inputs(program, inputs, trace.timesteps)
    batch = x.shape[1]
    check_trace(program, trace, batch)
    synapses = [n for n in program if isinstance(n, (Dense, Conv))]
    replay = Replay(program, trace.spikes, x, trace.timesteps)
    operations = {True: 0, False: 0}  # by whether they are accumulates
    dense = 0
    for n in synapses:
        read = replay.read(n.source)
        frames = np.broadcast_to(read, (trace.timesteps, *read.shape[1:]))
        shape = program.shapes[n.source.source]
        fans = fan_out(n, shape, skip_zero_weights=True).reshape(-1)
        for frame in frames:
            spiking = bool((np.abs(frame.astype(np.int64)) <= 1).all())
            operations[spiking] += int(np.count_nonzero(frame.reshape(batch, -1), 0) @ fans)
        dense += batch * trace.timesteps * int(fan_out(n, shape).sum())
    weights = sum(n.weight.size for n in synapses)
    zeros = sum(int((n.weight == 0).sum()) for n in synapses)
    outputs = sum(s.size for s in trace.spikes.values())
    fired = sum(int(np.count_nonzero(s)) for s in trace.spikes.values())
    return NeuroBench(
        footprint_bytes(program),
        size_bits(program, timesteps=trace.timesteps).total,
        round(zeros / weights, 4) if weights else 0.0,
        (outputs - fired) / outputs if outputs else 0.0,
        operations[False] / batch,
        operations[True] / batch,
        dense / batch,
        sum(_updates(n, trace) for n in program.neurons) / batch,
    )


def footprint_bytes(program: Program) -> int:
    """Bytes of every array of a program and of one sample's states, each element in 1, 2, 4 or 8 bytes."""
    total = 0
    for n in program:
        size = prod(program.shapes[n.name])
        match n:
            case Dense() | Conv():
                total += _bytes(n.weight)
            case Neuron():
                total += sum(_bytes(n.parameters[p]) for p in n.body.parameters)
                for s in n.body.states:
                    codec = n.body.codec(s.name)
                    total += size * _element(codec.low, codec.high)
                total += size * n.body.keeps_spike
            case Integrator():
                total += size * _element(-1 << n.bits - 1, (1 << n.bits - 1) - 1)
            case Offset():
                total += _bytes(n.offset)
            case Pool() if n.minimum is not None:
                total += _bytes(n.minimum)
            case _:
                pass
    return total


def _bytes(a: Ints) -> int:
    return a.size * storage(a).itemsize


def _element(low: int, high: int) -> int:
    """Bytes of the narrowest type that holds low..high."""
    return storage(np.array([low, high])).itemsize


def _updates(n: Neuron, trace: Trace) -> int:
    """Neurons whose stored membrane is another one than a timestep before; at the first timestep all."""
    firing = [s.name for s in n.body.states if s.name in n.body.firing]
    codes = [trace.codes[n.name][s] for s in firing]
    changed = np.zeros(trace.spikes[n.name].shape, bool)
    changed[:1] = True
    for c in codes:
        changed[1:] |= c[1:] != c[:-1]
    return int(changed.sum())
