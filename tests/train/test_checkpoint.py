"""Checkpoints: a training that was stopped anywhere ends in the weights of one that was not, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from halves import CONFIG, DATA, SMALL, network, noisy, same
from intspike import train
from intspike.data import Dataset, Split
from intspike.errors import BadData, BadInput
from intspike.nn import Network, quantize
from intspike.quant import LSQ, LearnedLevels, QuantConfig
from intspike.train import CountMSE, Epoch, FiringRegularizer, Progress

TRAINING: dict[str, Any] = {"epochs": 3, "seed": 5, **SMALL}  # of 30 batches


class Killed(Exception):
    """Stands for whatever ends a process."""


def start(kind: str) -> Network:
    net = network(dropout=0.4)
    match kind:
        case "quantized":
            return quantize(net, CONFIG)
        case "learned":
            return quantize(net, QuantConfig(LSQ(3), LearnedLevels(3)))
        case _:
            return net


def killed_at(step: int):
    def progress(p: Progress) -> None:
        if p.done == step:
            raise Killed

    return progress


KINDS = ["full precision", "quantized", "learned"]
WHOLE: dict[str, tuple[Network, list[Epoch]]] = {}


def whole(kind: str) -> tuple[Network, list[Epoch]]:
    """What an undisturbed training comes to, without checkpoints."""
    if kind not in WHOLE:
        history: list[Epoch] = []
        WHOLE[kind] = train.fit(start(kind), DATA, augment=noisy, history=history, **TRAINING), history
    return WHOLE[kind]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(KINDS),
    every=st.sampled_from([None, 1, 4, 10, 1000, timedelta(microseconds=1)]),
    stops=st.lists(st.integers(1, 30), max_size=3),
)
def test_stopped_anywhere_it_ends_in_the_same_weights(tmp_path_factory, kind, every, stops):
    file = tmp_path_factory.mktemp("kept") / "training.safetensors"
    given: dict[str, Any] = {"augment": noisy, "checkpoint": file, "checkpoint_every": every, **TRAINING}
    for stop in sorted(stops):
        torch.rand(3)  # the global generator is another in every process
        with pytest.raises(Killed):
            train.fit(start(kind), DATA, progress=killed_at(stop), **given)
    history: list[Epoch] = []
    seen: list[int] = []
    made = train.fit(start(kind), DATA, history=history, progress=lambda p: seen.append(p.done), **given)
    net, expected = whole(kind)
    assert same(made, net)
    assert history == expected
    kept = max(stops, default=1) - 1  # the batch that is killed is told of, and not kept
    match every:
        case None:
            assert seen[0] == kept // 10 * 10 + 1
        case int():
            assert seen[0] == kept // every * every + 1
        case _:
            assert seen[0] == kept + 1
    assert seen == list(range(seen[0], 31))


def test_a_finished_training_is_not_repeated(tmp_path):
    file = tmp_path / "kept"
    net, expected = whole("quantized")
    given: dict[str, Any] = {"augment": noisy, "checkpoint": file, **TRAINING}
    train.fit(start("quantized"), DATA, **given)
    content, history = file.read_bytes(), []
    again = train.fit(start("quantized"), DATA, history=history, progress=killed_at(30), **given)
    assert same(again, net)
    assert history == expected
    assert not again.training
    assert again.input_shape == net.input_shape == (1, 4, 4)
    assert file.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_early_stopping_goes_on_where_it_was(tmp_path):
    given: dict[str, Any] = {**SMALL, "epochs": 12, "patience": 2, "learning_rate": 0.05}
    history: list[Epoch] = []
    net = train.fit(network(), DATA, history=history, **given)
    assert len(history) < 12  # it did stop
    for stop in (len(history) * 10 - 9, len(history) * 10):
        with pytest.raises(Killed):
            train.fit(network(), DATA, checkpoint=tmp_path / "kept", progress=killed_at(stop), **given)
    again: list[Epoch] = []
    assert same(train.fit(network(), DATA, checkpoint=tmp_path / "kept", history=again, **given), net)
    assert again == history


def halted(file: Path, **changed: Any) -> None:
    with pytest.raises(Killed):
        train.fit(network(), DATA, **{**TRAINING, "checkpoint": file, "progress": killed_at(15), **changed})


def other_data() -> Dataset:
    inputs = DATA.train.inputs.copy()
    inputs[-1, 0, 0, 0] ^= 1
    return Dataset(
        "halves", Split(inputs, DATA.train.labels), DATA.validation, DATA.validation, DATA.classes, ""
    )


def other_weights() -> Network:
    net = network()
    with torch.no_grad():
        net.layers[0].modules_of_synapses[0].weight[0, 0] += 1e-6
    return net


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "epochs": ({"epochs": 4}, "epochs: 3 there, 4 now"),
    "seed": ({"seed": 6}, "seed: 5 there, 6 now"),
    "rate": ({"learning_rate": 0.01}, "rate: 0.003 there, 0.01 now"),
    "time": ({"timesteps": 4}, "timesteps: 3 there, 4 now"),
    "batch": ({"batch_size": 10}, "batch_size: 20 there, 10 now"),
    "loss": ({"loss": CountMSE(0.9)}, "loss: CountCrossEntropy"),
    "augment": ({"augment": noisy}, "augment: None there, halves.noisy now"),
    "regularizer": (
        {"regularizer": FiringRegularizer(network())},
        "regularizer: None there, FiringRegularizer",
    ),
    "data": ({"data": other_data()}, "data: "),
    "weights": ({"net": other_weights()}, "network: "),
    "quantizer": ({"net": quantize(network(), CONFIG)}, "network: "),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_arguments_are_refused_in_one_line(change, tmp_path):
    halted(tmp_path / "kept")
    changed, message = CHANGES[change]
    content = (tmp_path / "kept").read_bytes()
    with pytest.raises(BadInput, match="is a checkpoint of a training with other arguments") as e:
        train.fit(**{"net": network(), "data": DATA, **TRAINING, "checkpoint": tmp_path / "kept", **changed})
    assert message in str(e.value)
    assert "\n" not in str(e.value)
    assert (tmp_path / "kept").read_bytes() == content


def test_what_does_not_change_a_training_may_change(tmp_path):
    halted(tmp_path / "kept", checkpoint_every=4, loss=CountMSE(0.8))
    history: list[Epoch] = []
    given = {**TRAINING, "checkpoint": tmp_path / "kept", "history": history, "loss": CountMSE()}  # the same
    made = train.fit(network(), DATA, checkpoint_every=7, **given)
    assert same(made, train.fit(network(), DATA, **{**TRAINING, "loss": CountMSE()}))
    assert len(history) == 3


def damaged(content: bytes, how: str) -> bytes:
    match how:
        case "empty":
            return b""
        case "truncated":
            return content[:-100]
        case "header cut":
            return content[:50]
        case "a bit":
            return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
        case "a number of the record":
            return content.replace(b'\\"step\\": 10', b'\\"step\\": 20')
        case "longer":
            return content + b"\0"
        case _:
            return b"not a checkpoint at all" * 9


@pytest.mark.parametrize(
    "how", ["empty", "truncated", "header cut", "a bit", "a number of the record", "longer", "foreign"]
)
def test_a_damaged_checkpoint_is_refused_in_one_line(how, tmp_path):
    file = tmp_path / "kept"
    halted(file)
    before = file.read_bytes()
    file.write_bytes(damaged(before, how))
    assert file.read_bytes() != before
    with pytest.raises(
        BadData, match=r"must be a checkpoint of a training, but .*; delete it to start again"
    ) as e:
        train.fit(network(), DATA, checkpoint=file, **TRAINING)
    assert "\n" not in str(e.value)


def test_other_safetensors_and_other_versions_are_refused(tmp_path, monkeypatch):
    file = tmp_path / "kept"
    save_file({"weight": torch.ones(3)}, file)
    with pytest.raises(BadData, match="another kind of file"):
        train.fit(network(), DATA, checkpoint=file, **TRAINING)
    with pytest.raises(BadData, match="cannot be read"):
        train.fit(network(), DATA, checkpoint=tmp_path, **TRAINING)
    file.unlink()
    halted(file)
    monkeypatch.setattr(sys.modules["intspike.train.checkpoint"], "_VERSION", 2)
    with pytest.raises(BadData, match="has format version 1, and this intspike reads 2"):
        train.fit(network(), DATA, checkpoint=file, **TRAINING)


@pytest.mark.parametrize("every", [0, -1, True, 0.5, "1", timedelta()])
def test_a_time_between_checkpoints_must_be_one(every, tmp_path):
    with pytest.raises(BadInput, match="checkpoint_every must be a number of batches, at least 1, or a"):
        train.fit(network(), DATA, checkpoint=tmp_path / "kept", checkpoint_every=every, **TRAINING)
    with pytest.raises(BadInput, match="checkpoint_every must come with checkpoint"):
        train.fit(network(), DATA, checkpoint_every=5, **TRAINING)


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tmp_path, monkeypatch):
    file = tmp_path / "kept"
    halted(file)
    before = file.read_bytes()

    def full(tensors: Any, path: Path, header: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(BadInput, match=r"must be a file that can be written, but: .*No space left"):
        train.fit(network(), DATA, checkpoint=file, **TRAINING)
    assert file.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_it_holds_tensors_and_json_alone(tmp_path):
    halted(tmp_path / "kept")
    with safe_open(tmp_path / "kept", "np") as file:
        kinds = {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
    assert kinds <= {np.dtype(k) for k in ("f4", "f8", "i8", "u1")}


SCRIPT = """
import os, signal, sys, threading
import torch
from halves import CONFIG, DATA, SMALL, network, noisy
from intspike import train
from intspike.nn import quantize
from safetensors.torch import save_file

kept, made, step, wait = sys.argv[1:]

def progress(p):
    if p.done == int(step):
        threading.Timer(float(wait), os.kill, (os.getpid(), signal.SIGKILL)).start()

torch.set_num_threads(1)
net = train.fit(
    quantize(network(0.4), CONFIG), DATA, epochs=20, augment=noisy, checkpoint=kept, checkpoint_every=3,
    progress=progress, **SMALL,
)
save_file(net.state_dict(), made)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_process_that_is_killed_goes_on_to_the_same_weights(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    def run(kept: str, made: str, step: int, wait: float) -> int:
        command = [
            sys.executable,
            "-c",
            SCRIPT,
            str(tmp_path / kept),
            str(tmp_path / made),
            str(step),
            str(wait),
        ]
        return subprocess.run(command, env=environment, check=False).returncode

    for step, wait in ((20, 0.0), (60, 0.004), (61, 0.001), (110, 0.013)):
        assert run("kept", "made", step, wait) == -signal.SIGKILL
        assert not (tmp_path / "made").exists()
    assert run("kept", "made", 0, 0) == 0
    assert run("other", "expected", 0, 0) == 0
    assert (tmp_path / "made").read_bytes() == (tmp_path / "expected").read_bytes()
