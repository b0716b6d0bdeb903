"""Neurons with a synaptic current, and layers that read themselves: the installed tools are the judges."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike import interop, nn
from intspike import neuron as equations
from intspike.errors import BadInput, NotImportable
from other_tools import exact, tool

SHARES = st.sampled_from([0.0, 0.5, 1.0])  # of which a few timesteps are exact in float32, in any order
SEEDS = st.integers(0, 2**32 - 1)


def filled(parts: list[torch.nn.Module], random: torch.Generator) -> list[torch.nn.Module]:
    with torch.no_grad():
        for m in parts:
            for p in m.parameters():
                if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d)) or p.ndim > 1:
                    p.copy_(exact(tuple(p.shape), random) / (1 if isinstance(m, torch.nn.Linear) else 2))
    return parts


def check_same(imported: interop.Imported, x: torch.Tensor) -> None:
    found = interop.agreement(imported, x)
    assert (found.differ, found.first) == (0, None), f"{found}\n{imported}"
    assert found.compared
    assert any(bool(s.any()) for s in imported.network.record(x).spikes.values())


# ---------------------------------------------------------------- snnTorch


@given(st.data(), SEEDS, st.sampled_from(["subtract", "zero", "none"]), st.booleans())
@settings(max_examples=6, deadline=None)
def test_synaptic_with_any_leaks(data: st.DataObject, seed: int, reset: str, vector: bool):
    """Sums of currents are exact, and all that follows is in snnTorch's order: any leaks, one or one a neuron."""
    snn = tool("snntorch")
    random = torch.Generator().manual_seed(seed)

    def numbers(n: int) -> Any:
        one = st.floats(0, 1, width=32)
        return torch.tensor(data.draw(st.lists(one, min_size=n, max_size=n))) if vector else data.draw(one)

    delay = True if reset == "subtract" else data.draw(st.booleans())
    first = snn.Synaptic(numbers(5), numbers(5), threshold=1.5, reset_mechanism=reset, reset_delay=delay)
    last = snn.Synaptic(numbers(3), numbers(3), learn_alpha=True)
    parts = [torch.nn.Linear(6, 5), first, torch.nn.Linear(5, 3), last]
    check_same(interop.from_snntorch(filled(parts, random)), 4 + exact((12, 4, 6), random))


def test_an_undelayed_zero_of_a_synaptic_keeps_the_next_input():
    """Where alpha is 0, too: it is another neuron than the delayed one, which loses the input after a spike."""
    snn = tool("snntorch")
    made = {d: snn.Synaptic(0.0, 0.5, reset_mechanism="zero", reset_delay=d) for d in (True, False)}
    found = {d: interop.from_snntorch([torch.nn.Linear(1, 1), m]) for d, m in made.items()}
    x = 1 + exact((12, 4, 1), torch.Generator().manual_seed(0))
    for imported in found.values():
        filled([imported.network.layers[0].modules_of_synapses[0]], torch.Generator().manual_seed(1))
    orders = {d: i.network.layers[0].neuron.equation.reset_order for d, i in found.items()}
    assert orders == {True: "after leak", False: "before leak"}
    for d, m in made.items():
        parts = filled([torch.nn.Linear(1, 1)], torch.Generator().manual_seed(1))
        check_same(interop.from_snntorch([*parts, m]), x.abs() + d)


@given(
    SEEDS, SHARES, SHARES, st.sampled_from(["subtract", "zero", "none"]), st.sampled_from(["all", "V", "Vs"])
)
@settings(max_examples=6, deadline=None)
def test_recurrent_layers_of_snntorch(seed: int, alpha: float, beta: float, reset: str, loop: str):
    snn = tool("snntorch")
    random = torch.Generator().manual_seed(seed)
    own: dict[str, Any] = {
        "all": {"linear_features": 5}, "V": {"all_to_all": False, "V": 0.5},
        "Vs": {"all_to_all": False, "V": exact((5,), random)},
    }[loop]  # fmt: skip
    for layer in (
        snn.RLeaky(beta, threshold=2.0, reset_mechanism=reset, **own),
        snn.RSynaptic(alpha, beta, threshold=2.0, reset_mechanism=reset, **own),
    ):
        parts = filled([torch.nn.Linear(6, 5), layer, torch.nn.Linear(5, 3), snn.Leaky(0.5)], random)
        check_same(interop.from_snntorch(parts), 4 + exact((6, 4, 6), random))


