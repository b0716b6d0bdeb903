"""The clipping study: which cells it asks for, and what a cell's range does."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from intspike.cli import app
from intspike.errors import BadInput
from intspike.quant import ComparisonState, UniformState
from intspike.study.grid import cell_hash
from intspike.study.squat.cells import COMPARISONS
from intspike.study.squat.clipping import parse_ranges
from intspike.study.squat.options import Options, cells_of

SMALL = {"epochs": 1, "subset": 100, "timesteps": 2}


def test_ranges_are_read():
    assert parse_ranges("1.5,2,20") == (1.5, 2.0, 20.0)


@pytest.mark.parametrize("words", ["", "a", "1", "0.5", "2,2", "2000", "nan", "-3", "inf"])
def test_other_words_are_refused(words):
    with pytest.raises(BadInput, match="--ranges must be"):
        parse_ranges(words)


def test_every_range_and_every_other_way_is_there_once():
    cells, _ = cells_of(Options(seeds=1, bits=(4, 1), ranges=(1.5, 10.0), **SMALL))
    assert len({cell_hash(c) for c in cells}) == len(cells)
    assert all(c.weight_bits is None and not c.integer for c in cells)
    uniform = [(c.scheme, c.state_bits, c.reach) for c in cells if c.spacing == "uniform"]
    assert sorted(uniform) == [("ptq", 4, 1.5), ("ptq", 4, 10.0), ("qat", 4, 1.5), ("qat", 4, 10.0)]
    for spacing in ("threshold-centred", *COMPARISONS):
        found = [(c.scheme, c.state_bits) for c in cells if c.spacing == spacing]
        assert sorted(found) == [("ptq", 1), ("ptq", 4), ("qat", 1), ("qat", 4)]
    for c in cells:
        state = c.config().state
        if c.reach is not None:
            assert isinstance(state, UniformState)
            assert (state.low, state.high, state.stores) == (-c.reach, c.reach, "before reset")
        assert (c.spacing in COMPARISONS) == isinstance(state, ComparisonState)
        if c.scheme != "fp":
            assert c.parent in cells


def test_a_range_is_part_of_the_name_and_of_the_hash_only_where_it_is_given():
    cells, _ = cells_of(Options(seeds=1, bits=(4,), ranges=(2.0,), **SMALL))
    ranged = next(c for c in cells if c.reach is not None)
    assert ranged.row == "fashion-mnist/ptq-uniform-range-2/32-4"
    grid, _ = cells_of(Options(seeds=1, bits=(4,), codec="before-reset", **SMALL))
    shared = {cell_hash(c) for c in cells} & {cell_hash(c) for c in grid}
    assert (
        len(shared) == 4
    )  # full precision with and without memory, threshold-centred calibrated and trained


def test_two_studies_at_once_are_refused():
    with pytest.raises(BadInput, match="two studies"):
        Options(pairs=((2, 2),), ranges=(2.0,))


@pytest.mark.slow
def test_the_study_runs_from_the_command_line(tmp_path):
    command = "study squat --seeds 1 --epochs 1 --subset 60 --timesteps 2 --bits 4 --ranges 1.5,10 --out"
    made = CliRunner().invoke(app, [*command.split(), str(tmp_path)])
    assert made.exit_code == 0, (made.output, made.exception)
    table = (tmp_path / "table.md").read_text("utf-8")
    assert "uniform, -10..10 thresholds" in table
    assert "per-forward-uniform (comparison)" in table
    names = [line["name"] for line in json.loads((tmp_path / "summary.json").read_text())]
    assert "fashion-mnist/qat-uniform-range-10/32-4" in names
    assert "failed" not in table.lower()
    assert "Accuracy and range" in (tmp_path / "report.html").read_text("utf-8")
