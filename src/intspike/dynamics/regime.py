"""What an orbit does in the long run, as a label with a definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import BadInput
from .map import Map
from .network import IntegerNetwork
from .orbits import Orbit

Label = Literal[
    "quiescent (zero)",
    "quiescent (dead zone)",
    "active steady state",
    "limit cycle",
    "saturated",
    "unresolved within the budget",
]
LABELS: tuple[Label, ...] = (
    "quiescent (zero)", "quiescent (dead zone)", "active steady state", "limit cycle", "saturated",
    "unresolved within the budget",
)  # fmt: skip
SATURATED_RATE, SATURATED_RAILS, LONG = 0.9, 0.5, 10


@dataclass(frozen=True)
class Regime:
    """The regime of one orbit.

    Attributes:
        label: one of LABELS.
        period: p of the spikes, where they are periodic with p >= 2; else None.
        long_transient: the transient is longer than 10 times what the leak alone needs (`settling_time`).
    """

    label: Label
    period: int | None = None
    long_transient: bool = False

    def __str__(self) -> str:
        words = self.label if self.period is None else f"{self.label} P({self.period})"
        return f"{words}, long transient" if self.long_transient else words


def classify(network: Map, orbit: Orbit) -> Regime:
    """The regime of an orbit, decided in this order.

    unresolved within the budget: no state recurred. quiescent: no spike on the cycle; (zero) where the cycle is the
    state 0, (dead zone) where something stays below the threshold. saturated: at least 0.9 spikes per neuron and
    timestep, or at least half of the codes at their ends, so that the width and not the network bounds the activity.
    active steady state: the same neurons fire in every timestep. limit cycle P(p): spikes repeat after p timesteps.
    """
    if orbit.cycle is None or orbit.transient is None:
        return Regime("unresolved within the budget")
    cycle = orbit.cycle
    long = orbit.transient > LONG * settling_time(network)
    if not cycle.spikes.any():
        at_zero = cycle.period == network.phases and not cycle.state.any() and not network.driven
        return Regime("quiescent (zero)" if at_zero else "quiescent (dead zone)", None, long)
    at_ends = network.saturates and cycle.rails >= SATURATED_RAILS
    p = cycle.spike_period
    period = None if p == 1 else p
    if cycle.rate >= SATURATED_RATE or at_ends:
        return Regime("saturated", period, long)
    return Regime("limit cycle" if period else "active steady state", period, long)


def settling_time(network: Map) -> int:
    """Timesteps in which the leak alone takes every code to where it stays, at least 1."""
    return network.settling


def dead_zone(network: IntegerNetwork) -> tuple[int, int]:
    """The codes that a neuron keeps without spikes and drive: low..high, both included.

    The shift leak u - (u >> k) leaves 0..2^k - 1 as they are; without a leak everything stays. A code at or above the
    threshold fires and is not counted; that is the smallest threshold where neurons differ.

    Raises:
        BadInput: the network is driven.
    """
    if network.drive.any():
        raise BadInput("a dead zone is that of a network without drive, but this one is driven")
    below = min(network.high, int(np.min(network.threshold)) - 1)
    if network.leak is None:
        return network.low, below
    return 0, min(below, (1 << network.leak) - 1)
