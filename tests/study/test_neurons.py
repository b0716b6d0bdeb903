"""The neuron study: its grid, a small one on real images, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from intspike.cli import app
from intspike.errors import BadInput
from intspike.ir import Unfold
from intspike.lower import lower
from intspike.nn import unfold
from intspike.study.grid import Finished, cell_hash
from intspike.study.models import build, load
from intspike.study.neurons.cells import KINDS, ORDINARY, NeuronCell, grid
from intspike.study.neurons.options import Options, cells_of
from intspike.study.neurons.report import write_study_report
from intspike.study.neurons.study import run
from intspike.study.neurons.tables import order, write_tables
from intspike.study.neurons.work import with_neurons
from intspike.study.rows import rows_of
from intspike.study.runner import Study

BASE = NeuronCell(
    neuron="", spikes=4, timesteps=1, bits=None, beta=0.5, seed=0, dataset="fashion-mnist", data="",
    model="squat-fmnist", epochs=1, batch_size=10, learning_rate=3e-3, quantized_learning_rate=0.0,
)  # fmt: skip
SMALL = Options(
    neurons=("LIF", "NASN"), bits=("fp32", "3"), seeds=1, epochs=2, subset=60, batch_size=20, spikes=3
)


def test_the_grid_holds_every_neuron_at_all_bits_once_and_as_many_substeps():
    made = grid(BASE, 2, tuple(KINDS), (None, 4), 2e-3, 4)
    assert len({cell_hash(c) for c in made}) == len(made) == 2 * len(KINDS) * 2
    assert all(c.timesteps * c.substeps == 4 for c in made)
    assert {c.neuron for c in made if c.substeps == 1} == set(ORDINARY)
    assert all((c.parent is None) == (c.bits is None) for c in made)
    assert all(c.parent in made for c in made if c.parent is not None)


def test_every_kind_replaces_all_neurons_of_a_network():
    cells, where = cells_of(Options(subset=20, seeds=1))
    dataset = load(where)
    for cell in cells:
        made = with_neurons(build(where, dataset), cell)
        sent = {g.neuron.equation.spikes for g in made.layers}
        assert sent == {1 if cell.neuron in ORDINARY else 4}
        assert any(g.neuron.equation.has_shift for g in made.layers) == (cell.neuron in ("ASN", "NASN"))
        assert {g.neuron.equation.unit_of_spike for g in made.layers} == {
            0.25 if cell.neuron.startswith("N") else 1.0
        }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study[Options], Path]:
    out = tmp_path_factory.mktemp("neurons")
    return run(SMALL, out), out


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_cell_is_exact_and_counted(made: tuple[Study[Options], Path]):
    study, _ = made
    assert not study.failed
    for f in study.cells:
        cell, record = f.cell, f.record
        assert isinstance(cell, NeuronCell)
        assert record is not None
        sent = sum(x["rate"] * x["neurons"] for x in record["layers"].values()) * cell.timesteps
        assert record["spikes"] == sent
        assert record["synops"] > 0
        compared = record["exact"] or []
        assert all(c["mismatches"] == 0 for c in compared)
        unfolded = [c["a"] for c in compared if c["a"] == "integers" or c["a"].startswith("unfolded")]
        assert bool(unfolded) == (cell.neuron == "NASN" and cell.bits is not None)
        learned = {n for e in record["history"] for n in e["learned"]}
        assert bool(learned) == (cell.neuron == "NASN")
        assert len(record["history"]) == 2
        for layer in record["statistics"].values():
            assert 0 <= layer["training"] <= cell.spikes
            assert 0 <= layer["inference"] <= cell.spikes


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_is_written_holds_every_network(made: tuple[Study[Options], Path]):
    study, out = made
    summary = json.loads((out / "summary.json").read_text())
    names = {line["name"] for line in summary}
    rows = rows_of(study.cells, NeuronCell)
    assert set(rows) <= names
    assert {f"{r}/synops" for r in rows} <= names
    assert "fashion-mnist/order/LIF-before-NASN/3-3" in names
    assert [t.name for t in order(rows)] == ["LIF < NASN", "LIF < NASN"]
    assert len((out / "table.csv").read_text().splitlines()) == 1 + len(rows)
    assert "Learned shift" in (out / "report.html").read_text()
    again = run(SMALL, out)  # nothing is computed again
    assert [f.record for f in again.cells] == [f.record for f in study.cells]


def test_a_study_of_which_nothing_is_finished_is_still_reported(tmp_path: Path):
    (cell,) = grid(BASE, 1, ("ASN",), (None,), 2e-3, 4)
    failed = [Finished(cell, cell_hash(cell), "failed", "its loss was not finite")]
    write_tables(failed, SMALL, tmp_path)
    write_study_report(failed, SMALL, tmp_path)
    assert "its loss was not finite" in (tmp_path / "report.html").read_text()
    assert "its loss was not finite" in (tmp_path / "table.md").read_text()


def test_the_command_asks_for_the_same():
    assert SMALL.command() == (
        "intspike study neurons --dataset fashion-mnist --neurons LIF,NASN --spikes 3 --bits fp32,3 --seeds 1 "
        "--epochs 2 --subset 60 --batch-size 20"
    )


def test_unquantized_networks_have_a_form_to_count():
    """Operations of full precision are counted on a plain quantization, whatever its neurons send."""
    from intspike.lower.drift import plain
    from intspike.nn import quantize

    cells, where = cells_of(Options(neurons=("NASN",), bits=("fp32",), subset=20, seeds=1))
    net = with_neurons(build(where, load(where)), cells[0])
    program = lower(unfold(quantize(net, plain(net))), input_shape=(1, 28, 28))
    assert sum(isinstance(n, Unfold) for n in program) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--neurons", "lif"], "--neurons has no 'lif'"),
        (["--neurons", "LIF,LIF"], "--neurons must be different words"),
        (["--spikes", "0"], "--spikes must be in 1..15, not 0"),
        (["--timesteps", "0"], "--timesteps must be in 1..1000, not 0"),
        (["--bits", "fp32,9"], "--bits has no '9'"),
        (["--beta", "1.5"], "--beta must be a number in 0..1, not 1.5"),
        (["--dataset", "imagenet"], "the neuron study has no data set 'imagenet'"),
        (["--subset", "1"], "at least 2 validation samples"),
    ],
)
def test_mistakes_get_one_clear_line(words: list[str], message: str, tmp_path: Path):
    result: Any = CliRunner().invoke(app, ["study", "neurons", "--out", str(tmp_path / "out"), *words])
    assert isinstance(result.exception, BadInput)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()
