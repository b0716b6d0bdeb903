"""The study of trained networks: its files are its rows, and its numbers those of plain steps of the map."""

from __future__ import annotations

import csv
import errno
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from intspike import data
from intspike.cli import app
from intspike.dynamics import IntegerNetwork, ProgramMap
from intspike.errors import BadInput
from intspike.study.dynamics import trained as module
from intspike.study.dynamics.trained import last_spike, streams
from intspike.study.dynamics.trained_network import Options, Trained
from intspike.study.dynamics.trained_report import kinds, page, summary, table, write

SMALL = Options(
    ("LIF",), (4,), hidden=4, samples=50, epochs=1, coded_epochs=1, stimuli=3, steps=8, budget=50, seeds=2
)


def row(**changed: object) -> Trained:
    known = {
        "neuron": "LIF", "bits": 4, "seed": 0, "accuracy": 0.5, "full": 0.75, "rate": 0.125, "merged": 1.0,
        "washout": 12.0, "silent": 1.0, "quiet_after": 3.0, "goes_on": 0.0, "proved": True, "slope": 0.5,
        "healed": 1.0, "plateau": 0.0,
    }  # fmt: skip
    return Trained(**(known | changed))  # type: ignore[arg-type]


def test_files_hold_the_rows(tmp_path):
    rows = [row(), row(seed=1, washout=None, accuracy=1.0, proved=False, silent=0.5)]
    write(rows, SMALL, tmp_path)
    lines = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [float(x["accuracy"]) for x in lines] == [0.5, 1.0]
    found = {s["name"]: s for s in json.loads((tmp_path / "summary.json").read_text())}
    assert found["LIF, 4 bits: accuracy"]["value"] == 0.75
    assert found["LIF, 4 bits: until they merge, timesteps"]["n"] == 1  # the other never did
    assert found["LIF, 4 bits: silence is proved, share"]["value"] == 0.5
    assert kinds(rows, SMALL) == [("LIF", 4)]
    assert [x[0] for x in table(rows, SMALL).rows][:2] == ["accuracy", "rate"]
    assert "Of 2 trained networks 1 are silent" in page(rows, SMALL).summary
    assert all(
        s["command"].startswith("intspike dynamics trained --neurons LIF --bits 4")
        for s in summary(rows, SMALL)
    )


def test_the_last_spike_is_that_of_the_run():
    fading = ProgramMap(IntegerNetwork([[0, 3], [3, 0]], 4, 6, leak=1, reset="zero").program())
    for state in fading.random_states(20, 0):
        run = fading.run(state, 300)
        ends = last_spike(fading, state, 1000)
        fired = np.flatnonzero(run.spikes.any(-1))
        assert ends == int(fired.max(initial=-1)) + 1
    busy = ProgramMap(IntegerNetwork([[0, 20], [20, 0]], 10, 8, leak=None, reset="zero").program())
    state = next(u for u in busy.random_states(50, 1) if busy.run(u, 40).spikes[-2:].any())
    assert last_spike(busy, state, 1000) == -1


def test_streams_are_test_samples():
    task = data.delayed_match(train=50, validation=50, test=50)
    x = streams(task, 4, 20, 0)
    known = {task.test.inputs[k].tobytes() for k in range(50)}
    assert x.shape == (20, 4, 20)
    one = x[:9, 2].astype(task.test.inputs.dtype)
    assert np.ascontiguousarray(one).tobytes() in known


@pytest.mark.slow
def test_the_command_trains_and_follows(tmp_path):
    words = (
        "dynamics trained --neurons AdaptiveLIF --bits 4 --hidden 5 --samples 50 --epochs 1 --coded-epochs 1 "
        f"--stimuli 2 --steps 20 --budget 50 --seeds 1 --out {tmp_path / 'x'}"
    )
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 0, done.output
    (line,) = csv.DictReader((tmp_path / "x/table.csv").read_text().splitlines())
    assert line["neuron"] == "AdaptiveLIF"
    assert 0 <= float(line["silent"]) + float(line["goes_on"]) <= 1


def test_a_full_disk_is_said_without_a_promise_that_anything_is_kept(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "networks", lambda neuron, seed, options: [row(seed=seed)])
    monkeypatch.setattr(module, "write", full)
    with pytest.raises(BadInput, match=r"the disk is full; make room or choose another --out$"):
        module.run(SMALL, tmp_path)


def test_ctrl_c_keeps_what_is_done(tmp_path, monkeypatch):
    made: list[int] = []

    def networks(neuron: str, seed: int, options: Options) -> list[Trained]:
        if made:
            raise KeyboardInterrupt
        made.append(seed)
        return [row(seed=seed)]

    monkeypatch.setattr(module, "networks", networks)
    with pytest.raises(KeyboardInterrupt):
        module.run(SMALL, tmp_path)
    assert len(list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))) == 1


def test_what_cannot_be():
    with pytest.raises(BadInput, match="--neurons must be among LIF, CubaLIF, AdaptiveLIF, not 'IF'"):
        Options(("IF",))
    with pytest.raises(BadInput, match=r"--bits must be widths in 2\.\.8, not 16"):
        Options(bits=(16,))
    with pytest.raises(BadInput, match="--coded-epochs must be in"):
        Options(coded_epochs=0)