@pytest.mark.parametrize("loop", ["conv", "V"])
def test_a_recurrent_convolution(loop: str):
    snn = tool("snntorch")
    random = torch.Generator().manual_seed(3)
    own: dict[str, Any] = (
        {"conv2d_channels": 3, "kernel_size": 3} if loop == "conv" else {"all_to_all": False, "V": 0.5}
    )
    layer = snn.RLeaky(0.5, threshold=4.0, reset_mechanism="zero", reset_delay=False, **own)
    parts = filled([torch.nn.Conv2d(1, 3, 3, padding=1), layer], random)
    check_same(interop.from_snntorch(parts), exact((6, 2, 1, 5, 5), random))


def test_any_numbers_differ_in_ties_alone():
    """What a recurrent layer does to itself after a tie follows from the tie."""
    snn = tool("snntorch")
    torch.manual_seed(0)
    parts = [
        torch.nn.Linear(20, 30), snn.RLeaky(torch.rand(30), linear_features=30),
        torch.nn.Linear(30, 9), snn.RSynaptic(0.9, torch.rand(9), linear_features=9),
    ]  # fmt: skip
    found = interop.agreement(interop.from_snntorch(parts), 6 * torch.rand(60, 16, 20))
    assert found.causes == found.ties


def test_what_of_two_states_has_no_equal_is_named():
    snn = tool("snntorch")
    dense = torch.nn.Linear(4, 4)
    for layer, words in (
        (snn.Alpha(0.9, 0.8), "the difference of two currents"),
        (snn.RSynaptic(0.5, 0.5, linear_features=4, reset_delay=False), "fails in snnTorch itself"),
        (snn.RLeaky(0.5, linear_features=4, reset_delay=False), "resets twice"),
        (
            snn.RLeaky(0.5, all_to_all=False, V=torch.rand(3)),
            r"V must be one number or one for each of 4 neurons",
        ),
        (snn.Synaptic(0.5, 0.5, reset_delay=False), "resets twice"),
    ):
        with pytest.raises(NotImportable, match=words):
            interop.from_snntorch([dense, layer])
    with pytest.raises(BadInput, match="without a norm or pool"):
        interop.from_snntorch([dense, torch.nn.BatchNorm1d(4), snn.RLeaky(0.5, linear_features=4)])


# ---------------------------------------------------------------- SpikingJelly and Norse


@given(SEEDS, st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.sampled_from([0.0, None]))
@settings(max_examples=6, deadline=None)
def test_spikingjelly(seed: int, c_decay: float, v_decay: float, v_reset: float | None):
    nodes = tool("spikingjelly.activation_based.neuron")
    random = torch.Generator().manual_seed(seed)
    parts = [torch.nn.Linear(6, 5), nodes.CUBALIFNode(c_decay, v_decay, 1.5, v_reset)]
    check_same(interop.from_spikingjelly(filled(parts, random)), 4 + exact((12, 4, 6), random))


def test_spikingjelly_refuses_decays_that_grow():
    nodes = tool("spikingjelly.activation_based.neuron")
    with pytest.raises(NotImportable, match=r"c_decay must be in 0\.\.1, not 1\.5"):
        interop.from_spikingjelly([torch.nn.Linear(2, 2), nodes.CUBALIFNode(1.5, 0.5)])


