"""Rate, latency and delta encoding against loops over Python integers."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import binom

from intspike.encode import delta, latency, rate
from intspike.encode.rate import absorb
from intspike.errors import BadInput
from intspike.native import compiler

WORD = (1 << 32) - 1
KNOWN = [0xBBCAC71F, 0xC19EE67F, 0xE0B50698]  # of (0, 0, 0, 0), (1, 2, 3, 4) and four times 2^32 - 1
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
images = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=1, max_dims=4, max_side=4))


def mix(h: int) -> int:
    h ^= h >> 16
    h = h * 0x7FEB352D & WORD
    h ^= h >> 15
    h = h * 0x846CA68B & WORD
    return h ^ h >> 16


def drawn(*numbers: int) -> int:
    h = 0
    for n in numbers:
        h = mix((h ^ n) + 0x9E3779B9 & WORD)
    return h


# ---------------------------------------------------------------- rate


@calm
@given(
    images, st.integers(1, 5), st.integers(0, WORD), st.integers(0, WORD - 4), st.sampled_from([255, 15, 1])
)
def test_rate_is_the_hash_in_python_integers(x, timesteps, seed, sample, high):
    x = np.minimum(x, high).astype(np.uint8)
    found = rate(x, timesteps, seed, sample, high)
    assert (found.shape, found.dtype) == ((timesteps, *x.shape), np.uint8)
    flat, values = found.reshape(timesteps, len(x), -1), x.reshape(len(x), -1)
    for t, b, i in product(*map(range, flat.shape)):
        h = drawn(seed, sample + b, t, i)
        assert flat[t, b, i] == ((h * high >> 32) < values[b, i])


def test_known_hashes():
    """Written down once, because artifacts and exports rely on them."""
    assert [drawn(0, 0, 0, 0), drawn(1, 2, 3, 4), drawn(WORD, WORD, WORD, WORD)] == KNOWN
    h = np.uint32(0)
    for n in (1, 2, 3, 4):
        h = absorb(h, np.uint32(n))
    assert int(h[0]) == KNOWN[1]


def test_the_c_of_the_documentation_draws_the_same_spikes(tmp_path: Path):
    cc = compiler()
    if cc is None:
        pytest.skip("no C compiler")
    page = (Path(__file__).parents[2] / "docs" / "encode.md").read_text("utf-8")
    block = page.split("```c\n")[1].split("```")[0]
    main = """
    int main(void) {
        for (int sample = 4; sample < 7; sample++)
            for (int t = 0; t < 5; t++)
                for (int index = 0; index < 256; index++)
                    putchar('0' + spike(9, sample, t, index, index, 255));
    }"""
    (tmp_path / "t.c").write_text(f"#include <stdint.h>\n#include <stdio.h>\n{block}{main}")
    subprocess.run([*cc.command, "-o", tmp_path / "t", tmp_path / "t.c"], check=True)
    drawn_in_c = subprocess.run([tmp_path / "t"], check=True, capture_output=True, text=True).stdout
    x = np.tile(np.arange(256, dtype=np.uint8), (3, 1))
    expected = rate(x, 5, seed=9, sample=4).swapaxes(0, 1).reshape(-1)
    assert drawn_in_c == "".join(map(str, expected.tolist()))


@calm
@given(st.data(), images, st.integers(1, 4), st.integers(0, 3))
def test_spikes_depend_on_no_batch(data, x, timesteps, first):
    whole = rate(x, timesteps, 7, first)
    cut = data.draw(st.integers(0, len(x)))
    parts = [rate(x[:cut], timesteps, 7, first), rate(x[cut:], timesteps, 7, first + cut)]
    assert np.array_equal(np.concatenate(parts, 1), whole)
    order = np.array(data.draw(st.permutations(range(len(x)))))
    assert np.array_equal(rate(x[order], timesteps, 7, first + order), whole[:, order])
    assert np.array_equal(rate(x, timesteps + 2, 7, first)[:timesteps], whole)


def test_long_runs_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch):
    x = np.arange(24, dtype=np.uint8).reshape(2, 12) * 10
    whole = rate(x, 9, 3)
    monkeypatch.setattr(sys.modules[absorb.__module__], "_ELEMENTS", 50)
    assert np.array_equal(rate(x, 9, 3), whole)


@pytest.mark.parametrize("high", [255, 4])
def test_the_rate_is_the_value(high):
    """Every count within the two-sided binomial quantiles of 10^-9 a value: 256 of them all hold but for 10^-6."""
    x = np.repeat(np.arange(high + 1, dtype=np.uint8)[None], 50, 0)
    timesteps = 400
    fired = rate(x, timesteps, seed=11, high=high).sum((0, 1), dtype=np.int64)
    assert fired[0] == 0
    assert fired[high] == 50 * timesteps
    p = np.arange(high + 1) / high
    assert (fired >= binom.ppf(5e-10, 50 * timesteps, p)).all()
    assert (fired <= binom.ppf(1 - 5e-10, 50 * timesteps, p)).all()


@pytest.mark.parametrize("axis", ["seed", "sample", "t", "index"])
def test_draws_along_every_axis_are_uncorrelated(axis):
    """Fair coins at neighbouring numbers agree in half of 2^16 cases; the bound is seven standard deviations."""
    n = 1 << 16
    k = np.arange(n + 1, dtype=np.uint32)
    zero = np.zeros(1, np.uint32)
    h = np.zeros(1, np.uint32)
    for name in ("seed", "sample", "t", "index"):
        h = absorb(h, k if name == axis else zero)
    for bit in range(32):
        coin = h >> np.uint32(bit) & np.uint32(1)
        agree = int((coin[1:] == coin[:-1]).sum())
        assert abs(agree - n / 2) < 7 * np.sqrt(n) / 2, bit
        assert abs(int(coin[1:].sum()) - n / 2) < 7 * np.sqrt(n) / 2, bit


# ---------------------------------------------------------------- latency and delta


@calm
@given(images, st.integers(1, 300), st.integers(0, 255))
def test_latency_fires_once(x, timesteps, threshold):
    found = latency(x, timesteps, threshold)
    assert (found.shape, found.dtype) == ((timesteps, *x.shape), np.uint8)
    expected = np.zeros_like(found)
    for where, value in np.ndenumerate(x):
        if value >= threshold:
            expected[(int(255 - int(value)) * timesteps // 256, *where)] = 1
    assert np.array_equal(found, expected)


def test_latency_at_its_ends():
    x = np.array([[0, 1, 128, 254, 255]], np.uint8)
    for timesteps in (1, 2, 10, 256):
        at = latency(x, timesteps).argmax(0)[0]
        assert (at[0], at[-1]) == (timesteps - 1, 0)
        assert (np.diff(at) <= 0).all()
        assert (latency(x, timesteps).sum(0) == 1).all()
    assert latency(x, 4, threshold=1).sum(0).tolist() == [[0, 1, 1, 1, 1]]


signals = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=3, max_dims=5, max_side=4))


@calm
@given(signals, st.integers(1, 255))
def test_delta_sends_rises_and_falls(x, threshold):
    found = delta(x, threshold)
    channels = x.shape[2]
    assert (found.shape, found.dtype) == ((*x.shape[:2], 2 * channels, *x.shape[3:]), np.uint8)
    for (t, b, c, *rest), value in np.ndenumerate(x):
        change = int(value) - int(x[(t - 1, b, c, *rest)]) if t else 0
        assert found[(t, b, c, *rest)] == (change >= threshold)
        assert found[(t, b, channels + c, *rest)] == (-change >= threshold)


def test_delta_at_its_ends():
    x = np.array([0, 255, 0, 0], np.uint8).reshape(4, 1, 1)
    assert delta(x, 255).tolist() == [[[0, 0]], [[1, 0]], [[0, 1]], [[0, 0]]]
    assert delta(x[:1]).tolist() == [[[0, 0]]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rate(np.zeros((2, 3)), 4), r"must be uint8 codes \[B, \.\.\.\], not float64 \[2, 3\]"),
        (lambda: rate(np.uint8(3), 4), r"not uint8 \[\]"),
        (lambda: rate(np.zeros(2, np.uint8), 0), "timesteps must be a whole number from 1, but is 0"),
        (lambda: rate(np.full(2, 9, np.uint8), 1, high=4), r"codes must be in 0\.\.4 as high says, but hold 9"),
        (lambda: rate(np.zeros(2, np.uint8), 1, high=256), "high must be a whole number from 1 to 255"),
        (lambda: rate(np.zeros(2, np.uint8), 1, seed=-1), "seed must be a whole number from 0"),
        (lambda: rate(np.zeros(2, np.uint8), 1, seed=1 << 32), "seed must be a whole number from 0"),
        (lambda: rate(np.zeros(2, np.uint8), 1, sample=-1), r"indices of samples must be in 0\.\."),
        (lambda: rate(np.zeros(2, np.uint8), 1, sample=WORD), r"indices of samples must be in 0\.\."),
        (lambda: rate(np.zeros(2, np.uint8), 1, sample=[1, 2, 3]), "one for each of the 2"),
        (lambda: rate(np.zeros(2, np.uint8), 1, sample=0.5), "must be the index of the first sample"),
        (lambda: latency(np.zeros(2, np.int64), 3), "must be uint8 codes"),
        (lambda: latency(np.zeros(2, np.uint8), True), "timesteps must be a whole number from 1, but is True"),
        (lambda: latency(np.zeros(2, np.uint8), 3, 256), "threshold must be a whole number from 0 to 255"),
        (lambda: delta(np.zeros((2, 3), np.uint8)), r"must be uint8 codes \[T, B, C, \.\.\.\], not uint8 \[2, 3\]"),
        (lambda: delta(np.zeros((2, 3, 1), np.uint8), 0), "threshold must be a whole number from 1 to 255"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(BadInput, match=message):
        make()


def test_no_samples_are_no_spikes():
    assert rate(np.zeros((0, 3), np.uint8), 2).shape == (2, 0, 3)
    assert latency(np.zeros((0, 3), np.uint8), 2).shape == (2, 0, 3)
