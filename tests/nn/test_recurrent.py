"""Recurrent layers: a plain loop in full precision, one integer program when quantized, and gradients through time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from intspike import data, nn, train
from intspike.dynamics import ProgramMap, advance, orbit, recurrent
from intspike.errors import BadInput, NotLowerable
from intspike.lower import lower, verify
from intspike.nn import Network, quantize
from intspike.quant import QuantConfig, ThresholdCentred, Uniform, UniformState


def model(
    back: torch.nn.Module | None = None, neuron: nn.Neuron | None = None, delay: int = 1
) -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        nn.Input(1, high=3),
        torch.nn.Linear(5, 6),
        nn.Recurrent(neuron or nn.LIF(beta=0.5), back or torch.nn.Linear(6, 6), delay),
        torch.nn.Linear(6, 3),
        nn.LIF(),
    )


def moving(timesteps: int, batch: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (timesteps, batch, 5), np.uint8)


@pytest.mark.parametrize("delay", [1, 3])
def test_in_full_precision_it_is_a_plain_loop(delay):
    made = model(delay=delay)
    with torch.no_grad():  # numbers of a few bits, so that every sum is exact
        for p in made.parameters():
            p.copy_((p * 16).round() / 8)
    first, loop = made[1], made[2]
    record = Network(made).record(torch.from_numpy(moving(9, 4)))
    u, sent = torch.zeros(4, 6), []
    for x in torch.from_numpy(moving(9, 4)).float():
        before = sent[-delay] if len(sent) >= delay else None
        current = (
            first(x) if before is None else first(x) + torch.nn.functional.linear(before, loop.back.weight)
        )
        # a bias of the feedback is always there
        current = current + loop.back.bias
        u = 0.5 * (u - (sent[-1] if sent else 0)) + current
        sent.append((u >= 1).float())
    name = Network(made).layers[0].name
    assert torch.equal(record.spikes[name], torch.stack(sent))
    assert torch.equal(record.states[name][0][-1], u)
    assert 0 < float(torch.stack(sent).mean()) < 1


@pytest.mark.parametrize(
    ("neuron", "config", "delay"),
    [
        (lambda: nn.LIF(beta=0.6), QuantConfig(Uniform(4), ThresholdCentred(3)), 1),
        (lambda: nn.LIF(reset="zero", refractory=2), QuantConfig(Uniform(3), ThresholdCentred(4)), 2),
        (nn.IF, QuantConfig(Uniform(4, per="tensor"), UniformState(6, stores="before reset")), 3),
    ],
)  # fmt: skip
def test_torch_reference_native_and_c_are_one(neuron, config, delay):
    net = quantize(model(neuron=neuron(), delay=delay), config)
    x = moving(12, 8)
    net.train()
    net(torch.from_numpy(x)).sum().backward()  # and in training mode gradients reach both synapses
    assert all(m.weight.grad.abs().sum() > 0 for m in net.layers[0].modules_of_synapses)
    program = lower(net.eval(), input_shape=(5,))
    compared = verify(net, program, x, timesteps=12, samples=8, c_samples=3)
    assert [c.mismatches for c in compared] == [0] * len(compared)
    assert any(e.delay == delay for n in program for e in n.edges)
    assert orbit(ProgramMap(program, 1), budget=20_000).resolved


def test_a_convolution_feeds_back():
    torch.manual_seed(1)
    made = torch.nn.Sequential(
        nn.Input(1, high=1), torch.nn.Conv2d(1, 3, 3, padding=1),
        nn.Recurrent(nn.LIF(), torch.nn.Conv2d(3, 3, 3, padding=1, bias=False)),
        torch.nn.Flatten(), torch.nn.Linear(48, 2), nn.LIF(),
    )  # fmt: skip
    net = quantize(made, QuantConfig(Uniform(4), ThresholdCentred(2))).eval()
    x = np.random.default_rng(0).integers(0, 2, (6, 5, 1, 4, 4), np.uint8)
    net.record(torch.from_numpy(x))
    assert all(c.mismatches == 0 for c in verify(net, lower(net), x, timesteps=6, samples=5))


def test_the_gradient_of_the_feedback_is_the_surrogate_times_what_was_sent():
    made = torch.nn.Sequential(
        nn.Input(1, high=3), torch.nn.Linear(1, 1, bias=False),
        nn.Recurrent(nn.IF(theta=1.0), torch.nn.Linear(1, 1, bias=False)),
    )  # fmt: skip
    with torch.no_grad():
        made[1].weight.fill_(1.0)
        made[2].back.weight.fill_(0.25)
    net = Network(made)
    y = net(torch.tensor([[[1.0]], [[0.0]]]))
    assert y.reshape(-1).tolist() == [1.0, 0.0]  # fires, then stands at 0.25 by its own feedback
    y[1].sum().backward()
    z = torch.tensor(0.25 - 1.0)
    expected = 1 / (1 + (torch.pi * z) ** 2)
    surrogate = net.layers[0].neuron.equation.surrogate
    if type(surrogate).__name__ != "ShiftedArctan":
        pytest.skip("another default surrogate")
    found = made[2].back.weight.grad
    assert found.item() > 0
    # the same number by a network without feedback that is given what this one sent
    fed = Network(
        torch.nn.Sequential(nn.Input(1, high=3), torch.nn.Linear(2, 1, bias=False), nn.IF(theta=1.0))
    )
    with torch.no_grad():
        fed.layers[0].modules_of_synapses[0].weight.copy_(torch.tensor([[1.0, 0.25]]))
    fed(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]))[1].sum().backward()
    assert found.item() == fed.layers[0].modules_of_synapses[0].weight.grad[0, 1].item()
    assert expected > 0


def test_what_one_layer_remembers_another_can_learn():
    """A cue in the first timestep decides what is counted in the last ones: only a loop can hold it."""
    random = np.random.default_rng(0)

    def split(n):
        labels = np.arange(n, dtype=np.int64) % 2
        x = np.zeros((n, 8, 3), np.uint8)
        x[np.arange(n), 0, labels] = 1
        x[:, 5:, 2] = random.integers(0, 2, (n, 3))
        return data.Split(x, labels, timed=True)

    made = torch.nn.Sequential(
        nn.Input(1, high=1), torch.nn.Linear(3, 16),
        nn.Recurrent(nn.LIF(beta=0.3), torch.nn.Linear(16, 16, bias=False)),
        torch.nn.Linear(16, 2), nn.LIF(beta=0.3),
    )  # fmt: skip
    torch.manual_seed(3)
    task = data.Dataset("cue", split(200), split(60), split(60), ("a", "b"), "made up")
    net = train.fit(made, task, epochs=6, timesteps=8, batch_size=20, learning_rate=1e-2)
    assert train.accuracy(net, task.test, timesteps=8) > 0.9


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Recurrent(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)), "needs a layer of neurons"),
        (lambda: nn.Recurrent(nn.LIF(), torch.nn.ReLU()), "must be a Linear or Conv2d, not ReLU"),
        (lambda: nn.Recurrent(nn.LIF(), torch.nn.Linear(2, 2), 0), r"must be in 1\.\.1024 timesteps, not 0"),
        (lambda: Network(model(back=torch.nn.Linear(6, 5))), "must map 6 channels to 6, as many as the layer has"),
        (
            lambda: Network(torch.nn.Sequential(
                torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), nn.Recurrent(nn.LIF(), torch.nn.Linear(3, 3)),
            )),
            "without a norm or pool",
        ),
        (lambda: nn.Artificial(Network(model())), "an artificial network has no time"),
        (
            lambda: quantize(model(), QuantConfig(None, ThresholdCentred(3)))(torch.from_numpy(moving(2, 1))),
            "quantized in weights and states or in neither",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_recurrent(make, words):
    with pytest.raises(BadInput, match=words):
        make()


def test_images_must_be_spikes_first():
    made = model()
    made[0] = nn.Input(1 / 255)
    net = quantize(made, QuantConfig(Uniform(4), ThresholdCentred(3)))
    with pytest.raises(NotLowerable, match="must read values of scale 1"):
        lower(net, input_shape=(5,))


def test_a_loop_has_no_substeps():
    net = quantize(model(neuron=nn.LIF(spikes=2)), QuantConfig(Uniform(4), ThresholdCentred(3)))
    with pytest.raises(NotLowerable, match="reads its own spikes"):
        nn.unfold(net)


@pytest.mark.slow
def test_a_trained_loop_matches_what_no_network_without_memory_can_and_is_a_map():
    task = data.delayed_match(train=1000)
    torch.manual_seed(0)
    made = torch.nn.Sequential(
        nn.Input(1, high=task.high), torch.nn.Linear(20, 50),
        nn.Recurrent(nn.LIF(beta=0.9), torch.nn.Linear(50, 50, bias=False)),
        torch.nn.Linear(50, 2), nn.LIF(beta=0.9),
    )  # fmt: skip
    options = {"timesteps": 9, "batch_size": 50}
    full = train.fit(made, task, epochs=8, learning_rate=5e-3, **options)
    coded = quantize(full, QuantConfig(Uniform(4), ThresholdCentred(4)))
    coded = train.fit(coded, task, epochs=3, learning_rate=2e-3, **options)
    assert train.accuracy(coded, task.test, timesteps=9) > 0.9  # 0.75 is the bound without memory
    program = lower(coded)
    assert all(c.mismatches == 0 for c in verify(coded, program, task, timesteps=9, samples=50))
    net = ProgramMap(program)
    assert recurrent(program)
    ends = [orbit(net, u, 20_000) for u in net.random_states(20, 0)]
    for found in (o for o in ends if o.cycle is not None):
        assert np.array_equal(advance(net, found.cycle.state, found.cycle.period), found.cycle.state)
        assert not np.array_equal(
            advance(net, found.cycle.state, found.cycle.period - 1), found.cycle.state
        ) or (found.cycle.period == 1)
    assert any(o.resolved for o in ends)
