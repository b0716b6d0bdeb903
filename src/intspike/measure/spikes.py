"""Numbers of spike trains: counts, firing rates, dead and saturated neurons, distances between firing rates.

Spikes are integers 0..D. A *count* is how often one neuron fired over all samples and timesteps, an integer, and
a *rate* is count / steps with steps = T * B, in spikes per timestep (0..D). Counts are exact, and so are the
distances that are computed from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm, prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput
from ..native import default_threads, for_each
from ..native.histogram import histogram

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ROWS = 257  # 257 * 255 is the largest sum of bytes that 16 bits hold
_LIMIT = 1 << 62
_MANY = 1 << 14  # neurons from which threads and compiled code pay


def counts(spikes: NDArray[np.generic]) -> Ints:
    """How often each neuron fired: spikes [T, B, *shape] to [N], summed over timesteps and samples.

    Raises:
        BadInput: not integers, or no axes for time and batch.
    """
    s = np.asarray(spikes)
    if s.dtype.kind not in "iub" or s.ndim < 3:
        raise BadInput(f"spikes must be integers [T, B, *shape], not {s.dtype} {list(s.shape)}")
    rows = s.reshape(s.shape[0] * s.shape[1], prod(s.shape[2:]))
    if s.dtype.itemsize > 1 or s.dtype.kind == "i":
        return rows.sum(0, dtype=np.int64)
    total = np.zeros(rows.shape[1], np.int64)
    for first in range(0, len(rows), _ROWS):  # short sums in 16 bits vectorize, long ones in 64 bits do not
        total += rows[first : first + _ROWS].sum(0, dtype=np.uint16)
    return total


def firing_rates(count: ArrayLike, steps: int) -> Reals:
    """Spikes per timestep of each neuron: count / steps, steps = T * B."""
    return _counts("counts", count) / _steps(steps)


def dead(count: ArrayLike) -> Mask:
    """Which neurons never fired. It depends on the data: state the number of samples beside it."""
    return _counts("counts", count) == 0


def saturated(count: ArrayLike, most: int) -> Mask:
    """Which neurons fired as much as they can: most = T * B * D."""
    return _counts("counts", count) >= _steps(most)


def newly_dead(before: ArrayLike, after: ArrayLike) -> Mask:
    """Which neurons never fire after a change but did before it, given both counts in the same order."""
    a, b = _paired(_counts("counts before", before), _counts("counts after", after))
    return (b == 0) & (a > 0)


def emd_exact(a: ArrayLike, b: ArrayLike, steps: int, steps_b: int | None = None) -> Fraction:
    """Earth mover's distance of two firing-rate distributions, from counts, as an exact fraction.

    The Wasserstein-1 distance: the integral of |F_a(r) - F_b(r)| over rates r, F the share of neurons with a rate
    of at most r. O(N + T * B) by histograms where both counts are of the same number of steps, sorted otherwise.

    Args:
        a, b: counts [N_a] and [N_b]; the numbers of neurons may differ.
        steps, steps_b: T * B of each (the second equals the first unless given).
    """
    given = np.asarray(a), np.asarray(b)
    steps = _steps(steps)
    steps_b = steps if steps_b is None else _steps(steps_b)
    if steps == steps_b and (found := _histograms(given, steps)):
        return _emd_of_histograms(*found, steps)
    x, y = _counts("counts a", given[0]), _counts("counts b", given[1])
    common = lcm(steps, steps_b)
    # one neuron weighs 1 / N: bring both weights to one denominator
    share = gcd(x.size, y.size)
    weights = y.size // share, x.size // share
    mass = x.size * weights[0]
    high, low = int(max(x.max(), y.max())), int(min(x.min(), y.min()))
    if steps == steps_b and mass * (high - low + 1) < _LIMIT and high - low <= 4 * (x.size + y.size) + 1024:
        a, b = (np.bincount(c - low, minlength=high - low + 1) for c in (x, y))
        return _emd_of_histograms(a, b, steps)
    kind = np.int64 if mass * (high + 1) * common < _LIMIT else object  # object: unbounded Python integers
    ends = np.concatenate([x.astype(kind) * (common // steps), y.astype(kind) * (common // steps_b)])
    steps_up = np.repeat(np.array([weights[0], -weights[1]], kind), [x.size, y.size])
    return Fraction(int(_between_curves(ends, steps_up)), mass * common)


def _histograms(given: Sequence[NDArray[Any]], steps: int) -> tuple[Ints, Ints] | None:
    """How many neurons have each count, in one pass over many counts that are not far above the steps."""
    size = sum(c.size for c in given)
    if size < _MANY or any(c.dtype.kind not in "iu" or not c.size for c in given):
        return None
    bins = min(16 * steps + 1, 1 << 16, 4 * size)
    if max(c.size for c in given) ** 2 * bins >= _LIMIT:
        return None
    found: dict[int, Ints | None] = {}

    def take(side: int) -> None:
        found[side] = histogram(given[side].reshape(-1), bins)

    for_each(take, range(2), default_threads())
    a, b = found[0], found[1]
    return None if a is None or b is None else (a, b)


def _emd_of_histograms(a: Ints, b: Ints, steps: int) -> Fraction:
    """From the numbers of neurons at each count; their sums squared, times the counts, must be below 2^62."""
    neurons = int(a.sum()), int(b.sum())
    share = gcd(*neurons)
    weights = neurons[1] // share, neurons[0] // share  # one neuron weighs 1 / N: to one denominator
    moved = int(np.abs(np.cumsum(a * weights[0] - b * weights[1])).sum())
    return Fraction(moved, neurons[0] * weights[0] * steps)


def emd_counts(a: ArrayLike, b: ArrayLike, steps: int, steps_b: int | None = None) -> float:
    """`emd_exact`, rounded once to a float: in spikes per timestep, 0 for equal distributions."""
    return float(emd_exact(a, b, steps, steps_b))


def emd(rates_a: ArrayLike, rates_b: ArrayLike) -> float:
    """Earth mover's distance of two distributions of rates [N_a], [N_b] (use `emd_counts` where counts exist)."""
    given = np.asarray(rates_a), np.asarray(rates_b)
    if given[0].size == given[1].size:
        x, y = _ordered(*given)
        distance = np.subtract(x, y, dtype=np.float64, out=x if x.dtype == np.float64 else None)
        return float(np.abs(distance, out=distance).mean())
    x, y = _rates("rates_a", given[0]), _rates("rates_b", given[1])
    steps_up = np.repeat(np.array([1 / x.size, -1 / y.size]), [x.size, y.size])
    return float(_between_curves(np.concatenate([x, y]), steps_up))


