"""`intspike energy`: its numbers are those of the measures, in every table, and it needs no torch."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from intspike.cli import app
from intspike.engine import native
from intspike.errors import BadArtifact, BadInput
from intspike.ir import Dense, Edge, Input, Join, Program, Readout, frozen
from intspike.ir.artifact import save
from intspike.measure import synops
from intspike.measure.energy import energy, event_counts, load
from intspike.study.energy import page, run
from intspike.study.energy.costs import Options
from intspike.study.energy.run import measure
from intspike.study.energy.tables import tables
from measure.small_programs import neuron_node


def program(recurrent: bool = False) -> Program:
    """Two layers on 6 codes; with a loop where asked."""
    rng = np.random.default_rng(0)
    nodes = [
        Input("x", (6,), 0, 255),
        Dense("first", Edge("x"), frozen(rng.integers(-3, 4, (5, 6)))),
        neuron_node("hidden", "first", 5, theta=100),
        Dense("second", Edge("hidden"), frozen(rng.integers(-3, 4, (3, 5)))),
    ]
    source = "second"
    if recurrent:
        nodes += [
            Dense("back", Edge("last", 1), frozen(np.eye(3, dtype=np.int64))),
            Join("sum", (Edge("second"), Edge("back"))),
        ]
        source = "sum"
    nodes += [neuron_node("last", source, 3), Readout("out", Edge("last"))]
    return Program(tuple(nodes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(program(), tmp_path / "net.intspike")
    save(program(recurrent=True), tmp_path / "loop.intspike")
    rng = np.random.default_rng(1)
    np.savez(
        tmp_path / "own.npz",
        train_inputs=rng.integers(0, 256, (30, 6), dtype=np.uint8),
        train_labels=np.arange(30) % 3,
        test_inputs=rng.integers(0, 256, (12, 6), dtype=np.uint8),
        test_labels=np.arange(12) % 3,
    )
    return tmp_path


def written(out: Path) -> list[dict[str, str]]:
    with (out / "table.csv").open() as f:
        return list(csv.DictReader(f))


def options(folder: Path, **more) -> Options:
    return Options(folder / more.pop("artifact", "net.intspike"), str(folder / "own.npz"), **more)


@pytest.mark.parametrize("table", ["horowitz-45nm", "lemaire-2022"])
def test_numbers_are_those_of_the_measures(folder, table, monkeypatch):
    x = np.load(folder / "own.npz")["test_inputs"]
    trace = native.run(program(), x, 4)
    expected = energy(event_counts(program(), trace, x), load(table))
    for at_once in (6250, 20):  # batches do not matter
        monkeypatch.setattr(run, "AT_ONCE", at_once)
        found = measure(options(folder, table=table, timesteps=4))
        assert found.energy is not None
        assert found.energy.parts == expected.parts
        assert found.energy.driven == expected.driven
        assert np.array_equal(found.energy.each, expected.each)
        assert found.operations == synops(program(), trace, x)
        assert found.right == tuple(trace.classes == np.arange(12) % 3)
        assert found.active.spikes == sum(int(s.sum()) for s in trace.spikes.values()) / 12
    names = [r.name for r in found.rivals]
    assert names == ["floating point", "ANN, equal information", "ANN, int8", "ANN, float32"]
    assert "3-bit activations" in found.rivals[1].says  # of 4 timesteps
    assert found.rivals[0].meets is None
    assert found.seed_score == 100 * found.accuracy.value / found.active.spikes


def test_samples_and_timesteps(folder):
    few = measure(options(folder, samples=5, timesteps=2))
    assert (few.samples, few.timesteps) == (5, 2)
    assert (measure(options(folder)).samples, measure(options(folder)).timesteps) == (12, 25)


def test_what_a_table_or_a_program_lacks_is_said(folder):
    looped = measure(options(folder, artifact="loop.intspike", timesteps=3))
    assert [r.energy is None for r in looped.rivals] == [False, True, True, True]
    assert "back reads one" in looped.rivals[1].refused
    (folder / "small.toml").write_text(
        "".join(part for part in _parts("horowitz-45nm") if 'operation = "float' not in part)
    )
    found = measure(options(folder, table=str(folder / "small.toml"), timesteps=3))
    assert found.energy is not None
    assert "must hold an entry 'float " in found.rivals[0].refused
    assert found.rivals[1].energy is not None
    assert any("–" in row for t in tables(found) for row in t.rows)
    page.write(found, folder / "out")


def _parts(name: str) -> list[str]:
    from importlib.resources import files

    text = files("intspike.measure.energy").joinpath("tables", f"{name}.toml").read_text("utf-8")
    head, *entries = text.split("[[entry]]")
    return [head, *("[[entry]]" + e for e in entries)]


def test_crossbars_and_cycles(folder):
    crossbar = measure(options(folder, table="crossbar", timesteps=3))
    assert crossbar.converters is not None
    assert set(crossbar.converters) == {"first", "second"}
    assert crossbar.energy is not None
    assert not crossbar.rivals
    fpga = measure(options(folder, table="fpga", timesteps=3))
    assert fpga.energy is None
    assert "must hold an entry 'cycle'" in fpga.refused
    assert fpga.cycles is not None
    assert fpga.cycles["hidden"] == 15
    (folder / "board.toml").write_text(
        'name = "board"\ntitle = "180 mW at 100 MHz"\nmachine = "cycles"\nlanes = 4\n'
        '[[entry]]\noperation = "cycle"\nvalue = 1.8\nrange = [1.5, 2]\nunit = "nJ"\nsource = "measured"\n'
    )
    priced = measure(options(folder, table=str(folder / "board.toml"), timesteps=3))
    assert priced.energy is not None
    assert priced.cycles is not None
    assert priced.cycles["hidden"] == 6
    total = sum(c.total for c in priced.counts.entries)
    assert priced.energy.total.value == total * 1800


@pytest.mark.parametrize("table", ["horowitz-45nm", "crossbar", "fpga"])
def test_the_command_prints_and_writes(folder, table):
    given = ["energy", str(folder / "net.intspike"), "--data", str(folder / "own.npz"), "--timesteps", "3"]
    given += ["--model", table]
    out = folder / "out"
    shown = CliRunner().invoke(app, [*given, "--out", str(out)])
    assert shown.exit_code == 0, shown.output
    assert "12 samples, 3 timesteps" in shown.output
    assert ("No energy" in shown.output) == (table == "fpga")
    assert sorted(p.name for p in out.iterdir()) == [
        "energy.json",
        "report.html",
        "summary.json",
        "table.csv",
    ]
    summary = {x["name"]: x for x in json.loads((out / "summary.json").read_text())}
    told = json.loads((out / "energy.json").read_text())
    as_json = CliRunner().invoke(app, [*given, "--json"])
    assert json.loads(as_json.stdout) == told
    assert (told["energy"] is None) == (table == "fpga") == (f"{table}/this-network/uJ" not in summary)
    if table != "fpga":
        line, value = summary[f"{table}/this-network/uJ"], told["energy"]["per_inference"]
        assert [1e6 * line[k] for k in ("low", "value", "high")] == pytest.approx(
            [value[k] for k in ("low", "value", "high")]
        )
    assert summary[f"{table}/accuracy"]["value"] == 100 * told["accuracy"]["value"]
    rows = written(out)
    assert {r["layer"] for r in rows} >= {"first", "second"}
    assert "Energy of an inference" in (out / "report.html").read_text()


def test_every_count_of_the_table_is_priced_in_the_total(folder):
    found = measure(options(folder, timesteps=3))
    page.write(found, folder / "out")
    rows = written(folder / "out")
    assert len(rows) == len(found.counts.entries)
    whole = sum(float(r["per_inference"]) for r in rows)
    assert whole == pytest.approx(sum(c.total for c in found.counts.entries) / 12, rel=1e-12)
    shown = {p.title: p for p in (*page.page(found).sections[0].panels, *page.page(found).sections[1].panels)}
    assert len(shown) == 2
    bars = [f for f in shown["Energy of an inference, by layer and cause"].data if f["type"] == "bar"]
    assert len(bars) == len(found.energy.parts)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"samples": 0}, r"--samples must be in 1\.\.1000000000, not 0"),
        ({"timesteps": 0}, r"--timesteps must be in 1\.\.10000, not 0"),
        ({"table": "horowitz"}, "no table of coefficients 'horowitz'"),
    ],
)
def test_what_cannot_be_is_refused(folder, more, message):
    with pytest.raises(BadInput, match=message):
        measure(options(folder, **more))


def test_other_data_and_no_artifact_are_refused(folder):
    with pytest.raises(BadInput, match=r"must read frames \[20\] of delayed match, but reads \[6\]"):
        measure(replace(options(folder), data="delayed-match", samples=4))
    (folder / "bad.intspike").write_bytes(b"no program")
    with pytest.raises(BadArtifact):
        measure(options(folder, artifact="bad.intspike"))


def test_it_needs_no_torch(folder):
    code = (
        "import os, sys; sys.modules['torch'] = sys.modules['pandas'] = None\n"
        "os.environ['INTSPIKE_COMPILER'] = 'none'\n"
        "from intspike.cli import app\n"
        f"app(['energy', {str(folder / 'net.intspike')!r}, '--data', {str(folder / 'own.npz')!r}, "
        "'--timesteps', '2', '--json'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["timesteps"] == 2


def test_no_energy_is_negative(folder):
    """Two samples that differ much leave an interval that reaches below zero."""
    found = measure(options(folder, samples=2))
    assert found.energy is not None
    apart = replace(found, energy=replace(found.energy, each=np.array([1.0, 9.0])))
    assert apart.spread is not None
    assert apart.spread.value == 5.0
    assert apart.spread.low == 0.0
    assert apart.spread.high is not None
    assert apart.spread.high > 9.0
