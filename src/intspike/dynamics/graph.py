"""Every state of a small network at once: all attractors, their basins, all transients.

A state's index has neuron 0 in its highest digits, and the phase of the drive above all: indices are in the order in
which states are compared.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput
from ..native import default_threads, load
from ..native.find import compiler
from .kernel import kernel
from .network import IntegerNetwork, Ints
from .words import canonical, name_of

MOST_STATES = 1 << 26
_INT = ctypes.c_int64
_PART = 1 << 18  # states at a time without a compiler

Indices = NDArray[np.uint32]


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

    network: IntegerNetwork
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


def state_of(network: IntegerNetwork, index: ArrayLike) -> tuple[Ints, Ints]:
    """States [..., N] and phases [...] of indices [...]."""
    at = np.asarray(index, np.int64)
    digits = network.bits * np.arange(network.neurons - 1, -1, -1)
    codes = (at[..., None] >> digits) & ((1 << network.bits) - 1)
    return codes + network.low, at >> network.bits * network.neurons


def index_of(network: IntegerNetwork, state: ArrayLike, phase: ArrayLike = 0) -> Ints:
    """Indices [...] of states [..., N] at phases of the drive."""
    digits = network.bits * np.arange(network.neurons - 1, -1, -1)
    codes = network.checked(state) - network.low
    return (codes << digits).sum(-1) + (np.asarray(phase, np.int64) << network.bits * network.neurons)


def attractors(network: IntegerNetwork, *, threads: int | None = None) -> StateGraph:
    """Enumerate the whole map: every attractor there is, exactly.

    Raises:
        BadInput: more than 2^26 states.
    """
    if network.size > MOST_STATES:
        raise BadInput(
            f"all states can be enumerated up to 2^26 = {MOST_STATES:,}, but {network.neurons} neurons of "
            f"{network.bits} bits have {_power(network)}; follow single states with orbit, or sample with basins"
        )
    following = successors(network, threads=threads)
    return StateGraph(network, following, *_cycles(following))


def _power(network: IntegerNetwork) -> str:
    times = f"{network.phases} * " if network.phases > 1 else ""
    return f"{times}2^{network.bits * network.neurons}"


def successors(network: IntegerNetwork, *, threads: int | None = None) -> Indices:
    """The index of every state's successor, [M]."""
    made = kernel(network)
    if made is not None:
        return made.successors(default_threads() if threads is None else threads)
    each = network.size // network.phases
    following = np.empty(network.size, np.uint32)
    for phase in range(network.phases):
        for start in range(0, each, _PART):
            index = np.arange(start, min(each, start + _PART))
            after = network.step(state_of(network, index)[0], phase)
            following[phase * each + index] = index_of(network, after, (phase + 1) % network.phases)
    return following


def _cycles(following: Indices) -> tuple[Indices, Indices, Ints, Ints, Ints, Ints]:
    """Labels, transients, and of each cycle its least state, period, basin and longest transient."""
    cc = compiler()
    if cc is None:
        labels, transients = by_images(following)
        count = int(labels.max()) + 1
        on = transients == 0
        least = np.full(count, len(following), np.int64)
        np.minimum.at(least, labels[on], np.flatnonzero(on))
        longest = np.zeros(count, np.int64)
        np.maximum.at(longest, labels, transients)
        basins = np.bincount(labels, minlength=count)
        return labels, transients, least, np.bincount(labels[on], minlength=count), basins, longest
    library, size = load(Path(__file__).with_name("graph.c").read_text("utf-8"), cc), len(following)
    library.strip.restype = library.cycles.restype = _INT
    labels, order, transients = (np.empty(size, np.uint32) for _ in range(3))
    at = lambda a: ctypes.c_void_p(a.ctypes.data)  # noqa: E731
    library.in_degrees(_INT(size), at(following), at(labels))
    stripped = library.strip(_INT(size), at(following), at(labels), at(order))
    count = library.cycles(_INT(size), at(following), at(labels), at(transients))
    library.climb(_INT(stripped), at(following), at(order), at(labels), at(transients))
    least, periods, basins, longest = (np.zeros(count, np.int64) for _ in range(4))
    library.describe(_INT(size), at(labels), at(transients), at(least), at(periods), at(basins), at(longest))
    return labels, transients, least, periods, basins, longest


def by_images(following: Indices) -> tuple[Indices, Indices]:
    """Labels and transients by repeated images of the whole set: plain numpy, the oracle of the compiled way."""
    after, size = following.astype(np.int64), len(following)
    inside, image = np.arange(size), np.unique(after)
    while len(image) < len(inside):
        inside, image = image, np.unique(after[image])
    least = inside.copy()  # of each cyclic state: the least state of its cycle, seen so far
    jump = after[inside]
    place = np.full(size, -1)
    place[inside] = np.arange(len(inside))
    for _ in range(max(1, len(inside).bit_length())):  # pointer doubling
        least = np.minimum(least, least[place[jump]])
        jump = jump[place[jump]]
    labels, transients = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    labels[inside] = np.unique(least, return_inverse=True)[1].reshape(-1)
    transients[inside] = 0
    while (waiting := np.flatnonzero(transients < 0)).size:
        ready = waiting[transients[after[waiting]] >= 0]
        labels[ready] = labels[after[ready]]
        transients[ready] = transients[after[ready]] + 1
    return labels.astype(np.uint32), transients.astype(np.uint32)
