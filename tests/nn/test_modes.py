"""Full precision against a naive loop, and quantized against full precision: one layer, two modes."""

from __future__ import annotations

import copy
import itertools
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from intspike import nn
from intspike.errors import BadInput
from intspike.lower import lower_with_report
from intspike.nn import Network, calibrate, quantize
from intspike.nn.parts import summed
from intspike.quant import QuantConfig, ThresholdCentred, Uniform, UniformState
from small_networks import seeded, without_kernels

CONFIG = QuantConfig(Uniform(4), ThresholdCentred(4))


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dyadic(shape: Any, bits: int, seed: int, size: int = 8) -> torch.Tensor:
    """Multiples of 2^-bits: their sums are exact in any order."""
    return torch.randint(-size, size + 1, shape, generator=random(seed)) / 2.0**bits


def exact_norm(channels: int, sign: float = 1.0, seed: int = 0) -> torch.nn.BatchNorm2d:
    """A batch norm whose gains are powers of two."""
    norm = torch.nn.BatchNorm2d(channels, eps=0.0)
    with torch.no_grad():
        norm.weight.fill_(sign)
        norm.bias.copy_(dyadic((channels,), 5, seed))
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(dyadic((channels,), 5, seed + 1))
        norm.running_var.copy_(torch.tensor([0.25, 1.0, 4.0, 1.0])[torch.arange(channels) % 4])
    return norm


# --- full precision -------------------------------------------------------------------------------------------


