"""The comparison with floating point: its tables are its rows, a stopped one keeps whole networks."""

from __future__ import annotations

import csv
import errno
import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from intspike.cli import app
from intspike.dynamics import robustness
from intspike.errors import BadInput
from intspike.measure import paired_interval
from intspike.study.dynamics import robust as module
from intspike.study.dynamics.robust import Options, page, run, tables

SMALL = Options(neurons=8, density=0.5, bits=(3, 6), seeds=3, steps=20, budget=100)


def test_the_files_hold_what_single_comparisons_say(tmp_path):
    rows = run(SMALL, tmp_path)
    assert len(rows) == 3 * 2 * 3
    kept = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    for line in kept:
        found = robustness(
            SMALL.ensemble(int(line["bits"])), int(line["seed"]), line["change"], steps=20, budget=100
        )
        assert (float(line["distance"]), float(line["distance_real"])) == found.distance
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert len(summary) == 6
    own = [r for r in kept if (r["bits"], r["change"]) == ("6", "noise")]
    expected = paired_interval([float(r["distance_real"]) for r in own], [float(r["distance"]) for r in own])
    (noise,) = [s for s in summary if "noise" in s["name"] and "6 bits" in s["name"]]
    assert (noise["value"], noise["low"], noise["high"], noise["n"]) == (
        expected.value, expected.low, expected.high, 3,
    )  # fmt: skip
    assert noise["command"] == (
        "intspike dynamics robust --neurons 8 --density 0.5 --bits 3,6 --steps 20 --budget 100 --seeds 3"
    )
    assert len(tables(rows, SMALL)) == 3
    panels = [p for s in page(rows, SMALL).sections for p in s.panels]
    assert [len(p.data) for p in panels] == [2, 2, 2]


def test_ctrl_c_keeps_what_is_done(tmp_path, monkeypatch):
    count = [0]

    def stop(*arguments, **more):
        count[0] += 1
        if count[0] == 14:
            raise KeyboardInterrupt
        return robustness(*arguments, **more)

    monkeypatch.setattr(module, "robustness", stop)
    words = "dynamics robust --neurons 8 --bits 3,6 --seeds 5 --steps 20 --budget 50 --out"
    made = CliRunner().invoke(app, [*words.split(), str(tmp_path)])
    assert made.exit_code == 130
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 14


def test_the_command(tmp_path):
    words = (
        "dynamics robust --neurons 6 --bits 4 --seeds 2 --steps 12 --budget 50 --unsigned --reset zero --out"
    )
    made = CliRunner().invoke(app, [*words.split(), str(tmp_path)])
    assert made.exit_code == 0, (made.output, made.exception)
    assert "bit flips" in made.output
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"bits": ()}, "--bits must be different widths, at least one, not none"),
        ({"bits": (4, 4)}, "not 4,4"),
        ({"steps": 3}, r"--steps must be in 4\.\."),
        ({"seeds": 1}, r"--seeds must be in 2\.\."),
        ({"density": 2.0}, "--density must be in 0..1, not 2"),
    ],
)
def test_options_that_cannot_be(fields, words):
    with pytest.raises(BadInput, match=words):
        replace(SMALL, **fields)


def test_intervals_are_of_pairs(tmp_path):
    rows = run(SMALL, tmp_path)
    lines = tables(rows, SMALL)[0].rows
    own = [r for b, r in rows if b == 3 and r.change == "weights +-1 LSB"]
    assert lines[0][1].startswith(f"{np.mean([r.distance[0] for r in own]):.3f}")


def test_a_full_disk_is_said_without_a_promise_that_anything_is_kept(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_csv", full)
    with pytest.raises(BadInput, match=r"the disk is full; make room or choose another --out$"):
        run(replace(SMALL, seeds=2, bits=(3,)), tmp_path)
