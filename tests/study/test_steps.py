"""`intspike train` and `intspike evaluate` on a model and data of one's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from intspike.cli import app
from intspike.engine import early_exit, native
from intspike.errors import BadData, BadInput
from intspike.ir.artifact import load
from intspike.study.compare.network import NETWORKS, built
from intspike.study.trained_for import chosen, trained_timesteps

SOURCE = Path(__file__).parents[2] / "src"
MINE = """
import numpy as np
import torch
from intspike import data, nn

def load():
    random = np.random.default_rng(0)
    def split(n):
        labels = np.arange(n, dtype=np.int64) % 3
        x = random.integers(0, 60, (n, 6), np.uint8)
        x[np.arange(n), 2 * labels] += 180
        return data.Split(x, labels)
    return data.Dataset("bars", split(90), split(45), split(40), ("a", "b", "c"), "made up")

def unvalidated():
    whole = load()
    return data.Dataset("bars", whole.train, data.Split(whole.test.inputs[:0], whole.test.labels[:0]), whole.test,
                        whole.classes, "made up")

def build():
    return torch.nn.Sequential(
        nn.Input(1 / 255), torch.nn.Linear(6, 12), nn.LIF(beta=0.5), torch.nn.Linear(12, 3), nn.LIF(beta=0.5)
    )

def adaptive():
    return torch.nn.Sequential(nn.Input(1 / 255), torch.nn.Linear(6, 3), nn.AdaptiveLIF())

def wrong():
    return torch.nn.Sequential(nn.Input(1 / 255), torch.nn.Linear(5, 3), nn.LIF(beta=0.5))
