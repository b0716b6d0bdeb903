"""What a state quantizer shows of itself."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from intspike.cli import app
from intspike.errors import BadInput
from intspike.quant import ThresholdCentred
from intspike.quant.snntorch_compat import state_quant
from intspike.study import quantizer

STORES = ("after reset", "before reset")


@given(
    name=st.sampled_from(sorted(quantizer.NAMES)),
    bits=st.integers(1, 8),
    stores=st.sampled_from(STORES),
    decay=st.sampled_from(["guaranteed", "nearest"]),
    beta=st.floats(0, 1),
)
def test_levels_lie_between_their_boundaries(name, bits, stores, decay, beta):
    try:
        state = quantizer.named(name, bits, stores, decay)
    except BadInput:  # one bit of a uniform range before reset has no code above rest
        assert (name, bits, stores) == ("uniform", 1, "before reset")
        return
    table = quantizer.code_table(state, beta)
    assert (table.levels[:-1] < table.boundaries).all()
    assert (table.boundaries <= table.levels[1:]).all()
    assert ((table.after >= 0) & (table.after < len(table.levels))).all()
    ours = not name.startswith("snntorch")
    assert table.rests.sum() == 1 or not ours
    if ours and decay == "guaranteed":
        assert not table.stuck.any()
        assert all(table.steps_to_rest(k) is not None for k in range(len(table.levels)))


def test_levels_are_the_fractions_that_the_state_names():
    state = ThresholdCentred(3)
    table = quantizer.code_table(state, 0.5)
    assert np.abs(table.levels - state.fractions).max() <= 2.0 ** -(state.resolution + 1)
    assert table.title == "ThresholdCentred(bits=3)"


@pytest.mark.parametrize("name", ["snntorch", "snntorch-uniform"])
def test_snntorch_decays_as_its_own_function_says(name):
    table = quantizer.code_table(quantizer.named(name, 4, "after reset", "nearest"), 0.9)
    store, u = state_quant(4, uniform=name.endswith("uniform")), torch.tensor(table.levels).float()
    for _ in range(5):
        u = store(0.9 * u - (u > 1).float())
    wanted = [table.levels[table.path(k, 5)[-1]] for k in range(16)]
    assert np.array_equal(u.double().numpy(), np.array(wanted))


def test_the_command_line_prints_and_draws(tmp_path):
    out = tmp_path / "q.html"
    result = CliRunner().invoke(
        app, ["show", "quantizer", "threshold-centred", "--bits", "2", "--beta", "0.75", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "+0.9000" in result.output
    page = out.read_text("utf-8")
    assert "every code reaches rest" in page
    assert 'src="http' not in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch"], "no state quantizer 'nosuch'"),
        (["uniform", "--bits", "9"], r"1\.\.8"),
        (["uniform", "--codec", "after"], "--codec must be"),
        (["uniform", "--decay", "never"], "--decay must be"),
        (["uniform", "--beta", "1.5"], r"beta must be a number in 0\.\.1"),
    ],
)
def test_mistakes_on_the_command_line(arguments, words):
    result = CliRunner().invoke(app, ["show", "quantizer", *arguments])
    assert isinstance(result.exception, BadInput)
    assert re.search(words, str(result.exception))
