"""Networks of every quantizer: kernels are torch, evaluation is the program in every engine, checkpoints travel."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from intspike import nn
from intspike.engine import exported, native, reference
from intspike.engine.compare import compare
from intspike.errors import BadInput
from intspike.lower import lower_with_report, torch_trace
from intspike.measure import size_bits
from intspike.native import compiler
from intspike.quant import (
    LSQ,
    Binary,
    LearnedLevels,
    LQNet,
    PowerOfTwo,
    PowerOfTwoState,
    QuantConfig,
    StateQuantizer,
    Ternary,
    ThresholdCentred,
    Uniform,
    UniformState,
    WeightQuantizer,
)
from intspike.quant.docs import kinds
from quant.found import every, label
from small_networks import without_kernels

STATE = ThresholdCentred(3)
PLAIN = [next(every(kind)) for kind in kinds(WeightQuantizer)] + [
    LSQ(4), LSQ(2), LQNet(3), PowerOfTwo(4), Ternary("mse"), Uniform(2, mid_rise=True), Uniform(4, "tensor"),
]  # fmt: skip


def network(neuron: nn.Neuron | None = None) -> nn.Network:
    """A convolution with a norm behind a pool, and a dense layer with a bias, in compiled kernels."""
    torch.manual_seed(5)
    net = nn.Network(
        torch.nn.Sequential(
            nn.Input(1 / 255),
            torch.nn.Conv2d(1, 5, 3, bias=False),
            torch.nn.MaxPool2d(2),
            torch.nn.BatchNorm2d(5, momentum=0.9),
            copy.deepcopy(neuron) if neuron else nn.LIF(beta=0.75),
            torch.nn.Flatten(),
            torch.nn.Linear(5 * 3 * 3, 4),
            copy.deepcopy(neuron) if neuron else nn.LIF(beta=0.5),
        )
    )
    with torch.no_grad():
        net.layers[-1].modules_of_synapses[0].weight.mul_(6)  # so that it fires
    return net


def images(count: int = 12) -> Tensor:
    return torch.randint(
        0, 256, (count, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(3)
    )


def trained(net: nn.Network, steps: int = 4) -> nn.Network:
    """A few steps of Adam, which move everything that is learned or follows."""
    net.train()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    x = images().expand(4, -1, -1, -1, -1)
    for k in range(steps):
        optimizer.zero_grad()
        rates = net(x).mean(0)
        torch.nn.functional.cross_entropy(8 * rates, (torch.arange(12) + k) % 4).backward()
        optimizer.step()
    return net.eval()


def check_network(net: nn.Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled kernels are torch's own ops, in training and evaluation; the program is both, in every engine."""
    x = images()
    for training in (True, False):
        kernels, torchs = copy.deepcopy(net).train(training), copy.deepcopy(net).train(training)
        a = kernels.record(x.expand(4, *x.shape))
        with monkeypatch.context() as patch:
            without_kernels(patch)
            b = torchs.record(x.expand(4, *x.shape))
        for name, spikes in a.spikes.items():
            assert torch.equal(spikes, b.spikes[name])
            for one, other in zip(a.states[name], b.states[name], strict=True):
                assert torch.equal(one.double(), other.double())
        assert all(
            torch.equal(v, w)
            for (_, v), (_, w) in zip(kernels.named_buffers(), torchs.named_buffers(), strict=True)
            if "running" not in _
        )
    program, report = lower_with_report(net)
    assert not report.refused
    assert all(s.any() for s in a.spikes.values())
    ours = torch_trace(net, x.numpy(), 4)
    engines: dict[str, Any] = {"reference": reference.run}
    if compiler() is not None:
        engines |= {"native": native.run, "exported C": exported.run}
    for name, run in engines.items():
        assert compare(ours, run(program, x.numpy(), 4), ("torch", name)).mismatches == 0


@pytest.mark.parametrize("q", PLAIN, ids=label)
def test_networks_of_every_weight_quantizer_are_exact(q, monkeypatch):
    start = nn.quantize(network(), QuantConfig(q, STATE))
    net = trained(copy.deepcopy(start))
    for name, value in start.layers[0].state_dict().items():
        moved = not torch.equal(value, net.layers[0].state_dict()[name])
        if name in q.learned or (name == "basis" and q.bits > 1):
            assert moved, name  # learned, or followed
        elif name in q.start(torch.ones(1, 2)):
            assert not moved or isinstance(q, LQNet), name
    check_network(net, monkeypatch)
    report = lower_with_report(net)[1]
    size = size_bits(lower_with_report(net)[0], report.packing)
    synapses = [m.weight.numel() for g in net.layers for m in g.modules_of_synapses]
    channels = [g.channels for g in net.layers]
    assert size.weights == q.bits * sum(synapses)
    by_node = {s.node: s.tables for s in size.nodes}
    for name, n in zip([g.synapse_names[0] for g in net.layers], channels, strict=True):
        assert by_node[name] == n * q.table_bits


