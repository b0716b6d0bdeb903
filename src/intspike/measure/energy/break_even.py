"""At which firing rate a spiking network stops paying, under one table, and where the literature puts it.

The energy of a spiking network is F + V: V falls with its spikes (events, weights, additions and sums behind neurons),
F does not (neuron updates, the input, pools). With s times as many spikes everywhere it costs as much as a rival of
energy A where

    s = (A - F) / V

and a network of r spikes per neuron and timestep breaks even at s r. Where F alone exceeds A it never pays.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from ...ir import Program
from ..synops import SynOps
from .events import input_side
from .price import Energy
from .span import Span


@dataclass(frozen=True)
class Limit:
    """A break-even of the literature: the network pays below it.

    Attributes:
        name: short, of the source.
        quantity: "spikes per synapse" (of an inference) or "spikes per neuron and timestep".
        low, high: where it lies, by the rival's hardware.
        says: what was compared.
        source: where it is from.
    """

    name: str
    quantity: str
    low: float
    high: float
    says: str
    source: str

    def verdict(self, measured: float) -> str:
        """Whether a measured number lies below, within or above."""
        return "below" if measured < self.low else "above" if measured > self.high else "within"


LITERATURE = (
    Limit(
        "Dampfhoffer 2023", "spikes per synapse", 0.15, 1.38,
        "integrate-and-fire against an ANN, by how well the ANN reuses its data and skips zeros",
        "Dampfhoffer et al., IEEE Trans. Emerg. Top. Comput. Intell. 7(3), 2023",
    ),
    Limit(
        "Yan 2024", "spikes per neuron and timestep", 0.057, 0.064,
        "T = 5 (5.7 %), T = 5 to 10 (6.4 %), against an ANN of ceil(log2(T + 1)) bits on neuromorphic hardware",
        "Yan et al., arXiv 2409.08290, versions 4 and 3",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Activity:
    """How much a network fires.

    Attributes:
        per_neuron: spikes per neuron and timestep.
        per_synapse: spikes that a synapse behind neurons carries in one inference, a mean.
        spikes: of one inference.
    """

    per_neuron: float
    per_synapse: float
    spikes: float


def activity(program: Program, spikes: int, operations: SynOps) -> Activity:
    """Firing of a run: all its spikes, and its synaptic operations."""
    neurons = sum(prod(program.shapes[n.name]) for n in program.neurons)
    side = input_side(program)
    behind = [x for x in operations.layers if x.layer not in side]
    synapses = operations.samples * sum(x.synapses for x in behind)
    carried = sum(x.operations for x in behind)
    return Activity(
        spikes / (operations.samples * neurons * operations.timesteps) if neurons else 0.0,
        carried / synapses if synapses else 0.0,
        spikes / operations.samples,
    )


@dataclass(frozen=True)
class BreakEven:
    """Where a network costs as much as a rival.

    Attributes:
        factor: how many times as many spikes it may send: value, and the interval that the coefficients leave. A
            negative one means that it costs more without a single spike; None that spikes cost nothing here.
    """

    factor: tuple[Fraction, Fraction, Fraction] | None

    @property
    def value(self) -> float | None:
        return None if self.factor is None else float(self.factor[1])

    def rate(self, measured: float) -> tuple[float, float, float] | None:
        """The break-even of a measured rate, (low, value, high); 0 where it never pays."""
        if self.factor is None:
            return None
        low, value, high = (max(0.0, float(f)) * measured for f in self.factor)
        return low, value, high

    def to_dict(self) -> dict[str, Any]:
        names = ("low", "value", "high")
        return {} if self.factor is None else {k: float(v) for k, v in zip(names, self.factor, strict=True)}


def break_even(spiking: Energy, rival: Energy) -> BreakEven:
    """The factor of spikes at which a network costs as much as a rival, both priced by one table."""
    share, other = Fraction(1, spiking.samples), Fraction(1, rival.samples)
    driven, total, against = spiking.driven * share, spiking.total * share, rival.total * other
    fixed = Span(total.low - driven.low, total.value - driven.value, total.high - driven.high)
    if not driven.low:
        return BreakEven(None)
    value = (against.value - fixed.value) / driven.value
    # the coefficients are the same on both sides: all at their low ends, or all at their high ends
    ends = [(against.low - fixed.low) / driven.low, (against.high - fixed.high) / driven.high, value]
    return BreakEven((min(ends), value, max(ends)))
