"""Layers on compiled kernels against the same layers in torch: equal forward, and gradients of float64 autograd."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from intspike import nn
from intspike.kernels import loop
from intspike.kernels.frames import Frames, from_tensor
from intspike.models.sew_resnet import Block
from intspike.native import compiler, dense_gradient, gradient, sets, synapse
from intspike.nn import Network, quantize
from intspike.nn import compiled as paths
from intspike.quant import QuantConfig, ThresholdCentred, Uniform, UniformState
from small_networks import seeded

pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")


def in_doubles(net: Network, x: Tensor, then: Callable[[Network, Tensor], Any]) -> Any:
    """The network in float64, which only torch's ops compute."""
    torch.set_default_dtype(torch.float64)
    try:
        return then(copy.deepcopy(net).double(), x)
    finally:
        torch.set_default_dtype(torch.float32)


def gradients(net: Network, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Spikes of the last layer, and the gradients of a loss that weighs every spike differently."""
    out = net(x)
    weights = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).reshape(out.shape).to(out.dtype)
    (out * weights).sum().backward()
    return out.detach(), {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None}


def compare(net: Network, x: Tensor, tolerance: float = 1e-6) -> None:
    net.train()
    found, found_gradients = gradients(copy.deepcopy(net), x)
    expected, expected_gradients = in_doubles(net, x, gradients)
    assert torch.equal(found.double(), expected)
    assert found.sum() > 0
    assert found_gradients.keys() == expected_gradients.keys()
    largest = max(float(g.abs().max()) for g in expected_gradients.values())
    for name, g in expected_gradients.items():  # a bias before a norm has none but roundings
        # and a learned step's is a sum over all weights that nearly cancels
        scale = max(float(g.abs().max()), (0.1 if "log_step" in name else 1e-3) * largest)
        error = float((found_gradients[name].double() - g).abs().max()) / scale
        assert error < tolerance, (name, error)


class Two(torch.nn.Module):
    """Two layers read one; their spikes join, and the sum is read as well."""

    def __init__(self) -> None:
        super().__init__()
        self.input = nn.Input(1 / 256)
        self.conv, self.pool, self.norm, self.lif = (
            torch.nn.Conv2d(1, 6, 3, bias=False),
            torch.nn.MaxPool2d(2),
            torch.nn.BatchNorm2d(6),
            nn.LIF(),
        )
        self.left, self.left_norm, self.left_lif = (
            torch.nn.Linear(150, 12),
            torch.nn.BatchNorm1d(12),
            nn.LIF(),
        )
        self.right, self.right_norm, self.right_lif = (
            torch.nn.Linear(150, 12),
            torch.nn.BatchNorm1d(12),
            nn.IF(),
        )
        self.last, self.last_norm, self.last_lif = torch.nn.Linear(12, 4), torch.nn.BatchNorm1d(4), nn.LIF()

    def forward(self, x: Tensor) -> Tensor:
        s = torch.flatten(self.lif(self.norm(self.pool(self.conv(self.input(x))))), 1)
        left, right = (
            self.left_lif(self.left_norm(self.left(s))),
            self.right_lif(self.right_norm(self.right(s))),
        )
        return self.last_lif(self.last_norm(self.last(left + right)))


def stack(*layers: torch.nn.Module) -> Network:
    return Network(torch.nn.Sequential(nn.Input(1 / 256), *layers))


def residual(kind: Any) -> Network:
    """Two blocks, the second with a shortcut, and sums over windows that leave a row and a column over."""
    return stack(
        torch.nn.Conv2d(1, 6, 3, bias=False),
        torch.nn.BatchNorm2d(6),
        nn.LIF(theta=0.5),
        Block(6, 6, 1, kind, 0.5),
        Block(6, 8, 2, kind, 0.75),
        torch.nn.AvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 2 * 2, 4),
        torch.nn.BatchNorm1d(4),
        nn.LIF(theta=0.5),
    )


NETWORKS: dict[str, Callable[[], Network]] = {
    "convolutions": lambda: stack(
        torch.nn.Conv2d(1, 5, 3, bias=False),
        torch.nn.MaxPool2d(2),
        torch.nn.BatchNorm2d(5),
        nn.LIF(),
        torch.nn.Conv2d(5, 17, 3, padding=1, bias=False),
        torch.nn.MaxPool2d(2),
        torch.nn.BatchNorm2d(17),
        nn.LIF(spikes=2),
        torch.nn.Flatten(),
        torch.nn.Linear(68, 10, bias=False),
        torch.nn.BatchNorm1d(10),
        nn.LIF(),
    ),
    "strides and no pool": lambda: stack(
        torch.nn.Conv2d(1, 8, 3, stride=2, padding=1),
        torch.nn.BatchNorm2d(8),
        nn.LIF(learn_theta=True, learn_beta=True),
        torch.nn.Conv2d(8, 20, (3, 2), stride=(1, 2), padding=(0, 1)),
        torch.nn.BatchNorm2d(20),
        nn.LIF(reset="zero"),
        torch.nn.Flatten(),
        torch.nn.Linear(20 * 4 * 4, 7),
        torch.nn.BatchNorm1d(7),
        nn.IF(),
    ),
    "dense, no norm": lambda: stack(
        torch.nn.Flatten(),
        torch.nn.Linear(144, 33),
        nn.LIF(theta=0.2),
        torch.nn.Linear(33, 19),
        nn.LIF(theta=0.1),
    ),
    "convolutions, no norm": lambda: stack(
        torch.nn.Conv2d(1, 5, 3),
        torch.nn.MaxPool2d(2),
        nn.LIF(theta=0.3),
        torch.nn.Conv2d(5, 17, 3, padding=1, bias=False),
        torch.nn.MaxPool2d(2),
        nn.LIF(theta=0.3, spikes=2),
        torch.nn.Flatten(),
        torch.nn.Linear(68, 10),
        nn.LIF(theta=0.2),
    ),
    "two readers of one layer": lambda: Network(Two()),
    **{f"residual, {kind}": partial(residual, kind) for kind in ("add", "and", "iand")},
    "dropout between layers": lambda: stack(
        torch.nn.Conv2d(1, 5, 3, bias=False),
        torch.nn.MaxPool2d(2),
        torch.nn.BatchNorm2d(5),
        nn.LIF(),
        torch.nn.Dropout(0.0),
        torch.nn.Flatten(),
        torch.nn.Linear(125, 10, bias=False),
        torch.nn.BatchNorm1d(10),
        nn.LIF(),
    ),
}
CONFIGS: dict[str, QuantConfig | None] = {
    "4/4": QuantConfig(Uniform(4), ThresholdCentred(4)),
    "2/1, learned step": QuantConfig(Uniform(2, learn_step=True), ThresholdCentred(1)),
    "8/8, uniform, per tensor": QuantConfig(Uniform(8, "tensor"), UniformState(8, high=3.0)),
    "weights alone": QuantConfig(Uniform(4)),
    "states alone": QuantConfig(state=ThresholdCentred(4)),
    "states alone, uniform, before reset": QuantConfig(state=UniformState(6, high=3.0)),
    "full precision": None,
}


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("network", NETWORKS)
def test_spikes_are_torchs_and_gradients_those_of_float64(network, config):
    torch.manual_seed(3)
    net = NETWORKS[network]()
    chosen = CONFIGS[config]
    if chosen is not None:
        net = quantize(net, chosen)
    x = torch.randint(0, 256, (3, 1, 12, 12), dtype=torch.uint8)
    real = chosen is None or chosen.state is None or chosen.weight is None
    if real and any(g.norm is not None for g in net.layers):
        pytest.skip(
            "a norm rounds, and in reals a rounding may move a spike: other decisions, another gradient"
        )
    with torch.no_grad():
        for g in net.layers:
            if g.weight is not None:  # no weight may lie where its code is clamped; in reals the step is 1
                g.log_step.mul_(0) if real else g.log_step.add_(0.013)
            if real:  # sums of few bits do not round
                g.neuron.theta.fill_(8.0)
                for m in g.modules_of_synapses:
                    m.weight.copy_((m.weight * 32).round())
    compare(net, x.expand(6, *x.shape), 5e-6 if "residual" in network else 1e-6)  # deeper: more float32 sums


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("config", ["4/4", "8/8, uniform, per tensor"])
def test_dropout_stays_in_bytes(config, static, monkeypatch):
    """Masks of images, of flattened images and of inputs; two readers of what was masked; and no layer leaves bytes."""

    class Dropped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input, self.some = nn.Input(1 / 256), torch.nn.Dropout(0.2)
            self.conv, self.conv_norm, self.conv_lif = (
                torch.nn.Conv2d(1, 5, 3),
                torch.nn.BatchNorm2d(5),
                nn.LIF(),
            )
            self.second, self.third = torch.nn.Dropout(0.5), torch.nn.Dropout(0.3)
            self.left, self.left_norm, self.left_lif = (
                torch.nn.Linear(500, 9),
                torch.nn.BatchNorm1d(9),
                nn.LIF(),
            )
            self.right, self.right_norm, self.right_lif = (
                torch.nn.Linear(500, 9),
                torch.nn.BatchNorm1d(9),
                nn.LIF(),
            )

        def forward(self, x: Tensor) -> Tensor:
            s = self.second(self.conv_lif(self.conv_norm(self.conv(self.some(self.input(x))))))
            a = self.left_lif(self.left_norm(self.left(s.flatten(1))))
            return a + self.right_lif(self.right_norm(self.right(self.third(s.flatten(1)))))

    class Ending(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.last, self.lif = Dropped(), torch.nn.Linear(9, 4), nn.LIF(theta=0.3)

        def forward(self, x: Tensor) -> Tensor:
            return self.lif(self.last(self.body(x)))

    torch.manual_seed(6)
    net = quantize(Network(Ending()), CONFIGS[config])
    for g in net.layers:
        g.log_step += 0.013
    net.register_forward_pre_hook(lambda *given: torch.manual_seed(8) and None)  # the same masks in doubles
    x = torch.randint(0, 256, (3, 1, 12, 12) if static else (6, 3, 1, 12, 12), dtype=torch.uint8)
    compare(net, x.expand(6, *x.shape) if static else x, 3e-6)
    seen: list[Tensor] = []

    def watched(x: Tensor, most: int) -> Frames:
        seen.append(x)
        return from_tensor(x, most)

    monkeypatch.setattr(sys.modules["intspike.nn.network"], "from_tensor", watched)
    masked = [net.train()(x.expand(6, *x.shape) if static else x) for _ in range(2)]
    assert torch.equal(*masked)
    assert not seen  # nor is the sum a float tensor
    assert not torch.equal(masked[0], net.eval()(x.expand(6, *x.shape) if static else x))


@pytest.mark.parametrize("kind", ["add", "and", "iand"])
@pytest.mark.parametrize("config", [None, "4/4"])
def test_residual_networks_stay_in_bytes(kind, config, monkeypatch):
    """Joins, sums over windows and every layer; the spikes that are counted alone become floats."""
    net = residual(kind)
    net = net if config is None else quantize(net, CONFIGS[config])
    made: list[Frames] = []
    tensor = Frames.tensor
    monkeypatch.setattr(Frames, "tensor", lambda self: made.append(self) or tensor(self))
    x = torch.randint(0, 256, (3, 1, 12, 12), dtype=torch.uint8)
    net.train()(x.expand(4, *x.shape)).sum().backward()
    assert [f.shape for f in made] == [(4,)]


@pytest.mark.parametrize("seed", range(8))
def test_inputs_that_change_with_time(seed):
    torch.manual_seed(seed)
    config = QuantConfig(CONFIGS["4/4"].weight, ThresholdCentred(4, gradient="pass"))
    net = quantize(NETWORKS["convolutions"](), config)
    for g in net.layers:
        g.log_step += 0.013
    compare(net, torch.randint(0, 256, (5, 3, 1, 12, 12), dtype=torch.uint8))


def test_this_is_tested_on_compiled_layers(monkeypatch):
    seen: list[bool] = []
    run = paths.run

    def watched(*args: Any) -> Any:
        done = run(*args)
        seen.append(done is not None)
        return done

    monkeypatch.setattr(paths, "run", watched)
    net = quantize(NETWORKS["convolutions"](), CONFIGS["4/4"])
    x = torch.randint(0, 256, (2, 1, 12, 12), dtype=torch.uint8)
    net.train()(x.expand(4, *x.shape))
    assert seen == [True] * 3


@pytest.mark.parametrize("seed", range(4))
def test_random_networks(seed):
    check_random(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 16))
def test_many_random_networks(seed):
    check_random(seed)


def check_random(seed: int) -> None:
    """Every spike and code, in evaluation, by both paths."""
    made = seeded(seed)
    x = torch.from_numpy(made.images).expand(5, *made.images.shape)
    found = made.net.eval().record(x)
    expected = in_doubles(made.net.eval(), x, lambda net, inputs: net.record(inputs))
    for name, spikes in expected.spikes.items():
        assert torch.equal(found.spikes[name].double(), spikes), name
        for a, b in zip(found.states[name], expected.states[name], strict=True):
            assert torch.equal(a.double(), b.double()), name


def test_bits_depend_neither_on_threads_nor_on_the_batch_split():
    torch.manual_seed(5)
    net = quantize(NETWORKS["convolutions"](), CONFIGS["4/4"]).train()
    x = torch.randint(0, 256, (11, 1, 12, 12), dtype=torch.uint8)
    kept = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(gradients(copy.deepcopy(net), x.expand(4, *x.shape)))
    finally:
        torch.set_num_threads(kept)
    for spikes, grads in found[1:]:
        assert torch.equal(spikes, found[0][0])
        assert all(torch.equal(g, found[0][1][n]) for n, g in grads.items())
    net.eval()
    whole = net(x.expand(4, *x.shape))
    parts = [net(x[a:b].expand(4, *x[a:b].shape)) for a, b in ((0, 1), (1, 6), (6, 11))]
    assert torch.equal(torch.cat(parts, 1), whole)


def test_a_second_backward_pass_gives_the_same():
    torch.manual_seed(6)
    net = quantize(Network(Two()), CONFIGS["4/4"]).train()
    x = torch.randint(0, 256, (3, 1, 12, 12), dtype=torch.uint8)
    loss = net(x.expand(4, *x.shape)).square().sum()
    first = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True, allow_unused=True)
    again = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    assert any(g is not None and g.abs().sum() > 0 for g in first)
    for a, b in zip(first, again, strict=True):
        assert (a is None) == (b is None)
        assert a is None or torch.equal(a, b)


def test_only_what_trains_takes_gradients():
    torch.manual_seed(7)
    net = quantize(NETWORKS["convolutions"](), CONFIGS["4/4"]).train()
    for p in net.layers[0].parameters():
        p.requires_grad_(False)
    x = torch.randint(0, 256, (3, 1, 12, 12), dtype=torch.uint8)
    _, frozen = gradients(net, x.expand(4, *x.shape))
    for p in net.layers[0].parameters():
        p.requires_grad_(True)
    net.zero_grad()
    _, free = gradients(net, x.expand(4, *x.shape))
    assert set(frozen) < set(free)
    assert all(torch.equal(g, free[n]) for n, g in frozen.items())


def test_spikes_travel_as_bytes():
    net = quantize(NETWORKS["convolutions"](), CONFIGS["4/4"]).eval()
    x = torch.randint(0, 256, (2, 1, 12, 12), dtype=torch.uint8)
    with torch.no_grad():
        _, spikes, _ = net._run(x.expand(4, *x.shape))
    assert all(isinstance(s, Frames) and s.data.dtype == torch.uint8 for s in spikes.values())


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of torch's own tracer
def test_torch_compile_leaves_a_network_as_it_is():
    torch.manual_seed(8)
    net = quantize(NETWORKS["convolutions"](), CONFIGS["4/4"]).train()
    x = torch.randint(0, 256, (3, 1, 12, 12), dtype=torch.uint8).expand(4, 3, 1, 12, 12)

    def loss(net: Network) -> Tensor:
        return (net(x).mean(0) * 10).logsumexp(1).sum()

    a, b = copy.deepcopy(net), copy.deepcopy(net)
    loss(a).backward()
    torch.compile(loss, backend="aot_eager")(b).backward()
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert p.grad is not None
        assert q.grad is not None
        assert torch.equal(p.grad, q.grad)


def test_an_empty_batch_and_a_single_timestep():
    torch.manual_seed(9)
    net = quantize(NETWORKS["convolutions"](), CONFIGS["4/4"]).eval()
    x = torch.randint(0, 256, (2, 1, 12, 12), dtype=torch.uint8)
    assert net(x[:0].expand(4, 0, 1, 12, 12)).shape == (4, 0, 10)
    assert torch.equal(net(x[None]), net(x.expand(3, *x.shape))[:1])


def test_every_instruction_set_gives_the_same(monkeypatch):
    torch.manual_seed(10)
    net = quantize(NETWORKS["convolutions"](), CONFIGS["4/4"]).train()
    x = torch.randint(0, 256, (3, 1, 12, 12), dtype=torch.uint8)
    found: dict[str, tuple[Tensor, dict[str, Tensor]]] = {}
    for march in sets():
        monkeypatch.setenv("INTSPIKE_MARCH", march)
        forget_compiled()
        found[march] = gradients(copy.deepcopy(net), x.expand(4, *x.shape))
    monkeypatch.delenv("INTSPIKE_MARCH")
    forget_compiled()
    spikes, grads = found.pop("native")
    for march, (other, others) in found.items():
        assert torch.equal(other, spikes), march
        if march != "x86-64":  # which has no fused multiplication and addition
            assert all(torch.equal(g, grads[n]) for n, g in others.items()), march


def forget_compiled() -> None:
    """Libraries that were compiled for one instruction set, so that another can be asked for."""
    for cached in (
        loop._function,
        gradient.gradient,
        dense_gradient.dense_gradient,
        gradient.scatter,
        gradient.moments,
        synapse._kernel,
    ):
        cached.cache_clear()
