"""Firing drift between networks of torch, in full precision or quantized, and their synaptic operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .. import measure
from ..data import Dataset, Split
from ..engine.trace import Trace
from ..errors import BadInput, NotLowerable, RangeExceeded
from ..ir import Program
from ..measure import Cost, Drift, HalvedCounts, SynOps, synops
from ..nn import Network, quantize
from ..quant import QuantConfig, Uniform, UniformState
from .lower import lower

Inputs = NDArray[np.generic]


def evaluated(net: Network, inputs: Inputs) -> Trace:
    """What a network does in evaluation on integers [T, B, ...]: its spikes and readout, without stored codes.

    In full precision it has none; of a quantized network `torch_trace` gives them.
    """
    static = inputs.strides[0] == 0
    x = torch.from_numpy(np.array(inputs[0] if static else inputs))
    was_training = net.training
    record = net.eval().record(x.expand(len(inputs), *x.shape) if static else x)
    net.train(was_training)
    spikes = {name: s.numpy().astype(np.uint8) for name, s in record.spikes.items()}
    readout = record.readout.numpy()  # real where an integrator in full precision makes it
    whole = net.readout is None or net.quantized
    return Trace(spikes, {}, readout.astype(np.int64) if whole else readout, len(inputs))  # type: ignore[arg-type]


def plain(net: Network) -> QuantConfig:
    """A quantization that any network takes, for counting what no integer decides."""
    last = max((g.neuron.equation.multiples[-1] for g in net.layers), default=1)
    return QuantConfig(Uniform(8, range="absmax"), UniformState(8, high=2.0 * last))


def connections(net: Network, input_shape: tuple[int, ...]) -> Program | None:
    """A program with the connections of a network, for counting operations; None where it has no integer form.

    In full precision its integers are those of a plain 8-bit quantization, which no count depends on: operations are
    spikes of the run times fan-out, and a fan-out is a matter of shapes.
    """
    try:
        return lower(net if net.quantized else quantize(net, plain(net)), input_shape=input_shape)
    except (NotLowerable, RangeExceeded):
        return None


class Side:
    """One network of a comparison: its counts and operations, added up batch by batch."""

    def __init__(self, net: Network):
        self.net = net
        self.counts = HalvedCounts()
        self.synops: SynOps | None = None
        self._program: Program | None = None

    def add(self, inputs: Inputs) -> Trace:
        """Run a batch [T, B, ...] and count it."""
        if not self.counts.samples:
            self._program = connections(self.net, tuple(inputs.shape[2:]))
        trace = evaluated(self.net, inputs)
        self.counts.add(trace)
        if self._program is not None:
            part = synops(self._program, trace, inputs)
            self.synops = part if self.synops is None else self.synops + part
        return trace

    @property
    def cost(self) -> Cost:
        """Operations so far; a network in full precision has no program to time."""
        return Cost(self.synops)


def between(
    before: Side, after: Side, second: Side | None = None, names: tuple[str, str] = ("before", "after")
) -> Drift:
    """Drift of networks that ran on the same samples."""
    return measure.drift(
        before.counts,
        after.counts,
        second=None if second is None else second.counts,
        names=names,
        spikes={g.name: g.neuron.equation.spikes for g in before.net.layers},
        cost=(before.cost, after.cost),
    )


def drift(
    before: torch.nn.Module,
    after: torch.nn.Module,
    data: Dataset | Split | Inputs | Iterable[Inputs],
    *,
    timesteps: int = 25,
    second: torch.nn.Module | None = None,
    names: tuple[str, str] = ("full precision", "quantized"),
    batch: int = 250,
    progress: Callable[[int, int], None] | None = None,
) -> Drift:
    """Firing drift of a network against another of the same architecture, both evaluated in torch.

    Rates are those of the lowered program too, spike for spike. Cost holds synaptic operations, not latency: a network
    in full precision has no program to time.

    Args:
        before, after: the networks, such as full precision and quantized.
        data: a Dataset (its test split is used) or a Split; or integers [T, B, ...], one array or an iterator of
            batches, of which one is in memory at a time.
        timesteps: T, of a Dataset or a Split.
        second: `before` trained with another seed, for the noise floor.
        names: what the networks are called.
        batch: samples at once, of a Dataset or a Split.
        progress: called with (samples done, of).

    Raises:
        BadInput: less than two samples, or networks that differ in layers or shapes.
    """
    nets = [before, after, *([] if second is None else [second])]
    sides = [Side(n if isinstance(n, Network) else Network(n)) for n in nets]
    done = 0
    for x, of in _batches(data, timesteps, batch):
        for side in sides:
            side.add(x)
        done += x.shape[1]
        if progress is not None:
            progress(done, of or done)
    return between(sides[0], sides[1], sides[2] if second is not None else None, names)


def _batches(data: Any, timesteps: int, batch: int) -> Iterator[tuple[Inputs, int]]:
    """Inputs [T, B, ...] one batch after the other, each with the number of all samples (0: not known)."""
    if isinstance(data, Dataset):
        data = data.test
    if isinstance(data, Split):
        for at in range(0, len(data), batch):
            yield data.batch(np.arange(at, min(at + batch, len(data))), timesteps), len(data)
        return
    given: Iterable[Any] = [data] if isinstance(data, np.ndarray) else data
    for x in given:
        if not isinstance(x, np.ndarray) or x.ndim < 3:
            what = list(x.shape) if isinstance(x, np.ndarray) else type(x).__name__
            raise BadInput(f"drift must see arrays of integers [T, B, ...], not {what}")
        yield x, 0
