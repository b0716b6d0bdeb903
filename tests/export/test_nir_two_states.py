"""NIR files of neurons with a synaptic current: what other tools read there fires as the program does."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike import neuron as equations
from intspike import nn
from intspike.engine import reference
from intspike.errors import NotLowerable
from intspike.export.nir import export_nir
from intspike.interop import from_nir
from intspike.interop.nir_file import read
from intspike.interop.nir_program import program_in
from intspike.ir import Program
from intspike.ir.artifact import content_hash
from intspike.lower import lower
from intspike.ops import Carry, Dyadic, Leak, Shift
from intspike.quant import OtherState, QuantConfig, ThresholdCentred, Uniform, UniformState
from other_tools import tool

nir = pytest.importorskip("nir")

T, DT = 4, 2.0**-10
FINE = QuantConfig(Uniform(4, per="tensor"), UniformState(16), leak=Dyadic(2), others={"i": OtherState(16)})


def lowered(
    seed: int,
    alpha: float,
    beta: float | None,
    reset: Literal["subtract", "zero"] = "zero",
    compare: Literal[">=", ">"] = ">",
    config: QuantConfig = FINE,
    **more: Any,
) -> tuple[Program, np.ndarray]:
    """Two layers, and inputs [T, 9, 6]; with leaks of quarters no sum of T timesteps is rounded at 16 bits."""
    random = torch.Generator().manual_seed(seed)
    layers: list[torch.nn.Module] = [nn.Input(1.0, 1)]
    for a, b in ((6, 5), (5, 3)):
        synapse = torch.nn.Linear(a, b, bias=False)
        with torch.no_grad():
            synapse.weight.copy_(torch.randint(-1, 3, (b, a), generator=random) / 8)
            synapse.weight[0, 0] = 7 / 8  # the largest code, so that a step is an eighth
        equation = equations.CubaLIF(alpha=alpha, beta=beta, reset=reset, compare=compare, **more)
        layers += [synapse, nn.Neuron(equation)]
    net = nn.quantize(nn.Network(torch.nn.Sequential(*layers)), config).eval()
    x = (torch.rand((T, 9, 6), generator=random) < 0.3).numpy().astype(np.uint8)
    return lower(net, input_shape=(6,)), x


def spikes(program: Program, x: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Of every layer, and which samples no code saturates in: real numbers know no end."""
    trace, inside = reference.run(program, x, T), np.ones(x.shape[1], bool)
    for n in program.neurons:
        for state in n.body.states:
            codes, codec = trace.codes[n.name][state.name], n.body.codec(state.name)
            inside &= ((codec.low < codes) & (codes < codec.high)).all((0, 2))
    return [trace.spikes[n.name] for n in program.neurons], inside


QUARTERS = st.sampled_from([0.0, 0.25, 0.5, 0.75])


@given(
    st.integers(0, 2**32 - 1), QUARTERS, QUARTERS, st.sampled_from(["subtract", "zero"]),
    st.sampled_from(["before leak", "after leak"]), st.sampled_from([">=", ">"]),
)  # fmt: skip
@settings(max_examples=6, deadline=None)
def test_an_import_of_the_nodes_fires_as_the_program_does(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    alpha: float,
    beta: float,
    reset: Any,
    order: Any,
    compare: Any,
):
    program, x = lowered(seed, alpha, beta, reset, compare, reset_order=order)
    path = tmp_path_factory.mktemp("nir") / "model.nir"
    snaps = export_nir(program, path, timestep=DT)
    assert [(s.leak, s.value, s.lsb) for s in snaps] == 2 * [
        ("beta", (beta, beta), 0),
        ("alpha", (alpha, alpha), 0),
    ]
    back = program_in(path)
    assert back is not None
    assert content_hash(back) == content_hash(program)
    graph = nir.read(str(path))  # with its own check of all shapes
    assert [type(n).__name__ for n in graph.nodes.values()].count("CubaLIF") == 2
    imported = from_nir(graph, DT, reset=reset, reset_order=order, compare=compare, high=1)
    found = imported.network.record(torch.from_numpy(x)).spikes.values()
    sent, inside = spikes(program, x)
    assert inside.any()
    for mine, theirs in zip(sent, found, strict=True):
        assert np.array_equal(mine[:, inside], theirs.numpy()[:, inside])


