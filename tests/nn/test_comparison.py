"""Quantizers of others in a network of ours: they do what the other package does, and never become integers."""

from __future__ import annotations

import pytest
import torch

from intspike import nn
from intspike.errors import NotLowerable
from intspike.lower import lower, lowerability
from intspike.quant import PerForwardRange, QuantConfig, SnnTorchState, ThresholdCentred, Uniform

snntorch = pytest.importorskip("snntorch")
from snntorch.functional import quant as theirs  # noqa: E402


def network(**fields) -> nn.Network:
    torch.manual_seed(1)
    layers = [
        nn.Input(1.0, 7),
        torch.nn.Linear(12, 20),
        nn.LIF(**fields),
        torch.nn.Linear(20, 5),
        nn.LIF(**fields),
    ]
    made = torch.nn.Sequential(*layers)
    with torch.no_grad():
        made[1].weight.mul_(0.6)
        made[3].weight.mul_(4)
    return nn.Network(made)


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_spikes_and_membranes_are_those_of_snntorch(bits, uniform):
    net = nn.quantize(
        network(beta=0.9, reset_order="after leak", compare=">"),
        QuantConfig(state=SnnTorchState(bits, uniform)),
    )
    x = torch.randint(0, 8, (15, 6, 12), dtype=torch.uint8)
    record = net.eval().record(x)
    dense = [g.modules_of_synapses[0] for g in net.layers]
    cells = [snntorch.Leaky(0.9, state_quant=theirs.state_quant(bits, uniform=uniform)) for _ in dense]
    membranes = [c.init_leaky() for c in cells]
    for t in range(len(x)):
        value = x[t].float()
        for k, (linear, cell, group) in enumerate(zip(dense, cells, net.layers, strict=True)):
            value, membranes[k] = cell(linear(value), membranes[k])
            assert torch.equal(record.spikes[group.name][t], value)
            assert torch.equal(record.states[group.name][0][t], membranes[k])
    assert record.spikes[net.output].sum() > 0


@pytest.mark.parametrize(
    "state", [SnnTorchState(4), PerForwardRange(4), PerForwardRange(3, "threshold-centred")]
)
@pytest.mark.parametrize("weight", [None, Uniform(4)])
def test_it_trains_and_never_lowers(state, weight):
    net = nn.quantize(network(), QuantConfig(weight, state)).train()
    net(torch.randint(0, 8, (6, 4, 12), dtype=torch.uint8)).sum().backward()
    assert all(float(g.modules_of_synapses[0].weight.grad.abs().sum()) > 0 for g in net.layers)
    assert type(state).__name__ in repr(net)
    with pytest.raises(NotLowerable, match="for comparison only and has no integer form"):
        lower(net)
    assert any("for comparison only" in p.detail for p in lowerability(net).refused)


def test_another_quantizer_takes_its_place():
    net = nn.quantize(network(), QuantConfig(Uniform(4), SnnTorchState(4)))
    net = nn.quantize(net, QuantConfig(Uniform(4), ThresholdCentred(4)))
    assert all(g.quantized and g.neuron.comparison is None for g in net.layers)
    assert lower(net, input_shape=(12,))
