"""What every quantizer promises, checked for all that `intspike.quant` names: a new one is found here by itself."""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from intspike import nn
from intspike.engine import exported, native, reference
from intspike.engine.compare import compare
from intspike.errors import BadInput
from intspike.ir import Edge, frozen
from intspike.ir import Neuron as Node
from intspike.lower import lower_with_report, torch_trace
from intspike.measure import size_bits
from intspike.measure.codes import stuck_codes
from intspike.native import compiler
from intspike.neuron import LIF
from intspike.neuron.constants import table_levels
from intspike.nn.integers import neuron_integers
from intspike.ops import Body, step_one, trace
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
    form_of,
    weight_of,
)
from intspike.quant.docs import kinds, renewed
from intspike.quant.weight.lq_net import alternation
from quant.found import every, states, weights
from small_networks import without_kernels

WEIGHTS = weights()


def label(q: Any) -> str:
    """Its constructor with what is not the default, as short as an id must be."""
    given = [repr(v) for f in fields(q) if (v := getattr(q, f.name)) != f.default]
    return f"{type(q).__name__}({', '.join(given)})"


@st.composite
def rows(draw: st.DrawFn) -> Tensor:
    """Weights [N, K] of any scale and shape, some channels of zeros or of one value."""
    shape = draw(st.sampled_from([(3, 40), (1, 1), (4, 9), (2, 300)]))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    w = torch.randn(shape, generator=random) * 10.0 ** draw(st.integers(-4, 3))
    match draw(st.sampled_from(["any", "zeros", "one value", "few values"])):
        case "zeros":
            w[0] = 0
        case "one value":
            w[0] = w[0, 0]
        case "few values":
            w = torch.sign(w) * (w.abs() > w.abs().mean())
    return w


def test_all_are_found():
    names = {c.__name__ for c in (*kinds(WeightQuantizer), *kinds(StateQuantizer))}
    assert names >= {"Uniform", "LQNet", "PowerOfTwo", "Ternary", "Binary"}
    assert names >= {"UniformState", "ThresholdCentred", "PowerOfTwoState", "LearnedLevels"}
    for kind in (*kinds(WeightQuantizer), *kinds(StateQuantizer)):
        assert {q.bits for q in every(kind)} == set(kind.WIDTHS)
    assert [weight_of(n).bits for n in range(1, 9)] == list(range(1, 9))


def test_the_tables_of_the_documentation_are_current():
    page = Path(__file__).parents[2] / "docs" / "quantizers.md"
    text = page.read_text("utf-8")
    assert text == renewed(text), "run: python -m intspike.quant.docs docs/quantizers.md"
    assert all(
        f"`{kind.__name__}`" in text for base in (WeightQuantizer, StateQuantizer) for kind in kinds(base)
    )


@pytest.mark.parametrize("q", WEIGHTS, ids=label)
def test_weight_codes(q: WeightQuantizer):
    """Integers of int8 within the declared range, no more of them than the bits tell apart."""

    @settings(max_examples=8, deadline=None)
    @given(rows())
    def check(w: Tensor) -> None:
        kept = q.start(w)
        assert q.learned <= kept.keys()
        made = q.encode(w, kept)
        assert made.codes.shape == w.shape
        assert torch.equal(made.codes, made.codes.round())
        assert -128 <= q.low <= int(made.codes.min()) <= int(made.codes.max()) <= q.high <= 127
        assert made.step.shape in ((len(w),), (1,))
        assert (made.step > 0).all()
        assert made.step.dtype == w.dtype
        for row in made.codes:
            assert len(row.unique()) <= 1 << q.bits
        again = q.encode(made.codes * made.step[:, None], kept)
        assert torch.equal(again.codes, made.codes)  # what is quantized already stays

    check()


@pytest.mark.parametrize("q", WEIGHTS, ids=label)
def test_weight_codes_do_not_depend_on_the_scale(q: WeightQuantizer):
    """Of a channel; of the tensor where the step is the tensor's. Scales are powers of two, so nothing is rounded."""
    w = torch.randn(3, 60, generator=torch.Generator().manual_seed(q.bits))
    shared = getattr(q, "per", "channel") == "tensor"
    scale = torch.tensor([[2.0**-7]]) if shared else torch.tensor([[2.0**-7], [1.0], [2.0**9]])
    a, b = (q.encode(x, q.start(x)) for x in (w, w * scale))
    if "log_step" not in q.start(w):  # a kept logarithm is rounded
        assert torch.equal(a.codes, b.codes)
        assert torch.equal(b.step, a.step * scale[:, 0])
    soft = w / a.step[:, None]
    near = (soft - soft.round()).abs() < 0.5 - 1e-4  # no tie
    assert torch.equal(a.codes[near], b.codes[near])
    assert torch.allclose(b.step, a.step * scale[:, 0], rtol=1e-5)


