"""torch == reference for any real scale: random networks are lowered, and every spike and stored code compared."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from intspike import nn
from intspike.engine import exported, native, reference
from intspike.engine.compare import Comparison, compare
from intspike.errors import BadInput, NotLowerable, RangeExceeded
from intspike.ir import Neuron
from intspike.lower import Lowering, lower, lower_with_report, lowerability, torch_trace
from intspike.native import compiler
from intspike.nn import Group, Network, quantize
from intspike.nn.frozen import integers
from intspike.ops import Dyadic, Shift
from intspike.quant import QuantConfig, ThresholdCentred, Uniform, UniformState
from small_networks import Made, random_network, seeded, without_kernels

T = 4
CONFIG = QuantConfig(Uniform(4), ThresholdCentred(4))
needs_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")


@st.composite
def networks(draw: st.DrawFn) -> Made:
    """Structure is drawn, so that it shrinks; numbers come from a seed."""
    numbers = random.Random(draw(st.integers(0, 2**32 - 1)))
    return random_network(lambda options: draw(st.sampled_from(options)), numbers)


def check_exact(made: Made) -> Comparison:
    """One network: torch against the definition, on static and on changing inputs."""
    program = lower(made.net)
    moving = np.stack([np.roll(made.images, t, 0) for t in range(T)])
    record = made.net.record(torch.from_numpy(moving))
    theirs = reference.run(program, moving, T)
    for name, spikes in record.spikes.items():
        assert (spikes.numpy() == theirs.spikes[name]).all()
        for kept, codes in zip(record.states[name], theirs.codes[name].values(), strict=True):
            assert (kept.numpy() == codes).all()
    assert (record.spikes[made.net.output].sum(0).numpy() == theirs.readout).all()
    ours = torch_trace(made.net, made.images, T)
    return compare(ours, reference.run(program, made.images, T), ("torch", "reference"))


def check_random(made: Made) -> None:
    try:
        assert check_exact(made).mismatches == 0
    except RangeExceeded as e:  # refused, which is right: it says so and by how much
        assert "must stay below 2^24" in str(e)  # noqa: PT017
        reject()


def check_many(examples: int) -> None:
    """Drawn and checked in torch alone: compiling would take most of the time, and kernels have their own tests."""
    with pytest.MonkeyPatch.context() as patch:
        without_kernels(patch)
        settings(max_examples=examples, deadline=None)(given(networks())(check_random))()


def test_torch_is_the_reference():
    check_many(30)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_torch_is_the_reference_for_many_more():
    check_many(3000)


def check_engines(seed: int, with_c: bool) -> None:
    made = seeded(seed)
    ours, program = torch_trace(made.net, made.images, T), lower(made.net)
    engines = {"reference": reference.run, "native": native.run}
    if with_c:
        engines["exported C"] = exported.run
    for name, run in engines.items():
        assert compare(ours, run(program, made.images, T), ("torch", name)).mismatches == 0


@needs_compiler
@pytest.mark.parametrize("seed", range(5))
def test_compiled_torch_is_every_engine(seed):
    """Generated kernels in torch, the generated engine, and for some the exported program in its own process."""
    check_engines(seed, with_c=seed < 2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@needs_compiler
@pytest.mark.parametrize("seed", range(100, 104))
def test_compiled_torch_is_every_engine_for_many_more(seed):
    for k in range(20):
        try:
            check_engines(1000 * seed + k, with_c=True)
        except RangeExceeded:
            continue


def test_random_networks_are_worth_the_name(monkeypatch):
    """They fire, rest and use their codes; otherwise equality would mean little."""
    without_kernels(monkeypatch)
    rates, used, kinds = [], [], set[str]()
    for seed in range(20):
        made = seeded(seed)
        trace = torch_trace(made.net, made.images, T)
        rates += [float(s.mean()) for s in trace.spikes.values()]
        used += [len(np.unique(c["u"])) for c in trace.codes.values()]
        kinds |= {type(n).__name__ for n in lower(made.net)}
    assert 0.1 < np.mean(rates) < 0.9
    assert np.mean([r > 0 for r in rates]) > 0.6
    assert np.mean(used) > 3
    assert kinds == {"Input", "Dense", "Conv", "Pool", "Join", "Neuron", "Readout"}


def test_lowering_changes_neither_the_network_nor_its_mode():
    made = seeded(1)
    before = {k: v.clone() for k, v in made.net.state_dict().items()}
    made.net.train()
    lower(made.net)
    assert made.net.training
    assert all(torch.equal(v, before[k]) for k, v in made.net.state_dict().items())


@pytest.mark.parametrize("mode", [True, False], ids=["training", "evaluation"])
def test_what_evaluation_keeps_is_what_is_lowered(mode):
    """Evaluation computes its integers once; weights that changed, in whatever mode, make new ones."""
    made = seeded(2)
    net, group = made.net, made.net.layers[0]
    torch_trace(net, made.images, T)
    kept = integers(group, 1.0, 1.0)
    assert integers(group, 1.0, 1.0) is kept
    first = lower(net)
    net.train(mode)
    with torch.no_grad():
        for m in group.synapses:
            m.weight.neg_()
    again = torch_trace(net, made.images, T)
    program = lower(net)
    name = group.synapse_names[0]
    assert (program[name].weight == -first[name].weight).all()
    compare(again, reference.run(program, made.images, T), ("torch", "reference"))


# --- refusals -------------------------------------------------------------------------------------------------


def dense(inputs: int = 6, high: int = 15, **fields: Any) -> Network:
    torch.manual_seed(0)
    model = torch.nn.Sequential()
    for name, m in (
        ("input", nn.Input(1 / 15, high)),
        ("fc", torch.nn.Linear(inputs, 4)),
        ("lif", nn.LIF(**fields)),
    ):
        model.add_module(name, m)
    return Network(model)


def test_full_precision_is_refused_with_the_repair():
    net = dense()
    with pytest.raises(NotLowerable) as e:
        lower(net, input_shape=(6,))
    text = str(e.value)
    assert "lif: weight: is in full precision; quantize(net, QuantConfig(weight=...)) first" in text
    assert "lif: state: is in full precision; quantize(net, QuantConfig(state=...)) first" in text
    with pytest.raises(NotLowerable, match="full precision"):  # so is a module that was never wrapped
        lower(torch.nn.Sequential(torch.nn.Linear(3, 2), nn.LIF()))
    with pytest.raises(NotLowerable, match="state: is in full precision"):
        lower(quantize(net, QuantConfig(Uniform(4))))
    report = lowerability(net)
    assert [(p.layer, p.name) for p in report.refused] == [("lif", "weight"), ("lif", "state")]
    assert "refused" in str(report)


def test_sums_that_could_pass_2_to_the_24_name_the_layer_and_by_how_much():
    net = quantize(dense(1100, 255), QuantConfig(Uniform(8, range="absmax"), ThresholdCentred(8))).eval()
    with torch.no_grad():
        net.layers[0].synapses[0].weight.fill_(0.02)
    with pytest.raises(RangeExceeded) as e:
        lower(net, input_shape=(1100,))
    codes = net.layers[0].codes()[0].detach().abs().sum(1).max()
    assert str(e.value).startswith(
        "lif: sums must stay below 2^24 = 16777216 to be exact in float32, but could reach"
    )
    assert float(codes) * 255 >= 2**24
    (refused,) = lowerability_of(net, (1100,)).refused
    assert refused.name == "RangeExceeded"


def lowerability_of(net: Network, shape: tuple[int, ...]) -> Lowering:
    net.input_shape = shape
    return lowerability(net)


def test_a_bias_far_beyond_the_threshold_is_refused():
    net = quantize(dense(), CONFIG)
    with torch.no_grad():
        net.layers[0].synapses[0].bias.fill_(1e7)
    with pytest.raises(RangeExceeded, match=r"lif: a bias must stay below 2\^24 LSB, but reaches"):
        lower(net, input_shape=(6,))


def test_numbers_that_are_not_finite_are_refused():
    net = quantize(dense(learn_theta=True, learn_beta=True), CONFIG)
    with torch.no_grad():
        net.layers[0].neuron.theta[1] = torch.nan
        net.layers[0].neuron.beta[1] = torch.inf
        net.layers[0].synapses[0].weight[0, 0] = torch.nan
    with pytest.raises(NotLowerable) as e:
        lower(net, input_shape=(6,))
    for name in ("theta", "beta", "fc.weight"):
        assert f"lif: {name}: must be finite, but holds NaN or infinity" in str(e.value)


def test_the_shape_of_the_input_must_be_known():
    net = quantize(dense(), CONFIG)
    with pytest.raises(NotLowerable, match="run the network once, or pass input_shape="):
        lower(net)
    assert lower(net, input_shape=(6,)).shapes["lif"] == (4,)
    net.eval()(torch.zeros(2, 1, 2, 3))
    assert lower(net).input.shape == (2, 3)


# --- the report -----------------------------------------------------------------------------------------------


def recomputed(group: Group, node: Neuron) -> dict[str, float]:
    """Largest distance, in LSB, that rounding moved theta, bias and levels; from the group's real numbers alone."""
    gain = group.step.detach().double().expand(group.channels).numpy() * (1 / 15)
    offset = group.synapses[0].bias.detach().double().numpy()
    if group.norm is not None:
        n = group.norm
        slope = n.weight.detach().double().numpy() / np.sqrt(n.running_var.double().numpy() + n.eps)
        offset = (offset - n.running_mean.double().numpy()) * slope + n.bias.detach().double().numpy()
        gain = gain * slope
    theta = group.neuron.theta.detach().double().numpy()
    unit = np.abs(gain) / np.abs(node.parameters["gain"])
    moved = {
        "theta": np.abs(node.parameters["theta"] - theta / unit).max(),
        "bias": np.abs(node.parameters["bias"] - offset / unit).max(),
    }
    if "u.levels" in node.parameters:
        exact = np.array(group.state.fractions) * (theta / unit)[:, None]
        moved["levels"] = np.abs(node.parameters["u.levels"] - exact).max()
    return moved


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize(
    "state", [ThresholdCentred(3), ThresholdCentred(4, "before reset"), UniformState(8)], ids=repr
)
def test_the_report_says_how_far_each_parameter_moved(state, norm):
    net = dense(learn_theta=True)
    if norm:
        fc, lif = net.layers[0].synapses[0], net.layers[0].neuron
        batch = torch.nn.BatchNorm1d(4)
        with torch.no_grad():
            batch.weight.copy_(torch.tensor([1.3, -0.7, 0.2, -2.0]))
            batch.bias.copy_(torch.tensor([0.1, -0.3, 0.7, 0.0]))
            batch.running_mean.copy_(torch.tensor([0.5, -0.2, 0.1, 0.3]))
        net = Network(torch.nn.Sequential(nn.Input(1 / 15, 15), copy.deepcopy(fc), batch, copy.deepcopy(lif)))
    with torch.no_grad():
        net.layers[0].neuron.theta.copy_(torch.tensor([1.0, 0.7, 1.9, 0.33]))
    q = quantize(net, QuantConfig(Uniform(4), state))
    program, report = lower_with_report(q, input_shape=(6,))
    group = q.layers[0]
    node = program[group.name]
    assert isinstance(node, Neuron)
    said = {p.name: p for p in report.parameters}
    for name, lsb in recomputed(group, node).items():
        assert said[name].lsb == pytest.approx(lsb, abs=1e-6)
        assert said[name].status == "snapped"
        if isinstance(state, ThresholdCentred):
            assert (
                lsb <= {"theta": 0.5, "bias": 0.5, "levels": (1 + max(map(abs, state.fractions))) / 2}[name]
            )
    weight = said[f"{group.synapse_names[0]}.weight"]
    assert (weight.status, weight.lsb) == ("exact", 0.0)
    assert said["beta"].status == "exact"
    assert {p.status for p in report.parameters} <= {"exact", "snapped"}
    assert report.refused == ()
    layer = report.layers[0]
    theta = node.parameters["theta"]
    assert layer.theta == (theta.min(), theta.max())
    assert layer.state_bits == state.bits
    assert report.to_dict()["layers"][0]["name"] == group.name


