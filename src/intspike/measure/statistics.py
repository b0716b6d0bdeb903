"""Intervals for reported numbers: of an accuracy, of a mean over seeds, of a paired difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from ..errors import BadInput


@dataclass(frozen=True)
class Interval:
    """A value and the interval that holds the true one in `confidence` of all repetitions.

    Attributes:
        value: the estimate.
        low, high: ends of the interval; None where one number says nothing about its spread.
        n: how many samples or seeds it rests on.
        confidence: 0.95 unless said otherwise.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    confidence: float = 0.95

    def within(self, least: float, most: float) -> Interval:
        """The same interval without what cannot be, such as an accuracy above 100 %."""
        clip = lambda x: None if x is None else min(max(x, least), most)  # noqa: E731
        return replace(self, low=clip(self.low), high=clip(self.high))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for a summary."""
        return asdict(self)


def wilson(correct: int, n: int, confidence: float = 0.95) -> Interval:
    """An accuracy and its Wilson score interval, all in 0..1.

    low, high = (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n). Unlike p -+ z sqrt(p(1-p)/n) it stays
    inside 0..1 and is not empty at 0 % or 100 %. Source: Wilson, J. Am. Stat. Assoc. 22 (1927).

    Raises:
        BadInput: not 0 <= correct <= n, or n < 1.
    """
    if n < 1 or not 0 <= correct <= n:
        raise BadInput(f"correct answers must be in 0..n of n >= 1, not {correct} of {n}")
    z = NormalDist().inv_cdf(0.5 + _confidence(confidence) / 2)
    p, q = correct / n, (n - correct) / n
    middle = p + z * z / (2 * n)
    half = z * math.sqrt(p * q / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # 0 of n and n of n are exact ends, which rounding must not miss
    low = 0.0 if correct == 0 else (middle - half) / scale
    high = 1.0 if correct == n else (middle + half) / scale
    return Interval(p, low, high, n, confidence)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The mean of independent runs (seeds) and its Student t interval: mean -+ t(n - 1) * s / sqrt(n).

    With one run there is no spread to see, and low and high are None.
    """
    x = np.asarray(values, np.float64)
    _confidence(confidence)
    if x.ndim != 1 or not x.size or not np.isfinite(x).all():
        raise BadInput(f"values must be finite numbers, at least one, not {values!r}")
    mean = float(x.mean())
    if x.size == 1:
        return Interval(mean, None, None, 1, confidence)
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    half = float(stdtrit(x.size - 1, 0.5 + confidence / 2)) * float(x.std(ddof=1)) / math.sqrt(x.size)
    return Interval(mean, mean - half, mean + half, x.size, confidence)


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The median and its distribution-free interval, two order statistics.

    The l-th smallest and the l-th largest, l the largest for which at most (1 - confidence) / 2 of Binomial(n, 1/2)
    lies below; None where n is too small. A value may be infinite: what was censored lies above all others.
    """
    x = np.sort(np.asarray(values, np.float64))
    if x.ndim != 1 or not x.size or np.isnan(x).any():
        raise BadInput(f"values must be numbers, at least one, not {values!r}")
    n, tail, below = x.size, (1 - _confidence(confidence)) / 2, 0.0
    rank = 0
    while rank < n and (below := below + math.comb(n, rank) * 0.5**n) <= tail:
        rank += 1
    a, b = float(x[(n - 1) // 2]), float(x[n // 2])
    middle = a if a == b else (a + b) / 2
    return Interval(
        middle, *((float(x[rank - 1]), float(x[n - rank])) if rank else (None, None)), n, confidence
    )


def paired_interval(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> Interval:
    """The mean of b - a over pairs (the same seed, or the same image) and its t interval.

    Pairing removes what both have in common, so it resolves smaller differences than two separate intervals.
    """
    if len(a) != len(b):
        raise BadInput(f"pairs must be equally many on both sides, not {len(a)} and {len(b)}")
    return mean_interval(list(np.asarray(b, np.float64) - np.asarray(a, np.float64)), confidence)


def _confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise BadInput(f"confidence must lie between 0 and 1, not {confidence!r}; the usual one is 0.95")
    return confidence