@pytest.mark.parametrize("q", WEIGHTS, ids=label)
def test_weight_gradients_are_the_documented_ones(q: WeightQuantizer):
    """Of r * code * step, explicitly in float64: r inside the range (everywhere for those without one), else 0."""
    random = torch.Generator().manual_seed(0)
    w, r = (torch.randn(2, 50, generator=random, dtype=torch.float64) for _ in range(2))
    kept = {k: v.double().clone().requires_grad_(k in q.learned) for k, v in q.start(w).items()}
    leaf = w.clone().requires_grad_()
    made = q.encode(leaf, kept)
    (r * made.codes * made.step[:, None]).sum().backward()
    soft, codes, step = w / made.step[:, None].detach(), made.codes.detach(), made.step.detach()
    clipped = type(q).__name__ in ("Uniform", "PowerOfTwo")
    inside = (soft >= q.low) & (soft <= q.high) if clipped else torch.ones_like(w, dtype=torch.bool)
    assert leaf.grad is not None
    assert torch.allclose(leaf.grad, torch.where(inside, r, 0.0), rtol=1e-12, atol=0)
    for name, value in kept.items():
        assert value.requires_grad == (name in q.learned)
    if isinstance(q, Uniform) and q.learn_step:
        slope = torch.where(inside, codes - soft, codes) * r
        slope = slope.sum(1) if q.per == "channel" else slope.sum().reshape(1)
        per_step = 50 if q.per == "channel" else 100
        got = kept["log_step"].grad
        assert got is not None
        assert torch.allclose(got / step, slope / (per_step * q.high) ** 0.5, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("q", WEIGHTS, ids=label)
def test_the_real_weights_of_codes(q: WeightQuantizer):
    w = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    made = q.encode(w.flatten(1), q.start(w.flatten(1)))
    assert torch.equal(q.quantize(w), (made.codes * made.step[:, None]).reshape(w.shape))
    leaf = w.clone().requires_grad_()
    q.quantize(leaf).sum().backward()
    assert leaf.grad is not None
    assert copy.deepcopy(q) == q


# --- known facts ----------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(rows())
def test_one_bit_of_lq_net_is_the_mean_magnitude(w):
    """The least error of +-v is v = mean|w|; B is sign(w)."""
    q = LQNet(1)
    made = q.encode(w, q.start(w))
    mean = w.double().abs().mean(1)
    assert torch.allclose(
        made.step.double(), mean.clamp_min(1e-12), rtol=1e-3
    )  # the ridge, 1e-4 of one weight
    assert torch.equal(made.codes[w != 0], torch.sign(w[w != 0]))


@settings(max_examples=20, deadline=None)
@given(rows(), st.integers(1, 6), st.integers(0, 2**31))
def test_an_alternation_of_lq_net_never_increases_the_error(w, bits, seed):
    """From any basis: ||w - B v||^2, each weight at its nearest level."""
    basis = torch.randn(len(w), bits, generator=torch.Generator().manual_seed(seed)).double()
    basis *= w.abs().mean(1, keepdim=True)
    signs = torch.tensor([[1.0 - 2 * (k >> j & 1) for j in range(bits)] for k in range(1 << bits)]).double()

    def error(basis: Tensor) -> Tensor:
        levels = basis @ signs.T
        return (w.double()[:, :, None] - levels[:, None, :]).abs().min(2).values.square().sum(1)

    before = error(basis)
    for _ in range(5):
        basis = alternation(w, basis)
        now = error(basis)
        assert (now <= before * (1 + 1e-9) + 1e-18).all()
        before = now


@settings(max_examples=20, deadline=None)
@given(rows())
def test_the_exact_ternary_threshold_is_the_best_of_all(w):
    """Every threshold tried; and the published one is never better."""

    def error(q: Ternary) -> Tensor:
        return (q.quantize(w).double() - w.double()).square().sum(1)

    best = torch.full((len(w),), torch.inf, dtype=torch.float64)
    for k in range(w.shape[1]):
        least = w.abs().sort(1, descending=True).values[:, k : k + 1]
        far = w.abs() >= least
        step = (w.abs() * far).double().sum(1, keepdim=True) / far.sum(1, keepdim=True)
        best = torch.minimum(best, (torch.sign(w) * far * step - w).square().sum(1))
    rounding = 1e-6 * w.double().square().sum(1)  # of float32 steps
    assert (error(Ternary("mse")) <= best + rounding).all()
    assert (error(Ternary("mse")) <= error(Ternary()) + rounding).all()


def test_an_integer_basis_has_the_largest_level_it_may():
    for bits, largest in ((2, 31), (3, 127), (6, 127)):
        q = LQNet(bits, largest)
        basis, _ = q.integers(torch.rand(50, bits, generator=torch.Generator().manual_seed(0)) + 0.01)
        assert (basis.sum(1) <= largest).all()
        assert (basis.sum(1) >= largest - bits).all()
        assert q.table_bits == bits * largest.bit_length()
    for wrong in ({"bits": 7}, {"bits": 3, "largest": 128}, {"bits": 6, "largest": 62}):
        with pytest.raises(BadInput):
            LQNet(**wrong)


# --- states ---------------------------------------------------------------------------------------------------

STATES = states()
# neither the gradient nor the decay changes what is stored
STORING = [s for s in STATES if s.gradient == "pass" and s.decay == "guaranteed"]


@dataclass(frozen=True)
class Stored:
    """A LIF neuron whose state is quantized so, with gain 1 and bias 0: what one timestep from rest stores."""

    body: Body
    row: dict[str, Any]
    node: Node

    def __call__(self, x: int) -> tuple[int, int, int]:
        """Code, spike and stored membrane of a wide sum x, by the definition in Python integers."""
        step = step_one(self.body, x, {"u": self.body.codec("u").rest}, 0, self.row)
        return step.codes["u"], step.spike, step.membranes["u"]


def stored(state: StateQuantizer, theta_lsb: int, compare: Any = ">=") -> Stored:
    module = nn.Neuron(LIF(beta=0.8, compare=compare), state)
    module.build(1)
    form = form_of(state, None)
    unit = torch.full((1,), 1 / theta_lsb, dtype=torch.float64)
    _, made, _ = neuron_integers("lif", module, form, unit, 0 * unit)
    assert made["gain"].tolist() == [1]
    body = trace(module.equation, form)
    node = Node("lif", Edge("x"), body, {k: frozen(a) for k, a in made.items()})
    return Stored(body, {k: a[0].tolist() for k, a in made.items()}, node)


@pytest.mark.parametrize("state", STORING, ids=label)
def test_what_a_state_stores(state: StateQuantizer):
    """theta decides, rest stays, order is kept, a stored level is stored as itself."""
    assert state.bits in state.WIDTHS
    for k, sign in ((0, ">="), (1, ">")):
        theta = (1 << state.resolution) + 37 * k
        q = stored(state, theta, sign)
        theta, strict = q.row["theta"], k
        if "u.levels" in q.row:
            marks = [*q.row["u.levels"][:300], *q.row["u.boundaries"][:300]]
        else:
            marks = [int(x) for x in np.linspace(-2 * theta, 4 * theta, 40)]
        near = [m + d for m in (0, theta, 2 * theta, *marks) for d in (-1, 0, 1)]
        xs = sorted({*near, -(10**6), 10**6, *range(-2 * theta, 4 * theta, max(1, theta // 30))})
        assert q(0)[::2] == (state.codec.rest, 0)
        if getattr(state, "overflow", "") == "wrap":
            continue  # what wraps keeps none of the rest
        levels = [q(x) for x in xs]
        for x, (_, spike, level) in zip(xs, levels, strict=True):
            assert spike == (x >= theta + strict)
            kept = state.stores == "after reset"  # the spike is stored itself, and level counts the reset
            assert level >= theta + (not kept) * strict if spike else level < theta + strict
            if state.stores == "before reset" or x < theta + strict:
                assert q(level)[2] == level
        below = [level for x, (*_, level) in zip(xs, levels, strict=True) if x < theta + strict]
        above = [level for x, (*_, level) in zip(xs, levels, strict=True) if x >= theta + strict]
        for side in (below, above):
            assert side == sorted(side)
        assert below[-1] <= above[0]
        assert len({code for code, *_ in levels}) <= 1 << state.bits


@pytest.mark.parametrize("state", [s for s in STATES if s.bits <= 5 and s.gradient == "pass"], ids=label)
def test_stuck_codes_are_reported(state: StateQuantizer):
    """Those that a timestep without current keeps, by the definition; guaranteed decay has none."""
    q = stored(state, (1 << state.resolution) + 5)
    codec, stuck = state.codec, {}
    high = min(codec.high, q.row.get("u.high", codec.high))
    for code in range(codec.low, high + 1):
        value = q.row["u.levels"][code] if "u.levels" in q.row else code << q.row["u.shift"]
        spike = int(state.stores == "before reset" and value >= q.row["theta"])
        if code != codec.rest and step_one(q.body, 0, {"u": code}, spike, q.row).codes["u"] == code:
            stuck[code] = 1
    assert stuck_codes(q.node) == stuck
    if state.decay == "guaranteed" and getattr(state, "overflow", "") != "wrap":
        assert not stuck


@pytest.mark.parametrize("state", STORING, ids=label)
def test_levels_and_boundaries_for_drawing(state: StateQuantizer):
    """In thresholds: they separate each other, hold rest, and theta where the code decides the spike."""
    levels, edges = state.fractions, state.boundaries
    assert len(levels) == len(edges) + 1 <= 1 << state.bits
    assert all(a < e <= b for a, e, b in zip(levels[:-1], edges, levels[1:], strict=True))
    assert 0 in levels
    if getattr(state, "overflow", "") != "wrap":
        assert (1.0 in edges) == (state.stores == "before reset")
        u = torch.tensor(levels, dtype=torch.float32)
        if len(u) < 1000:
            assert torch.allclose(state.quantize(u), u, rtol=1e-6, atol=1e-7)


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


# --- learned levels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stores", ["after reset", "before reset"])
@pytest.mark.parametrize("bits", range(1, 9))
def test_learned_levels_start_where_they_say_and_cannot_lose_their_order(bits, stores):
    state = LearnedLevels(bits, stores)
    kept = state.start(5)
    template = torch.tensor([ThresholdCentred(bits, stores).fractions]).double()
    assert (state.levels_of(kept) - template).abs().max() < 3e-4
    random = torch.Generator().manual_seed(bits)
    rest, below = state.codec.rest, sum(f < 1 for f in state.fractions)
    for size in (0.1, 3.0, 30.0):
        levels = state.levels_of({"gaps": torch.randn(kept["gaps"].shape, generator=random) * size})
        apart = levels.diff(dim=1)
        apart[:, below - 1 : below] = 1  # the threshold lies between
        assert (apart >= 2.0 ** -(bits + 4) * (1 - 1e-9)).all()
        assert (levels[:, below - 1] <= 1 - 2.0 ** -(bits + 4) * (1 - 1e-9)).all()
        assert (levels[:, rest] == 0).all()
        assert ((levels < 1).sum(1) == below).all()
        table_levels(
            LIF(), state.codec, np.full(5, 1 << state.resolution), levels.numpy()
        )  # distinct integers


def test_the_gradient_of_the_gaps_is_the_one_of_finite_differences():
    """That of the levels themselves is tested with the kernels, tests/kernels/test_fused.py."""
    state = LearnedLevels(2)
    gaps = state.start(1)["gaps"].double().requires_grad_()
    (slope,) = torch.autograd.grad(state.levels_of({"gaps": gaps})[0, 3], gaps)
    for j in range(4):
        moved = gaps.detach().clone()
        moved[0, j] += 1e-6
        change = state.levels_of({"gaps": moved}) - state.levels_of({"gaps": gaps.detach()})
        assert float(slope[0, j]) == pytest.approx(float(change[0, 3]) / 1e-6, abs=1e-5)


def test_levels_before_reset_cannot_serve_several_thresholds():
    with pytest.raises(BadInput, match="levels learned before reset serve one spike, not 2"):
        nn.quantize(network(nn.LIF(spikes=2)), QuantConfig(Uniform(4), LearnedLevels(4, "before reset")))
    nn.quantize(network(nn.LIF(spikes=2)), QuantConfig(Uniform(4), LearnedLevels(4)))


# --- networks -------------------------------------------------------------------------------------------------

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
