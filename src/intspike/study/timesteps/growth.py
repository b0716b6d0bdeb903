"""How spikes grow with T: a start-up, and behind it a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..rows import Row
from .cells import TimestepCell

STEADY = 0.05  # how far a timestep behind the start-up may be from the mean of the last half
FEWEST = 4  # timesteps that show a line


@dataclass(frozen=True)
class Growth:
    """Spikes of a sample after t timesteps, S(t) = offset + slope t, fitted to every t >= start.

    Attributes:
        start: first timestep behind the start-up.
        timesteps: the last one.
        slope, offset: of the line, in spikes a timestep and in spikes.
        worst: largest |S(t) - line| / S(t) behind the start-up.
    """

    start: int
    timesteps: int
    slope: float
    offset: float
    worst: float


def growth(per_step: Sequence[float]) -> Growth | None:
    """The line behind the start-up of spikes at each timestep.

    The start-up ends with the first timestep from which on none differs from the mean of the last half by more than
    5 %. None: it does not end early enough to leave four timesteps, so nothing is shown to be linear.
    """
    each = np.asarray(per_step, np.float64)
    if len(each) < FEWEST:
        return None
    steady = each[len(each) // 2 :].mean()
    loud = np.flatnonzero(np.abs(each - steady) > STEADY * steady)
    start = int(loud[-1]) + 2 if len(loud) else 1
    if len(each) - start + 1 < FEWEST or not steady:
        return None
    t, total = np.arange(start, len(each) + 1), each.cumsum()[start - 1 :]
    slope, offset = np.polyfit(t, total, 1)
    worst = float(np.abs((offset + slope * t) / total - 1).max())
    return Growth(start, len(each), float(slope), float(offset), worst)


def spikes_per_step(r: Row[TimestepCell]) -> list[float]:
    """Spikes of all neurons at each timestep of a sample, a mean over seeds."""
    seeds = [np.sum(list(r.record(s)["spikes_per_step"].values()), axis=0) for s in sorted(r.done)]
    return np.mean(seeds, axis=0).tolist()
