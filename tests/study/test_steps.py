"""`intspike train` and `intspike evaluate` on a model and data of one's own."""

from __future__ import annotations

import json
import os
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
    return result.output


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
    assert "checkpoint of a training with other arguments" in str(result.exception)
    assert (here / "made" / "model.intspike").read_bytes() == before
    again = here / "again"
    run(*TRAIN, "--out", str(again), "--seed", "1")
    run(*TRAIN, "--out", str(again), "--force")
    assert (again / "model.intspike").read_bytes() == before  # equal options, equal bytes


def test_quantized_training_starts_from_a_given_network(here: Path) -> None:
    run(*TRAIN, "--out", "from", "--start", "made/full-precision.safetensors")
    assert (here / "from" / "model.intspike").read_bytes() == (here / "made" / "model.intspike").read_bytes()
    assert not (here / "from" / "full-precision.safetensors").exists()
    run(*TRAIN, "--out", "full", "--bits", "fp32")
    assert sorted(p.name for p in (here / "full").iterdir()) == ["full-precision.safetensors", "train.json"]


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


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["train", "--model", "own_steps:build", "--bits", "4"], BadInput, "--bits must be fp32, or bits"),
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
        (["evaluate", "made/model.intspike", "--data", "fashion-mnist"], BadInput, "must read frames"),
        (["evaluate", "made/quantized.safetensors", "--data", "own_steps:load"], BadInput, "give --model"),
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