def test_snntorch_reads_the_same_neurons(tmp_path: Path):
    """It takes a CubaLIF whose gains are 1 at its own timestep of 1e-4; v = 0 behind a spike, v > threshold."""
    tool("snntorch")
    reads = tool("snntorch.import_nir").import_from_nir
    program, x = lowered(3, 0.5, 0.75)
    export_nir(program, tmp_path / "model.nir", timestep=1e-4)
    with contextlib.redirect_stdout(io.StringIO()):
        net = reads(nir.read(str(tmp_path / "model.nir")))
    state, sent = None, []
    for frame in torch.from_numpy(x).float():
        out, state = net(frame, state)
        sent.append(out.detach().numpy())
    (_, mine), inside = spikes(program, x)
    assert mine[:, inside].any()
    assert np.array_equal(mine[:, inside], np.stack(sent)[:, inside])


@pytest.mark.parametrize("leak", [Carry(), Shift(), Dyadic(6)])
@pytest.mark.parametrize("state", [ThresholdCentred(4), ThresholdCentred(4, "before reset")])
def test_leaks_of_both_states_are_found_at_few_bits(leak: Leak, state: ThresholdCentred, tmp_path: Path):
    config = QuantConfig(Uniform(4), state, leak=leak, others={"i": OtherState(6, leak=leak)})
    program, _ = lowered(0, 0.5, 0.875, config=config)
    snaps = export_nir(program, tmp_path / "model.nir", timestep=DT)
    assert [s.leak for s in snaps] == ["beta", "alpha"] * 2
    for s in snaps:
        want = {"alpha": 0.5, "beta": 0.875}[s.leak]
        assert max(abs(v - want) for v in s.value) < 0.02
        assert s.lsb == 0 or leak == Carry()  # a guaranteed decay moves codes, and says so
    fields = read(tmp_path / "model.nir").nodes["layer_2"].fields
    for tau, leak_ in (("tau_mem", snaps[0]), ("tau_syn", snaps[1])):
        assert (1 - DT / fields[tau]).min() == pytest.approx(leak_.value[0], abs=1e-12)


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"reads": "last current"}, "reads the current of this timestep"),
     ({"leak_on": "sum"}, "acts on the membrane, not on the sum"),
     ({"beta": None}, "both of its states leak"), ({"alpha": 1.0}, "both of its states leak"),
     ({"refractory": 2}, "without a refractory time")],
)  # fmt: skip
def test_what_nir_s_neuron_does_not_do_is_refused_and_travels_as_the_program(
    fields: dict[str, Any], words: str, tmp_path: Path
):
    program, _ = lowered(0, **({"alpha": 0.5, "beta": 0.75} | fields))
    with pytest.raises(NotLowerable, match=rf"^layer_2: .*{words}.*--program-only"):
        export_nir(program, tmp_path / "x.nir")
    assert not (tmp_path / "x.nir").exists()
    export_nir(program, tmp_path / "x.nir", program_only=True)
    back = program_in(tmp_path / "x.nir")
    assert back is not None
    assert content_hash(back) == content_hash(program)


def test_a_threshold_that_adapts_has_no_node(tmp_path: Path):
    net = nn.Network(torch.nn.Sequential(torch.nn.Linear(4, 3), nn.Neuron(equations.AdaptiveLIF())))
    config = QuantConfig(Uniform(4), ThresholdCentred(4, "before reset"))
    program = lower(nn.quantize(net, config).eval(), input_shape=(4,))
    with pytest.raises(
        NotLowerable, match="NIR has no neuron whose threshold adapts; export with program_only=True"
    ):
        export_nir(program, tmp_path / "x.nir")
    assert export_nir(program, tmp_path / "x.nir", program_only=True) == []
    back = program_in(tmp_path / "x.nir")
    assert back is not None
    assert content_hash(back) == content_hash(program)
