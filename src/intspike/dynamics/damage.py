"""Damage spreading: one membrane potential is kicked, and what becomes of the difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput
from .compiled import advance
from .map import Ints, Map


@dataclass(frozen=True, eq=False)
class Damage:
    """Copies of an orbit, each kicked in one neuron, against the orbit itself, at timesteps 0..T.

    Attributes:
        neurons: which neuron was kicked in each copy, [K].
        kick: in LSB; downwards where upwards would leave the codes.
        differing: neurons whose membrane potential differs, mean over copies, [T + 1].
        spikes: share of neurons that send something else, mean over copies, [T + 1].
        distance: sum of |difference| in LSB, mean over copies, [T + 1].
        merged: timestep from which on a copy is the orbit itself, exactly and so for ever; -1 where it never was, [K].
    """

    neurons: Ints
    kick: int
    differing: NDArray[np.float64]
    spikes: NDArray[np.float64]
    distance: NDArray[np.float64]
    merged: Ints

    @property
    def slope(self) -> float:
        """Neurons that differ a timestep after the kick, for each that was kicked: above 1 damage grows."""
        return float(self.differing[1] / self.differing[0])

    @property
    def plateau(self) -> float:
        """Share of neurons that send something else, mean over the last quarter of the timesteps."""
        return float(self.spikes[-max(1, len(self.spikes) // 4) :].mean())

    @property
    def healed(self) -> float:
        """Share of copies that merged with the orbit."""
        return float((self.merged >= 0).mean())


def damage(
    network: Map,
    state: ArrayLike,
    *,
    kick: int = 1,
    neurons: ArrayLike | None = None,
    steps: int = 300,
    phase: int = 0,
) -> Damage:
    """Kick one neuron a copy, and follow all copies beside the orbit. On integers a difference can vanish exactly.

    Args:
        state: where the orbit is when it is kicked, [width]; for the damage of a cycle, a state of it.
        kick: in LSB (of a program: in codes). One is a larger part of the threshold at few bits: to compare widths,
            kick by the same share of theta as well.
        neurons: which are kicked; all where it is None.
        steps: T.

    Raises:
        BadInput: a kick of 0 or wider than the codes, no timesteps, or neurons that there are not.
    """
    u = network.checked(state)
    if u.ndim != 1 or steps < 1:
        raise BadInput(
            f"damage needs one state [{network.width}] and at least 1 timestep, not {list(u.shape)}"
        )
    most = int((network.highs - network.lows)[network.membranes].min()) // 2 + 1
    if not 1 <= kick <= most:
        raise BadInput(f"a kick must be in 1..{most} LSB, half of the codes, not {kick}")
    kicked = np.arange(network.neurons) if neurons is None else np.asarray(neurons, np.int64).reshape(-1)
    if not kicked.size or int(kicked.min()) < 0 or int(kicked.max()) >= network.neurons:
        raise BadInput(f"neurons must be in 0..{network.neurons - 1}, at least one, not {kicked.tolist()}")
    copies = np.tile(u, (len(kicked) + 1, 1))
    places = network.membranes[kicked]
    up = u[places] + kick <= network.highs[places]
    copies[np.arange(len(kicked)), places] += np.where(up, kick, -kick)
    copies = network.completed(copies)
    seen = np.empty((3, steps + 1))
    merged = np.full(len(kicked), -1, np.int64)
    for t in range(steps + 1):
        apart = np.abs(copies[:-1] - copies[-1])[:, network.membranes]
        sends = network.spikes(copies)
        seen[:, t] = (apart > 0).sum(1).mean(), (sends[:-1] != sends[-1]).mean(), apart.sum(1).mean()
        merged[(merged < 0) & (copies[:-1] == copies[-1]).all(1)] = t
        copies = advance(network, copies, 1, phase + t)
    return Damage(kicked, kick, seen[0], seen[1], seen[2], merged)
