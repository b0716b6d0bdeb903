"""Earth mover's distance of a million spike counts, or firing rates, against scipy."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy.stats import wasserstein_distance

from intspike import measure as measures

from .harness import Result, Tell, Times, interleave

NEURONS, TIMESTEPS = 1_000_000, 25


def measure(name: str, rounds: int, tell: Tell) -> list[Result]:
    return [counts(rounds, tell) if name == "emd-counts" else rates(rounds, tell)]


def counts(rounds: int, tell: Tell) -> Result:
    r = np.random.default_rng(0)
    a, b = (r.binomial(TIMESTEPS, p, NEURONS).astype(np.uint8) for p in (0.2, 0.22))
    times = interleave(
        {
            "intspike": lambda: measures.emd_counts(a, b, TIMESTEPS),
            "scipy": lambda: wasserstein_distance(a, b),
        },
        rounds,
        tell,
        calls=3,
    )
    # equally many on both sides: sorted, the i-th smallest moves to the i-th smallest
    moved = int(np.abs(np.sort(a).astype(np.int64) - np.sort(b)).sum())
    exact = Fraction(moved, NEURONS * TIMESTEPS)
    equal = measures.emd_exact(a, b, TIMESTEPS) == exact
    equal = equal and measures.emd_counts(a, b, TIMESTEPS) == float(exact)
    return result(times, equal, f"the fraction {exact} by sorting")


def rates(rounds: int, tell: Tell) -> Result:
    r = np.random.default_rng(0)
    a, b = (r.beta(2, k, NEURONS).astype(np.float32) for k in (8, 9))
    times = interleave(
        {"intspike": lambda: measures.emd(a, b), "scipy": lambda: wasserstein_distance(a, b)},
        rounds,
        tell,
        calls=3,
    )
    ours, theirs = measures.emd(a, b), float(wasserstein_distance(a, b))
    equal = abs(ours - theirs) <= 1e-12 * abs(theirs)
    return result(times, equal, "scipy within 1e-12 of the value (floating sums)")


def result(times: dict[str, Times], equal: bool, compared: str) -> Result:
    return Result("scipy", times["intspike"], times["scipy"], equal, compared)
