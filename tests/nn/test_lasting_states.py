"""Synaptic currents and adapting thresholds: the equations in full precision, and the integers everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike import data, nn
from intspike.errors import BadInput
from intspike.lower import lower, lower_with_report, verify
from intspike.measure import size_bits
from intspike.neuron import AdaptiveLIF, CubaLIF
from intspike.ops import Carry, Form, Shift, Table, trace
from intspike.quant import OtherState, QuantConfig, ThresholdCentred, Uniform, UniformState

BEFORE = ThresholdCentred(4, stores="before reset")


def alone(neuron: Any) -> nn.Network:
    """One neuron a channel behind a synapse of weight 1."""
    line = torch.nn.Linear(3, 3, bias=False)
    torch.nn.init.eye_(line.weight)
    return nn.Network(torch.nn.Sequential(line, neuron))


def currents(seed: int, timesteps: int = 30) -> torch.Tensor:
    """Of few bits, so that sums are exact in any order."""
    return torch.from_numpy(np.random.default_rng(seed).integers(-4, 12, (timesteps, 2, 3)) / 8).float()


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("reads", ["new current", "last current"])
def test_a_current_based_neuron_is_its_equation(reset: str, reads: str):
    net = alone(nn.CubaLIF(alpha=0.5, beta=0.75, reset=reset, reads=reads, reset_order="after leak"))
    x = currents(1, 12)
    u = i = s = torch.zeros(2, 3)
    for now, got in zip(x, net(x), strict=True):
        old, i = i, 0.5 * i + now
        u = 0.75 * u + (i if reads == "new current" else old)
        u = {"subtract": u - s, "zero": u * (1 - s), "none": u}[reset]
        s = (u >= 1).float()
        assert torch.equal(got, s)


def test_an_adapting_threshold_is_its_equation():
    net = alone(nn.AdaptiveLIF(rho=0.75, jump=0.5, alpha=0.5, beta=None))
    x = currents(2, 12)
    u = i = a = s = torch.zeros(2, 3)
    for now, got in zip(x, net(x), strict=True):
        i = 0.5 * i + now
        a = 0.75 * a + 0.5 * s
        u = u - s + i
        s = (u >= 1 + a).float()
        assert torch.equal(got, s)
    assert s.any()


def test_it_is_the_synaptic_neuron_of_snntorch():
    snntorch = pytest.importorskip("snntorch")
    theirs = snntorch.Synaptic(alpha=0.5, beta=0.75, threshold=1.0, reset_mechanism="subtract")
    ours = alone(nn.CubaLIF(alpha=0.5, beta=0.75, reset_order="after leak", compare=">"))
    x = currents(3, 14)
    syn, mem = torch.zeros(2, 3), torch.zeros(2, 3)
    for now, got in zip(x, ours(x), strict=True):
        spike, syn, mem = theirs(now, syn, mem)
        assert torch.equal(got, spike)


def test_gradients_reach_every_parameter_and_pass_through_the_spikes_that_raise_a_threshold():
    """Of two timesteps: the first spike raises the second threshold, whose spike falls with it."""
    neuron = nn.AdaptiveLIF(learn_rho=True, learn_jump=True, learn_beta=True, alpha=0.5, learn_alpha=True)
    net = alone(neuron)
    net(currents(4)).sum().backward()
    assert all((getattr(neuron, p).grad != 0).any() for p in ("rho", "jump", "beta", "alpha"))
    for jump, passes in ((0.5, True), (0.0, False)):
        net = alone(nn.AdaptiveLIF(jump=jump, beta=0.0, reset="none"))
        x = torch.full((2, 1, 3), 1.25, requires_grad=True)
        net(x)[1].sum().backward()
        assert bool((x.grad[0] < 0).all()) == passes


NEURONS = [
    lambda: nn.CubaLIF(learn_alpha=True, refractory=1),
    lambda: nn.CubaLIF(beta=None, reads="last current", reset="zero", compare=">"),
    lambda: nn.AdaptiveLIF(learn_rho=True, learn_jump=True),
    lambda: nn.AdaptiveLIF(alpha=0.5, spikes=2, refractory=1, reset="none"),
]
CONFIGS = [
    QuantConfig(Uniform(4), BEFORE, others={"i": OtherState(8, -3, 3)}),
    QuantConfig(Uniform(3), UniformState(12, high=4), others={"i": OtherState(5), "a": OtherState(16)}),
    QuantConfig(
        Uniform(4), UniformState(6, high=4), leak=Shift(), others={"i": OtherState(4, overflow="wrap")}
    ),
]


def network(neuron: Any, recurrent: bool, seed: int) -> nn.Network:
    torch.manual_seed(seed)
    layer = nn.Recurrent(neuron, torch.nn.Linear(9, 9)) if recurrent else neuron
    model = torch.nn.Sequential(
        nn.Input(high=1), torch.nn.Linear(6, 9), layer, torch.nn.Linear(9, 3), nn.LIF()
    )
    for name, p in model.named_parameters():
        if name.endswith("weight"):
            p.data *= 3
    return nn.Network(model)


def samples(seed: int) -> data.Dataset:
    rng = np.random.default_rng(seed)
    split = data.Split((rng.random((4, 10, 6)) < 0.4).astype(np.uint8), np.arange(4) % 3, timed=True)
    return data.Dataset("noise", split, split, split, ("1", "2", "3"), "made up", high=1)


@pytest.mark.parametrize("k", range(len(NEURONS)))
@pytest.mark.parametrize("recurrent", [False, True])
def test_torch_engines_and_exported_c_agree(k: int, recurrent: bool):
    config = CONFIGS[(k + recurrent) % len(CONFIGS)]
    net = nn.quantize(network(NEURONS[k](), recurrent, k), config)
    given = samples(k)
    net(torch.from_numpy(given.test.batch(np.arange(4), 10))).sum().backward()  # as it trains
    program = lower(net.eval(), input_shape=(6,))
    compared = verify(net, program, given, timesteps=10, samples=4, c_samples=4)
    assert all(c.mismatches == 0 for c in compared)
    assert len(compared) > 2


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**20), st.integers(0, len(NEURONS) - 1), st.integers(0, len(CONFIGS) - 1))
def test_evaluation_and_the_program_agree(seed: int, k: int, c: int):
    from intspike.engine import reference

    net = nn.quantize(network(NEURONS[k](), seed % 2 == 0, seed), CONFIGS[c]).eval()
    x = torch.from_numpy(samples(seed).test.batch(np.arange(4), 10))
    record, run = net.record(x), reference.run(lower(net, input_shape=(6,)), x.numpy(), 10)
    for name, spikes in record.spikes.items():
        assert np.array_equal(spikes.numpy(), run.spikes[name])
        for codes, kept in zip(run.codes[name].values(), record.states[name], strict=True):
            assert np.array_equal(kept.numpy(), codes)


def test_every_state_is_reported_and_counts():
    config = QuantConfig(Uniform(4), BEFORE, others={"i": OtherState(7), "a": OtherState(3)})
    net = nn.quantize(network(nn.AdaptiveLIF(alpha=0.5), False, 0), config).eval()
    program, report = lower_with_report(net, input_shape=(6,))
    name = program.neurons[0].name
    assert {"alpha", "beta", "rho", "jump", "i step", "a step"} <= {
        p.name for p in report.parameters if p.layer == name
    }
    assert report.layers[0].others.keys() == {"i", "a"}
    assert "; of i: " in str(report)
    node = next(n for n in size_bits(program).nodes if n.node == name)
    assert node.states == 9 * (4 + 7 + 3)
    assert {"i.carry", "a.carry", "jump"} <= set(program.neurons[0].parameters)


def test_a_default_range_holds_a_jump_and_no_state_is_stored_after_reset():
    neuron = AdaptiveLIF(jump=0.01, rho=0.99)
    low, high = neuron.span("a", 15)
    assert (low, high) == (0.0, 0.15)
    assert CubaLIF().span("i", 7) == (-2.0, 2.0)
    with pytest.raises(BadInput, match="choose stores='before reset'"):
        trace(neuron, Form(Table(3, 2), Carry()))
    with pytest.raises(BadInput, match="not Carry"):
        trace(CubaLIF(leak_on="sum", reads="last current"), Form(Table(3, 2), Carry()))


def test_what_cannot_be():
    with pytest.raises(BadInput, match=r"alpha must be a number in 0\.\.1, not 2"):
        nn.CubaLIF(alpha=2)
    with pytest.raises(BadInput, match="reads must be one of"):
        nn.CubaLIF(reads="none")
    with pytest.raises(BadInput, match="jump must be a number of 0 or more"):
        nn.AdaptiveLIF(jump=-1)
    with pytest.raises(BadInput, match=r"\(i\), not 'a'"):
        nn.CubaLIF(others={"a": OtherState(4)})
    with pytest.raises(BadInput, match="others names the state 'u'"):
        QuantConfig(others={"u": OtherState(4)})
    with pytest.raises(BadInput, match="must be stored in an OtherState"):
        QuantConfig(others={"i": UniformState(4)})
    with pytest.raises(BadInput, match="must both be numbers"):
        OtherState(4, low=-1)
    with pytest.raises(BadInput, match="must hold rest"):
        OtherState(4, 1, 2)
    net = network(nn.AdaptiveLIF(), False, 0)
    with pytest.raises(BadInput, match="never negative"):
        nn.quantize(net, QuantConfig(Uniform(4), BEFORE, others={"a": OtherState(4, -1, 1)}))
    with pytest.raises(BadInput, match="stores='before reset'"):
        nn.quantize(net, QuantConfig(Uniform(4), ThresholdCentred(4)))


def test_a_moving_threshold_stored_after_reset_is_refused_with_the_repair():
    model = torch.nn.Sequential(nn.Input(), torch.nn.Linear(3, 2), nn.AdaptiveLIF())
    with pytest.raises(BadInput, match=r"layer_2: a threshold that moves .* choose stores='before reset'"):
        nn.quantize(model, QuantConfig(Uniform(4), ThresholdCentred(4)))
    assert nn.quantize(model, QuantConfig(Uniform(4), ThresholdCentred(4, "before reset"))).quantized