@given(SEEDS, SHARES, st.sampled_from([0.5, 1.0]), st.booleans())
@settings(max_examples=8, deadline=None)
def test_norse(seed: int, falls: float, rate: float, recurrent: bool):
    norse = tool("norse.torch")
    random, dt = torch.Generator().manual_seed(seed), 2.0**-10
    p = norse.LIFParameters(
        tau_mem_inv=torch.as_tensor(rate / dt),
        tau_syn_inv=torch.as_tensor(falls / dt),
        v_th=torch.as_tensor(1.25),
    )
    if recurrent:
        parts: list[Any] = [norse.LIFRecurrentCell(6, 5, p=p, dt=dt)]
    else:
        parts = [torch.nn.Linear(6, 5), norse.LIFCell(p, dt=dt)]
    parts = filled([*parts, torch.nn.Linear(5, 3), norse.LIFCell(p, dt=dt)], random)
    check_same(interop.from_norse(parts), 4 + exact((6, 3, 6), random))


def test_norse_with_its_own_numbers_differs_in_ties_alone():
    norse = tool("norse.torch")
    torch.manual_seed(0)
    parts = [norse.LIFRecurrentCell(20, 30), torch.nn.Linear(30, 9), norse.LIFCell()]
    found = interop.agreement(interop.from_norse(parts), 20 * torch.rand(40, 8, 20))
    assert found.compared == 40 * 8 * 39
    assert found.causes == found.ties


# ---------------------------------------------------------------- NIR

DT = 2.0**-10


def cuba(n: int = 3, **more: Any) -> Any:
    nir = tool("nir")
    given_ = {
        "tau_syn": np.full(n, 2 * DT), "tau_mem": np.full(n, 4 * DT), "r": np.full(n, 2.0), "v_leak": np.zeros(n),
        "v_threshold": np.ones(n), "w_in": np.full(n, 4.0),
    }  # fmt: skip
    return nir.CubaLIF(**(given_ | more))


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("discretisation", ["euler", "exact"])
def test_nir_does_what_its_equations_say(loop: bool, discretisation: str):
    """In float64: tau_syn di/dt = w_in S - i, tau_mem dv/dt = r i - v, in steps of DT; v = 0 behind a spike."""
    nir = tool("nir")
    random = np.random.default_rng(1)
    weight, back = random.integers(-4, 9, (3, 4)) / 4, random.integers(-4, 5, (3, 3)) / 4
    nodes = {
        "input": nir.Input(np.array([4])), "fc": nir.Linear(weight), "cuba": cuba(), "output": nir.Output(np.array([3]))
    }  # fmt: skip
    edges = [("input", "fc"), ("fc", "cuba"), ("cuba", "output")]
    if loop:
        nodes["rec"] = nir.Linear(back)
        edges += [("cuba", "rec"), ("rec", "cuba")]
    graph = nir.NIRGraph(nodes, edges, type_check=False)
    imported = interop.from_nir(graph, DT, discretisation=discretisation)  # type: ignore[arg-type]
    x = random.integers(-2, 5, (8, 5, 4)) / 2
    fall, leak = (1 - 1 / 2, 1 - 1 / 4) if discretisation == "euler" else (np.exp(-1 / 2), np.exp(-1 / 4))
    i = v = s = np.zeros((5, 3))
    want: list[np.ndarray] = []
    for frame in x:
        i = fall * i + (1 - fall) * 4.0 * (frame @ weight.T + (s @ back.T if loop else 0))
        v = leak * v * (1 - s) + (1 - leak) * 2.0 * i
        s = (v > 1) * 1.0
        want.append(s)
    got = imported.network(torch.from_numpy(x).float()).detach().numpy()
    assert np.stack(want).any()
    assert (got == np.stack(want)).all(), imported


