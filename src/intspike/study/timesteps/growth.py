"""How spikes grow with T: a start-up, and behind it a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..rows import Row
from .cells import TimestepCell

TREND = 0.1  # by how much of their mean spikes a timestep may rise or fall behind the start-up
WORST = 0.05  # how far their sum may be from its line, of all spikes
FEWEST = 4  # timesteps that show a line


@dataclass(frozen=True)
class Growth:
    """Spikes of a sample after t timesteps, S(t) = offset + slope t, fitted to every t >= start.

    Attributes:
        start: first timestep behind the start-up.
        timesteps: the last one.
        slope, offset: of the line, in spikes a timestep and in spikes.
        worst: largest |S(t) - line| / S(T) behind the start-up.
    """

    start: int
    timesteps: int
    slope: float
    offset: float
    worst: float


def growth(per_step: Sequence[float]) -> Growth | None:
    """The line behind the start-up of spikes at each timestep.

    The start-up ends where, over the rest, at least half of all timesteps, spikes a timestep neither rise nor fall by
    more than 10 % of their mean (they may alternate, as neurons under a constant input do) and their sum stays within
    5 % of all spikes of its line. None: there is no such timestep, so nothing is shown to be linear.
    """
    each = np.asarray(per_step, np.float64)
    count = len(each)
    for start in range(1, count - max(FEWEST, (count + 1) // 2) + 2):
        t, now, total = np.arange(start, count + 1), each[start - 1 :], each.cumsum()[start - 1 :]
        if not now.any():
            return None
        trend = float(np.polyfit(t, now, 1)[0]) * (count - start)
        slope, offset = (float(x) for x in np.polyfit(t, total, 1))
        worst = float(np.abs(offset + slope * t - total).max() / total[-1])
        if abs(trend) <= TREND * now.mean() and worst <= WORST:
            return Growth(start, count, slope, offset, worst)
    return None


def spikes_per_step(r: Row[TimestepCell]) -> list[float]:
    """Spikes of all neurons at each timestep of a sample, a mean over seeds."""
    seeds = [np.sum(list(r.record(s)["spikes_per_step"].values()), axis=0) for s in sorted(r.done)]
    return np.mean(seeds, axis=0).tolist()
