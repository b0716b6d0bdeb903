"""What a run found, as numbers that sentences and tables ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...measure import Interval, paired_interval
from ..grid import Finished
from ..networks import right_of
from ..report.style import size
from ..rows import Row
from ..timesteps.cells import TimestepCell
from ..timesteps.saturation import Exit, Rows, chosen_exits, one_training
from ..timesteps.tables import Latencies, accuracy_at
from .options import CODE, README, Options


@dataclass(frozen=True)
class Findings:
    """A finished run.

    Attributes:
        options: what was asked for.
        finished: all cells.
        rows: of each network.
        latency: of each network, milliseconds by row and T.
    """

    options: Options
    finished: Sequence[Finished]
    rows: Mapping[str, Rows]
    latency: Mapping[str, Latencies]

    @property
    def times(self) -> tuple[int, ...]:
        """Each tested T."""
        return self.options.study(README).timesteps

    @property
    def at(self) -> int:
        """T at which networks are compared: the largest tested one up to 10."""
        return max((t for t in self.times if t <= 10), default=self.times[0])

    def row(self, bits: int | None, model: str = README) -> Row[TimestepCell] | None:
        """The spiking network of so many bits; None where it is not finished."""
        return next((r for r in one_training(self.rows[model]) if r.cell.bits == bits), None)

    def accuracy(self, bits: int | None, t: int, model: str = README) -> Interval | None:
        """In per cent."""
        r = self.row(bits, model)
        return None if r is None else accuracy_at(r, t)

    def change(self, bits: int, t: int, model: str = README) -> Interval | None:
        """Points of accuracy against full precision: paired by seed, or by test sample where there is one seed."""
        full, few = self.row(None, model), self.row(bits, model)
        if full is None or few is None:
            return None
        seeds = sorted(set(full.done) & set(few.done))
        if not seeds:
            return None
        pairs = [[r.record(s) for s in seeds] for r in (full, few)]
        if len(seeds) > 1:
            before, after = ([100 * x["accuracies"][str(t)] for x in records] for records in pairs)
        else:
            before, after = (
                100.0 * right_of({"right": x[0]["right"][str(t)], "n": x[0]["n"]}).astype(np.float64)
                for x in pairs
            )
        return paired_interval(list(before), list(after))

    def share(self, bits: int, model: str = README) -> float | None:
        """Packed size of the whole program, in per cent of float32."""
        r = self.row(bits, model)
        if r is None:
            return None
        packed = r.record(min(r.done))["size_bits"]
        return 100 * packed["total"] / packed["float32"]

    def exits(self) -> dict[int, Exit]:
        """Early exit of the described network by bits; in full precision there is none."""
        found = chosen_exits(self.rows[README], self.options.study(README).exit)
        names = {r.name: r.cell.bits for r in one_training(self.rows[README])}
        return {b: e for e in found if (b := names.get(e.row)) is not None}

    @property
    def tested(self) -> int:
        """Test images of a seed."""
        return max((r.tested for rows in self.rows.values() for r in rows.values() if r.done), default=0)

    @property
    def compared(self) -> int:
        """Integers that were compared between engines, of all networks."""
        return sum(
            r.compared for rows in self.rows.values() for r in rows.values() if r.cell.integer and r.done
        )


MODELS = (README, CODE)
NAMES: Mapping[str, str] = {README: "leaky, pooled spikes", CODE: "no leak, pooled currents"}


def points(i: Interval | None) -> str:
    """A change in points and its interval."""
    if i is None:
        return "–"
    ends = "" if i.low is None or i.high is None else f" [{i.low:+.2f}, {i.high:+.2f}]"
    return f"{i.value:+.2f}{ends}"


def packed(r: Row[TimestepCell]) -> str:
    """Packed size in words; of full precision, float32 of the same numbers is not known here."""
    return "–" if r.bits is None else size(r.bits)


# --- goals ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Goal:
    """What was to be reached, and what was measured.

    Attributes:
        name: short, for summary.json; text: for people.
        limit, measured: numbers; measured is None where networks are missing.
        least: whether more is better.
    """

    name: str
    text: str
    limit: float
    measured: float | None
    least: bool = False

    @property
    def reached(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.least else self.measured <= self.limit

    @property
    def verdict(self) -> str:
        return {True: "reached", False: "missed", None: "not measured"}[self.reached]


def goals(f: Findings) -> list[Goal]:
    """All of them, for the described network at the compared T."""
    best = [
        a.value for t in f.times if t <= 10 for b in (None, 8, 4, 2) if (a := f.accuracy(b, t)) is not None
    ]
    lost = {b: None if (c := f.change(b, f.at)) is None else -c.value for b in (8, 4, 2)}
    # the smallest loss of the networks that are small enough
    small = [x for b, x in lost.items() if x is not None and (f.share(b) or 100) <= 25]
    stop = f.exits().get(4)
    whole = f.accuracy(4, f.at)
    return [
        Goal("accuracy", "best accuracy at T up to 10, %", 99.2, max(best, default=None), least=True),
        Goal("loss-4", f"points lost at 4 bits, T = {f.at}", 0.2, lost[4]),
        Goal("loss-2", f"points lost at 2 bits, T = {f.at}", 0.5, lost[2]),
        Goal(
            "study-size", "the study's: points lost at 25 % of float32 or less", 1.0, min(small, default=None)
        ),
        Goal("size-4", "size at 4 bits, % of float32 (13 to the nearest)", 13.5, f.share(4)),
        Goal("size-4-loss", "points lost at that size", 0.3, lost[4]),
        Goal(
            "exit-timesteps",
            "mean timesteps of early exit, 4 bits",
            3.0,
            None if stop is None else stop.timesteps,
        ),
        Goal(
            "exit-loss",
            f"points that it loses against all {f.at} timesteps",
            0.1,
            None if stop is None or whole is None else whole.value - stop.accuracy,
        ),
    ]
