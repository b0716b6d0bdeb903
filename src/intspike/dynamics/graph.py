"""Every state of a small network at once: all attractors, their basins, all transients.

A state's index has neuron 0 in its highest digits, and the phase of the drive above all: indices are in the order in
which states are compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BadInput
from ..native import default_threads
from .compiled import compiled
from .cycles import Indices, cycles_of
from .map import Ints, Map
from .words import canonical, name_of

MOST_STATES = 1 << 26
_PART = 1 << 18  # states at a time without the compiled way


@dataclass(frozen=True, eq=False)
class StateGraph:
    """The map of a network on all its M states, and what it does in the long run.

    Attributes:
        network: whose.
        successors: index of every state's successor, [M].
        labels: which attractor every state ends in, [M].
        transients: timesteps until it is there, [M].
        least: index of each attractor's least state, [K], increasing; at phase 0.
        periods: of each attractor, [K].
        basins: states that end in each, itself included, [K].
        longest: the longest transient into each, [K].
    """

    network: Map
    successors: Indices
    labels: Indices
    transients: Indices
    least: Ints
    periods: Ints
    basins: Ints
    longest: Ints

    @property
    def attractors(self) -> int:
        """K, how many cycles of states there are."""
        return len(self.periods)

    @cached_property
    def in_degrees(self) -> Ints:
        """How many states have 0, 1, 2, ... predecessors; those with none are reached by no orbit."""
        return np.bincount(np.bincount(self.successors, minlength=len(self.successors)))

    @cached_property
    def transient_counts(self) -> Ints:
        """How many states have a transient of 0, 1, 2, ... timesteps."""
        return np.bincount(self.transients)

    def cycle(self, attractor: int) -> Ints:
        """The states of an attractor, from its least one on, [period, N]."""
        return state_of(self.network, self._cycle(attractor))[0]

    def _cycle(self, attractor: int) -> Ints:
        found = [int(self.least[attractor])]
        for _ in range(int(self.periods[attractor]) - 1):
            found.append(int(self.successors[found[-1]]))
        return np.array(found, np.int64)

    @cached_property
    def observable(self) -> Ints:
        """Of each attractor, the number of what an observer of spikes sees, [K]; equal numbers look the same.

        The spikes of a cycle are compared in their smallest period and rotation. Numbers are given in the order of
        the attractors.
        """
        names: list[Any] = [None] * self.attractors
        steady = np.flatnonzero(self.periods == 1)
        if steady.size:
            sent = self.network.spikes(state_of(self.network, self.least[steady])[0])
            for k, row in zip(steady, np.packbits(sent.astype(np.uint8), axis=1), strict=True):
                names[k] = row.tobytes()
        for k in np.flatnonzero(self.periods > 1):
            word = canonical(self.network.spikes(self.cycle(int(k))).astype(np.uint8))
            names[k] = np.packbits(word[0]).tobytes() if len(word) == 1 else name_of(word)
        known: dict[Any, int] = {}
        return np.array([known.setdefault(name, len(known)) for name in names], np.int64)

    @property
    def observable_attractors(self) -> int:
        """How many attractors differ to an observer of spikes."""
        return int(self.observable.max()) + 1

    @property
    def observable_basins(self) -> Ints:
        """States that end in each observable attractor."""
        return np.bincount(self.observable, self.basins).astype(np.int64)

    def __str__(self) -> str:
        return (
            f"{len(self.successors):,} states, {self.attractors:,} state attractors, {self.observable_attractors:,} "
            f"observable, longest period {int(self.periods.max()):,}, longest transient {int(self.longest.max()):,}"
        )


def _digits(network: Map) -> tuple[Ints, Ints, Ints]:
    """Which integers of a state are free, how many values each has, and what one of each counts in an index."""
    choices = np.array(network.choices, np.int64)
    counts = np.concatenate([np.cumprod(choices[:0:-1])[::-1], [1]])
    return np.flatnonzero(~network.derived), choices, counts.astype(np.int64)


def state_of(network: Map, index: ArrayLike) -> tuple[Ints, Ints]:
    """States [..., width] and phases [...] of indices [...]."""
    at = np.asarray(index, np.int64)
    free, choices, counts = _digits(network)
    made = np.zeros((*at.shape, network.width), np.int64)
    made[..., free] = at[..., None] // counts % choices + network.lows[free]
    return network.completed(made), at // int(counts[0] * choices[0])


def index_of(network: Map, state: ArrayLike, phase: ArrayLike = 0) -> Ints:
    """Indices [...] of states [..., width] at phases of the drive."""
    free, choices, counts = _digits(network)
    codes = (network.checked(state) - network.lows)[..., free]
    return codes @ counts + np.asarray(phase, np.int64) * int(counts[0] * choices[0])


def attractors(network: Map, *, threads: int | None = None) -> StateGraph:
    """Enumerate the whole map: every attractor there is, exactly.

    Raises:
        BadInput: more than 2^26 states.
    """
    if network.size > MOST_STATES:
        raise BadInput(
            f"all states can be enumerated up to 2^26 = {MOST_STATES:,}, but this network has {counted(network)}; "
            "follow single states with orbit, or sample with basins"
        )
    following = successors(network, threads=threads)
    return StateGraph(network, following, *cycles_of(following))


def counted(network: Map) -> str:
    """How many states a network has, in words."""
    times = f"{network.phases} * " if network.phases > 1 else ""
    choices = network.choices
    if all(c & (c - 1) == 0 for c in choices):
        return f"{times}2^{sum(c.bit_length() - 1 for c in choices)} states"
    return f"about 2^{math.log2(network.size):.0f} states"


def successors(network: Map, *, threads: int | None = None) -> Indices:
    """The index of every state's successor, [M]."""
    many = default_threads() if threads is None else threads
    made = compiled(network)
    if made is not None and (whole := made.successors(many)) is not None:
        return whole
    each = network.size // network.phases
    following = np.empty(network.size, np.uint32)
    for phase in range(network.phases):
        for start in range(0, each, _PART):
            index = np.arange(start, min(each, start + _PART))
            states = state_of(network, index)[0]
            after = network.step(states, phase) if made is None else made.advance(states, 1, phase, many)
            following[phase * each + index] = index_of(network, after, (phase + 1) % network.phases)
    return following
