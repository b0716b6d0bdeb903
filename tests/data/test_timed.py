"""Inputs with time of their own: what a batch of them is, and that one data set is of one kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intspike.data import Dataset, Split, subset
from intspike.errors import BadInput


def timed(count: int = 6, recorded: int = 4, frame: tuple[int, ...] = (3,), high: int = 1) -> Split:
    draw = np.random.default_rng(count)
    inputs = draw.integers(0, high + 1, (count, recorded, *frame)).astype(np.uint8)
    return Split(inputs, np.arange(count) % 2, timed=True)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 9), st.sampled_from([(3,), (2, 3, 4)]), st.data())
def test_a_timed_batch_is_what_was_recorded_and_then_silence(count, recorded, timesteps, frame, data):
    split = timed(count, recorded, frame)
    index = data.draw(st.lists(st.integers(0, count - 1), max_size=6))
    batch = split.batch(np.array(index, np.intp), timesteps)
    assert batch.shape == (timesteps, len(index), *frame)
    assert batch.dtype == np.uint8
    for t in range(timesteps):
        for k, sample in enumerate(index):
            expected = split.inputs[sample, t] if t < recorded else np.zeros(frame)
            assert np.array_equal(batch[t, k], expected)


@given(st.integers(1, 4), st.integers(1, 7))
def test_a_static_batch_repeats_without_a_copy(count, timesteps):
    split = Split(timed(count, 4, (2, 3, 4)).inputs[:, 0], np.zeros(count, np.int64))
    index = np.arange(count)[::-1]
    batch = split.batch(index, timesteps)
    assert batch.strides[0] == 0
    assert batch.shape == (timesteps, count, 2, 3, 4)
    assert all(np.array_equal(frame, split.inputs[index]) for frame in batch)
    batch[0, 0, 0, 0, 0] ^= 1  # a copy of what is kept: a step in place does not reach the data set
    assert not np.array_equal(batch[0], split.inputs[index])


def test_frames_and_time_are_told():
    vectors, images = timed(), timed(frame=(2, 5, 4))
    assert (vectors.frame, vectors.timesteps) == ((3,), 4)
    assert (images.frame, images.timesteps) == ((2, 5, 4), 4)
    assert repr(images) == "Split(6 samples of 4 timesteps of [2, 5, 4])"
    static = Split(vectors.inputs[:, 0], vectors.labels)
    assert (static.frame, static.timesteps) == ((3,), None)
    for part in (images.take(2), images.pick(np.array([3, 1]))):
        assert part.timed
        assert part.frame == (2, 5, 4)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5, 6), (3, 1, 2, 3, 4, 5)])
def test_timed_inputs_have_frames_of_one_or_three_axes(shape):
    with pytest.raises(
        BadInput, match=r"timed inputs must be uint8 of shape \[N, T, F\] or \[N, T, C, H, W\]"
    ):
        Split(np.zeros(shape, np.uint8), np.zeros(3, np.int64), timed=True)


@pytest.mark.parametrize("timesteps", [0, -1, 2.5, True])
def test_a_batch_has_a_timestep(timesteps):
    with pytest.raises(BadInput, match="timesteps must be a whole number from 1"):
        timed().batch(np.arange(2), timesteps)


def dataset(*splits: Split, high: int = 1) -> Dataset:
    return Dataset("random", *splits, classes=("a", "b"), source="random numbers", high=high)


def test_a_data_set_is_of_one_kind():
    split = timed()
    static = Split(split.inputs[:, 0], split.labels)
    made = dataset(split, timed(4, 9), timed(2, 2))  # recordings may differ in length
    assert made.timed
    assert made.frame == (3,)
    assert not dataset(static, static, static).timed
    with pytest.raises(BadInput, match=r"all splits of a data set must be alike.* test is Split"):
        dataset(split, split, static)
    with pytest.raises(BadInput, match=r"all splits of a data set must be alike.* validation is Split"):
        dataset(split, timed(frame=(4,)), split)


def test_a_data_set_holds_no_code_above_the_one_it_says():
    split, counts = timed(), timed(high=7)
    assert dataset(split, split, counts, high=7).high == 7
    with pytest.raises(BadInput, match=r"inputs must be in 0\.\.6 as high says, but test holds 7"):
        dataset(split, split, counts, high=6)
    with pytest.raises(BadInput, match="high must be a whole number from 1 to 255, but is 256"):
        dataset(split, split, split, high=256)
    assert subset(dataset(split, split, counts, high=7), 2, 2, 2).high == 7