def test_a_synaptic_and_recurrent_layers_come_back_through_a_file_of_snntorch(tmp_path: Path):
    """What snnTorch writes says neither reset nor order; with them, the network fires as the original.

    The file rounds time constants to float32: a sample counts where no membrane came near its threshold.
    """
    snn, nir, _ = tool("snntorch"), tool("nir"), tool("nirtorch")
    export = tool("snntorch.export_nir").export_to_nir
    torch.manual_seed(0)
    layers = {
        "synaptic": snn.Synaptic(
            torch.full((5,), 0.5), torch.full((5,), 0.75), threshold=torch.ones(5), init_hidden=True
        ),
        "recurrent": snn.RLeaky(torch.full((5,), 0.5), linear_features=5, init_hidden=True),
        "both": snn.RSynaptic(0.5, 0.75, all_to_all=False, V=torch.rand(5), init_hidden=True),
    }
    for name, layer in layers.items():
        net = torch.nn.Sequential(torch.nn.Linear(6, 5), layer)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            nir.write(tmp_path / f"{name}.nir", export(net, torch.rand(1, 6), ignore_dims=[0]))
        layer.reset_mem()
        mine = interop.from_snntorch(net)
        read = interop.from_nir(tmp_path / f"{name}.nir", 1e-4, reset="subtract", reset_order="after leak")
        assert type(read.network.layers[0].neuron.equation) is type(mine.network.layers[0].neuron.equation)
        x = 3 * torch.rand(20, 40, 6)
        theirs = mine.network.record(x)
        (u,) = (states[0] for states in theirs.states.values())
        clear = ((u - 1).abs() > 1e-4).all(0).all(-1)  # [B]
        assert clear.any()
        assert theirs.output[:, clear].any()
        assert torch.equal(theirs.output[:, clear], read.network(x)[:, clear]), name


def test_circles_that_no_network_has():
    nir = tool("nir")

    def graph(*edges: tuple[str, str], **nodes: Any) -> Any:
        known = {
            "input": nir.Input(np.array([3])), "fc": nir.Linear(np.eye(3)), "cuba": cuba(),
            "output": nir.Output(np.array([3])), **nodes,
        }  # fmt: skip
        return nir.NIRGraph(
            known, [("input", "fc"), ("fc", "cuba"), ("cuba", "output"), *edges], type_check=False
        )

    twice = graph(
        ("cuba", "a"),
        ("a", "cuba"),
        ("cuba", "b"),
        ("b", "cuba"),
        a=nir.Linear(np.eye(3)),
        b=nir.Linear(np.eye(3)),
    )
    with pytest.raises(NotImportable, match="reads itself through a and b"):
        interop.from_nir(twice, DT)
    wide = graph(
        ("cuba", "a"), ("a", "lif"), ("lif", "fc"),
        a=nir.Linear(np.eye(3)), lif=nir.LIF(np.ones(3), np.ones(3), np.zeros(3), np.ones(3)),
    )  # fmt: skip
    with pytest.raises(NotImportable, match="recurrent within a layer alone"):
        interop.from_nir(wide, DT)
    with pytest.raises(NotImportable, match=r"CubaLIF: v_leak must be 0, not 0\.5"):
        interop.from_nir(nir.NIRGraph.from_list(nir.Linear(np.eye(3)), cuba(v_leak=np.full(3, 0.5))), DT)
    with pytest.raises(NotImportable, match="time constants must be at least the timestep"):
        interop.from_nir(nir.NIRGraph.from_list(nir.Linear(np.eye(3)), cuba(tau_syn=np.full(3, DT / 2))), DT)


def test_an_imported_current_is_the_field_that_training_learns():
    snn = tool("snntorch")
    imported = interop.from_snntorch([torch.nn.Linear(3, 2), snn.Synaptic(0.25, 0.5, learn_alpha=True)])
    neuron = imported.network.layers[0].neuron
    assert isinstance(neuron, nn.Neuron)
    assert isinstance(neuron.equation, equations.CubaLIF)
    assert isinstance(neuron.alpha, torch.nn.Parameter)
    assert neuron.alpha.tolist() == [0.25, 0.25]
    assert ("synaptic_1", "alpha", "0.25", "per channel, learned", "same") in imported.rows()
