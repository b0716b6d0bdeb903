"""Intervals against published values, scipy and each other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, t

from intspike.errors import BadInput
from intspike.measure import mean_interval, median_interval, paired_interval, wilson


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy(case):
    correct, n = case
    found = wilson(correct, n)
    judge = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == pytest.approx((judge.low, judge.high), abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.n == n


def test_wilson_by_hand():
    # 1,720 of 2,000: z = 1.959964, centre 0.8593099, half width 0.0152090
    found = wilson(1720, 2000)
    assert (found.value, found.low, found.high) == pytest.approx((0.86, 0.8441010, 0.8745190), abs=1e-6)
    assert wilson(0, 10).low == 0
    assert wilson(10, 10).high == 1
    assert wilson(5, 10, 0.99).low < wilson(5, 10).low


def test_mean_by_hand():
    found = mean_interval([85.0, 86.0, 87.0])
    half = t.ppf(0.975, 2) * 1 / 3**0.5
    assert (found.value, found.low, found.high) == pytest.approx((86, 86 - half, 86 + half))
    assert json.dumps(found.to_dict())


def test_one_run_has_no_interval():
    found = mean_interval([0.5])
    assert (found.value, found.low, found.high, found.n) == (0.5, None, None, 1)


def test_pairing_removes_what_both_share():
    a, b = [10.0, 20.0, 30.0], [11.0, 21.5, 30.5]
    found = paired_interval(a, b)
    assert found.value == pytest.approx(1.0)
    assert found.high - found.low < mean_interval(a).high - mean_interval(a).low


@pytest.mark.parametrize("wrong", [(5, 4), (-1, 4), (0, 0)])
def test_impossible_counts_are_refused(wrong):
    with pytest.raises(BadInput, match=r"must be in 0..n"):
        wilson(*wrong)


def test_other_bad_input():
    with pytest.raises(BadInput, match="confidence must lie between 0 and 1, not 95"):
        wilson(1, 2, 95)
    with pytest.raises(BadInput, match="finite"):
        mean_interval([1.0, float("nan")])
    with pytest.raises(BadInput, match="equally many"):
        paired_interval([1.0], [])


@given(st.integers(1, 400))
def test_the_ends_of_a_median_are_binomial_quantiles(n):
    found = median_interval(list(range(1, n + 1)))
    assert found.value == (n + 1) / 2
    rank = int(binom.ppf(0.025, n, 0.5))  # the smallest with more than 2.5 % at or below
    if binom.cdf(rank, n, 0.5) == 0.025:
        rank += 1
    assert (found.low, found.high) == ((rank, n + 1 - rank) if rank else (None, None))


def test_what_is_censored_is_longest():
    found = median_interval([3.0, float("inf"), 1.0, 2.0, float("inf"), float("inf"), 4.0])
    assert (found.value, found.low, found.high) == (4.0, 1.0, float("inf"))
    assert median_interval([1.0, float("inf"), float("inf")]).value == float("inf")
    for values in ([], [float("nan")]):
        with pytest.raises(BadInput, match="values must be numbers"):
            median_interval(values)


def test_an_interval_leaves_out_what_cannot_be():
    found = mean_interval([99.0, 100.0, 95.0])
    assert found.high > 100
    assert found.within(0, 100) == replace(found, high=100)
    assert mean_interval([0.5]).within(0, 1) == mean_interval([0.5])
