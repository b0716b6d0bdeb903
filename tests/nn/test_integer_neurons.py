"""I-LIF, NI-LIF, ASN and NASN in full precision, against their equations written out plainly in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from intspike import nn
from intspike.errors import BadInput
from intspike.neuron import ILIF
from intspike.nn.frozen import integers
from intspike.quant import QuantConfig, ThresholdCentred, Uniform, UniformState

KINDS: dict[str, Callable[..., nn.Neuron]] = {
    "I-LIF": nn.ILIF,
    "NI-LIF": nn.NILIF,
    "ASN below": lambda D=4: nn.ASN(D, shift=-1.4),
    "ASN above": lambda D=4: nn.ASN(D, shift=1.5),
    "NASN": lambda D=4: nn.NASN(D, shift=-2.0),
}


def coarse(*shape: int) -> Tensor:
    """Numbers of few bits: every sum of the networks below is exact in float32."""
    return torch.randint(-4, 9, shape) / 8


def model(make: Callable[[], nn.Neuron], padding: int) -> torch.nn.Sequential:
    made = torch.nn.Sequential(
        nn.Input(1 / 16, high=15),
        torch.nn.Conv2d(2, 3, 3, padding=padding, bias=False),
        make(),
        torch.nn.Conv2d(3, 4, 3, padding=padding, bias=False),
        torch.nn.MaxPool2d(2),
        make(),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * (9 if padding else 1), 5, bias=False),
        make(),
    )
    for m in made:
        if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear)):
            m.weight.data = coarse(*m.weight.shape)
    return made


class Clip(torch.autograd.Function):
    """clip(floor(x + 1/2), 0, most) with the derivative of clip(x, 0, most)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, most: int) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.inside = (x >= 0) & (x < most)
        return torch.floor(x + 0.5).clamp(0, most)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return g * ctx.inside, None


def clip(x: Tensor, most: int) -> Tensor:
    return Clip.apply(x, most)  # type: ignore[no-untyped-call]


def plainly(net: torch.nn.Sequential, x: Tensor, p: dict[str, Tensor]) -> Tensor:
    """The same network, layer by layer and timestep by timestep, in the unshifted membrane U of the paper.

    Only a spike's subtraction takes no gradient: U = beta * (U' - theta * S') + I with S' = s' + a.
    """
    y = list(x.double() / 16)
    for k, m in enumerate(net):
        if isinstance(m, torch.nn.Conv2d):
            y = [F.conv2d(v, p[f"{k}.weight"], padding=m.padding) for v in y]
        elif isinstance(m, torch.nn.Linear):
            y = [F.linear(v, p[f"{k}.weight"]) for v in y]
        elif isinstance(m, torch.nn.MaxPool2d):
            y = [F.max_pool2d(v, 2) for v in y]
        elif isinstance(m, torch.nn.Flatten):
            y = [v.flatten(1) for v in y]
        elif isinstance(m, nn.Neuron):
            e = m.equation
            assert isinstance(e, ILIF)
            shape = (-1, *(1,) * (y[0].ndim - 2))
            theta, beta = p[f"{k}.theta"].reshape(shape), p[f"{k}.beta"].reshape(shape)
            raw = p.get(f"{k}.shift", torch.zeros(1).double())
            a = raw + (torch.floor(raw + 0.5) - raw).detach()
            u, s, sent = torch.zeros(()).double(), torch.zeros(()).double(), list[Tensor]()
            last = k == len(net) - 1
            for current in y:
                # u is U - a * theta, so its own shift carries over with the membrane
                u = beta * (u - theta * s.detach()) + current - a * theta
                s = clip(u / theta, e.spikes)
                sent.append(s if last else (s + a) / e.divisor)
            y = sent
    return torch.stack(y)


