"""NIR files of programs: the nir package reads them, and they hold the program itself and its real parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import program_examples
from intspike import nn
from intspike.errors import BadData, BadInput, NotLowerable
from intspike.export.equation import equation_of
from intspike.export.nir import PROFILE, export_nir
from intspike.interop import from_nir
from intspike.interop.nir_file import read
from intspike.interop.nir_program import program_in
from intspike.ir import Program
from intspike.ir.artifact import content_hash
from intspike.lower import lower
from intspike.nn.frozen import integers
from intspike.ops import Dyadic, Shift
from intspike.quant import QuantConfig, ThresholdCentred, Uniform, UniformState

nir = pytest.importorskip("nir")


def network(
    seed: int, *, beta: float = 0.9, order: str = "before leak", reset: str = "subtract"
) -> nn.Network:
    """Conv, norm, spikes pooled and summed, two dense layers."""
    torch.manual_seed(seed)
    fields = {"reset": reset, "reset_order": order, "beta": beta}
    made = nn.Network(
        torch.nn.Sequential(
            nn.Input(1 / 255),
            torch.nn.Conv2d(1, 3, 3, padding=1, bias=False),
            torch.nn.BatchNorm2d(3),
            nn.LIF(**fields),
            torch.nn.MaxPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(3 * 9, 5),
            nn.LIF(**fields),
            torch.nn.Linear(5, 4),
            nn.IF(),
        )
    )
    made.layers[0].norm.running_var.fill_(0.2)
    return made.eval()


def lowered(seed: int, config: QuantConfig | None = None, **fields: object) -> tuple[nn.Network, Program]:
    config = config or QuantConfig(Uniform(4), ThresholdCentred(4))
    net = nn.quantize(network(seed, **fields), config).eval()  # type: ignore[arg-type]
    return net, lower(net, input_shape=(1, 6, 6))


CONFIGS = [
    QuantConfig(Uniform(4), ThresholdCentred(4)),
    QuantConfig(Uniform(3), ThresholdCentred(3, "before reset")),
    QuantConfig(Uniform(4), UniformState(8), leak=Dyadic(4)),
    QuantConfig(Uniform(4), UniformState(10), leak=Shift()),
]


@given(
    st.integers(0, 2**32 - 1), st.sampled_from(CONFIGS), st.sampled_from(["before leak", "after leak"]),
    st.sampled_from(["subtract", "zero"]), st.sampled_from([0.5, 0.8, 0.9375]),
)  # fmt: skip
@settings(max_examples=5, deadline=None)
def test_a_round_trip_through_the_metadata_is_bit_exact_and_the_rest_is_the_parameters(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    config: QuantConfig,
    order: str,
    reset: str,
    beta: float,
):
    net, program = lowered(seed, config, order=order, reset=reset, beta=beta)
    path = tmp_path_factory.mktemp("nir") / "model.nir"
    snaps = export_nir(program, path, timestep=0.5)
    for graph in (path, nir.read(str(path))):  # the package's own reader keeps the metadata
        back = program_in(graph)
        assert back is not None
        assert content_hash(back) == content_hash(program)
    # what everybody reads: weights, biases and thresholds of the quantized layers, within float64
    nodes = read(path).nodes
    for group, synapse, neuron in zip(
        net.layers, ("layer_1", "layer_6", "layer_8"), ("layer_3", "layer_7", "layer_9"), strict=True
    ):
        made = integers(group, 1 / 255 if group is net.layers[0] else 1.0, 255)
        gain = made.constants["gain"] * made.unit * (255 if group is net.layers[0] else 1)
        weight = nodes[synapse].fields["weight"] / gain.reshape(-1, *(1,) * (made.codes[0].ndim - 1))
        assert np.abs(weight - made.codes[0]).max() < 1e-9
        theta = nodes[neuron].fields["v_threshold"].reshape(group.channels, -1)[:, 0]
        assert np.abs(theta / made.unit - made.constants["theta"]).max() < 1e-6
        moved = np.abs(made.constants["theta"] - made.exact["theta"]).max()  # what the lowering report states
        assert np.abs(theta - group.neuron.theta.numpy()).max() <= (moved + 1e-2) * made.unit.max()
        if "bias" in nodes[synapse].fields:
            assert np.abs(nodes[synapse].fields["bias"] / made.unit - made.constants["bias"]).max() < 1e-6
    equations = [equation_of(n) for n in program.neurons]
    assert [s.lsb for s in snaps] == [e.beta.moved for e in equations if e.beta is not None]
    assert (equations[0].equation.reset, equations[0].equation.reset_order) == (reset, order)  # type: ignore[attr-defined]
    assert equations[2].beta is None
    imported = from_nir(path, 0.5, reset=reset, reset_order="before leak", compare=">=")  # type: ignore[arg-type]
    betas = [float(g.neuron.beta[0]) for g in imported.network.layers[:2]]
    exact = [float(e.beta.value[0]) for e in equations if e.beta is not None]
    assert betas == pytest.approx(exact, abs=1e-6)


def test_a_leak_is_found_in_its_table():
    """A table of nearest rounding says its leak within half an LSB of its largest level, a guaranteed one mostly."""
    state = ThresholdCentred(4, decay="nearest")
    _, program = lowered(0, QuantConfig(Uniform(4), state), beta=0.85)
    found = equation_of(program.neurons[0]).beta
    assert found is not None
    assert found.moved == 0
    assert np.abs(found.value - 0.85).max() < 0.01
    _, program = lowered(0, beta=0.85)
    guaranteed = equation_of(program.neurons[0]).beta
    assert guaranteed is not None
    assert np.abs(guaranteed.value - 0.85).max() < 0.01
    assert guaranteed.moved > 0  # and says so


def test_the_package_reads_and_checks_what_is_written(tmp_path: Path):
    _, program = lowered(1)
    export_nir(program, tmp_path / "a.nir")
    graph = nir.read(str(tmp_path / "a.nir"))  # with its own check of all shapes
    assert {type(n).__name__ for n in graph.nodes.values()} == {
        "Input", "Conv2d", "LIF", "SumPool2d", "Threshold", "Flatten", "Affine", "IF", "Output",
    }  # fmt: skip
    assert graph.metadata["layer_3.reset"] == "subtract"


@pytest.mark.parametrize("name", program_examples.EXAMPLES)
def test_what_nir_cannot_say_is_refused_by_name_and_the_program_alone_travels(name: str, tmp_path: Path):
    program = program_examples.EXAMPLES[name]()
    refused = {"convolution": "pool1", "recurrent": "lif", "several_spikes": "fc", "resting": "if"}
    if name in refused:
        with pytest.raises(NotLowerable, match=f"^{refused[name]}: "):
            export_nir(program, tmp_path / "x.nir")
        assert not (tmp_path / "x.nir").exists()
    export_nir(program, tmp_path / "x.nir", program_only=name in refused)
    back = program_in(tmp_path / "x.nir")
    assert back is not None
    assert content_hash(back) == content_hash(program)
    assert nir.read(str(tmp_path / "x.nir")).metadata["profile"] == PROFILE


def altered(path: Path, name: str, value: object) -> None:
    import h5py

    with h5py.File(path, "a") as f:
        del f[f"node/metadata/{name}"]
        f[f"node/metadata/{name}"] = value


def test_an_altered_profile_is_refused(tmp_path: Path):
    path = tmp_path / "x.nir"
    for name, value, words in (
        ("profile_version", 2, r"version \[2\] of the profile"),
        ("program", np.zeros(9, np.uint8), "must hold the program that it was written with, but its program"),
        ("program", np.zeros(9), "its program as bytes"),
        ("program_hash", "0" * 64, "must hold the program of its hash"),
    ):
        export_nir(program_examples.dense(), path, force=True)
        altered(path, name, value)
        with pytest.raises(BadData, match=words):
            program_in(path)
    altered(path, "profile", "another tool's")
    assert program_in(path) is None


def test_options_are_checked(tmp_path: Path):
    (tmp_path / "x.nir").write_text("")
    with pytest.raises(BadInput, match="exists"):
        export_nir(program_examples.dense(), tmp_path / "x.nir")
    with pytest.raises(BadInput, match="timestep must be"):
        export_nir(program_examples.dense(), tmp_path / "y.nir", timestep=0)
    with pytest.raises(BadInput, match="can be written"):
        export_nir(program_examples.dense(), tmp_path / "x.nir" / "y.nir")
