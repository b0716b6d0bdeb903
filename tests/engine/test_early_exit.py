"""Early exit: a run that stops is the beginning of the run that does not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import program_examples
from intspike.engine import early_exit, reference
from intspike.engine.early_exit import exits, margins
from intspike.errors import BadInput


@given(
    arrays(
        np.int64,
        st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(2, 5)),
        elements=st.integers(0, 3),
    )
)
def test_samples_stop_where_a_loop_would_stop_them(steps):
    counts = steps.cumsum(0)
    for margin in (1, 2, 5, 1000):
        found = exits(counts, margin)
        for b in range(counts.shape[1]):
            for t in range(len(counts)):
                ordered = sorted(counts[t, b].tolist())
                if ordered[-1] - ordered[-2] >= margin or t + 1 == len(counts):
                    assert found.timesteps[b] == t + 1
                    assert found.classes[b] == counts[t, b].tolist().index(ordered[-1])
                    break


def test_a_larger_margin_never_stops_earlier():
    counts = np.random.default_rng(0).integers(0, 2, (12, 50, 4)).cumsum(0)
    ran = [exits(counts, m).timesteps for m in range(1, 8)]
    assert all((a <= b).all() for a, b in itertools.pairwise(ran))
    assert (ran[0] < 12).any()


@pytest.mark.parametrize("margin", [0, -1, 1.0, True])
def test_a_margin_that_is_none_is_refused(margin):
    with pytest.raises(BadInput, match="the margin of an early exit must be a number of spikes from 1 up"):
        exits(np.zeros((1, 1, 2), np.int64), margin)


def test_one_class_has_no_margin():
    with pytest.raises(BadInput, match="at least two classes, not 1"):
        margins(np.zeros((3, 1)))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), margin=st.integers(1, 6), timed=st.booleans())
def test_a_stopped_run_is_the_beginning_of_a_whole_one(seed, margin, timed):
    program, timesteps = program_examples.dense(), 9
    shape = (timesteps, 6) if timed else (6,)
    x = np.random.default_rng(seed).integers(0, program.input.high + 1, (*shape, *program.input.shape))
    counts = np.stack(
        [reference.run(program, x[: t + 1] if timed else x, t + 1).readout for t in range(timesteps)]
    )
    whole, stopped = exits(counts, margin), early_exit.run(program, x, timesteps, margin)
    assert np.array_equal(whole.timesteps, stopped.timesteps)
    assert np.array_equal(whole.classes, stopped.classes)
