"""Events with times to frames of counts: bins of time, a coarser sensor, counts clipped to the codes wanted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput

Ints = NDArray[np.integer]


@dataclass(frozen=True)
class Bins:
    """How events become frames.

        x_t[k] = min(high, number of events of unit k with t dt <= time < (t + 1) dt),    0 <= t < T

    Attributes:
        dt: microseconds of a timestep.
        timesteps: T, how many are kept; later events are left out.
        high: the largest count kept: 1 gives spikes, 255 is the most that a byte holds.
    """

    dt: int
    timesteps: int
    high: int = 1

    def __post_init__(self):
        for name, value, most in (
            ("dt", self.dt, 1 << 40),
            ("timesteps", self.timesteps, 1 << 20),
            ("high", self.high, 255),
        ):
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise BadInput(
                    f"{name} must be a whole number from 1 to {most}, but is {value!r}; give one of these"
                )

    def frames(self, times: Ints, units: Ints, size: int) -> NDArray[np.uint8]:
        """Frames [T, size] of events, in any order.

        Args:
            times: [E], microseconds from the beginning of the sample; what lies before it is left out.
            units: [E], which of `size` inputs saw each event.
        """
        times, units = np.asarray(times, np.int64), np.asarray(units, np.int64)
        if times.ndim != 1 or times.shape != units.shape:
            raise BadInput(
                f"events must have one time and one unit each, not {list(times.shape)} and {list(units.shape)}"
            )
        if units.size and not (units.min() >= 0 and units.max() < size):
            raise BadInput(f"units must be in 0..{size - 1}, not {units.min()}..{units.max()}")
        kept = (times >= 0) & (times < self.timesteps * self.dt)
        at = times[kept] // self.dt * size + units[kept]
        counts = np.bincount(at, minlength=self.timesteps * size)
        return np.minimum(counts, self.high).astype(np.uint8).reshape(self.timesteps, size)


@dataclass(frozen=True)
class Sensor:
    """An event camera and the coarser grid that its events are counted on.

    Pixel (x, y) of the sensor falls into (x * columns // width, y * rows // height): every pixel into one, none lost.

    Attributes:
        width, height: of the sensor, pixels.
        columns, rows: of the frames [2, rows, columns], one channel a polarity.
    """

    width: int
    height: int
    columns: int
    rows: int

    def __post_init__(self):
        if not (1 <= self.columns <= self.width and 1 <= self.rows <= self.height):
            raise BadInput(
                f"frames must have 1..{self.height} rows and 1..{self.width} columns, as the sensor at most, not "
                f"{self.rows} and {self.columns}"
            )

    @property
    def frame(self) -> tuple[int, int, int]:
        """Shape of a frame: (2, rows, columns)."""
        return 2, self.rows, self.columns

    def frames(self, times: Ints, x: Ints, y: Ints, polarity: Ints, bins: Bins) -> NDArray[np.uint8]:
        """Frames [T, 2, rows, columns] of events (time, x, y, polarity 0 or 1)."""
        x, y, polarity = (np.asarray(a, np.int64) for a in (x, y, polarity))
        for name, value, most in (("x", x, self.width), ("y", y, self.height), ("polarity", polarity, 2)):
            if value.size and not (value.min() >= 0 and value.max() < most):
                raise BadInput(f"{name} of events must be in 0..{most - 1}, not {value.min()}..{value.max()}")
        column, row = x * self.columns // self.width, y * self.rows // self.height
        units = (polarity * self.rows + row) * self.columns + column
        return bins.frames(times, units, 2 * self.rows * self.columns).reshape(bins.timesteps, *self.frame)