@pytest.mark.parametrize(
    ("leak", "beta", "status"),
    [
        (Shift(), 0.75, "exact"),
        (Shift(), 0.8, "snapped"),
        (Dyadic(8), 0.75, "exact"),
        (Dyadic(8), 0.7, "snapped"),
    ],
)
def test_the_report_says_what_the_leak_became(leak, beta, status):
    q = quantize(dense(beta=beta), QuantConfig(Uniform(4), ThresholdCentred(4), leak))
    program, report = lower_with_report(q, input_shape=(6,))
    said = next(p for p in report.parameters if p.name == "beta")
    assert said.status == status
    real = 0.75 if isinstance(leak, Shift) else np.floor(beta * 256 + 0.5) / 256
    theta = program["lif"].parameters["theta"].max()
    assert said.lsb == pytest.approx(abs(real - np.float32(beta)) * theta)


def test_the_report_counts_stuck_codes():
    for decay, stuck in (("guaranteed", False), ("nearest", True)):
        q = quantize(dense(), QuantConfig(Uniform(4), ThresholdCentred(4, decay=decay)))
        report = lower_with_report(q, input_shape=(6,))[1]
        assert bool(report.layers[0].stuck) == stuck
        assert ("stuck codes: none" in str(report)) != stuck


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (6, r"must be a tuple of positive integers, .* not 6; give \(6,\)"),
        ((2, 0), r"not \(2, 0\)$"),
        ((6.0,), r"not \(6.0,\)$"),
        ((), r"not \(\)$"),
    ],
)
def test_an_input_shape_that_is_none_is_refused(shape, message):
    net = quantize(torch.nn.Sequential(torch.nn.Linear(6, 3), nn.LIF()), CONFIG)
    with pytest.raises(BadInput, match=message):
        lower(net, input_shape=shape)
