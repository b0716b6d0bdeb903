"""The sweep: its numbers are those of single orbits, it resumes, and a stopped one shows what it has."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import plotly.graph_objects
import pytest
from typer.testing import CliRunner

from intspike.cli import app
from intspike.dynamics import Ensemble, classify, orbit, raster
from intspike.errors import BadInput
from intspike.measure import wilson
from intspike.study.dynamics.sweep import compute, run
from intspike.study.dynamics.sweep_options import Options, cells_of, parse_axis
from intspike.study.dynamics.sweep_report import length_table, lengths, networks_of, page_of
from intspike.study.grid import Finished, cell_hash
from toy_cells import Here

SMALL = Options((12,), (0.3,), (3, 4), seeds=3, steps=50, budget=300)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    made = Here()
    monkeypatch.setattr("intspike.study.grid.run.open_backend", lambda *arguments: made)
    return made


def rows_of(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "table.csv").read_text("utf-8").splitlines()))


def test_the_table_holds_what_single_orbits_say(here: Here, tmp_path: Path):
    run(SMALL, tmp_path)
    rows = rows_of(tmp_path)
    assert len(rows) == 2 * 2 * 3
    for r in rows:
        e = Ensemble(12, 0.3, int(r["bits"]), threshold=r["threshold"])  # type: ignore[arg-type]
        net, start = e.network(int(r["seed"])), e.start(int(r["seed"]))
        found = orbit(net, start, 300)
        assert r["regime"] == classify(net, found).label
        assert r["transient"] == ("" if found.transient is None else str(found.transient))
        assert r["spike_period"] == ("" if found.cycle is None else str(found.cycle.spike_period))
        assert float(r["rate"]) == raster(net, start, 50).mean()
        assert int(r["theta"]) == e.theta
    # the null explanation: three unsigned bits cannot reach a threshold of 8
    assert {r["regime"] for r in rows if (r["bits"], r["threshold"]) == ("3", "fixed")} <= {
        "quiescent (zero)", "quiescent (dead zone)",
    }  # fmt: skip
    summary = json.loads((tmp_path / "summary.json").read_text())
    one = next(
        s
        for s in summary
        if s["name"].startswith("active") and "scaled" in s["name"] and "4 bits" in s["name"]
    )
    own = [r for r in rows if (r["bits"], r["threshold"]) == ("4", "scaled")]
    share = wilson(sum("quiescent" not in r["regime"] for r in own), 3)
    assert (one["value"], one["low"], one["high"], one["n"]) == (share.value, share.low, share.high, 3)
    assert one["goal"] is None
    assert "| 3 | 8 |" in (tmp_path / "table.md").read_text("utf-8")
    assert one["command"].startswith("intspike dynamics random --neurons 12 --density 0.3 --bits 3,4")


def test_more_seeds_keep_what_is_there(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("intspike.study.dynamics.sweep_options.BLOCK", 2)
    run(replace(SMALL, seeds=2), tmp_path)
    done: list[str] = []
    submit = here.submit
    here.submit = lambda key, task: (done.append(key), submit(key, task))[1]  # type: ignore[method-assign]
    finished = run(replace(SMALL, seeds=4), tmp_path)
    assert len(finished) == 8
    assert set(done) == {cell_hash(f.cell) for f in finished if f.cell.first == 2}
    assert len(rows_of(tmp_path)) == 16


def test_a_stopped_sweep_shows_what_it_has(here: Here, tmp_path: Path):
    submit, count = here.submit, Counter[str]()

    def stop(key: str, task: object) -> None:
        count["cells"] += 1
        if count["cells"] == 3:
            raise KeyboardInterrupt
        submit(key, task)

    here.submit = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run(SMALL, tmp_path)
    assert len(rows_of(tmp_path)) == 2 * 3
    assert "2 of 4 cells are finished" in (tmp_path / "report.html").read_text("utf-8")
    here.submit = submit  # type: ignore[method-assign]
    assert len(run(SMALL, tmp_path)) == 4
    assert len(rows_of(tmp_path)) == 4 * 3


def test_every_picture_is_one_that_plotly_knows():
    options = Options(
        (4, 6), (0.2, 0.6), (2, 4), ("wrap",), ("none", "zero"), seeds=2, steps=20, budget=50, leak="none"
    )
    finished = [Finished(c, cell_hash(c), "done", record=compute(c, {}).record) for c in cells_of(options)]
    page = page_of(finished, networks_of(finished), options, len(finished))
    panels = [p for s in page.sections for p in s.panels]
    assert len(panels) == 4 + 8 + 4 + 8

    def plain(x: object) -> object:
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items()}
        if isinstance(x, list):
            return [plain(v) for v in x]
        return "black" if isinstance(x, str) and x.startswith("$") else x

    for p in (panels[0], *(s.panels[-1] for s in page.sections if s.panels)):
        plotly.graph_objects.Figure(data=plain(p.data), layout=plain(p.layout))
    assert all(p.data for p in panels)
    failed = [Finished(finished[0].cell, "x", "failed", "no memory"), *finished[1:]]
    assert "no memory" in str(page_of(failed, networks_of(failed), options, 8).sections)


def test_the_command(here: Here, tmp_path: Path):
    words = "dynamics random --neurons 8 --density 0.5 --bits 3 --seeds 2 --reset subtract --threshold scaled --signed"
    made = CliRunner().invoke(app, [*words.split(), "--leak-shift", "1", "--out", str(tmp_path)])
    assert made.exit_code == 0, (made.output, made.exception)
    assert "1 cells. Open" in made.output
    assert (tmp_path / "report.html").exists()
    record = json.loads((tmp_path / "study.json").read_text())
    assert record["signed"] is True
    assert record["budget"] == 20_000


def test_axes():
    assert parse_axis("neurons", "30..130", int) == (30, 55, 80, 105, 130)
    assert parse_axis("density", "0.1..0.9:3", float) == (0.1, 0.5, 0.9)
    assert parse_axis("bits", "4,8,16", int) == (4, 8, 16)
    assert parse_axis("bits", "4,2..4:3", int) == (4, 2, 3)
    for words in ("", "a", "1..b", "4.5"):
        with pytest.raises(BadInput, match="--bits must be numbers with commas"):
            parse_axis("bits", words, int)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"overflow": ("clip",)}, "--overflow must be one or more of saturate, wrap"),
        ({"leak": "slow"}, "--leak must be none or shift"),
        ({"budget": 0}, "--budget must be in 1..100,000,000, not 0"),
        ({"seeds": 0}, "--seeds must be in"),
        ({"neurons": (9999,)}, "--neurons must be in 1..4096"),
        ({"bits": (17,)}, "bits must be an integer in 1..16"),
        ({"density": (2.0,)}, "--density must be in 0..1, not 2"),
        ({"inhibition": -0.5}, "--inhibition must be in 0..1, not -0.5"),
        ({"neurons": ()}, "--neurons must be different values, at least one, not none"),
        ({"overflow": ("wrap", "wrap")}, "--overflow must be different values, at least one, not wrap,wrap"),
    ],
)
def test_options_that_cannot_be(fields, words):
    with pytest.raises(BadInput, match=words):
        Options(**fields)


def test_lengths_are_medians_of_what_stays_active():
    networks = [
        {"regime": "limit cycle", "transient": k, "state_period": 2 * k, "spike_period": k}
        for k in range(1, 8)
    ]
    silent = {"regime": "quiescent (zero)", "transient": 99, "state_period": 1, "spike_period": 1}
    lost = dict.fromkeys(("transient", "state_period", "spike_period")) | {
        "regime": "unresolved within the budget"
    }
    found = lengths([*networks, silent, lost, lost])
    assert (found["transient"].value, found["transient"].n) == (5, 9)
    assert found["state period"].value == 10
    assert found["spike period"].high == float("inf")
    assert lengths([silent]) == {}
    shown = {"threshold": "fixed", "overflow": "wrap", "reset": "zero", "leak": None, "bits": 4}
    (table,) = length_table([shown | n for n in [*networks, silent, lost]])
    assert table.rows == [["4", "8", "4.5 [1, unresolved]", "9 [2, unresolved]", "4.5 [1, unresolved]"]]
