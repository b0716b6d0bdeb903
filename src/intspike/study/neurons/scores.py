"""What networks of the neuron study are judged by: accuracy, or bits per character of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...measure import Interval, mean_interval, paired_interval
from ..networks import right_of
from ..rows import Row
from .cells import NeuronCell


@dataclass(frozen=True)
class Score:
    """One measure of how well a network does.

    Attributes:
        name: in a table's column.
        unit: of a number.
        gained: what a difference is called that is positive where the second network is the better one.
        sign: 1 where more is better, -1 where less is.
        digits: that are shown.
        pairs: what is paired where there is one seed.
        key: of table.csv.
    """

    name: str
    unit: str
    gained: str
    sign: int
    digits: int
    pairs: str
    key: str

    def text(self, i: Interval | None) -> str:
        """A number and its interval."""
        if i is None:
            return "–"
        value = f"{i.value:.{self.digits}f}"
        if i.low is None or i.high is None:
            return value
        return f"{value} [{i.low:.{self.digits}f}, {i.high:.{self.digits}f}]"

    @property
    def better(self) -> str:
        return "above" if self.sign > 0 else "below"


ACCURACY = Score("accuracy, %", "%", "points gained", 1, 2, "test samples", "accuracy")
BITS = Score(
    "bits per character, less is better", "bits", "bits per character saved", -1, 3, "windows",
    "bits_per_character",
)  # fmt: skip


def score_of(cell: NeuronCell) -> Score:
    """The score of a cell's data set."""
    return BITS if cell.language else ACCURACY


def interval(r: Row[NeuronCell]) -> Interval | None:
    """Mean and 95 % interval over seeds; of one seed, that of its test samples. None: no seed is finished."""
    if score_of(r.cell) is ACCURACY or not r.done:
        return r.interval
    if len(r.done) > 1:
        return mean_interval([r.record(s)["bits_per_character"] for s in sorted(r.done)])
    one = mean_interval(r.record(min(r.done))["bits_of_windows"])
    return Interval(one.value, one.low, one.high, 1)


def gained(worse: Row[NeuronCell], better: Row[NeuronCell], seeds: Sequence[int]) -> Interval:
    """By how much the second network is better, over pairs of seeds; of one seed, of test samples."""
    score = score_of(worse.cell)
    x, y = (_values(r, seeds, score) for r in (worse, better))
    return paired_interval(x, y) if score.sign > 0 else paired_interval(y, x)


def above_full(full: Row[NeuronCell], quantized: Row[NeuronCell]) -> Interval | None:
    """Per cent of bits that a quantized network needs more than its full precision, over seeds; None: of text alone."""
    seeds = sorted(set(full.done) & set(quantized.done))
    if score_of(full.cell) is not BITS or not seeds:
        return None
    a, b = (np.array([r.record(s)["bits_per_character"] for s in seeds]) for r in (full, quantized))
    return mean_interval(list(100 * (b / a - 1)))


def _values(r: Row[NeuronCell], seeds: Sequence[int], score: Score) -> list[float]:
    records: list[dict[str, Any]] = [r.record(s) for s in seeds]
    if score is BITS:
        return [x["bits_per_character"] for x in records] if len(seeds) > 1 else records[0]["bits_of_windows"]
    if len(seeds) > 1:
        return [100 * x["accuracy"] for x in records]
    return (100.0 * right_of(records[0])).astype(np.float64).tolist()
