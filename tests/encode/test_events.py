"""Events to frames against a loop over events; images to rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intspike.encode import Bins, Sensor, rows
from intspike.errors import BadInput

times_and_units = st.lists(st.tuples(st.integers(-5, 60), st.integers(0, 3)), max_size=60)


@given(times_and_units, st.integers(1, 9), st.integers(1, 7), st.integers(1, 4))
def test_bins_count_every_event_once(events, dt, timesteps, high):
    expected = np.zeros((timesteps, 4), np.int64)
    for time, unit in events:
        if 0 <= time < timesteps * dt:
            expected[time // dt, unit] += 1
    times, units = (
        (np.array(column, np.int64) for column in zip(*events, strict=True)) if events else ([], [])
    )
    frames = Bins(dt, timesteps, high).frames(times, units, 4)
    assert frames.dtype == np.uint8
    assert np.array_equal(frames, np.minimum(expected, high))


@given(st.data(), st.integers(1, 9), st.integers(1, 9), st.integers(1, 255))
def test_a_sensor_puts_every_pixel_into_one_place_of_the_grid(data, width, height, high):
    columns, many = data.draw(st.integers(1, width)), data.draw(st.integers(1, height))
    pixel = st.tuples(
        st.integers(0, 29), st.integers(0, width - 1), st.integers(0, height - 1), st.integers(0, 1)
    )
    events = data.draw(st.lists(pixel, max_size=40))
    expected = np.zeros((3, 2, many, columns), np.int64)
    for time, x, y, polarity in events:
        expected[time // 10, polarity, y * many // height, x * columns // width] += 1
    e = np.array(events, np.int64).reshape(-1, 4).T
    frames = Sensor(width, height, columns, many).frames(*e, Bins(10, 3, high))
    assert np.array_equal(frames, np.minimum(expected, high))
    assert frames.shape[1:] == Sensor(width, height, columns, many).frame


def test_times_that_would_leave_a_32_bit_number():
    times = np.array([0, 3_000_000_000], np.uint32)
    assert Bins(1_000_000_000, 4).frames(times, np.zeros(2, np.uint8), 1).ravel().tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bins(0, 3), "dt must be a whole number from 1 to .*, but is 0"),
        (lambda: Bins(2.5, 3), r"dt must be a whole number from 1 to .*, but is 2\.5"),  # type: ignore[arg-type]
        (lambda: Bins(1, 0), "timesteps must be a whole number from 1"),
        (lambda: Bins(1, 1, 256), "high must be a whole number from 1 to 255, but is 256"),
        (lambda: Bins(1, 1).frames([0], [4], 4), r"units must be in 0\.\.3, not 4\.\.4"),
        (lambda: Bins(1, 1).frames([0], [-1], 4), r"units must be in 0\.\.3, not -1"),
        (lambda: Bins(1, 1).frames([0, 1], [0], 4), r"one time and one unit each, not \[2\] and \[1\]"),
        (lambda: Sensor(4, 4, 5, 4), r"must have 1\.\.4 rows and 1\.\.4 columns"),
        (lambda: Sensor(4, 4, 4, 0), r"must have 1\.\.4 rows and 1\.\.4 columns"),
        (lambda: Sensor(4, 4, 4, 4).frames([0], [4], [0], [0], Bins(1, 1)), r"x of events must be in 0\.\.3"),
        (lambda: Sensor(4, 4, 4, 4).frames([0], [0], [0], [2], Bins(1, 1)), "polarity of events must be in"),
        (lambda: rows(np.zeros((2, 3, 4), np.uint8)), r"images must be \[N, C, H, W\]"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(BadInput, match=message):
        make()


@given(st.integers(0, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 5))
def test_rows_come_one_a_timestep(count, channels, height, width):
    images = np.random.default_rng(0).integers(0, 256, (count, channels, height, width)).astype(np.uint8)
    made = rows(images)
    assert made.shape == (count, height, channels * width)
    for n, t, c, w in np.ndindex(count, height, channels, width):
        assert made[n, t, c * width + w] == images[n, c, t, w]
