"""Counts, rates and distances: exact, against slow definitions and scipy."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import pearsonr, wasserstein_distance

from intspike.errors import BadInput
from intspike.measure import (
    counts,
    dead,
    emd,
    emd_counts,
    emd_exact,
    firing_rates,
    newly_dead,
    paired_distance,
    paired_exact,
    rate_correlation,
    saturated,
    spikes,
)
from intspike.native import compiler
from intspike.native.histogram import histogram

STEPS = st.integers(1, 60)


def some_counts(most: int = 60):
    return st.lists(st.integers(0, most), min_size=1, max_size=30).map(lambda x: np.array(x, np.int64))


def slow_emd(a, b, steps_a: int, steps_b: int) -> Fraction:
    """The definition: the integral of |F_a - F_b|, interval by interval, in fractions."""
    x, y = [Fraction(int(v), steps_a) for v in a], [Fraction(int(v), steps_b) for v in b]
    ends = sorted({*x, *y})
    total = Fraction(0)
    for low, high in itertools.pairwise(ends):
        share = Fraction(sum(v <= low for v in x), len(x)) - Fraction(sum(v <= low for v in y), len(y))
        total += abs(share) * (high - low)
    return total


# ---------------------------------------------------------------- counts


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.bool_, np.int8, np.uint16, np.int64]),
        st.tuples(st.integers(0, 9), st.integers(1, 40), st.integers(1, 3), st.integers(1, 2)),
        elements=st.integers(0, 1),
    )
)
def test_counts_are_plain_sums(spikes):
    expected = spikes.astype(np.int64).sum((0, 1)).reshape(-1)
    found = counts(spikes)
    assert found.dtype == np.int64
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("rows", [1, 256, 257, 258, 514, 1000])
def test_counts_do_not_overflow_narrow_sums(rows):
    assert counts(np.full((rows, 3, 2), 255, np.uint8)).tolist() == [rows * 3 * 255] * 2


@pytest.mark.parametrize("wrong", [np.zeros((2, 3, 4)), np.zeros((2, 3), np.uint8)])
def test_counts_refuse_reals_and_missing_axes(wrong):
    with pytest.raises(BadInput, match=r"spikes must be integers \[T, B, \*shape\]"):
        counts(wrong)


def test_dead_newly_dead_and_saturated():
    before, after = np.array([0, 3, 10, 9]), np.array([0, 0, 10, 10])
    assert dead(after).tolist() == [True, True, False, False]
    assert newly_dead(before, after).tolist() == [False, True, False, False]
    assert saturated(after, 10).tolist() == [False, False, True, True]
    assert firing_rates(before, 10).tolist() == [0, 0.3, 1, 0.9]


# ---------------------------------------------------------------- earth mover's distance


@given(some_counts(), some_counts(), STEPS)
def test_emd_is_exact_with_equal_steps(a, b, steps):
    assert emd_exact(a, b, steps) == slow_emd(a, b, steps, steps)


@given(some_counts(), some_counts(), STEPS, STEPS)
def test_emd_is_exact_with_different_steps(a, b, steps, other):
    assert emd_exact(a, b, steps, other) == slow_emd(a, b, steps, other)


@given(some_counts(10**9), some_counts(10**9), STEPS)
def test_sparse_histograms_are_sorted_instead(a, b, steps):
    assert emd_exact(a, b, steps) == slow_emd(a, b, steps, steps)


@given(some_counts(2**62), some_counts(2**62), st.integers(1, 2**40), st.integers(1, 2**40))
def test_emd_never_overflows(a, b, steps, other):
    assert emd_exact(a, b, steps, other) == slow_emd(a, b, steps, other)
    if len(a) == len(b):
        moved = (abs(Fraction(int(x), steps) - Fraction(int(y), other)) for x, y in zip(a, b, strict=True))
        assert paired_exact(a, b, steps, other) == sum(moved) / len(a)


@given(some_counts(), some_counts(), STEPS)
def test_scipy_finds_the_same_integer(a, b, steps):
    # on counts, in units of 1 / (N_a N_b): an integer, which scipy's rounding cannot hide at this size
    unit = len(a) * len(b)
    exact = emd_exact(a, b, 1) * unit
    assert exact.denominator == 1
    assert exact.numerator == round(wasserstein_distance(a, b) * unit)
    assert emd_counts(a, b, steps) == pytest.approx(
        wasserstein_distance(a / steps, b / steps), rel=1e-12, abs=1e-12
    )


@given(
    st.lists(st.floats(0, 15), min_size=1, max_size=25), st.lists(st.floats(0, 15), min_size=1, max_size=25)
)
def test_emd_of_rates_agrees_with_scipy(a, b):
    assert emd(a, b) == pytest.approx(wasserstein_distance(a, b), rel=1e-9, abs=1e-12)


@given(
    st.integers(1, 25).flatmap(
        lambda n: st.tuples(*[st.lists(st.integers(0, 40), min_size=n, max_size=n)] * 3)
    ),
    STEPS,
)
def test_emd_is_a_metric_below_the_paired_distance(lists, steps):
    a, b, c = (np.array(x) for x in lists)
    assert emd_exact(a, b, steps) == emd_exact(b, a, steps) >= 0
    assert emd_exact(a, c, steps) <= emd_exact(a, b, steps) + emd_exact(b, c, steps)
    assert emd_exact(a, a[::-1], steps) == 0  # the order of neurons does not matter to it
    assert emd_exact(a, b, steps) <= paired_exact(a, b, steps)
    assert emd_exact(a, a + 3, steps) == Fraction(3, steps)
    assert float(paired_exact(a, b, steps)) == pytest.approx(paired_distance(a / steps, b / steps))


@given(some_counts(), some_counts(), STEPS, st.integers(1, 5))
def test_emd_does_not_change_when_every_neuron_is_repeated(a, b, steps, times):
    assert emd_exact(np.repeat(a, times), b, steps) == emd_exact(a, b, steps)


@pytest.mark.parametrize("function", [emd_counts, emd_exact, paired_exact])
def test_counts_must_be_counts(function):
    good = np.array([1, 2])
    for wrong in (np.array([]), np.array([0.5]), np.array([-1, 2])):
        with pytest.raises(BadInput, match="counts b must be integers from 0 up"):
            function(good, wrong, 5)
    with pytest.raises(BadInput, match="steps must be a whole number"):
        function(good, good, 0)


def test_bad_rates_are_refused():
    with pytest.raises(BadInput, match="rates_b must be finite"):
        emd([0.1], [np.nan])
    with pytest.raises(BadInput, match="equally many"):
        paired_distance([0.1], [0.1, 0.2])


# ---------------------------------------------------------------- correlation


@given(
    st.integers(2, 20).flatmap(
        lambda n: st.tuples(*[st.lists(st.integers(0, 50), min_size=n, max_size=n)] * 2)
    )
)
def test_correlation_agrees_with_scipy(lists):
    a, b = (np.array(x) / 50 for x in lists)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert rate_correlation(a, b) is None
    else:
        assert rate_correlation(a, b) == pytest.approx(pearsonr(a, b).statistic, abs=1e-9)


# ---------------------------------------------------------------- many neurons: compiled, in threads


INTEGERS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64]


@pytest.mark.skipif(compiler() is None, reason="there is no C compiler")
@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 1003])
def test_histograms_count_every_value(kind, size):
    values = np.random.default_rng(size).integers(0, 100, size).astype(kind)
    found = histogram(values, 101)
    assert found is not None
    assert found.tolist() == np.bincount(values.astype(np.int64), minlength=101).tolist()
    strided = np.repeat(values, 3)[::3]
    assert np.array_equal(histogram(strided, 101), found)
    for wrong in {int(np.iinfo(kind).min), int(np.iinfo(kind).max), 101} - {0}:
        for place in range(0, size, 5):
            bad = values.copy()
            bad[place] = wrong
            assert histogram(bad, 101) is None


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize(("n", "m"), [(40_000, 40_000), (40_000, 30_011), (20_000, 1)])
@pytest.mark.parametrize("steps", [25, 90])
def test_many_counts_are_exact_with_and_without_a_compiler(kind, n, m, steps, monkeypatch):
    rng = np.random.default_rng(n + m)
    a, b = rng.binomial(steps, 0.2, n).astype(kind), rng.binomial(steps, 0.3, m).astype(kind)
    found = emd_exact(a, b, steps)
    monkeypatch.setattr(spikes, "histogram", lambda values, bins: None)
    assert emd_exact(a, b, steps) == found
    values = np.union1d(a, b).astype(np.int64).tolist()
    below = [[Fraction(int((side <= v).sum()), side.size) for v in values] for side in (a, b)]
    area = sum(abs(below[0][k] - below[1][k]) * (values[k + 1] - values[k]) for k in range(len(values) - 1))
    assert found == area / steps


def test_many_counts_that_are_no_counts_are_refused():
    good = np.ones(40_000, np.int64)
    for place in (0, 39_999):
        bad = good.copy()
        bad[place] = -1
        with pytest.raises(BadInput, match="counts b must be integers from 0 up"):
            emd_exact(good, bad, 25)
    far = good.copy()
    far[5] = 10**12  # beyond the histogram: sorted instead
    assert emd_exact(good, far, 25) == Fraction(10**12 - 1, 25 * 40_000)


@pytest.mark.parametrize("kinds", list(itertools.product([np.float32, np.float64], repeat=2)))
def test_many_rates_are_those_of_the_plain_formula(kinds):
    rng = np.random.default_rng(0)
    a, b = rng.random(50_001).astype(kinds[0]), (rng.random(50_001) ** 2).astype(kinds[1])
    before = a.copy(), b.copy()
    plain = np.abs(np.sort(a.astype(np.float64)) - np.sort(b.astype(np.float64))).mean()
    assert emd(a, b) == plain
    assert np.array_equal(a, before[0])
    assert np.array_equal(b, before[1])
    for wrong in (np.nan, np.inf, -np.inf):
        bad = b.copy()
        bad[7] = wrong
        with pytest.raises(BadInput, match="rates_b must be finite"):
            emd(a, bad)