@pytest.mark.parametrize("q", PLAIN, ids=label)
def test_what_a_quantizer_keeps_is_saved_loaded_copied_and_replaced(q):
    net = trained(nn.quantize(network(), QuantConfig(q, STATE)), 2)
    saved = copy.deepcopy(net.state_dict())
    other = nn.quantize(network(), QuantConfig(q, STATE))
    other.load_state_dict(saved)
    x = images().expand(3, -1, -1, -1, -1)
    assert torch.equal(other.eval()(x), net(x))
    assert torch.equal(copy.deepcopy(net)(x), net(x))
    for group in net.layers:
        kept = q.start(torch.ones(1, 2))
        assert {n for n, _ in group.named_parameters(recurse=False)} == kept.keys() & q.learned
        assert {n for n, _ in group.named_buffers(recurse=False)} == kept.keys() - q.learned
    again = nn.quantize(net, QuantConfig(Uniform(3), STATE))
    assert {n for n, _ in again.layers[0].named_buffers(recurse=False)} == {"log_step"}
    fresh = nn.quantize(nn.quantize(network(), QuantConfig(q, STATE)), QuantConfig(Binary(), STATE))
    assert {n for n, _ in fresh.layers[0].named_buffers(recurse=False)} == set()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_biases_of_few_bits_are_exact_everywhere(bits, monkeypatch):
    """Integers of so many bits, and one power of two for the layer; size counts them."""
    net = trained(nn.quantize(network(), QuantConfig(Uniform(4), STATE, bias=bits)))
    check_network(net, monkeypatch)
    program, report = lower_with_report(net)
    size = size_bits(program, report.packing)
    assert size.part("biases") == bits * sum(g.channels for g in net.layers)
    wide = nn.quantize(network(), QuantConfig(Uniform(4), STATE))
    wide.load_state_dict(net.state_dict())
    exact = lower_with_report(wide.eval(), input_shape=(1, 8, 8))[0]
    for g in net.layers:
        few, all_bits = (p[g.name].parameters["bias"] for p in (program, exact))
        shift = 0
        while abs(few).max() >> shift > (1 << (bits - 1)) - 1:
            shift += 1
        assert (few % (1 << shift) == 0).all()
        assert (abs(few - all_bits) <= (1 << shift) / 2 + 0.5).all()
    with pytest.raises(BadInput, match="a bias of 4 bits is an integer beside quantized weights and states"):
        nn.quantize(network(), QuantConfig(Uniform(4), bias=4))


STATE_NETWORKS: list[StateQuantizer] = [
    *(next(every(kind)) for kind in kinds(StateQuantizer) if kind is not UniformState),
    UniformState(4),
    ThresholdCentred(4, "before reset", "compander", counts=(12, 4)),
    PowerOfTwoState(3), PowerOfTwoState(2, "before reset"),
    LearnedLevels(2), LearnedLevels(3, "before reset"), LearnedLevels(4, per="layer"), LearnedLevels(6),
]  # fmt: skip


@pytest.mark.parametrize("state", STATE_NETWORKS, ids=label)
def test_networks_of_every_state_quantizer_are_exact(state, monkeypatch):
    start = nn.quantize(network(), QuantConfig(Uniform(4), state))
    net = trained(copy.deepcopy(start))
    for name in state.learned:
        for before, after in zip(start.layers, net.layers, strict=True):
            assert not torch.equal(getattr(before.neuron, name), getattr(after.neuron, name))
    check_network(net, monkeypatch)
    other = copy.deepcopy(start)
    other.load_state_dict(net.state_dict())
    x = images().expand(3, -1, -1, -1, -1)
    assert torch.equal(other.eval()(x), net(x))
    again = nn.quantize(net, QuantConfig(Uniform(4), ThresholdCentred(2)))
    assert not {n for n, _ in again.layers[0].neuron.named_parameters()}
    alone = nn.quantize(network(), QuantConfig(state=state))
    trained(alone, 2)  # beside real weights


def test_levels_before_reset_cannot_serve_several_thresholds():
    with pytest.raises(BadInput, match="levels learned before reset serve one spike, not 2"):
        nn.quantize(network(nn.LIF(spikes=2)), QuantConfig(Uniform(4), LearnedLevels(4, "before reset")))
    nn.quantize(network(nn.LIF(spikes=2)), QuantConfig(Uniform(4), LearnedLevels(4)))


GRADIENTS = [(q, STATE) for q in PLAIN] + [(Uniform(4), state) for state in STATE_NETWORKS]


@pytest.mark.skipif(compiler() is None, reason="there is no C compiler")
@pytest.mark.parametrize(("q", "state"), GRADIENTS, ids=label)
def test_gradients_of_compiled_kernels_are_torchs(q, state, monkeypatch):
    """Of every parameter: weights, steps and levels that are learned, norms; float32 of two orders of summation."""
    net = trained(nn.quantize(network(nn.LIF(learn_theta=True, learn_beta=True)), QuantConfig(q, state)), 2)
    x, weight = images().expand(4, -1, -1, -1, -1), torch.randn(4, 12, 4)

    def gradients() -> dict[str, Tensor]:
        made = copy.deepcopy(net).train()
        (made(x) * weight).sum().backward()
        return {n: p.grad for n, p in made.named_parameters() if p.grad is not None}

    ours = gradients()
    with monkeypatch.context() as patch:
        without_kernels(patch)
        torchs = gradients()
    assert ours.keys() == torchs.keys()
    assert {n.split(".")[-1] for n in ours} >= {"weight", "theta", "beta", *q.learned, *state.learned}
    for name, g in torchs.items():
        scale = float(g.abs().max())
        assert (ours[name] - g).abs().max() <= 1e-3 * scale + 1e-7, name


def test_steps_are_saved_under_the_name_of_older_checkpoints():
    net = nn.quantize(network(), QuantConfig(Uniform(4), STATE))
    names = [n for n in net.state_dict() if n.endswith("log_step")]
    assert names == [f"groups.{g.name}.log_step" for g in net.layers]
