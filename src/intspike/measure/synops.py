"""Synaptic operations: how many additions an event-driven machine would do, counted exactly.

One synaptic operation is one nonzero presynaptic value times one connection. Conventions, because every tool has
others: connections into the padding do not exist; zero weights count unless `skip_zero_weights`; biases do not
count; a layer that reads a static input alone is computed, and counted, once; pools and joins are not synapses.

Where everything a layer reads is proved to be in -1..1, an operation is an *accumulate* (add a weight or not);
otherwise, as behind uint8 pixels, spike counts above 1 or sums, it is a *multiply-accumulate*.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..engine.trace import Trace, checked_inputs
from ..errors import BadInput
from ..ir import Conv, Dense, Program, ranges
from .replay import Replay, check_trace
from .spikes import Ints, counts

_SAMPLES = 64  # replayed at a time, so that memory does not grow with the batch


@dataclass(frozen=True)
class LayerSynOps:
    """Operations of one synapse node, over all samples.

    Attributes:
        layer: its name.
        kind: "accumulate" (it reads -1, 0, 1) or "multiply-accumulate" (it reads more).
        synapses: connections of the layer, padding left out.
        events: nonzero presynaptic values.
        operations: events times the connections each of them has.
        timesteps: how often it was computed: T, or 1 where its input is static.
    """

    layer: str
    kind: Literal["accumulate", "multiply-accumulate"]
    synapses: int
    events: int
    operations: int
    timesteps: int


@dataclass(frozen=True)
class SynOps:
    """Operations of a run of T timesteps on B samples. Reports of batches add up with `+`.

    Attributes:
        layers: one entry a synapse node, in program order.
        neurons: number of neurons of each neuron node.
        samples, timesteps: B and T.
        skip_zero_weights: whether connections of weight zero were left out.
    """

    layers: tuple[LayerSynOps, ...]
    neurons: tuple[tuple[str, int], ...]
    samples: int
    timesteps: int
    skip_zero_weights: bool = False

    @property
    def accumulates(self) -> int:
        """Operations that are additions, over all samples."""
        return sum(x.operations for x in self.layers if x.kind == "accumulate")

    @property
    def multiply_accumulates(self) -> int:
        """Operations that need a multiplication, over all samples."""
        return sum(x.operations for x in self.layers if x.kind == "multiply-accumulate")

    @property
    def total(self) -> int:
        """All operations, over all samples."""
        return self.accumulates + self.multiply_accumulates

    @property
    def per_inference(self) -> float:
        """Mean operations of one sample (all its timesteps)."""
        return self.total / self.samples

    @property
    def by_layer(self) -> dict[str, float]:
        """Mean operations of one sample, by layer."""
        return {x.layer: x.operations / self.samples for x in self.layers}

    @property
    def updates(self) -> int:
        """Neuron updates of one sample: T times the number of neurons, whatever they receive."""
        return self.timesteps * sum(n for _, n in self.neurons)

    def __add__(self, other: SynOps) -> SynOps:
        mine, theirs = (
            (x.neurons, x.timesteps, x.skip_zero_weights, *((y.layer, y.kind, y.timesteps) for y in x.layers))
            for x in (self, other)
        )
        if mine != theirs:
            raise BadInput(
                "operations can be added for batches of one program, timesteps and convention only"
            )
        layers = tuple(
            replace(x, events=x.events + y.events, operations=x.operations + y.operations)
            for x, y in zip(self.layers, other.layers, strict=True)
        )
        return replace(self, layers=layers, samples=self.samples + other.samples)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for a summary: totals a sample, and each layer's."""
        layers = {
            x.layer: {k: v for k, v in asdict(x).items() if k != "layer"}
            | {"operations_per_inference": x.operations / self.samples}
            for x in self.layers
        }
        return {
            "per_inference": self.per_inference,
            "accumulates_per_inference": self.accumulates / self.samples,
            "multiply_accumulates_per_inference": self.multiply_accumulates / self.samples,
            "neuron_updates_per_inference": self.updates,
            "samples": self.samples,
            "timesteps": self.timesteps,
            "skip_zero_weights": self.skip_zero_weights,
            "layers": layers,
        }

    def __str__(self) -> str:
        width = max([len(x.layer) for x in self.layers] + [5])
        lines = [f"synaptic operations per inference ({self.samples} samples, {self.timesteps} timesteps)"]
        lines += [f"{x.layer:{width}}  {x.operations / self.samples:14,.1f}  {x.kind}" for x in self.layers]
        lines.append(f"{'total':{width}}  {self.per_inference:14,.1f}")
        lines.append(f"neuron updates per inference: {self.updates:,}")
        return "\n".join(lines)