def naive(neuron: nn.Neuron, currents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes and membranes [T, ...] by the words of the contract: reset, leak, integrate, fire."""
    e = neuron.equation
    theta, beta = e.theta, getattr(e, "beta", 1.0)
    u, s, left = (torch.zeros_like(currents[0]) for _ in range(3))
    spikes, membranes = [], []
    for current in currents:

        def reset(u: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
            return {"subtract": u - theta * s, "zero": torch.where(s > 0, 0.0, u), "none": u}[e.reset]

        left = torch.where(s > 0, float(e.refractory), (left - 1).clamp_min(0))
        current = torch.where(left > 0, 0.0, current)
        before = getattr(e, "reset_order", "before leak") == "before leak"
        if before:
            u = reset(u, s)
        u = beta * (u + current) if getattr(e, "leak_on", "state") == "sum" else beta * u + current
        if not before:
            u = reset(u, s)
        crossed = sum(u >= d * theta if e.compare == ">=" else u > d * theta for d in range(1, e.spikes + 1))
        s = torch.where(left > 0, 0.0, crossed.float())
        spikes.append(s)
        membranes.append(u)
    return torch.stack(spikes), torch.stack(membranes)


NEURONS = [
    nn.LIF(),
    nn.IF(theta=0.5, compare=">"),
    nn.LIF(beta=0.5, reset="zero", reset_order="after leak"),
    nn.LIF(reset="none", spikes=3),
    nn.LIF(reset_order="after leak", spikes=2, refractory=2),
    nn.LIF(beta=0.5, leak_on="sum", compare=">", theta=0.25),
    nn.IF(reset="zero", refractory=1, spikes=2, theta=0.25),
]


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda n: str(n.equation))
@pytest.mark.parametrize("order", ["pool first", "norm first"])
@pytest.mark.parametrize("pool", [torch.nn.MaxPool2d(2), torch.nn.AvgPool2d(2)], ids=["max", "average"])
def test_full_precision_is_a_naive_loop_over_time(neuron, order, pool):
    conv, norm, dense = torch.nn.Conv2d(2, 4, 3), exact_norm(4, seed=5), torch.nn.Linear(16, 3)
    with torch.no_grad():
        for k, p in enumerate((conv.weight, conv.bias, dense.weight, dense.bias)):
            p.copy_(dyadic(p.shape, 5, k))
    first, second = copy.deepcopy(neuron), copy.deepcopy(neuron)
    stages = [pool, norm] if order == "pool first" else [norm, pool]
    layers = [nn.Input(1 / 8, 15), conv, *stages, first, torch.nn.Flatten(), dense, second]
    net = Network(torch.nn.Sequential(*layers)).eval()
    x = torch.randint(0, 16, (6, 3, 2, 6, 6), generator=random())
    record = net.record(x)
    with torch.no_grad():
        current = torch.stack([stages[1](stages[0](conv(frame / 8))) for frame in x])
        spikes, membranes = naive(neuron, current)
        out, last = naive(neuron, torch.stack([dense(s.flatten(1)) for s in spikes]))
    assert 0 < spikes.mean() < neuron.equation.spikes
    first_name, second_name = net.groups
    assert torch.equal(record.spikes[first_name], spikes)
    assert torch.equal(record.states[first_name][0], membranes)
    assert torch.equal(record.spikes[second_name], out)
    assert torch.equal(record.states[second_name][0], last)


def test_learned_numbers_are_per_channel_and_start_from_the_equations():
    net = Network(
        torch.nn.Sequential(
            torch.nn.Linear(3, 4), nn.LIF(beta=0.5, theta=2.0, learn_beta=True, learn_theta=True)
        )
    )
    neuron = net.layers[0].neuron
    assert isinstance(neuron.beta, torch.nn.Parameter)
    assert isinstance(neuron.theta, torch.nn.Parameter)
    assert neuron.beta.tolist() == [0.5] * 4
    assert neuron.theta.tolist() == [2.0] * 4
    fixed = Network(torch.nn.Sequential(torch.nn.Linear(3, 4), nn.LIF())).layers[0].neuron
    assert {n for n, _ in fixed.named_parameters()} == set()
    with torch.no_grad():
        neuron.theta[1] = 1e6  # one channel that never fires
    spikes = net(torch.full((5, 2, 3), 50.0))
    assert torch.equal(spikes[..., 1], torch.zeros(5, 2))


# --- quantized ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("order", ["pool first", "norm first"])
@pytest.mark.parametrize("pool", [torch.nn.MaxPool2d(2), torch.nn.AvgPool2d(2)], ids=["max", "average"])
def test_what_needs_no_rounding_is_not_changed_by_quantizing(order, pool, sign):
    """Integer weights, power-of-two gains of either sign, a state that stores the integer: the same spikes."""
    conv, norm = torch.nn.Conv2d(1, 4, 3), exact_norm(4, sign, seed=7)
    with torch.no_grad():
        conv.weight.copy_(torch.randint(-7, 8, conv.weight.shape, generator=random()))
        conv.weight[:, 0, 0, 0] = 7  # so that a step is 1
        conv.bias.copy_(dyadic((4,), 6, 1))
        norm.bias.add_(0.5)
    stages = [pool, norm] if order == "pool first" else [norm, pool]
    net = Network(torch.nn.Sequential(nn.Input(1 / 512, 15), conv, *stages, nn.IF())).eval()
    q = quantize(net, QuantConfig(Uniform(4, range="absmax"), UniformState(16, low=-2, high=1.99))).eval()
    frame = torch.randint(0, 16, (40, 1, 8, 8), generator=random(1))
    x = frame.expand(6, *frame.shape)
    spikes = net(x)
    assert 0.05 < spikes.mean() < 0.95
    assert torch.equal(q(x), spikes)


@pytest.mark.parametrize("seed", range(30))
def test_training_and_evaluation_compute_with_the_same_integers(seed, monkeypatch):
    """With norms in evaluation, the training forward pass makes the very spikes that are lowered."""
    if seed > 1:
        without_kernels(monkeypatch)
    made = seeded(seed)
    x = torch.from_numpy(made.images).expand(4, *made.images.shape)
    expected = made.net.eval().record(x)
    made.net.train()
    for g in made.net.layers:
        if g.norm is not None:
            g.norm.eval()
    got = made.net.record(x)
    for name, spikes in expected.spikes.items():
        assert torch.equal(got.spikes[name], spikes)
        for a, b in zip(got.states[name], expected.states[name], strict=True):
            assert torch.equal(a.long(), b.long())


@pytest.mark.parametrize("quantized", [False, True])
def test_static_inputs_are_repeated_inputs(quantized):
    layers = [
        nn.Input(1 / 16, 15),
        torch.nn.Conv2d(1, 3, 3),
        torch.nn.MaxPool2d(2),
        nn.LIF(),
        torch.nn.Linear(27, 2),
        nn.LIF(),
    ]
    net = Network(torch.nn.Sequential(*layers)).eval()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_((p * 64).round() / 64)  # exact in full precision too
    if quantized:
        net = quantize(net, CONFIG).eval()
    frame = torch.randint(0, 16, (4, 1, 8, 8), generator=random())
    static, repeated = frame.expand(7, *frame.shape), frame.repeat(7, 1, 1, 1, 1)
    a, b = net.record(static), net.record(repeated)
    assert all(torch.equal(a.spikes[k], b.spikes[k]) for k in a.spikes)
    assert all(torch.equal(x, y) for k in a.states for x, y in zip(a.states[k], b.states[k], strict=True))
    assert torch.equal(net(static[:1]), a.spikes[net.output][:1])


def test_each_call_starts_at_rest():
    made = seeded(3)
    x = torch.from_numpy(made.images).expand(5, *made.images.shape)
    assert torch.equal(made.net(x), made.net(x))


def test_an_average_of_large_sums_is_exact():
    """An average times the area is not, from 2^23 on; the integer sum is."""
    pool = torch.nn.AvgPool2d(3)
    x = torch.randint(0, 2**24 // 9, (1, 1, 300, 300), generator=random()).float()
    exact = F.unfold(x.double(), 3, stride=3).sum(1).reshape(1, 1, 100, 100)
    assert torch.equal(summed(pool, x).double(), exact)
    assert not torch.equal((pool(x) * 9).round().double(), exact)


@pytest.mark.parametrize("gain", [0.0, 1e-12, -1e-12])
def test_a_gain_near_zero_makes_constant_neurons_that_the_report_counts(gain):
    norm = torch.nn.BatchNorm1d(4)
    with torch.no_grad():
        norm.weight[1:3] = gain
        norm.bias.copy_(torch.tensor([0.0, 2.0, -2.0, 0.0]))
    net = Network(torch.nn.Sequential(nn.Input(1.0, 3), torch.nn.Linear(5, 4), norm, nn.LIF()))
    q = quantize(net, CONFIG).eval()
    spikes = q(torch.randint(0, 4, (6, 8, 5), generator=random()))
    assert (spikes[..., 1] == 1).all()  # its bias alone is two thresholds
    assert (spikes[..., 2] == 0).all()
    report = lower_with_report(q)[1]
    assert report.layers[0].constant == 2
    assert "2 constant neurons" in str(report)


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    layers = [
        nn.Input(1 / 15, 15), torch.nn.Conv2d(1, 4, 3), torch.nn.MaxPool2d(2), torch.nn.BatchNorm2d(4),
        nn.LIF(learn_beta=True, learn_theta=True), torch.nn.Linear(36, 3), torch.nn.BatchNorm1d(3), nn.LIF(),
    ]  # fmt: skip
    net = Network(torch.nn.Sequential(*layers))
    x = torch.randint(0, 16, (6, 8, 1, 8, 8), generator=random())
    for made in (net, quantize(net, CONFIG)):
        made.train()
        (made(x) * torch.randn(6, 8, 3, generator=random())).sum().backward()
        for name, p in made.named_parameters():
            if "synapses.0.bias" in name:
                continue  # a norm follows: it takes a bias away again
            assert p.grad is not None, name
            assert torch.isfinite(p.grad).all(), name
            assert p.grad.abs().max() > 0, name


# --- quantize and calibrate -----------------------------------------------------------------------------------


def plain() -> Network:
    torch.manual_seed(0)
    layers = OrderedDict[str, torch.nn.Module](
        input=nn.Input(1 / 255),
        conv=torch.nn.Conv2d(1, 3, 3),
        norm=torch.nn.BatchNorm2d(3),
        lif=nn.LIF(),
        dense=torch.nn.Linear(48, 4),
        norm2=torch.nn.BatchNorm1d(4),
        out=nn.LIF(),
    )
    return Network(torch.nn.Sequential(layers))


FRAMES = torch.randint(0, 256, (5, 16, 1, 6, 6), generator=random(), dtype=torch.uint8)


def snapshot(net: Network) -> tuple[Any, ...]:
    tensors = {k: v.clone() for k, v in net.state_dict().items()}
    return tensors, repr(net), {n: m.training for n, m in net.named_modules()}


def assert_unchanged(net: Network, before: tuple[Any, ...]) -> None:
    now = snapshot(net)
    assert now[0].keys() == before[0].keys()
    assert all(torch.equal(v, before[0][k]) for k, v in now[0].items())
    assert now[1:] == before[1:]


def test_quantize_and_calibrate_leave_their_argument_alone():
    net = plain()
    before = snapshot(net)
    q = quantize(net, CONFIG)
    assert_unchanged(net, before)
    assert q is not net
    before = snapshot(q)
    c = calibrate(q, [FRAMES])
    assert_unchanged(q, before)
    assert not c.training
    assert not torch.equal(c.layers[0].norm.running_mean, q.layers[0].norm.running_mean)
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), nn.LIF())
    quantize(module, CONFIG)  # a plain module is wrapped
    assert repr(module[1]) == repr(nn.LIF())


def test_calibrate_takes_plain_averages_over_the_batches_and_keeps_momentum():
    q = quantize(plain(), CONFIG)
    parts = [FRAMES[:, :8], FRAMES[:, 8:]]
    one_by_one = [calibrate(q, [p]).layers[0].norm.running_mean for p in parts]
    both = calibrate(q, parts)
    assert torch.allclose(both.layers[0].norm.running_mean, (one_by_one[0] + one_by_one[1]) / 2)
    assert both.layers[0].norm.momentum == 0.1
    assert both.layers[0].norm.num_batches_tracked == 2
    assert torch.equal(calibrate(q, FRAMES)(FRAMES), calibrate(q, [FRAMES])(FRAMES))
    with pytest.raises(BadInput, match="calibration must see at least one batch"):
        calibrate(q, [])


def test_repr_says_the_mode_and_what_is_stored():
    net = plain()
    assert "lif: full precision, weight=None" in repr(net)
    q = quantize(net, CONFIG)
    assert "lif: quantized, weight=Uniform(bits=4, per='channel'" in repr(q)
    assert "ThresholdCentred(bits=4, stores='after reset'" in repr(q)
    assert not net.quantized
    assert q.quantized
    weights = quantize(net, QuantConfig(Uniform(4)))
    assert "lif: full precision, weight=Uniform(bits=4" in repr(weights)
    assert not weights.quantized


def test_weights_alone_may_be_quantized():
    net = calibrate(plain(), FRAMES)
    spikes = net.record(FRAMES).spikes["lif"]
    differ = []
    for bits in (8, 2):
        q = quantize(net, QuantConfig(Uniform(bits))).eval()
        differ.append(float((q.record(FRAMES).spikes["lif"] != spikes).float().mean()))
    assert 0 <= differ[0] < 0.02 < differ[1]


def test_a_neuron_can_be_quantized_by_one_argument():
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 4), nn.LIF(state=ThresholdCentred(3)), torch.nn.Linear(4, 2), nn.LIF()
    )
    q = quantize(model, QuantConfig(Uniform(4), overrides={"layer_3": {"state": UniformState(8)}}))
    assert q.quantized
    assert [g.state for g in q.layers] == [ThresholdCentred(3), UniformState(8)]
    assert q.eval()(torch.ones(2, 1, 3)).shape == (2, 1, 2)


@pytest.mark.parametrize(
    "config", [None, CONFIG, QuantConfig(Uniform(3, "tensor"), UniformState(10))], ids=str
)
def test_state_dict_round_trip(config):
    torch.manual_seed(1)
    one, other = plain(), plain()
    with torch.no_grad():
        for p in one.parameters():
            p.mul_(1.3)
    if config:
        one, other = calibrate(quantize(one, config), FRAMES), quantize(other, config)
    one, other = one.eval(), other.eval()
    other(FRAMES)  # what it kept of its own integers must go
    other.load_state_dict(one.state_dict())
    a, b = one.record(FRAMES), other.record(FRAMES)
    assert all(torch.equal(a.spikes[k], b.spikes[k]) for k in a.spikes)
    assert all(torch.equal(x, y) for k in a.states for x, y in zip(a.states[k], b.states[k], strict=True))


def with_nan() -> Network:
    net = plain()
    with torch.no_grad():
        net.layers[0].synapses[0].weight[0, 0, 0, 0] = torch.nan
        net.layers[0].synapses[0].weight[1, 0, 0, 0] = torch.inf
    return net


def lif(**fields: Any) -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.Linear(3, 2), nn.LIF(**fields))


@pytest.mark.parametrize(
    ("net", "config", "message"),
    [
        (with_nan(), CONFIG, "lif: weights must be finite, but 2 of 27 are NaN or infinite"),
        (plain(), QuantConfig(Uniform(4), ThresholdCentred(4), overrides={"outt": {"weight": Uniform(8)}}),
         "override 'outt' must match a layer, named after its neuron; did you mean 'out'? known: lif, out"),
        (plain(), QuantConfig(Uniform(4), ThresholdCentred(4), overrides={"lif": {}, "conv": {"weight": Uniform(8)}}),
         "override 'conv' must match a layer, named after its neuron"),
        (lif(reset="none"), CONFIG, "layer_1: a state stored after reset needs a reset, but the neuron has"),
        (lif(spikes=3), QuantConfig(Uniform(4), UniformState(8)),
         "layer_1: a range stored before reset must reach above the last threshold (3), not 2"),
        (lif(spikes=3), QuantConfig(Uniform(4), ThresholdCentred(4, "before reset")),
         "layer_1: levels stored before reset must have one at or above 3 thresholds"),
        (lif(leak_on="sum"), CONFIG, "layer_1: a leak on state plus input must be a Shift() or Dyadic() leak"),
    ],
    ids=range(7),
)  # fmt: skip
def test_quantize_refuses_what_has_no_meaning(net, config, message):
    with pytest.raises(BadInput) as e:
        quantize(net, config)
    assert message in str(e.value)


def test_layers_of_two_modes_do_not_run_together():
    q = quantize(plain(), QuantConfig(Uniform(4), ThresholdCentred(4), overrides={"out": {"state": None}}))
    with pytest.raises(BadInput, match="must be quantized in every layer or in none, but out is not"):
        q(FRAMES)


def test_patterns_that_match_all_and_change_nothing_are_fine():
    for overrides in ({"*": {"weight": Uniform(8)}}, {"lif": {"weight": Uniform(4)}}, {"?ut": {}}):
        quantize(plain(), QuantConfig(Uniform(4), ThresholdCentred(4), overrides=overrides))


def test_calibrated_networks_quantize_again():
    """Quantizing what is quantized starts from the same weights, not from its codes."""
    net = plain()
    twice = quantize(quantize(net, QuantConfig(Uniform(2), ThresholdCentred(2))), CONFIG)
    once = quantize(net, CONFIG)
    assert all(
        torch.equal(a, b)
        for a, b in itertools.zip_longest(twice.state_dict().values(), once.state_dict().values())
    )
    assert repr(twice) == repr(once)
