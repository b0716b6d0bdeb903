"""`--json`: one object on standard output, and nothing else there."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from intspike.cli import app
from intspike.errors import DriftExceeded
from intspike.measure import LayerFiring
from intspike.study import drifted
from intspike.study.grid import Finished
from intspike.study.neurons.cells import NeuronCell
from intspike.study.runner import Study
from intspike.study.watch import Watch

CELL = NeuronCell(
    neuron="LIF", spikes=4, timesteps=1, bits=None, beta=0.5, seed=0, dataset="fashion-mnist", data="",
    model="squat-fmnist", epochs=1, batch_size=10, learning_rate=3e-3, quantized_learning_rate=0.0,
)  # fmt: skip
LINE = {"name": "n", "value": 1.0, "low": None, "high": None, "n": 1, "goal": None, "command": "c"}
WANTED = {"cells": 2, "failed": {"b": "not finite"}, "summary": [LINE]}


@pytest.fixture(params=["squat", "drift", "timesteps", "neurons"])
def study(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A study whose cells are made up."""
    module = importlib.import_module(f"intspike.study.{request.param}.study")

    def run(options: Any, out: Path, watch: Watch, **_: Any) -> Study[Any]:
        watch.start("cells", 2)(1, "one")
        watch.say("a line of progress")
        cells = [Finished(CELL, "a", "done", "", {}), Finished(CELL, "b", "failed", "not finite")]
        return Study(options, cells, [], [LINE])

    monkeypatch.setattr(module, "run", run)
    return request.param


def test_a_study_prints_its_summary_as_one_object(study: str, tmp_path: Path):
    words = ["study", study, "--out", str(tmp_path)]
    said = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert json.loads(said.stdout) == WANTED | {"folder": str(tmp_path)}
    assert "a line of progress" in said.stderr
    plain = CliRunner().invoke(app, words, catch_exceptions=False)
    assert "a line of progress" in plain.stdout
    assert "2 cells; 1 cells failed" in plain.stdout


def test_a_gate_fails_behind_the_object(study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    far = LayerFiring("all layers", 1.0, 1.0, 0, 0, 0, 0, 0.0, 0.9, 0.9, 0, 1)
    monkeypatch.setattr(drifted, "pooled", lambda cells: {"n": far})
    said = CliRunner().invoke(app, ["study", study, "--out", str(tmp_path), "--json", "--max-emd", "0.5"])
    assert isinstance(said.exception, DriftExceeded)
    assert json.loads(said.stdout)["cells"] == 2


def test_vectors_say_what_they_hold(tmp_path: Path):
    words = [
        "vectors",
        "fashion-mnist-w2u2",
        "--samples",
        "2",
        "--timesteps",
        "2",
        "--out",
        str(tmp_path / "v"),
    ]
    found = json.loads(CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False).stdout)
    manifest = json.loads(Path(found["manifest"]).read_text())
    assert found["classes"] == manifest["classes"]
    assert (found["samples"], found["timesteps"]) == (manifest["samples"], manifest["timesteps"]) == (2, 2)
    fields = sum(2 * 2 * x["neurons"] * len(x["fields"]) for x in manifest["layers"])
    assert found["spikes_and_codes"] == fields
