"""The neuron study: its grid, a small one on real images, and mistakes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from intspike import data, models, nn, train
from intspike.cli import app
from intspike.data.text import one_hot
from intspike.errors import BadInput
from intspike.ir import Unfold
from intspike.lower import lower
from intspike.nn import unfold
from intspike.study.grid import Finished, cell_hash
from intspike.study.models import build, find, load
from intspike.study.neurons import scores
from intspike.study.neurons.baselines import bags
from intspike.study.neurons.cells import BASELINES, KINDS, ORDINARY, NeuronCell, grid
from intspike.study.neurons.options import Options, cells_of
from intspike.study.neurons.report import write_study_report
from intspike.study.neurons.study import run
from intspike.study.neurons.tables import order, write_tables
from intspike.study.neurons.tasks import measured_on_text, next_token
from intspike.study.neurons.work import with_neurons
from intspike.study.rows import Row, rows_of
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


def test_baselines_are_cells_of_their_data_sets_once_a_seed():
    words = replace(BASE, dataset="text-classification")
    made = grid(words, 2, ("LIF",), (None,), 2e-3, 4, BASELINES[words.dataset])
    found = [c for c in made if c.baseline]
    assert [(c.neuron, c.seed, c.learning_rate) for c in found] == [("bag of words", s, 1e-2) for s in (0, 1)]
    assert all(c.parent is None and not c.integer for c in found)


def test_layers_of_a_language_model_go_on_remembering_nothing_or_learning_their_leak():
    own = models.spiking_language(5, width=4, layers=1)
    kept = {g.name: (g.neuron.equation.beta, g.neuron.equation.learn_beta) for g in own.layers}
    for neuron in ("LIF", "I-LIF", "NASN"):
        net = models.spiking_language(5, width=4, layers=1)
        with_neurons(net, replace(BASE, neuron=neuron, beta=0.9, dataset="language"))
        assert {g.name: (g.neuron.equation.beta, g.neuron.equation.learn_beta) for g in net.layers} == kept
        assert all((g.neuron.equation.spikes == 1) == (neuron == "LIF") for g in net.layers)


def _text(net: nn.Network, text: data.Text) -> dict[str, Any]:
    whole = data.text_windows(text, 6)
    return measured_on_text(net, whole.test, 6)[0]


def test_text_is_judged_by_what_the_language_model_is_judged_by():
    torch.manual_seed(0)
    tokens = np.random.default_rng(0).integers(0, 4, 200)
    text = data.Text(tokens, tuple("abc "), "character", "made up")
    net = models.spiking_language(4, width=6, layers=1)
    found = _text(net, text)
    _, _, held = train.next_tokens(text, 6)
    assert found["bits_per_character"] == train.bits_per_token(net, held)
    assert found["n"] == len(held) == len(found["bits_of_windows"])
    learned = data.text_windows(text, 6).train
    loss = next_token(learned.pick(np.array([3, 1])), 6)
    assert loss.targets[[1, 3]].tolist() == text.windows(6)[[1, 3], 1:].tolist()


def _row(neuron: str, bits: int | None, records: list[dict[str, Any]]) -> Row[NeuronCell]:
    cell = replace(BASE, neuron=neuron, bits=bits, dataset="language")
    done = {
        s: Finished(replace(cell, seed=s), str(s), "done", "", record) for s, record in enumerate(records)
    }
    return Row(cell, done, {})


def test_fewer_bits_per_character_are_a_gain():
    a = _row("LIF", None, [{"bits_per_character": b, "bits_of_windows": [b, b + 1]} for b in (3.0, 3.5)])
    b = _row("NASN", None, [{"bits_per_character": b, "bits_of_windows": [b, b]} for b in (2.0, 3.0)])
    assert scores.gained(a, b, (0, 1)).value == 0.75
    assert scores.gained(a, b, (0,)).value == 1.5  # over windows
    assert scores.score_of(a.cell).sign == -1
    quantized = _row("LIF", 4, [{"bits_per_character": x} for x in (3.3, 3.5)])
    above = scores.above_full(a, quantized)
    assert above is not None
    assert above.value == pytest.approx(5.0)


def test_bags_of_words_count_what_two_training_texts_hold():
    vocabulary = tuple(" abx")
    texts = ["ab a", "ab ab", "x ab", "a x b"]
    tokens = [data.encode_text(t, vocabulary) for t in texts]

    def part(*index: int) -> data.Split:
        return one_hot([tokens[k] for k in index], np.zeros(len(index), np.int64), 4, 6)

    dataset = data.Dataset("texts", part(0, 1, 2), part(3), part(3, 1), ("0",), "made up", high=1)
    made = bags(dataset, vocabulary)
    assert made.train.inputs.tolist() == [[1], [2], [1]]  # of "a", "ab" and "x", two texts hold "ab" alone
    assert made.test.inputs.tolist() == [[0], [2]]
    few = data.Dataset("texts", part(0), part(3), part(3), ("0",), "made up", high=1)
    with pytest.raises(BadInput, match="must have a word"):
        bags(few, vocabulary)


def test_only_the_neuron_study_takes_text_without_classes():
    with pytest.raises(BadInput, match="compares classes, but language has none"):
        find("timestep", "language", None, None)
    assert find("neuron", "language", None, None).model == "spiking-language"


def test_own_data_are_taken_from_a_function(tmp_path):
    np.savez(tmp_path / "own.npz", train_inputs=np.zeros((4, 1, 2, 2), np.uint8))
    with pytest.raises(
        BadInput, match=r"my_module:my_data, where my_data returns intspike\.data\.npz\('.*own\.npz'\)"
    ):
        find("neuron", "fashion-mnist", None, str(tmp_path / "own.npz"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_text_is_predicted_beside_baselines_of_equal_size(tmp_path: Path):
    path = tmp_path / "text.txt"
    path.write_text("abcabd " * 300)
    options = Options(
        dataset="language", neurons=("LIF", "PLIF", "NASN"), seeds=1, epochs=1, batch_size=8, data=str(path)
    )
    study = run(options, tmp_path / "out")
    assert not study.failed
    rows = rows_of(study.cells, NeuronCell)
    assert [r.cell.neuron for r in rows.values()] == ["LIF", "LIF", "NASN", "NASN", "GRU", "transformer"]
    sizes = {name: r.record(0)["parameters"] for name, r in rows.items()}
    assert max(sizes.values()) < 1.05 * min(sizes.values())
    for f in study.cells:
        assert f.record is not None
        assert all(c["mismatches"] == 0 for c in f.record["exact"] or [])
    summary = {line["name"]: line for line in study.summary}
    assert summary["language/NASN/4-4/above-full-precision"]["goal"] == "<= 5.0"
    assert "bits per character saved" in (tmp_path / "out" / "table.md").read_text()
    assert "Left and below is better" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_texts_are_classified_beside_a_bag_of_words(tmp_path: Path):
    options = Options(dataset="text-classification", neurons=("LIF",), bits=("fp32",), seeds=1, epochs=20)
    study = run(options, tmp_path / "out")
    assert not study.failed
    rows = rows_of(study.cells, NeuronCell)
    assert list(rows) == ["text-classification/LIF/32-32", "text-classification/bag of words/32-32"]
    accuracy = rows["text-classification/bag of words/32-32"].record(0)["accuracy"]
    assert accuracy > 1 / 4  # of four speakers


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
        (["--bits", "fp32,9"], "--bits must be bits of weights and membrane potentials in 1..8"),
        (
            ["--bits", "fp32,4-2"],
            "--bits must be equal for weights and membrane potentials here, such as 4, not 4-2",
        ),
        (["--beta", "1.5"], "--beta must be a number in 0..1, not 1.5"),
        (["--dataset", "imagenet"], "the neuron study has no data set 'imagenet'"),
        (["--subset", "1"], "at least 2 validation samples"),
        (["--dataset", "language", "--timesteps", "65"], "--timesteps must be in 1..64"),
        (["--dataset", "language", "--data", "mine:text"], "must be a plain text file, not mine:text"),
    ],
)
def test_mistakes_get_one_clear_line(words: list[str], message: str, tmp_path: Path):
    result: Any = CliRunner().invoke(app, ["study", "neurons", "--out", str(tmp_path / "out"), *words])
    assert isinstance(result.exception, BadInput)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()