"""
TRAIN = [
    "train",
    "--model",
    "own_steps:build",
    "--data",
    "own_steps:load",
    "--epochs",
    "2",
    "--timesteps",
    "4",
]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the user's module, and a training at 4 bits."""
    folder = tmp_path_factory.mktemp("steps")
    (folder / "own_steps.py").write_text(MINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run(*TRAIN, "--out", "made")
    return folder


@pytest.fixture(autouse=True)
def _inside(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def answer(*words: str) -> dict[str, Any]:
    return json.loads(run("evaluate", *words, "--data", "own_steps:load", "--timesteps", "4", "--json"))


def test_the_program_the_checkpoint_and_the_training_agree(here: Path) -> None:
    record = json.loads((here / "made" / "train.json").read_text())
    program = answer("made/model.intspike")
    checkpoint = answer("made/quantized.safetensors", "--model", "own_steps:build", "--bits", "4-4")
    full = answer("made/full-precision.safetensors", "--model", "own_steps:build")
    assert program["accuracy"] == checkpoint["accuracy"] == record["quantized"]["test"]
    assert program["layers"] == checkpoint["layers"]
    assert full["accuracy"] == record["full-precision"]["test"]
    assert [len(record[k]["history"]) for k in ("full-precision", "quantized")] == [2, 2]
    assert all(c["mismatches"] == 0 for c in record["exact"])


def test_what_is_said_of_early_exit_is_what_it_does(here: Path) -> None:
    sys.path.insert(0, str(here))
    import own_steps  # type: ignore[import-not-found]

    found = answer("made/model.intspike", "--exit", "5")["early_exit"]
    images, program = own_steps.load(), load(here / "made" / "model.intspike")
    margin = early_exit.choose(program, images.validation.inputs, images.validation.labels, 4, 5)
    counts = early_exit.readouts(program, images.test.inputs, 4)
    whole = early_exit.exits(counts, margin)
    assert found["margin"] == margin
    assert found["timesteps"] == whole.timesteps.mean()
    assert found["accuracy"]["value"] == (whole.classes == images.test.labels).mean()
    held = native.run(program, images.validation.inputs, 4).classes == images.validation.labels
    stopped = early_exit.run(program, images.validation.inputs, 4, margin).classes == images.validation.labels
    assert stopped.mean() >= held.mean() - 0.05 - 1e-9


def test_a_finished_training_is_not_repeated_and_other_options_are_refused(here: Path) -> None:
    before = (here / "made" / "model.intspike").read_bytes()
    run(*TRAIN, "--out", "made")
    assert (here / "made" / "model.intspike").read_bytes() == before
    result = CliRunner().invoke(app, [*TRAIN, "--out", "made", "--seed", "1"])
    assert isinstance(result.exception, BadInput)
    assert str(result.exception) == (
        "--out made must be new or hold the same training, but there --seed was 0 and is 1; give --force to start "
        "over, or another --out"
    )
    assert (here / "made" / "model.intspike").read_bytes() == before
    again = here / "again"
    run(*TRAIN, "--out", str(again), "--seed", "1")
    run(*TRAIN, "--out", str(again), "--force")
    assert (again / "model.intspike").read_bytes() == before  # equal options, equal bytes


def test_a_program_of_something_else_is_not_replaced_unasked(here: Path) -> None:
    (here / "other").mkdir()
    (here / "other" / "model.intspike").write_text("mine")
    result = CliRunner().invoke(app, [*TRAIN, "--out", "other"])
    assert isinstance(result.exception, BadInput)
    assert str(result.exception).startswith(
        "--out other must be new or hold the same training, but holds a model"
    )
    assert [f.name for f in (here / "other").iterdir()] == ["model.intspike"]
    assert (here / "other" / "model.intspike").read_text() == "mine"


def test_quantized_training_starts_from_a_given_network(here: Path) -> None:
    run(*TRAIN, "--out", "from", "--start", "made/full-precision.safetensors")
    assert (here / "from" / "model.intspike").read_bytes() == (here / "made" / "model.intspike").read_bytes()
    assert not (here / "from" / "full-precision.safetensors").exists()
    run(*TRAIN, "--out", "full", "--bits", "fp32")
    assert sorted(p.name for p in (here / "full").iterdir()) == ["full-precision.safetensors", "train.json"]


def test_timesteps_of_the_training_are_those_of_a_run_without_others(here: Path) -> None:
    checkpoint = ("made/quantized.safetensors", "--model", "own_steps:build", "--bits", "4-4")
    for words in (("made/model.intspike",), checkpoint):
        found = json.loads(run("evaluate", *words, "--data", "own_steps:load", "--json"))
        assert found == answer(*words)
        assert found["timesteps"] == 4
    asked = ["made/model.intspike", "--data", "own_steps:load", "--json"]
    assert json.loads(run("energy", *asked))["timesteps"] == 4
    run("compare", "made/model.intspike", *asked, "--repeats", "0", "--out", "compared")
    assert json.loads((here / "compared" / "drift.json").read_text())["timesteps"] == 4
    assert json.loads(run("evaluate", *asked, "--timesteps", "7"))["timesteps"] == 7


@pytest.mark.parametrize(
    ("notes", "timesteps"),
    [({}, None), *(({"timesteps": t}, n) for t, n in (
        ("1", 1), ("10000", 10_000), ("0", None), ("10001", None), ("-4", None), ("(1, 2)", None), ("\u0664", None),
        ("None", None), ("9" * 5000, None),
    ))],
)  # fmt: skip
def test_notes_of_a_file_may_say_anything(notes: dict[str, str], timesteps: int | None) -> None:
    assert trained_timesteps(notes) == timesteps


def test_the_data_and_the_user_come_before_the_training() -> None:
    assert chosen(None, None, None) == chosen(None, None) == 25
    assert chosen(None, None, None, 4, 5) == 4
    assert chosen(None, 9, 4) == 9
    assert chosen(1, 9, 4) == 1


def test_what_is_stored_is_what_codec_says(here: Path) -> None:
    adaptive = [
        "train",
        "--model",
        "own_steps:adaptive",
        "--data",
        "own_steps:load",
        "--epochs",
        "1",
        "--timesteps",
        "3",
    ]
    result = CliRunner().invoke(app, [*adaptive, "--out", "adaptive"])
    assert isinstance(result.exception, BadInput)
    assert str(result.exception).endswith("choose stores='before reset' for the state: --codec before-reset")
    assert not (here / "adaptive").exists()  # nothing was trained
    run(*adaptive, "--out", "adaptive", "--codec", "before-reset")
    (neuron,) = load(here / "adaptive" / "model.intspike").neurons
    assert [s.codec.stores for s in neuron.body.states if s.name == "u"] == ["before reset"]
    words = ("adaptive/quantized.safetensors", "--model", "own_steps:adaptive", "--bits", "4-4")
    record = json.loads((here / "adaptive" / "train.json").read_text())
    assert answer(*words, "--codec", "before-reset")["accuracy"] == record["quantized"]["test"]


def test_a_training_that_was_stopped_says_what_it_was_asked_for(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("intspike.study.steps.training._store", stopped)
        assert CliRunner().invoke(app, [*TRAIN, "--out", "stopped"]).exit_code == 130
    result = CliRunner().invoke(
        app, [*TRAIN, "--out", "stopped", "--batch-size", "10", "--learning-rate", "0.1"]
    )
    told = "--batch-size was 50 and is 10, --learning-rate was not given and is 0.1"
    assert told in str(result.exception)
    run(*TRAIN, "--out", "stopped")
    assert (here / "stopped" / "model.intspike").read_bytes() == (
        here / "made" / "model.intspike"
    ).read_bytes()


def test_a_stored_program_is_evaluated_without_torch(here: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (12, 6), np.uint8)
    labels = np.arange(12) % 3
    np.savez(here / "own.npz", train_inputs=x, train_labels=labels, test_inputs=x, test_labels=labels)
    hide = "import sys; sys.modules['torch'] = None; from intspike.cli import app; app()"
    words = ["evaluate", "made/model.intspike", "--data", "own.npz", "--timesteps", "3", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-c", hide, *words], cwd=here, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    right = native.run(load(here / "made" / "model.intspike"), x, 3).classes == labels
    assert found["accuracy"]["value"] == right.mean()


def test_the_networks_that_are_named_are_those_that_can_be_built() -> None:
    sys.path.insert(0, str(Path.cwd()))
    import own_steps  # type: ignore[import-not-found]

    text = (SOURCE.parent / "docs" / "cli.md").read_text()
    listed = re.search(r"A network is one of intspike by its name \((.*?);", text, re.DOTALL)
    assert listed is not None
    assert set(re.findall(r"`([\w-]+)`", listed[1])) == set(NETWORKS)
    for name in NETWORKS:
        try:
            built(name, own_steps.load())
        except BadInput:  # frames that it does not read: said, not a TypeError
            assert not name.startswith(("recurrent", "squat-shd"))


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["train", "--model", "own_steps:build", "--bits", "W4"], BadInput, "--bits must be bits of weights"),
        (["train", "--model", "own_steps:build", "--bits", "fp32", "--start", "x"], BadInput, "--bits is fp32"),
        (["train", "--model", "own_steps:wrong", "--data", "own_steps:load"], BadInput, "must read frames [6]"),
        (["train", "--model", "own_steps:biuld", "--data", "own_steps:load"], BadInput, "did you mean 'build'"),
        ([*TRAIN, "--out", "x", "--devices", "3"], BadInput, "--batch-size must divide evenly over --devices"),
        ([*TRAIN, "--out", "x", "--precision", "16"], BadInput, "--precision must be one of 32-true"),
        ([*TRAIN, "--out", "x", "--timesteps", "0"], BadInput, "--timesteps must be in 1..1000, not 0"),
        ([*TRAIN, "--out", "x", "--batch-size", "0"], BadInput, "--batch-size must be in 1..10000, not 0"),
        ([*TRAIN, "--out", "x", "--epochs", "-1"], BadInput, "--epochs must be in 1..10000, not -1"),
        ([*TRAIN, "--out", "x", "--learning-rate", "nan"], BadInput, "--learning-rate must be a positive number"),
        ([*TRAIN, "--out", "x", "--devices", "0"], BadInput, "--devices must be at least 1, not 0"),
        ([*TRAIN, "--out", "x", "--start", "own_steps.py"], BadData, "must be a checkpoint"),
        (["evaluate", "made/model.intspike", "--data", "fashion-mnist"], BadInput, "give by --data what it"),
        (["evaluate", "fashion-mnist-w2u2", "--data", "own_steps:load"], BadInput, "fashion-mnist-w2u2 must read"),
        (["evaluate", "made/model.intspike", "--model", "x", "--bits", "1-1"], BadInput, "leave --model and --bits"),
        (["evaluate", "nope.intspike", "--data", "nothing"], BadInput, "nope.intspike must be a file that exists"),
        (["compare", "made/model.intspike", "nope.intspike"], BadInput, "nope.intspike must be a file that exists"),
        (["train", "--model", "gru-language"], BadInput, "known: recurrent, sew-resnet-18, sew-resnet-8, spiking-cnn, "
         "spiking-transformer, squat-dvs, squat-fmnist, squat-shd"),
        ([*TRAIN, "--codec", "soft"], BadInput, "--codec must be after-reset or before-reset, not 'soft'"),
        (
            ["evaluate", "made/quantized.safetensors", "--model", "own_steps:build", "--data", "own_steps:load",
             "--bits", "2-4"],
            BadInput, "was trained with bits=4, not bits=2; give the --bits and --codec",
        ),
        (
            ["evaluate", "made/quantized.safetensors", "--model", "own_steps:build", "--data", "own_steps:load",
             "--bits", "4-4", "--codec", "before-reset"],
            BadInput, "was trained with stores='after reset', not stores='before reset'",
        ),
        (["evaluate", "made/quantized.safetensors", "--data", "own_steps:load"], BadInput, "give --model"),
        (
            ["evaluate", "made/quantized.safetensors", "--model", "own_steps:build", "--data", "own_steps:load"],
            BadData, "it was quantized, so give the --bits it was trained as",
        ),
        (["evaluate", "made/model.intspike", "--samples", "0"], BadInput, "--samples must be in 1.."),
        (["evaluate", "made/model.intspike", "--exit", "-1"], BadInput, "--exit must be points"),
        (
            ["evaluate", "made/full-precision.safetensors", "--model", "own_steps:build", "--data", "own_steps:load",
             "--exit", "1"],
            BadInput, "--exit reads integer margins",
        ),
        (
            ["evaluate", "made/model.intspike", "--data", "own_steps:unvalidated", "--exit", "1"],
            BadInput, "must choose its margin on validation samples, but bars has 0",
        ),
        (
            ["evaluate", "made/quantized.safetensors", "--model", "own_steps:build", "--data", "own_steps:load"],
            BadData, "must hold the parameters of own_steps:build",
        ),
    ],
)  # fmt: skip
def test_mistakes_get_one_clear_line(words: list[str], error: type[Exception], message: str) -> None:
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)
