"""SpikingJelly and Norse networks, imported: the installed tools are the judges, spike by spike."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike import interop
from intspike.errors import NotImportable
from other_tools import exact, tool


def filled(parts: list[torch.nn.Module], random: torch.Generator) -> list[torch.nn.Module]:
    with torch.no_grad():
        for m in parts:
            if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d)):
                for p in m.parameters():
                    p.copy_(exact(tuple(p.shape), random))
    return parts


@given(
    st.integers(0, 2**32 - 1), st.sampled_from(["IFNode", "LIFNode", "ParametricLIFNode"]), st.sampled_from([2.0, 4.0]),
    st.booleans(), st.sampled_from([0.0, None]), st.sampled_from(["s", "m"]),
)  # fmt: skip
@settings(max_examples=6, deadline=None)
def test_spikingjelly(seed: int, kind: str, tau: float, decay: bool, v_reset: float | None, mode: str):
    neuron = tool("spikingjelly.activation_based.neuron")
    layer = tool("spikingjelly.activation_based.layer")
    random = torch.Generator().manual_seed(seed)

    def nodes() -> torch.nn.Module:
        more = (
            {}
            if kind == "IFNode"
            else {"decay_input": decay, "tau" if kind == "LIFNode" else "init_tau": tau}
        )
        return getattr(neuron, kind)(v_threshold=1.5, v_reset=v_reset, step_mode=mode, **more)

    parts = [
        layer.Conv2d(1, 3, 3),
        nodes(),
        layer.MaxPool2d(2, 2),
        layer.Flatten(),
        torch.nn.Linear(3, 4),
        nodes(),
    ]
    if kind == "ParametricLIFNode" and tau == 4.0:
        return  # 1 / sigmoid(w) is no power of two there
    imported = interop.from_spikingjelly(filled(parts, random))
    x = exact((5, 3, 1, 4, 4), random)
    found = interop.agreement(imported, x)
    assert found.differ == 0, f"{found}\n{imported}"
    assert found.compared == 5 * 3 * (12 + 4)
    assert all(p.step_mode == mode for p in parts if hasattr(p, "v_threshold"))


def test_spikingjelly_with_any_numbers_differs_in_ties_alone():
    neuron = tool("spikingjelly.activation_based.neuron")
    torch.manual_seed(0)
    parts = [
        torch.nn.Linear(20, 30),
        neuron.LIFNode(tau=3.0),
        torch.nn.Linear(30, 9),
        neuron.ParametricLIFNode(init_tau=7.0),
    ]
    found = interop.agreement(
        interop.from_spikingjelly(torch.nn.Sequential(*parts)), 6 * torch.rand(30, 8, 20)
    )
    assert found.causes == found.ties


def test_spikingjelly_refusals():
    neuron = tool("spikingjelly.activation_based.neuron")
    surrogate = tool("spikingjelly.activation_based.surrogate")
    parts = [
        torch.nn.Linear(3, 3), neuron.LIFNode(v_reset=-0.5), torch.nn.Linear(3, 3), neuron.QIFNode(),
        torch.nn.Linear(3, 3), neuron.IFNode(surrogate_function=surrogate.Sigmoid(spiking=False)),
    ]  # fmt: skip
    with pytest.raises(NotImportable) as caught:
        interop.from_spikingjelly(parts)
    for words in (
        "lifnode_1: v_reset must be 0 or None, not -0.5",
        "qifnode_3: QIFNode is none of",
        "spiking=True",
    ):
        assert words in str(caught.value)


@given(
    st.integers(0, 2**32 - 1), st.sampled_from(["LIFBoxCell", "IAFCell", "LIFCell"]), st.sampled_from([1.0, 0.5, 0.25]),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=5, deadline=None)
def test_norse(seed: int, kind: str, rate: float, vector: bool):
    norse = tool("norse.torch")
    random = torch.Generator().manual_seed(seed)
    dt = 2.0**-10

    def cell(n: int) -> torch.nn.Module:
        theta = torch.full((n,), 1.25) if vector else torch.as_tensor(1.25)
        if kind == "IAFCell":
            return norse.IAFCell(norse.IAFParameters(v_th=theta), dt=dt)
        inverse = torch.as_tensor(rate / dt)
        if kind == "LIFBoxCell":
            return norse.LIFBoxCell(norse.LIFBoxParameters(tau_mem_inv=inverse, v_th=theta), dt=dt)
        p = norse.LIFParameters(tau_mem_inv=inverse, tau_syn_inv=torch.as_tensor(1 / dt), v_th=theta)
        return norse.LIFCell(p, dt=dt)

    parts = filled([torch.nn.Linear(6, 5), cell(5), torch.nn.Linear(5, 4), cell(4)], random)
    imported = interop.from_norse(norse.SequentialState(*parts))
    found = interop.agreement(imported, 4 * exact((6, 3, 6), random))
    assert found.differ == 0, f"{found}\n{imported}"
    assert found.compared == 6 * 3 * 9


def test_norse_refusals():
    norse = tool("norse.torch")
    p = norse.LIFBoxParameters(v_leak=torch.as_tensor(-65.0))
    parts = [
        torch.nn.Linear(3, 3), norse.LIFCell(dt=0.01), torch.nn.Linear(3, 3), norse.LIFBoxCell(p),
        torch.nn.Linear(3, 3), norse.LIFBoxCell(dt=1.0), torch.nn.Linear(3, 3), norse.LIFExCell(),
    ]  # fmt: skip
    with pytest.raises(NotImportable) as caught:
        interop.from_norse(parts)
    for words in (
        "lifcell_1: dt / tau_syn must be in 0..1, not 2", "lifboxcell_3: v_leak must be 0, not -65",
        "lifboxcell_5: dt / tau_mem must be in 0..1, not 100", "lifexcell_7: LIFExCell is none of",
    ):  # fmt: skip
        assert words in str(caught.value)


def test_the_table_of_neurons_is_what_the_importers_do():
    for name in ("snntorch", "spikingjelly.activation_based.neuron", "norse.torch", "nir"):
        tool(name)
    from intspike.interop.docs import renewed

    text = (Path(__file__).parents[2] / "docs" / "neurons-of-others.md").read_text("utf-8")
    how = "run: python -m intspike.interop.docs docs/neurons-of-others.md"
    assert text == renewed(text), how
    assert text.count("| refused |") >= 10


def test_a_network_of_another_tool_names_its_importer():
    nodes, snn = tool("spikingjelly.activation_based.neuron"), tool("snntorch")
    tool("norse.torch")
    for read, neuron, name in (
        (interop.from_norse, snn.Leaky(0.5), "from_snntorch"),
        (interop.from_snntorch, nodes.IFNode(), "from_spikingjelly"),
    ):
        with pytest.raises(NotImportable, match=f"there is none; its neurons are read by {name}"):
            read([torch.nn.Linear(2, 2), neuron])