def parameters(net: torch.nn.Sequential) -> dict[str, Tensor]:
    found = {**dict(net.named_buffers()), **dict(net.named_parameters())}
    return {k: v.detach().double().requires_grad_() for k, v in found.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding", [0, 1])
def test_compiled_networks_send_what_the_equations_say(kind: str, padding: int):
    torch.manual_seed(0)
    net = model(KINDS[kind], padding)
    x = torch.randint(0, 16, (3, 6, 2, 6, 6))
    wrapped = nn.Network(net)
    sent = wrapped(x.to(torch.uint8))
    expected = plainly(net, x, parameters(net))
    assert torch.equal(sent.double(), expected)
    assert sent.max() > 1


@pytest.mark.parametrize("D", [1, 2, 8])
def test_every_number_of_spikes(D: int):
    torch.manual_seed(1)
    net = model(lambda: nn.NASN(D, shift=-1.0, divisor=4), 1)
    x = torch.randint(0, 16, (2, 4, 2, 6, 6))
    assert torch.equal(nn.Network(net)(x.to(torch.uint8)).double(), plainly(net, x, parameters(net)))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_float64(kind: str):
    torch.manual_seed(2)
    net = model(lambda: KINDS[kind]().requires_grad_(), 1)
    for m in net:
        if isinstance(m, nn.Neuron):
            m.equation = ILIF(**{**vars(m.equation), "learn_theta": True, "learn_beta": True})
    x = torch.randint(0, 16, (3, 6, 2, 6, 6))
    wrapped = nn.Network(net)
    y = wrapped(x.to(torch.uint8))
    given = coarse(*y.shape)
    (y * given).sum().backward()
    p = parameters(net)
    (plainly(net, x, p) * given).sum().backward()
    found = dict(net.named_parameters())
    assert {"2.theta", "2.beta", "5.theta", "1.weight", "3.weight"} <= found.keys()
    assert ("2.shift" in found) == kind.endswith(("ASN", "below", "above"))
    for name, q in found.items():
        assert q.grad is not None, name
        expected = p[name].grad
        assert expected is not None
        error = float((q.grad.double() - expected).abs().max())
        assert error <= 1e-6 * max(1.0, float(expected.abs().max())), name


@pytest.mark.parametrize("shift", [-2.0, 0.0, 1.0])
def test_gradients_are_finite_differences_of_the_relaxed_form(shift: float):
    """Of s = clip(u / theta, 0, D), u = I - a theta: without rounding, and within the windows linear."""
    torch.manual_seed(3)
    layer = nn.ASN(4, shift=shift, learn_theta=True)
    net = nn.Network(torch.nn.Sequential(nn.Input(high=15), torch.nn.Linear(6, 40), layer))
    x = torch.randint(0, 16, (1, 9, 6)).float()
    synapse = net.layers[0].modules_of_synapses[0]
    net(x).sum().backward()

    def relaxed(theta: float, a: float) -> float:
        with torch.no_grad():
            current = F.linear(x[0].double(), synapse.weight.double(), synapse.bias.double())
            return float((current / theta - a).clamp(0, 4).sum())

    h = 1e-6
    assert layer.theta.grad is not None
    assert layer.shift.grad is not None
    by_theta = (relaxed(1 + h, shift) - relaxed(1 - h, shift)) / (2 * h)
    by_shift = (relaxed(1.0, shift + h) - relaxed(1.0, shift - h)) / (2 * h)
    assert abs(float(layer.theta.grad.sum()) - by_theta) < 1e-3
    assert abs(float(layer.shift.grad) - by_shift) < 1e-3
    assert by_shift < 0


def test_a_learned_leak_is_what_the_table_is_made_of():
    torch.manual_seed(4)
    net = nn.Network(torch.nn.Sequential(nn.Input(), torch.nn.Linear(4, 3), nn.PLIF(beta=0.6)))
    q = nn.quantize(net, QuantConfig(Uniform(4), ThresholdCentred(4)))
    q(torch.randint(0, 255, (4, 5, 4)).float()).sum().backward()
    beta = q.layers[0].neuron.beta
    assert isinstance(beta, torch.nn.Parameter)
    before = integers(q.eval().layers[0], 1.0, 255).constants["carry"]
    with torch.no_grad():
        beta.fill_(0.25)
    after = integers(q.layers[0], 1.0, 255).constants["carry"]
    assert (abs(after) <= abs(before)).all()
    assert (after != before).any()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: nn.ILIF(0), "spikes, the largest output D, must be in 1..15, not 0"),
        (lambda: nn.ILIF(16), "D, must be in 1..15, not 16"),
        (lambda: nn.ILIF(4, shift=0.5), "must be an integer, not 0.5"),
        (lambda: nn.ILIF(4, shift=float("nan")), "shift must be a number"),
        (lambda: nn.ILIF(4, reset="zero"), "must be 'subtract'"),
        (lambda: nn.ILIF(4, compare=">"), "must be '>='"),
        (lambda: nn.ILIF(4, divisor=0), "divisor must be an integer in 1..255"),
        (lambda: nn.ILIF(4, beta=1.5), "beta must be a number in 0..1"),
    ],
)
def test_bad_fields_are_refused(make: Callable[[], Any], said: str):
    with pytest.raises(BadInput, match=said):
        make()


def test_a_range_before_reset_must_reach_the_last_threshold():
    net = nn.Network(torch.nn.Sequential(nn.Input(), torch.nn.Linear(4, 3), nn.ILIF(4)))
    with pytest.raises(BadInput, match=r"above the last threshold \(7\)"):
        nn.quantize(net, QuantConfig(Uniform(4), UniformState(8, high=7.0)))


def test_shifted_values_are_no_spikes_for_boolean_joins():
    class Joined(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
            self.left, self.right, self.join = nn.ASN(1), nn.ILIF(1), nn.Join("and")
            self.out, self.end = torch.nn.Linear(3, 2), nn.ILIF()

        def forward(self, x: Tensor) -> Tensor:
            return self.end(self.out(self.join(self.left(self.a(x)), self.right(self.b(x)))))

    with pytest.raises(BadInput, match="must join spikes of 0 or 1"):
        nn.Network(Joined())
