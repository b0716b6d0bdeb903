"""Networks in full precision in ONNX Runtime: equal spikes where float32 sums are exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from intspike import nn
from intspike.errors import NotLowerable
from intspike.interop import export_network_onnx
from intspike.quant import QuantConfig, ThresholdCentred, Uniform

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def network(end: torch.nn.Module, **fields: object) -> nn.Network:
    """Conv, pool, two dense layers joined; weights k / 8, so that float32 adds exactly."""
    random = torch.Generator().manual_seed(0)
    made = nn.Network(
        torch.nn.Sequential(
            nn.Input(0.25, high=15), torch.nn.Conv2d(2, 3, 3, padding=1), torch.nn.MaxPool2d(2),
            nn.LIF(theta=0.75, beta=0.5, **fields), torch.nn.AvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(3, 5),
            nn.LIF(theta=0.5, beta=0.75, **fields), torch.nn.Linear(5, 4, bias=False), end,
        )
    )  # fmt: skip
    with torch.no_grad():
        for p in made.parameters():
            p.copy_(torch.randint(-8, 9, p.shape, generator=random) / 8)
    return made.eval()


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize(
    "fields",
    [{}, {"reset": "zero", "compare": ">"}, {"reset_order": "after leak"}, {"reset": "none"}, {"refractory": 2},
     {"spikes": 3}, {"leak_on": "sum"}],
)  # fmt: skip
def test_every_spike_is_equal(fields: dict[str, object], timed: bool, tmp_path: Path):
    end = nn.Integrator() if timed else nn.IF(theta=0.5)
    net = network(end, **fields)
    x = (
        np.random.default_rng(1)
        .integers(0, 16, (6, 3, 2, 4, 4) if timed else (3, 2, 4, 4))
        .astype(np.float32)
    )
    export_network_onnx(net, tmp_path / "x.onnx", input_shape=(2, 4, 4), timesteps=6, timed=timed)
    session = onnxruntime.InferenceSession(str(tmp_path / "x.onnx"), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    out = dict(zip(names, session.run(names, {"input": x}), strict=True))
    frames = torch.from_numpy(x)
    record = net.record(frames if timed else frames.expand(6, *frames.shape))
    for k, (name, spikes) in enumerate(record.spikes.items()):
        assert (out[f"spikes/{k}"] == spikes.numpy()).all(), name
        assert spikes.any() or k
    assert (out["readout"] == record.readout.numpy()).all()


def test_a_norm_is_the_running_one(tmp_path: Path):
    torch.manual_seed(0)
    made = nn.Network(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2), nn.LIF())).eval()
    norm = made.layers[0].norm
    assert norm is not None
    norm.running_mean.copy_(torch.tensor([0.5, -0.25]))
    norm.running_var.copy_(torch.tensor([0.25, 4.0]))
    x = torch.randint(0, 4, (7, 9, 3), generator=torch.Generator().manual_seed(0)).float()
    export_network_onnx(made, tmp_path / "x.onnx", input_shape=(3,), timesteps=7, timed=True)
    session = onnxruntime.InferenceSession(str(tmp_path / "x.onnx"), providers=["CPUExecutionProvider"])
    (got,) = session.run(["spikes/0"], {"input": x.numpy()})
    record = made.record(x)
    (spikes,), ((u,),) = record.spikes.values(), record.states.values()
    differ = (torch.from_numpy(got) != spikes).any(0)  # of each neuron
    near = ((u - 1).abs() < 2.0**-16).any(0)
    assert not (differ & ~near).any()
    assert spikes.any()


def test_quantized_networks_are_lowered_instead(tmp_path: Path):
    net = nn.quantize(network(nn.IF(theta=0.5)), QuantConfig(Uniform(4), ThresholdCentred(4)))
    with pytest.raises(NotLowerable, match="is quantized; lower the network and export its program"):
        export_network_onnx(net, tmp_path / "x.onnx", input_shape=(2, 4, 4), timesteps=2)
