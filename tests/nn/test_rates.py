"""Firing rates of every layer: what `record` shows, and gradients of float64 autograd."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from intspike import nn
from intspike.native import compiler
from intspike.nn import Network, quantize
from intspike.quant import QuantConfig, ThresholdCentred, Uniform
from small_networks import seeded

pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")


class Joined(torch.nn.Module):
    """Two layers whose spikes join; one of them is pooled, dropped out and read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.input, self.drop, self.pool = nn.Input(1 / 256), torch.nn.Dropout(0.3), torch.nn.AvgPool2d(2)
        self.a, self.a_norm, self.a_lif = torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), nn.LIF(spikes=2)
        self.b, self.b_norm, self.b_lif = (
            torch.nn.Conv2d(4, 4, 3, padding=1),
            torch.nn.BatchNorm2d(4),
            nn.LIF(),
        )
        self.c, self.c_norm, self.c_lif = torch.nn.Linear(64, 6), torch.nn.BatchNorm1d(6), nn.LIF()

    def forward(self, x: Tensor) -> Tensor:
        a = self.drop(self.a_lif(self.a_norm(self.a(self.input(x)))))
        b = self.b_lif(self.b_norm(self.b(a)))
        return self.c_lif(self.c_norm(self.c(self.pool(a + b).flatten(1))))


def stack(*layers: torch.nn.Module) -> Network:
    return Network(torch.nn.Sequential(nn.Input(1 / 256), *layers))


NETWORKS: dict[str, Callable[[], Network]] = {
    "joined": lambda: Network(Joined()),
    "convolutions": lambda: stack(
        torch.nn.Conv2d(1, 5, 3, bias=False), torch.nn.MaxPool2d(2), torch.nn.BatchNorm2d(5), nn.LIF(),
        torch.nn.Flatten(), torch.nn.Linear(80, 7), torch.nn.BatchNorm1d(7), nn.LIF(learn_beta=True),
    ),
    "by torch's ops": lambda: stack(  # whose convolution in groups no kernel covers
        torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), nn.LIF(), torch.nn.Conv2d(4, 4, 3, groups=2),
        torch.nn.BatchNorm2d(4), nn.LIF(), torch.nn.Flatten(), torch.nn.Linear(144, 5), nn.LIF(theta=0.3),
    ),
}  # fmt: skip


def gradients(net: Network, x: Tensor, spikes: bool) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Rates, and the gradients of a loss that weighs every rate (and every output spike) differently."""
    torch.manual_seed(8)  # the same dropout
    out, rates = net.train().forward_with_rates(x)
    loss = torch.zeros((), dtype=out.dtype)
    for r in (*rates.values(), *([out] if spikes else [])):
        weights = torch.linspace(-1, 1.3, r.numel(), dtype=torch.float64).reshape(r.shape).to(r.dtype)
        loss = loss + (r * weights).sum()
    loss.backward()
    found = {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None}
    return {n: r.detach() for n, r in rates.items()}, found


@pytest.mark.parametrize("spikes", [True, False], ids=["rates and spikes", "rates alone"])
@pytest.mark.parametrize("static", [True, False], ids=["static", "timed"])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_rates_are_those_of_float64(name, static, spikes):
    torch.manual_seed(5)  # with some, a threshold is rounded to another integer in float64
    net = quantize(NETWORKS[name](), QuantConfig(Uniform(4), ThresholdCentred(4)))
    for g in net.layers:
        g.log_step += 0.013  # no weight may lie where its code is clamped
    x = torch.randint(0, 256, (4, 1, 10, 10) if static else (5, 4, 1, 10, 10), dtype=torch.uint8)
    x = x.expand(5, *x.shape) if static else x
    found, grads = gradients(copy.deepcopy(net), x, spikes)
    torch.set_default_dtype(torch.float64)
    try:
        expected, expected_grads = gradients(copy.deepcopy(net).double(), x, spikes)
    finally:
        torch.set_default_dtype(torch.float32)
    for layer, r in expected.items():
        assert torch.equal(found[layer], r.float()), layer
    assert grads.keys() == expected_grads.keys()
    largest = max(float(g.abs().max()) for g in expected_grads.values())
    for p, g in expected_grads.items():
        scale = max(float(g.abs().max()), 1e-3 * largest)
        assert float((grads[p].double() - g).abs().max()) < 1e-5 * scale, p


@pytest.mark.parametrize("seed", range(4))
def test_rates_are_the_means_of_what_is_recorded(seed):
    made = seeded(seed)
    x = torch.from_numpy(made.images).expand(5, *made.images.shape)
    net = made.net.eval()
    out, rates = net.forward_with_rates(x)
    record = net.record(x)
    assert torch.equal(out, net(x))
    assert rates.keys() == record.spikes.keys()
    for name, spikes in record.spikes.items():
        assert torch.equal(rates[name], spikes.sum((0, 1)) / (5 * x.shape[1])), name