def _ordered(*given: NDArray[Any]) -> list[NDArray[Any]]:
    """Both sides' rates, sorted and checked; float32 in its own width, which orders alike in half the time."""
    made = [r if r.dtype == np.float32 else np.asarray(r, np.float64) for r in given]

    def order(side: int) -> None:
        made[side] = np.sort(made[side], axis=None)

    for_each(order, range(len(made)), default_threads() if made[0].size >= _MANY else 1)
    for what, r in zip(("rates_a", "rates_b"), made, strict=True):
        _rates(what, r[[0, -1]] if r.size else r)  # a nan is sorted last
    return made


def _between_curves(ends: NDArray[Any], steps_up: NDArray[Any]) -> Any:
    """Area between two step functions whose difference rises by steps_up at ends."""
    order = np.argsort(ends, kind="stable")
    return (np.abs(np.cumsum(steps_up[order])[:-1]) * np.diff(ends[order])).sum()


def paired_exact(a: ArrayLike, b: ArrayLike, steps: int, steps_b: int | None = None) -> Fraction:
    """Mean over neurons of |r_a - r_b|, from counts [N] of the same neurons, as an exact fraction.

    Never below the EMD, which cannot see neurons that swap their rates.
    """
    x, y = _paired(_counts("counts a", a), _counts("counts b", b))
    steps = _steps(steps)
    steps_b = steps if steps_b is None else _steps(steps_b)
    common = lcm(steps, steps_b)
    kind = np.int64 if (int(max(x.max(), y.max())) + 1) * common * x.size < _LIMIT else object
    moved = np.abs(x.astype(kind) * (common // steps) - y.astype(kind) * (common // steps_b)).sum()
    return Fraction(int(moved), x.size * common)


def paired_distance(rates_a: ArrayLike, rates_b: ArrayLike) -> float:
    """Mean over neurons of |r_a - r_b|, rates [N] of the same neurons in the same order."""
    x, y = _paired(_rates("rates_a", rates_a), _rates("rates_b", rates_b))
    return float(np.abs(x - y).mean())


def rate_correlation(rates_a: ArrayLike, rates_b: ArrayLike) -> float | None:
    """Pearson correlation of the rates [N] of the same neurons; None where all rates of one side are equal."""
    x, y = _paired(_rates("rates_a", rates_a), _rates("rates_b", rates_b))
    if x.min() == x.max() or y.min() == y.max():
        return None
    dx, dy = x - x.mean(), y - y.mean()
    scale = float(np.linalg.norm(dx) * np.linalg.norm(dy))
    return float(np.clip(float(dx @ dy) / scale, -1.0, 1.0)) if scale else None


def _steps(steps: int) -> int:
    if not isinstance(steps, (int, np.integer)) or steps < 1:
        raise BadInput(f"steps must be a whole number of timesteps times samples from 1 up, not {steps!r}")
    return int(steps)


def _counts(what: str, x: ArrayLike) -> Ints:
    c = np.asarray(x)
    if c.dtype.kind not in "iub" or not c.size or c.min() < 0:
        raise BadInput(f"{what} must be integers from 0 up, at least one, not {c.dtype} {list(c.shape)}")
    return c.reshape(-1).astype(np.int64, copy=False)


def _rates(what: str, x: ArrayLike) -> Reals:
    r = np.asarray(x, np.float64).reshape(-1)
    if not r.size or not np.isfinite(r).all():
        raise BadInput(
            f"{what} must be finite numbers, at least one, not {list(r.shape)} with nan or infinity"
        )
    return r


def _paired(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    if x.size != y.size:
        raise BadInput(f"paired neurons must be equally many in the same order, not {x.size} and {y.size}")
    return x, y
