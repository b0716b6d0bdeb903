"""What the analyses need of a network: a deterministic map on vectors of integers, and what its neurons send."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput

Ints = NDArray[np.int64]


class Map(ABC):
    """state(t+1) = step(state(t), phase of the drive): everything that a network keeps between timesteps is its state.

    A state is [width] integers; an integer that follows from the others is `derived` and counts no states. Abstract:
    `IntegerNetwork` and `ProgramMap` are the maps there are.
    """

    # --- what it is ---------------------------------------------------------------------------------------------

    @cached_property
    @abstractmethod
    def neurons(self) -> int:
        """N, how many neurons send."""

    @cached_property
    @abstractmethod
    def phases(self) -> int:
        """P, the period of the drive; 1 where it is constant."""

    @cached_property
    @abstractmethod
    def lows(self) -> Ints:
        """The least value of every integer of a state, [width]."""

    @cached_property
    @abstractmethod
    def highs(self) -> Ints:
        """The greatest, [width]."""

    @cached_property
    @abstractmethod
    def derived(self) -> NDArray[np.bool_]:
        """Which integers follow from the others, [width]."""

    @cached_property
    @abstractmethod
    def membranes(self) -> Ints:
        """Where in a state the membrane potential of every neuron stands, [N]."""

    @cached_property
    @abstractmethod
    def driven(self) -> bool:
        """Whether the drive is anything but 0."""

    @cached_property
    @abstractmethod
    def saturates(self) -> bool:
        """Whether what leaves the codes is held at their ends."""

    @cached_property
    @abstractmethod
    def settling(self) -> int:
        """Timesteps in which the leak alone takes every code to where it stays, at least 1."""

    @abstractmethod
    def step(self, state: ArrayLike, phase: int = 0) -> Ints:
        """The state one timestep later, of states [..., width] at a phase of the drive: the definition."""

    @abstractmethod
    def spikes(self, state: ArrayLike) -> Ints:
        """What the neurons last sent, [..., N]."""

    @abstractmethod
    def completed(self, state: Ints) -> Ints:
        """States whose derived integers follow from the others."""

    # --- what follows -------------------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """How many integers a state is."""
        return len(self.lows)

    @property
    def choices(self) -> tuple[int, ...]:
        """How many values every integer of a state that is not derived can have."""
        free = ~self.derived
        return tuple(int(n) for n in (self.highs - self.lows + 1)[free])

    @property
    def size(self) -> int:
        """How many states exist, the phase of the drive included."""
        return self.phases * prod(self.choices)

    def rest(self, *batch: int) -> Ints:
        """The state of zeros, [*batch, width]."""
        return np.zeros((*batch, self.width), np.int64)

    def random_states(self, count: int, seed: int = 0) -> Ints:
        """States drawn uniformly from all there are, [count, width]."""
        low, high = self._ends or (self.lows, self.highs)
        made = np.random.default_rng(seed).integers(low, high, (count, self.width), endpoint=True)
        return self.completed(made)

    @cached_property
    def _ends(self) -> tuple[int, int] | None:
        """The least and the greatest value of every integer where all have the same."""
        low, high = int(self.lows[0]), int(self.highs[0])
        return (low, high) if (self.lows == low).all() and (self.highs == high).all() else None

    def checked(self, state: ArrayLike) -> Ints:
        """States [..., width] as int64; the array itself where it is that.

        Raises:
            BadInput: another shape, or a value that is no code.
        """
        u = integers("a state", state, copy=False)
        if u.ndim < 1 or u.shape[-1] != self.width:
            raise BadInput(f"a state must be [..., {self.width}], not {list(u.shape)}")
        ends = self._ends
        if ends is None:
            outside = bool((u < self.lows).any() or (u > self.highs).any())
        else:
            outside = int(u.min()) < ends[0] or int(u.max()) > ends[1]
        if outside:
            raise BadInput(
                f"a state must hold codes {int(self.lows.min())}..{int(self.highs.max())}, not "
                f"{int(u.min())}..{int(u.max())}"
            )
        return u

    def at_ends(self, state: Ints) -> NDArray[np.bool_]:
        """Whether membrane potentials are at an end of their codes (the low end only if it is not rest), [..., N]."""
        u, low = state[..., self.membranes], self.lows[self.membranes]
        return (u == self.highs[self.membranes]) | ((u == low) & (low < 0))

    def run(self, state: ArrayLike | None = None, steps: int = 1000, phase: int = 0) -> Run:
        """Every state and spike of the timesteps that follow, by the definition.

        Args:
            state: where it starts, [..., width]; rest where it is None.
            steps: T.
            phase: of the drive at the first timestep.
        """
        if steps < 1:
            raise BadInput(f"steps must be at least 1, not {steps}")
        u = self.rest() if state is None else self.checked(state)
        states = np.empty((steps, *u.shape), np.int64)
        for t in range(steps):
            states[t] = u = self.step(u, phase + t)
        return Run(states, self.spikes(states).astype(np.uint8))


@dataclass(frozen=True, eq=False)
class Run:
    """What the timesteps after a start left.

    Attributes:
        states: [T, ..., width] (int64); those of the start are not among them.
        spikes: [T, ..., N] (uint8).
    """

    states: Ints
    spikes: NDArray[np.uint8]


def integers(name: str, x: ArrayLike, *, copy: bool = True) -> Ints:
    """An array as int64, a copy unless it may be the array itself.

    Raises:
        BadInput: something else, or nothing.
    """
    a = np.asarray(x)
    if a.dtype.kind not in "iub" or a.size == 0:
        raise BadInput(f"{name} must be integers, at least one, not {shown(a)}")
    return a.astype(np.int64, copy=copy)


def shown(a: NDArray[Any]) -> str:
    """An array in a message: its numbers where they are few, else its shape."""
    return repr(a.tolist()) if a.size <= 4 else f"{a.dtype} {list(a.shape)}"
