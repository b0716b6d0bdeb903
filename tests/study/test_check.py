"""Before training: what a check says is what lowering, proofs and counts say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from intspike import models, nn
from intspike.cli import app
from intspike.engine import native
from intspike.errors import BadInput, NotLowerable
from intspike.lower import lower
from intspike.measure import size_bits, synops
from intspike.nn import quantize
from intspike.quant import QuantConfig, ThresholdCentred, Uniform
from intspike.study.check.check import check

CONFIG = QuantConfig(Uniform(4), ThresholdCentred(4))


def test_a_network_that_always_fires_does_what_a_rate_of_one_assumes() -> None:
    """Connections times timesteps, counted by the engine's own trace."""
    model = torch.nn.Sequential(
        nn.Input(1.0, 3), torch.nn.Linear(5, 7, bias=False), nn.LIF(), torch.nn.Linear(7, 3), nn.LIF()
    )
    with torch.no_grad():
        model[1].weight.fill_(2.0)
    found = check(model, CONFIG, (5,), rate=1.0, timesteps=6)
    program = lower(quantize(model, CONFIG), input_shape=(5,))
    x = np.full((4, 5), 3, np.uint8)
    counted = synops(program, native.run(program, x, 6), x)
    assert {x.synapse: x.operations for x in found.layers} == counted.by_layer
    timed = check(model, CONFIG, (5,), rate=1.0, timesteps=6, timed=True)
    every = np.broadcast_to(x, (6, 4, 5)).copy()
    assert {x.synapse: x.operations for x in timed.layers} == synops(
        program, native.run(program, every, 6), every
    ).by_layer


def test_widths_memory_and_thresholds_are_those_of_lowering() -> None:
    net = models.squat_fmnist()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    found = check(net, CONFIG, (1, 28, 28))
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not net.quantized
    program = lower(quantize(net, CONFIG), input_shape=(1, 28, 28))
    assert found.size["total"] == size_bits(program).total
    assert [x.name for x in found.report.layers] == [n.name for n in program.neurons]
    assert [x.reads for x in found.layers] == ["0..255", "spikes", "spikes"]
    assert all(x.room > 1 for x in found.layers)
    assert found.lowers


def test_sums_that_would_round_are_refused_with_the_repair() -> None:
    model = torch.nn.Sequential(nn.Input(1.0, 65535), torch.nn.Linear(400, 3), nn.LIF())
    found = check(model, QuantConfig(Uniform(8), ThresholdCentred(4)), (400,))
    assert not found.lowers
    assert "2^24" in found.report.refused[0].detail


def test_the_command_writes_what_it_prints(tmp_path: Path) -> None:
    words = [
        "check",
        "squat-fmnist",
        "--bits",
        "2",
        "--json",
        "--out",
        str(tmp_path / "c.json"),
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    made = json.loads(result.stdout)
    assert made == json.loads((tmp_path / "c.json").read_text())
    assert made["lowers"]
    assert made["synops_per_inference"] == sum(x["operations"] for x in made["synapses"])
    plain = CliRunner().invoke(app, ["check", "sew-resnet-8", "--input-shape", "3,32,32"])
    assert plain.exit_code == 0
    assert "room to" in plain.stdout


def test_a_model_of_ones_own_is_checked_and_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_to_check.py").write_text(
        "import torch\nfrom intspike import nn\n\n"
        "def build():\n"
        "    first = torch.nn.Sequential(torch.nn.Linear(4, 3), nn.LIF(), torch.nn.Softmax(-1))\n"
        "    return torch.nn.Sequential(first, torch.nn.Linear(3, 2), nn.LIF())\n"
    )
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["check", "mine_to_check:build", "--input-shape", "4"])
    assert isinstance(result.exception, NotLowerable)
    assert "Softmax" in str(result.exception)


def test_frames_of_another_shape_name_the_option() -> None:
    model = torch.nn.Sequential(nn.Input(), torch.nn.Flatten(), torch.nn.Linear(144, 2), nn.LIF())
    with pytest.raises(
        BadInput, match=r"read frames of 1,28,28, but layer_2 .* \[784\]; give .* \(--input-shape\)$"
    ):
        check(model, CONFIG, (1, 28, 28))


def test_a_part_alone_has_no_neurons() -> None:
    """A Linear is traced as the part that it is, not as what torch makes it of."""
    for part in (torch.nn.Linear(4, 2), torch.nn.Flatten()):
        with pytest.raises(BadInput, match="a model must end in a layer of neurons"):
            check(part, QuantConfig(Uniform(4), ThresholdCentred(4)), (4,))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["resnet"], "the model to check must be module:function or a registered one, not 'resnet'"),
        (
            ["fashion-mnist-w2u2"],
            "a model that is not lowered yet, but fashion-mnist-w2u2 is a stored program",
        ),
        (
            ["some/model.intspike"],
            "a model that is not lowered yet, but some/model.intspike is a stored program",
        ),
        (["squat_fmnist", "--input-shape", "28"], "squat-fmnist reads square images C,H,H, not 28"),
        (["recurrent", "--input-shape", "1,28,28"], "recurrent-100"),
        (["squat-fmnist", "--input-shape", "28"], "squat-fmnist reads square images C,H,H, not 28"),
        (["squat-fmnist", "--input-shape", "28,28"], "--input-shape must be C,H,W or N"),
        (["squat-fmnist", "--input-shape", "1,0,0"], "--input-shape must be C,H,W or N"),
        (["squat-fmnist", "--rate", "1.5"], "the assumed firing rate must be in 0..1"),
        (["squat-fmnist", "--timesteps", "0"], "timesteps must be at least 1, not 0"),
        (["squat-fmnist", "--codec", "middle"], "--codec must be after-reset or before-reset"),
        (["squat-fmnist", "--bits", "9"], "--bits must be bits of weights and membrane potentials in 1..8"),
        (["squat-fmnist", "--bits", "fp32"], "such as 4-2, or one number for both, not 'fp32'"),
    ],
)
def test_mistakes_get_one_clear_line(words: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["check", *words])
    assert isinstance(result.exception, BadInput)
    assert message in str(result.exception)
