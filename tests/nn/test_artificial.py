"""Artificial networks: plain torch layers are the oracle."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike import models, nn, train
from intspike.data import Dataset, Split
from intspike.errors import BadInput
from intspike.quant import LSQ, QuantConfig, ThresholdCentred, Uniform


def spiking(seed: int = 0) -> tuple[nn.Network, torch.nn.Module]:
    """A spiking network and the ordinary one of the same parameters."""
    torch.manual_seed(seed)
    conv, norm, dense = (
        torch.nn.Conv2d(1, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.Linear(16, 3, bias=False),
    )
    made = nn.Network(
        torch.nn.Sequential(
            nn.Input(1 / 255),
            conv,
            torch.nn.MaxPool2d(2),
            norm,
            nn.LIF(),
            torch.nn.Flatten(),
            dense,
            nn.Integrator(),
        )
    )
    plain = torch.nn.Sequential(conv, torch.nn.MaxPool2d(2), norm, torch.nn.ReLU(), torch.nn.Flatten(), dense)
    return made, copy.deepcopy(plain)


def frames(seed: int, count: int = 6) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 1, 4, 4)).astype(np.uint8))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), training=st.booleans())
def test_it_is_the_ordinary_network_of_the_same_layers(seed, training):
    net, plain = spiking(seed)
    made, x = nn.Artificial(net).train(training), frames(seed)
    plain.train(training)
    y, expected = made(x[None]), plain(x.float() / 255)
    assert torch.allclose(y[0], expected, atol=1e-6)
    y.square().sum().backward()
    expected.square().sum().backward()
    ours = [p.grad for p in made.parameters() if p.grad is not None]
    assert len(ours) == len(list(plain.parameters()))
    for a, b in zip(ours, (p.grad for p in plain.parameters()), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_last_layer_of_neurons_gives_its_current():
    torch.manual_seed(0)
    net = nn.Network(torch.nn.Sequential(torch.nn.Linear(4, 3), nn.LIF(), torch.nn.Linear(3, 2), nn.LIF()))
    x = torch.rand(5, 4)
    first, second = (g.modules_of_synapses[0] for g in net.layers)
    expected = torch.nn.functional.linear(torch.relu(first(x)), second.weight, second.bias)
    assert torch.allclose(nn.Artificial(net)(x[None])[0], expected, atol=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_hidden_layers_send_multiples_of_a_learned_step(bits):
    net, _ = spiking(1)
    made = nn.Artificial(net, Uniform(4), bits)
    made(frames(1)[None]).sum().backward()
    (layer,) = made.log_steps
    step = float(made.log_steps[layer].detach().exp())
    sent = made._sent(layer, torch.linspace(-1, 40 * step, 500).reshape(1, 50, 10)).detach() / step
    assert torch.allclose(sent, sent.round(), atol=1e-4)
    assert set(sent.round().unique().tolist()) == set(map(float, range(min(1 << bits, 41))))
    assert made.log_steps[layer].grad is not None
    assert torch.isfinite(made.log_steps[layer].grad)


def made_data() -> Dataset:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    images = (random.random((300, 1, 4, 4)) * 100).astype(np.uint8)
    images[np.arange(300), 0, labels] += 120
    parts = [Split(images[a:b], labels[a:b]) for a, b in ((0, 200), (200, 250), (250, 300))]
    return Dataset("made", *parts, ("a", "b", "c"), "random")


@pytest.mark.parametrize(("weight", "bits"), [(None, None), (LSQ(4), 4)])
def test_it_learns_and_leaves_what_it_was_given(weight, bits):
    net, data = spiking(2)[0], made_data()
    start = nn.Artificial(net, weight, bits)
    before = copy.deepcopy(start.state_dict())
    made = train.fit_artificial(start, data, epochs=8, batch_size=20, learning_rate=0.02)
    assert train.accuracy(made, data.test, timesteps=1) > 0.9
    again = train.fit_artificial(start, data, epochs=8, batch_size=20, learning_rate=0.02)
    assert all(torch.equal(a, b) for a, b in zip(made.parameters(), again.parameters(), strict=True))
    for name, value in start.state_dict().items():
        assert torch.equal(value.nan_to_num(), before[name].nan_to_num())


def test_residual_networks_have_one_too():
    net = models.sew_resnet_8(width=2, image=8, classes=3)
    y = nn.Artificial(net, Uniform(4), 4)(torch.randint(0, 256, (1, 2, 3, 8, 8), dtype=torch.uint8))
    assert y.shape == (1, 2, 3)


def test_mistakes_are_named():
    net, _ = spiking(3)
    with pytest.raises(BadInput, match="not a quantized one"):
        nn.Artificial(nn.quantize(net, QuantConfig(Uniform(4), ThresholdCentred(4))))
    with pytest.raises(BadInput, match=r"activation_bits must be in 1\.\.8"):
        nn.Artificial(net, None, 9)
    with pytest.raises(BadInput, match="one frame"):
        nn.Artificial(net)(frames(0).expand(3, *frames(0).shape))
    timed = Split(np.zeros((4, 3, 1, 4, 4), np.uint8), np.array([0, 1, 2, 0]), timed=True)
    with pytest.raises(BadInput, match="frames in time"):
        train.fit_artificial(nn.Artificial(net), Dataset("t", timed, timed, timed, ("a", "b", "c"), "made"))
