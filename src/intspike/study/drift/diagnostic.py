"""Which measure of drift tells of lost accuracy: rank correlations over all networks of the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ...measure import Interval
from ..rows import Row
from .cells import DriftCell
from .claims import accuracy, pooled

Reals = NDArray[np.float64]
RESAMPLES = 2000
MEASURES: Mapping[str, str] = {"emd": "EMD", "paired_distance": "paired distance", "newly_dead": "newly dead"}


@dataclass(frozen=True)
class Diagnostic:
    """How well measures of drift rank networks by the accuracy that they lost.

    Attributes:
        group: which networks.
        networks: how many, of all seeds.
        correlation: Spearman's, of each measure with the accuracy lost.
        better: that of the paired distance minus that of the EMD.

    Intervals are percentiles over resampled rows, with all seeds of a row together: its seeds are no new networks.
    """

    group: str
    networks: int
    correlation: Mapping[str, Interval]
    better: Interval


def diagnostics(rows: Mapping[str, Row[DriftCell]]) -> list[Diagnostic]:
    """Of trained networks, of calibrated ones and of all."""
    full = next((r for r in rows.values() if r.cell.scheme == "fp"), None)
    if full is None:
        return []
    made: list[Diagnostic] = []
    for group, schemes in (("QAT", ("qat",)), ("PTQ", ("ptq",)), ("all", ("qat", "ptq"))):
        points = [_points(r, full) for r in rows.values() if r.cell.scheme in schemes]
        points = [p for p in points if len(p)]
        if len(points) >= 4:
            made.append(_diagnostic(group, points))
    return made


def _points(row: Row[DriftCell], full: Row[DriftCell]) -> Reals:
    """Accuracy lost, then each measure, of every seed: [seeds, 1 + measures]."""
    seeds = sorted(set(row.done) & set(full.done))
    lines = [[accuracy(full, s) - accuracy(row, s), *(pooled(m)(row, s) for m in MEASURES)] for s in seeds]
    return np.array(lines, np.float64).reshape(len(lines), 1 + len(MEASURES))


def _diagnostic(group: str, points: Sequence[Reals]) -> Diagnostic:
    random = np.random.default_rng(0)
    every = np.concatenate(points)
    resampled = [
        _spearman(np.concatenate([points[k] for k in random.integers(0, len(points), len(points))]))
        for _ in range(RESAMPLES)
    ]
    found, spread = _spearman(every), np.array(resampled)
    names = list(MEASURES)
    correlation = {m: _interval(found[k], spread[:, k], len(every)) for k, m in enumerate(names)}
    emd, paired = names.index("emd"), names.index("paired_distance")
    better = _interval(found[paired] - found[emd], spread[:, paired] - spread[:, emd], len(every))
    return Diagnostic(group, len(every), correlation, better)


def _spearman(points: Reals) -> Reals:
    """Rank correlation of the first column with each other one; 0 where one side is constant."""
    ranks = rankdata(points, axis=0)
    ranks -= ranks.mean(0)
    size = np.sqrt((ranks**2).sum(0))
    product = size[0] * size[1:]
    return np.where(product > 0, ranks[:, 0] @ ranks[:, 1:] / np.where(product > 0, product, 1.0), 0.0)


def _interval(value: float, spread: Reals, n: int) -> Interval:
    low, high = np.percentile(spread, [2.5, 97.5])
    return Interval(float(value), float(low), float(high), n)
