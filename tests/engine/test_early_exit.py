"""Early exit: a run that stops is the beginning of the run that does not."""

from __future__ import annotations

import itertools
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import program_examples
from intspike.engine import early_exit, reference
from intspike.engine.early_exit import exits, margins
from intspike.errors import BadInput
from intspike.export.c import export_c
from intspike.ir import Program
from intspike.native import STRICT, compile_command, compiler


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


def kinds() -> list[Program]:
    """A readout of spikes, and one whose sums are integrated and may fall."""
    return [program_examples.dense(), program_examples.resting()]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), margin=st.integers(1, 60), kind=st.sampled_from(range(2)))
def test_both_engines_stop_alike_and_as_a_whole_run_says(seed, margin, kind):
    program, timesteps = kinds()[kind], 7
    x = np.random.default_rng(seed).integers(0, program.input.high + 1, (5, *program.input.shape))
    counts = early_exit.readouts(program, x, timesteps)
    assert np.array_equal(counts, early_exit.readouts(program, x, timesteps, engine="reference"))
    assert np.array_equal(counts[-1], reference.run(program, x, timesteps).readout.reshape(5, -1))
    whole = exits(counts, margin)
    for engine in ("native", "reference"):
        found = early_exit.run(program, x, timesteps, margin, engine=engine)
        assert np.array_equal(whole.timesteps, found.timesteps)
        assert np.array_equal(whole.classes, found.classes)


DRIVER = """
#include "program.h"
#include <stdio.h>
#include <stdlib.h>

static program_state state;
static program_input x[PROGRAM_INPUTS];

int main(int argc, char **argv)
{
    if (argc != 3)
        return 1;
    const int32_t longest = (int32_t)atol(argv[1]);
    const int64_t margin = atol(argv[2]);
    unsigned char bytes[PROGRAM_INPUTS];
    while (fread(bytes, 1, PROGRAM_INPUTS, stdin) == PROGRAM_INPUTS) {
        for (int32_t k = 0; k < PROGRAM_INPUTS; k++)
            x[k] = bytes[k];
        const int32_t ran = program_run_until(&state, x, longest, margin);
        printf("%ld %ld %ld\\n", (long)ran, (long)program_class(&state), (long)program_margin(&state));
    }
    return 0;
}
"""


@pytest.mark.skipif(compiler() is None, reason="no C compiler")
@pytest.mark.parametrize("kind", range(2))
def test_the_exported_c_stops_where_the_rule_says(kind, tmp_path):
    program, timesteps = kinds()[kind], 7
    export_c(program, tmp_path / "c")
    (tmp_path / "driver.c").write_text(DRIVER)
    binary = tmp_path / "driver"
    sources = [str(tmp_path / "driver.c"), str(tmp_path / "c" / "program.c")]
    compile_command(
        compiler(), [*STRICT, "-O1", f"-I{tmp_path / 'c'}", *sources, "-o", str(binary)], tmp_path
    )
    x = (
        np.random.default_rng(3)
        .integers(0, program.input.high + 1, (40, *program.input.shape))
        .astype(np.uint8)
    )
    counts = early_exit.readouts(program, x, timesteps)
    for margin in (1, 3, 20, 10**6):
        done = subprocess.run(
            [str(binary), str(timesteps), str(margin)], input=x.tobytes(), capture_output=True, check=True
        )
        found = np.array([line.split() for line in done.stdout.decode().splitlines()], np.int64)
        whole = exits(counts, margin)
        assert np.array_equal(found[:, 0], whole.timesteps)
        assert np.array_equal(found[:, 1], whole.classes)
        assert np.array_equal(found[:, 2], margins(counts)[whole.timesteps - 1, np.arange(40)])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 5.0, 50.0]))
def test_the_chosen_margin_is_the_smallest_that_loses_no_more(seed, lose):
    """Against trying every margin."""
    program, timesteps = program_examples.dense(), 6
    random = np.random.default_rng(seed)
    x = random.integers(0, program.input.high + 1, (20, *program.input.shape))
    counts = early_exit.readouts(program, x, timesteps)
    labels = random.integers(0, counts.shape[-1], 20)
    chosen = early_exit.choose(program, x, labels, timesteps, lose)

    def right(margin: int) -> int:
        return int((exits(counts, margin).classes == labels).sum())

    enough = right(10**6) - lose * 20 / 100
    assert right(chosen) >= enough
    assert all(right(m) < enough for m in range(1, chosen) if m in margins(counts))


def test_without_samples_and_on_other_engines_nothing_is_chosen():
    program = program_examples.dense()
    x = np.zeros((0, *program.input.shape), np.int64)
    with pytest.raises(BadInput, match="must be chosen on samples"):
        early_exit.choose(program, x, np.zeros(0, np.int64), 3, 0.1)
    with pytest.raises(BadInput, match="no engine 'navite'; did you mean 'native'"):
        early_exit.run(program, np.zeros((1, *program.input.shape), np.int64), 3, 1, engine="navite")  # type: ignore[arg-type]
