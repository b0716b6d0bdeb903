"""The cochlea against a slow one written from its equations, and what an ear must do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.encode import Bins, Cochlea
from intspike.encode.cochlea import EMPHASIS
from intspike.errors import BadInput

RATE = 8000
SMALL = Cochlea(channels=24)


def sound(seed: int, n: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    t = np.arange(n) / RATE
    x = sum(draw.random() * np.sin(2 * np.pi * draw.uniform(80, 3500) * t + draw.random()) for _ in range(4))
    return (8000 * x * np.hanning(n) + draw.normal(0, 50, n)).astype(np.int16)


def slow(c: Cochlea, audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Membrane at the time of firing, and spikes, each [steps, channels], by plain loops over time and channels."""
    x = np.array([float(b) - EMPHASIS * float(a) for a, b in zip([0, *audio], audio, strict=False)])
    x /= math.sqrt(np.mean(x**2))
    size, hop = round(c.window * RATE), RATE // 1000
    points = 1
    while points < size:
        points *= 2
    window = [0.5 - 0.5 * math.cos(2 * math.pi * k / (size - 1)) for k in range(size)]
    frequencies = [k * RATE / points for k in range(points // 2 + 1)]
    number = lambda f: 21.4 * math.log10(1 + 0.00437 * f)  # noqa: E731
    u, a = np.zeros(c.channels), np.zeros(c.channels)
    before, fired = [], []
    for t in range(len(x) // hop):
        frame = np.zeros(points)
        for k in range(size):
            at = t * hop + k - size // 2
            frame[k] = window[k] * x[at] if 0 <= at < len(x) else 0
        power = np.abs(np.fft.fft(frame)[: len(frequencies)]) ** 2
        row_u, row_s = np.zeros(c.channels), np.zeros(c.channels, np.uint8)
        for k in range(c.channels):
            e = number(c.low) + (number(c.high) - number(c.low)) * k / (c.channels - 1)
            centre = (10 ** (e / 21.4) - 1) / 0.00437
            erb = 24.7 * (1 + 0.00437 * centre)
            w = [
                math.exp(-math.pi * ((f - centre) / erb) ** 2) if abs(f - centre) < 3 * erb else 0.0
                for f in frequencies
            ]
            energy = sum(p * q for p, q in zip(w, power, strict=True)) / sum(w) / sum(v * v for v in window)
            value = math.log(1 + energy / c.floor)
            u[k] = c.beta * u[k] + c.gain * max(0.0, value - c.adaptation * a[k])
            a[k] += (value - a[k]) * 0.001 / c.tau_adaptation
            row_u[k] = u[k]
            if u[k] >= 1:
                row_s[k] = 1
                u[k] -= 1
        before.append(row_u)
        fired.append(row_s)
    return np.array(before), np.array(fired)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_its_equations_say(seed):
    audio = sound(seed, 900)
    membrane, expected = slow(SMALL, audio)
    assert np.abs(membrane - 1).min() > 1e-9  # no membrane so near to the threshold that roundings decide
    spikes = SMALL.spikes(audio, RATE)
    assert spikes.dtype == np.uint8
    assert expected.sum() > 20
    assert np.array_equal(spikes, expected)


@given(st.integers(0, 9), st.integers(0, 1500), st.integers(1, 40), st.integers(1, 30), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_frames_are_its_spikes_counted(seed, n, milliseconds, timesteps, high):
    audio = sound(seed, n) if n > 1 else np.zeros(n, np.int16)
    spikes = SMALL.spikes(audio, RATE)
    assert spikes.shape == (n // 8, 24)
    t, channel = np.nonzero(spikes)
    bins = Bins(1000 * milliseconds, timesteps, high)
    assert np.array_equal(SMALL.frames(audio, RATE, bins), bins.frames(1000 * t, channel, 24))


def test_a_tone_is_heard_where_it_belongs_however_loud():
    t = np.arange(RATE // 2) / RATE
    last = -1
    for frequency in (150, 400, 1000, 2500):
        tone = np.sin(2 * np.pi * frequency * t)
        counts = SMALL.spikes(tone, RATE).sum(0)
        assert counts.argmax() > last
        last = int(counts.argmax())
        assert np.array_equal(SMALL.spikes(1024 * tone, RATE), SMALL.spikes(tone, RATE))  # a power of two


def test_the_ear_gets_used_to_a_sound():
    tone = np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE)
    counts = SMALL.spikes(tone, RATE).sum(1)
    assert counts[20:120].sum() > 1.3 * counts[800:900].sum() > 0


@pytest.mark.parametrize("n", [0, 1, 7, 100])
def test_silence_and_nothing_give_no_spikes(n):
    spikes = SMALL.spikes(np.zeros(n, np.int16), RATE)
    assert spikes.shape == (n // 8, 24)
    assert not spikes.any()
    assert not SMALL.frames(np.zeros(n), RATE, Bins(5000, 4)).any()


def test_channels_do_not_depend_on_how_many_are_summed_together(monkeypatch):
    audio, cochlea = sound(1, 2000), Cochlea(channels=130)
    found = cochlea.drive(audio, RATE)
    monkeypatch.setattr("intspike.encode.cochlea.BLOCK", 1000)
    whole = Cochlea(channels=130, gain=0.071).drive(audio, RATE)  # another value: bands are kept for each
    assert np.allclose(found, whole, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cochlea(channels=0), "a cochlea must have 1..4096 channels"),
        (lambda: Cochlea(low=500, high=400), "0 < low < high"),
        (lambda: Cochlea(beta=1.0), "0 <= beta < 1"),
        (lambda: Cochlea(gain=math.nan), "gain > 0"),
        (lambda: Cochlea(floor=0), "floor > 0"),
        (lambda: SMALL.spikes(np.zeros((2, 9)), RATE), r"audio must be the samples \[n\] of one channel"),
        (
            lambda: SMALL.spikes(np.zeros(9), 7600),
            "the rate must be above twice high, which is 3800 Hz, not 7600",
        ),
        (lambda: SMALL.spikes(np.zeros(61 * RATE), RATE), "audio must last at most 60 s, not 61 s"),
        (lambda: SMALL.spikes(np.array([1.0, np.inf]), RATE), "audio must be finite numbers"),
        (lambda: SMALL.frames(np.zeros(9), RATE, Bins(1500, 3)), "dt must be whole milliseconds, not 1500"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(BadInput, match=message):
        make()
