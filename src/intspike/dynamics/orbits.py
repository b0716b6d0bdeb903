"""One orbit, exactly: how long its transient is, which cycle it ends in, what that cycle sends."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput
from .compiled import Compiled, compiled
from .map import Ints, Map
from .words import canonical, name_of

MOST_WORD = 1 << 27  # spikes of a cycle that are looked at together


@dataclass(frozen=True, eq=False)
class Cycle:
    """The states that an orbit returns to.

    Attributes:
        period: lambda, timesteps until the whole state recurs, the phase of the drive included.
        state: its least state at phase 0, compared integer by integer, [width].
        id: stands for that state; equal for orbits of one network that end in the same cycle.
        spikes: what it sends from there on, [period, N] (uint8).
        rails: share of its codes at an end of the codes (the low end only where it is not rest).
    """

    period: int
    state: Ints
    id: str
    spikes: NDArray[np.uint8]
    rails: float

    @property
    def rate(self) -> float:
        """Spikes per neuron and timestep."""
        return float(self.spikes.mean())

    @property
    def active(self) -> int:
        """How many neurons fire at all."""
        return int(self.spikes.any(0).sum())

    @property
    def word(self) -> NDArray[np.uint8]:
        """The spikes in their own smallest period and rotation, [p, N]: what an observer of spikes sees."""
        return canonical(self.spikes)  # type: ignore[return-value]

    @property
    def spike_period(self) -> int:
        """p, which divides the period of the states and can be smaller."""
        return self._seen[0]

    @property
    def observable(self) -> str:
        """Stands for the word: equal for cycles that send the same, wherever one begins to look."""
        return self._seen[1]

    @cached_property
    def _seen(self) -> tuple[int, str]:
        """Period and name of the word, which are asked for often; the word itself may be large."""
        word = self.word
        return len(word), name_of(word)


@dataclass(frozen=True, eq=False)
class Orbit:
    """Where a state goes.

    Attributes:
        budget: an orbit is resolved where its transient and one period fit so many timesteps.
        transient: mu, timesteps before the first state of the cycle; None where it is not resolved.
        cycle: None where it is not resolved.
    """

    budget: int
    transient: int | None = None
    cycle: Cycle | None = None

    @property
    def resolved(self) -> bool:
        return self.cycle is not None


def orbit(network: Map, state: ArrayLike | None = None, budget: int = 100_000, phase: int = 0) -> Orbit:
    """Follow a state until it recurs.

    Args:
        state: [width]; rest where it is None.
        budget: the longest transient and period together that are resolved, in timesteps; about three times as many
            are run at most.
        phase: of the drive at the first timestep.

    Raises:
        BadInput: a state that is none, or a budget below 1.

    Source: Brent, BIT 20 (1980): the period by a state that waits at powers of two, then the transient by two states
    one period apart. It holds three states at a time, and compares whole states, not hashes of them.
    """
    u = network.rest() if state is None else network.checked(state)
    if u.ndim != 1:
        raise BadInput(f"an orbit starts from one state [{network.width}], not {list(u.shape)}")
    if not isinstance(budget, int) or budget < 1:
        raise BadInput(f"a budget must be at least 1 timestep, not {budget!r}")
    phase %= network.phases
    made = compiled(network)
    walker = _Compiled(made) if made is not None else _Plain(network)
    period = walker.period(u, phase, budget)
    if period is None:
        return Orbit(budget)
    transient, first = walker.transient(u, phase, period, budget - period)
    if transient is None:
        return Orbit(budget)
    if period * network.neurons > MOST_WORD:
        raise BadInput(
            f"the spikes of a cycle must be at most {MOST_WORD:,} neuron timesteps, but its period is {period:,}; "
            "use a smaller budget"
        )
    least = walker.least(first, (phase + transient) % network.phases, period)
    spikes, rails = walker.sent(least, period)
    return Orbit(budget, transient, Cycle(period, least, name_of(least), spikes, rails / spikes.size))


def raster(network: Map, state: ArrayLike | None = None, steps: int = 1000) -> NDArray[np.uint8]:
    """The spikes of a state and those that follow, [T, N], from phase 0 of the drive on."""
    u = network.rest() if state is None else network.checked(state)
    if u.ndim != 1 or steps < 1:
        raise BadInput(
            f"a raster is of one state [{network.width}] and at least 1 timestep, not {list(u.shape)} and {steps}"
        )
    made = compiled(network)
    return (_Compiled(made) if made is not None else _Plain(network)).sent(u, steps)[0]


class _Compiled:
    """Steps of compiled code, in portions, so that Ctrl-C is heard."""

    def __init__(self, made: Compiled):
        self.made, self.network = made, made.network

    def period(self, u: Ints, phase: int, budget: int) -> int | None:
        buffers = self.made.buffers(u, u)
        at = np.array([1, 0, phase, phase], np.int64)
        while True:
            left = _left(int(at[0]), int(at[1]), budget)
            found = self.made.library.brent(
                self.made.net, ctypes.c_void_p(buffers.ctypes.data), ctypes.c_void_p(at.ctypes.data),
                ctypes.c_int64(min(left, self.made.chunk)),
            )  # fmt: skip
            if found:
                return int(at[1])
            if left <= self.made.chunk:
                return None

    def _follow(
        self, buffers: NDArray[np.generic], phase: int, steps: int, words: NDArray[np.uint8] | None = None,
        least: NDArray[np.generic] | None = None, seen: int = 0, rails: NDArray[np.int64] | None = None,
    ) -> int:  # fmt: skip
        pointers = [ctypes.c_void_p(None if a is None else a.ctypes.data) for a in (words, least, rails)]
        return self.made.library.follow(
            self.made.net, ctypes.c_void_p(buffers.ctypes.data), ctypes.c_int64(phase), ctypes.c_int64(steps),
            pointers[0], pointers[1], ctypes.c_int32(seen), pointers[2],
        )  # fmt: skip

    def transient(self, u: Ints, phase: int, period: int, most: int) -> tuple[int | None, Ints]:
        ahead = self.made.buffers(u)
        for begun in range(0, period, self.made.chunk):
            self._follow(ahead, (phase + begun) % self.network.phases, min(self.made.chunk, period - begun))
        buffers = self.made.buffers(u, ahead[0, : len(u)].astype(np.int64))
        done = 0
        while done <= most:
            portion = min(self.made.chunk, most - done)
            met = self.made.library.meet(
                self.made.net, ctypes.c_void_p(buffers.ctypes.data),
                ctypes.c_int64((phase + done) % self.network.phases), ctypes.c_int64(portion),
            )  # fmt: skip
            if met >= 0:
                return done + int(met), buffers[0, : len(u)].astype(np.int64)
            done += portion + 1  # both stand one timestep behind the last comparison
        return None, u

    def least(self, first: Ints, phase: int, period: int) -> Ints:
        buffers = self.made.buffers(first)
        least, seen = buffers[0, : len(first)].copy(), 0
        for begun in range(0, period, self.made.chunk):
            at = (phase + begun) % self.network.phases
            seen = self._follow(buffers, at, min(self.made.chunk, period - begun), least=least, seen=seen)
        return least.astype(np.int64)

    def sent(self, first: Ints, period: int) -> tuple[NDArray[np.uint8], int]:
        words, rails = np.empty((period, self.network.neurons), np.uint8), np.zeros(1, np.int64)
        buffers = self.made.buffers(first)
        for begun in range(0, period, self.made.chunk):
            count = min(self.made.chunk, period - begun)
            at = begun % self.network.phases
            self._follow(buffers, at, count, words[begun : begun + count], rails=rails)
        return words, int(rails[0])


def _left(power: int, since: int, budget: int) -> int:
    """Timesteps until Brent's search may give up: a cycle within the budget is found from the first power that is not
    below it, and one period later."""
    left, last = power - since, power
    while last < budget:
        last *= 2
        left += last
    return left


class _Plain:
    """The same by the definition, without a compiler."""

    def __init__(self, network: Map):
        self.network = network

    def period(self, u: Ints, phase: int, budget: int) -> int | None:
        waits, moves, at_waits, at = u, u, phase, phase
        power, since, left = 1, 0, _left(1, 0, budget)
        for _ in range(left):
            if power == since:
                waits, at_waits, power, since = moves, at, 2 * power, 0
            moves, at, since = self.network.step(moves, at), (at + 1) % self.network.phases, since + 1
            if at == at_waits and (waits == moves).all():
                return since
        return None

    def transient(self, u: Ints, phase: int, period: int, most: int) -> tuple[int | None, Ints]:
        ahead = u
        for t in range(period):
            ahead = self.network.step(ahead, phase + t)
        for t in range(most + 1):
            if (u == ahead).all():
                return t, u
            u, ahead = self.network.step(u, phase + t), self.network.step(ahead, phase + t)
        return None, u

    def _states(self, first: Ints, phase: int, period: int) -> Ints:
        return np.concatenate([first[None], self.network.run(first, period, phase).states[:-1]])

    def least(self, first: Ints, phase: int, period: int) -> Ints:
        states = self._states(first, phase, period)
        at_start = states[(np.arange(period) + phase) % self.network.phases == 0]
        return np.array(min(map(tuple, at_start.tolist())), np.int64)

    def sent(self, first: Ints, period: int) -> tuple[NDArray[np.uint8], int]:
        states = self._states(first, 0, period)
        return self.network.spikes(states).astype(np.uint8), int(self.network.at_ends(states).sum())