def synops(
    program: Program, trace: Trace, inputs: NDArray[np.generic], skip_zero_weights: bool = False
) -> SynOps:
    """Count the synaptic operations of a run.

    Args:
        program: what ran.
        trace: every spike of the run; any engine's, they are equal.
        inputs: what the run read: integers [B, *shape] (static) or [T, B, *shape].
        skip_zero_weights: leave out connections of weight zero, as hardware that stores none of them does.

    Raises:
        BadInput: inputs or trace of another shape than the program's.
    """
    x = checked_inputs(program, inputs, trace.timesteps)
    steps, batch = trace.timesteps, x.shape[1]
    check_trace(program, trace, batch)
    if not batch:
        raise BadInput("operations are counted for at least one sample, but the inputs hold none")
    proved = ranges(program, steps)
    synapses = [n for n in program if isinstance(n, (Dense, Conv))]
    events = {n.name: np.int64(0) for n in synapses}
    operations = {n.name: 0 for n in synapses}
    runs = dict.fromkeys(events, steps)
    fans = {
        n.name: fan_out(n, program.shapes[n.source.source], skip_zero_weights).reshape(-1) for n in synapses
    }
    for first in range(0, batch, _SAMPLES):
        part = slice(first, first + _SAMPLES)
        replay = Replay(program, {k: v[:, part] for k, v in trace.spikes.items()}, x[:, part], steps)
        for n in synapses:
            read = replay.read(n.source)
            count = counts(read.reshape(*read.shape[:2], -1) != 0)
            events[n.name] += count.sum()
            operations[n.name] += int(count @ fans[n.name])
            runs[n.name] = len(read)

    def layer(n: Dense | Conv) -> LayerSynOps:
        r = proved[n.source.source]
        kind = "accumulate" if r.low >= -1 and r.high <= 1 else "multiply-accumulate"
        sites = int(fans[n.name].sum())
        return LayerSynOps(n.name, kind, sites, int(events[n.name]), operations[n.name], runs[n.name])

    sizes = tuple((n.name, int(np.prod(program.shapes[n.name]))) for n in program.neurons)
    return SynOps(tuple(map(layer, synapses)), sizes, batch, steps, skip_zero_weights)


def fan_out(node: Dense | Conv, shape: tuple[int, ...], skip_zero_weights: bool = False) -> Ints:
    """How many connections each presynaptic value has: integers of the shape that the node reads.

    In a convolution, value (c, y, x) meets output row o by kernel row i where y = o * stride + i - padding; rows
    and columns are independent but for the weights that are zero.
    """
    present = (node.weight != 0) if skip_zero_weights else np.ones_like(node.weight)
    if isinstance(node, Dense):
        return present.sum(0, dtype=np.int64).reshape(shape)
    (channels, h, w), (ph, pw), (sh, sw) = shape, node.padding, node.stride
    out, per_group, kh, kw = node.weight.shape
    ho, wo = (h + 2 * ph - kh) // sh + 1, (w + 2 * pw - kw) // sw + 1
    # outputs that a tap of an input channel reaches: [C_in, H_k, W_k]
    reached = present.reshape(node.groups, out // node.groups, per_group, kh, kw).sum(1, dtype=np.int64)
    reached = reached.reshape(channels, kh, kw)
    padded = np.zeros((channels, h + 2 * ph, w + 2 * pw), np.int64)
    for i in range(kh):
        for j in range(kw):
            padded[:, i : i + sh * (ho - 1) + 1 : sh, j : j + sw * (wo - 1) + 1 : sw] += reached[
                :, i, j, None, None
            ]
    return padded[:, ph : ph + h, pw : pw + w]
