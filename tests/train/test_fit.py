"""Training: it learns, repeats itself, keeps the best on validation, and never sees test data."""

from __future__ import annotations

import copy
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from halves import CONFIG, DATA, SMALL, Guarded, network, noisy, same
from intspike import nn, train
from intspike.data import Dataset, Split
from intspike.errors import BadInput
from intspike.nn import Network, quantize
from intspike.train import CountCrossEntropy, CountMSE, Epoch, Progress

MODULE = sys.modules["intspike.train.loop"]


@pytest.mark.parametrize(
    "loss", [None, CountCrossEntropy("steps"), CountMSE()], ids=["counts", "steps", "mse"]
)
def test_it_learns_in_full_precision_and_in_integer_codes(loss):
    history: list[Epoch] = []
    net = train.fit(network(), DATA, epochs=8, learning_rate=0.02, loss=loss, history=history, **SMALL)
    assert train.accuracy(net, DATA.validation, timesteps=3) >= 0.95
    assert not net.training
    assert [e.epoch for e in history] == list(range(1, 9))
    assert history[-1].loss < history[0].loss
    qat = train.fit(quantize(net, CONFIG), DATA, epochs=4, learning_rate=0.01, loss=loss, **SMALL)
    assert qat.quantized
    assert train.accuracy(qat, DATA.validation, timesteps=3) >= 0.95


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_seed_decides_everything(dropout):
    start, random_before = network(dropout), torch.random.get_rng_state()
    a = train.fit(start, DATA, epochs=2, seed=3, **SMALL)
    torch.rand(7)  # a generator in another state changes nothing
    b = train.fit(start, DATA, epochs=2, seed=3, **SMALL)
    c = train.fit(start, DATA, epochs=2, seed=4, **SMALL)
    assert same(a, b)
    assert not same(a, c)
    torch.random.set_rng_state(random_before)
    expected = torch.rand(3)
    torch.random.set_rng_state(random_before)
    train.fit(start, DATA, epochs=1, **SMALL)
    assert torch.equal(torch.rand(3), expected)  # and training leaves the global generator alone


def test_the_argument_stays_as_it_was():
    net = network()
    before, mode = copy.deepcopy(net.state_dict()), net.training
    trained = train.fit(net, DATA, epochs=1, **SMALL)
    assert trained is not net
    assert net.training == mode
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert same(train.fit(net, DATA, epochs=0, **SMALL), net)
    module = torch.nn.Sequential(nn.Input(1 / 255), torch.nn.Linear(16, 2), nn.LIF())
    assert isinstance(train.fit(module, DATA, epochs=1, **SMALL), Network)  # a plain module is wrapped
    assert module[2].theta.numel() == 0


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Sequence[int]], list[dict[str, Any]]]]:
    """Validation results as written, and what the network was at each."""

    def script(results: Sequence[int]) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = []

        def correct_on(net: Network, part: Split, *, timesteps: int) -> int:
            assert part is DATA.validation
            seen.append({"state": copy.deepcopy(net.state_dict()), "timesteps": timesteps})
            return results[len(seen) - 1]

        monkeypatch.setattr(MODULE, "correct_on", correct_on)
        return seen

    return script


def test_the_best_on_validation_is_kept(scripted):
    seen = scripted([10, 30, 20, 5])
    net = train.fit(network(), DATA, epochs=4, **SMALL)
    assert all(torch.equal(v, seen[1]["state"][k]) for k, v in net.state_dict().items())
    assert not all(torch.equal(v, seen[3]["state"][k]) for k, v in net.state_dict().items())


def test_training_stops_where_validation_no_longer_gets_better(scripted):
    seen = scripted([10, 30, 20, 30, 30, 60, 60])
    history: list[Epoch] = []
    train.fit(network(), DATA, epochs=7, patience=3, history=history, **SMALL)
    assert len(seen) == len(history) == 5
    assert [e.validation for e in history] == [x / 60 for x in (10, 30, 20, 30, 30)]


@pytest.mark.parametrize(("given", "used"), [(None, 3), (7, 7)])
def test_validation_may_run_for_another_time(given, used, scripted):
    seen = scripted([1])
    timesteps: list[int] = []

    def loss(spikes: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        timesteps.append(len(spikes))
        return CountCrossEntropy()(spikes, labels)

    train.fit(network(), DATA, epochs=1, test_timesteps=given, loss=loss, **SMALL)
    assert [s["timesteps"] for s in seen] == [used]
    assert set(timesteps) == {3}


def test_without_validation_images_the_last_model_is_kept():
    empty = Split(np.zeros((0, 1, 4, 4), np.uint8), np.zeros(0, np.int64))
    data = Dataset("none", DATA.train, empty, empty, DATA.classes, DATA.source)
    history: list[Epoch] = []
    one = train.fit(network(), data, epochs=1, **SMALL)
    three = train.fit(network(), data, epochs=3, patience=1, history=history, **SMALL)
    assert len(history) == 3
    assert not same(one, three)


@pytest.mark.parametrize("quantized", [False, True])
def test_batch_statistics_are_frozen_for_the_last_fifth(quantized):
    net = quantize(network(), CONFIG) if quantized else network()
    tracked: list[int] = []
    made: list[Network] = []

    def loss(spikes: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        tracked.append(int(made[-1].layers[0].norm.num_batches_tracked) if made else -1)
        return CountCrossEntropy()(spikes, labels)

    original = Network.train
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Network, "train", lambda self, mode=True: (made.append(self), original(self, mode))[1])
        done = train.fit(net, DATA, epochs=5, loss=loss, **SMALL)  # 50 batches
    assert tracked[:40] == list(range(1, 41))
    assert tracked[40:] == [40] * 10
    assert done.layers[0].norm.num_batches_tracked <= 40


def test_the_rate_rises_then_falls_to_zero(monkeypatch):
    rates: list[float] = []
    adam = torch.optim.Adam

    class Watched(adam):  # type: ignore[misc, valid-type]
        def step(self, *args: Any, **named: Any) -> Any:
            rates.append(self.param_groups[0]["lr"])
            return super().step(*args, **named)

    monkeypatch.setattr(torch.optim, "Adam", Watched)
    history: list[Epoch] = []
    train.fit(network(), DATA, epochs=3, warmup=4, history=history, **SMALL)
    assert rates[:4] == pytest.approx([3e-3 * k / 4 for k in (1, 2, 3, 4)])
    assert max(rates) == pytest.approx(3e-3)
    assert all(a >= b for a, b in itertools.pairwise(rates[4:]))
    assert history[-1].rate == pytest.approx(0, abs=1e-9)
    rates.clear()
    train.fit(quantize(network(), CONFIG), DATA, epochs=1, warmup=0, **SMALL)
    assert rates[0] == pytest.approx(2e-3)
    rates.clear()
    train.fit(network(), DATA, epochs=1, warmup=0, learning_rate=0.5, **SMALL)
    assert rates[0] == 0.5


def test_progress_is_told_after_every_batch():
    told: list[Progress] = []
    train.fit(network(), DATA, epochs=2, progress=told.append, **SMALL)
    assert [p.done for p in told] == list(range(1, 21))
    assert {p.total for p in told} == {20}
    assert told[9].last is None
    assert told[10].last is not None
    assert told[10].last.epoch == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": -1}, "epochs must be at least 0, not -1"),
        ({"epochs": 1.5}, "epochs must be a whole number, not 1.5"),
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"timesteps": 0}, "timesteps must be at least 1, not 0"),
        ({"timesteps": (2, 0)}, "timesteps must be at least 1, not 0"),
        ({"timesteps": (2, 2)}, "timesteps must be one number or several different ones, not (2, 2)"),
        ({"timesteps": ()}, "timesteps must be one number or several different ones, not ()"),
        ({"test_timesteps": 0}, "test_timesteps must be at least 1 (or None), not 0"),
        ({"learning_rate": 0}, "the learning rate must be a positive number, not 0"),
        ({"learning_rate": float("nan")}, "the learning rate must be a positive number, not nan"),
        (
            {"data": (DATA.train.inputs, DATA.train.labels)},
            "data must be a data.Dataset of training, validation",
        ),
        ({"loss": lambda s, y: s.sum() * float("inf")}, "the loss must stay finite, but is"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(BadInput) as e:
        train.fit(network(), **{"data": DATA, **SMALL, "epochs": 1, **arguments})
    assert message in str(e.value)


def test_what_is_no_split_and_no_quantizer_is_named():
    net = network()
    with pytest.raises(BadInput, match=r"of a data\.Split, such as .*not Guarded"):
        train.accuracy(net, DATA)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"by a QuantConfig, such as .*, not 4"):
        nn.quantize(net, 4)  # type: ignore[arg-type]


def ends_in(*layers: torch.nn.Module) -> torch.nn.Module:
    return torch.nn.Sequential(nn.Input(1 / 255), *layers, nn.LIF())


@pytest.mark.parametrize(
    ("net", "arguments", "message"),
    [
        (
            ends_in(torch.nn.Linear(16, 1)),
            {},
            "the network must end in 2 neurons, one for each class 0..1 of halves, but ends in [1]; end it in "
            "torch.nn.Linear(..., 2) and neurons",
        ),
        (
            ends_in(torch.nn.Conv2d(1, 2, 3)),
            {},
            "but ends in [2, 2, 2]; end it in torch.nn.Linear(..., 2) and neurons, with torch.nn.Flatten() before",
        ),
        (
            ends_in(torch.nn.Linear(9, 2)),
            {},
            "the network must read frames [1, 4, 4] of halves, but layer_1 must read",
        ),
        (network(), {"learning_rate": "1e-3"}, "must be a positive number, such as 1e-3, not the str '1e-3'"),
        (network(), {"loss": "mse"}, "the loss must be a function of spikes and labels, such as train.Count"),
        (
            network(),
            {"loss": torch.nn.CrossEntropyLoss()},
            "the loss must be called with spikes [T, B, K] and labels [B] and return one number, but CrossEntropyLoss "
            "fails on [3, 20, 2] and [20] with ValueError",
        ),
        (network(), {"loss": CountMSE}, "but CountMSE "),
        (
            network(),
            {"loss": lambda s, y: s.mean(0)},
            "but <lambda> returns [20, 2]; train.CountCrossEntropy()",
        ),
        (
            torch.nn.Flatten,
            {},
            "must be made of a torch.nn.Module, not the class Flatten; give an instance, "
            "torch.nn.modules.flatten.Flatten()",
        ),
        ("net", {}, "must be made of a torch.nn.Module, not str; give the model itself"),
    ],
)
def test_networks_data_and_losses_that_do_not_belong_together_are_named(net, arguments, message):
    with pytest.raises(BadInput) as e:
        train.fit(net, **{"data": DATA, **SMALL, "epochs": 1, **arguments})
    assert message in str(e.value)


def test_the_loss_that_the_repair_names_is_the_one_that_is_the_default():
    def counts(spikes: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.CrossEntropyLoss()(spikes.mean(0) * 10, labels)

    start = network()
    assert same(
        train.fit(start, DATA, epochs=1, loss=counts, **SMALL), train.fit(start, DATA, epochs=1, **SMALL)
    )


def test_more_outputs_than_classes_and_samples_without_classes_are_trained():
    assert train.fit(ends_in(torch.nn.Linear(16, 3)), DATA, epochs=1, **SMALL).layers[-1].channels == 3
    numbers = [Split(s.inputs, np.arange(len(s))) for s in (DATA.train, DATA.validation)]
    data = Dataset("numbered", *numbers, numbers[1], ("a", "b"), "made up", labelled=False)
    net = ends_in(torch.nn.Linear(16, 1))
    assert (
        train.fit(net, data, epochs=1, loss=lambda s, y: s.mean() + 0 * y.sum(), **SMALL).layers[-1].channels
        == 1
    )


def test_no_training_images_are_refused():
    empty = Split(np.zeros((0, 1, 4, 4), np.uint8), np.zeros(0, np.int64))
    with pytest.raises(BadInput, match="at least one training sample"):
        train.fit(network(), Dataset("none", empty, empty, empty, (), ""), **SMALL)


def test_a_batch_larger_than_the_data_is_the_data():
    told: list[Progress] = []
    train.fit(network(), DATA, epochs=1, timesteps=2, batch_size=10_000, progress=told.append)
    assert len(told) == 1


def test_accuracy_counts_classes_and_ties_go_to_the_lowest(monkeypatch):
    net = network().train()
    net.layers[0].norm.eval()
    counts = torch.tensor([[0.0, 0.0], [2.0, 2.0], [1.0, 2.0], [2.0, 1.0]])
    monkeypatch.setattr(Network, "forward", lambda self, x: counts.expand(x.shape[0], 4, 2))
    part = Split(np.zeros((4, 1, 4, 4), np.uint8), np.array([0, 1, 1, 0]))
    assert train.correct_on(net, part, timesteps=2) == 3
    assert train.accuracy(net, part) == 0.75
    assert net.training
    assert not net.layers[0].norm.training  # modes are as they were


def moving(count: int, seed: int) -> Split:
    """Spikes that run over five channels, up or down: only their order in time tells the classes apart."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, count)
    inputs = np.zeros((count, 6, 5), np.uint8)
    for sample, label in zip(inputs, labels, strict=True):
        sample[range(5), range(5) if label else range(4, -1, -1)] = 1
    return Split(inputs, labels.astype(np.int64), timed=True)


MOVING = Guarded("moving", moving(200, 0), moving(60, 1), moving(60, 2), ("down", "up"), "random", high=1)


MOVING_WIDE = Dataset(  # of as many channels as `network` reads
    "wide",
    *(Split(np.repeat(s.inputs, 4, 2)[:, :, :16], s.labels, timed=True) for s in (moving(60, 3), moving(20, 4))),
    Split(np.zeros((0, 6, 16), np.uint8), np.zeros(0, np.int64), timed=True),
    ("down", "up"),
    "random",
)  # fmt: skip


def test_it_learns_from_order_in_time_in_full_precision_and_in_integer_codes():
    torch.manual_seed(0)
    layers = [nn.Input(1.0, 1), torch.nn.Linear(5, 8), torch.nn.BatchNorm1d(8), nn.LIF(beta=0.75)]
    layers += [torch.nn.Linear(8, 2), torch.nn.BatchNorm1d(2), nn.LIF(beta=0.75)]
    arguments: dict[str, Any] = {"timesteps": 5, "test_timesteps": 8, "batch_size": 20, "learning_rate": 0.02}
    net = train.fit(torch.nn.Sequential(*layers), MOVING, epochs=8, **arguments)
    assert train.accuracy(net, MOVING.validation, timesteps=8) == 1
    qat = train.fit(
        nn.calibrate(quantize(net, CONFIG), MOVING, batches=3, timesteps=5), MOVING, epochs=4, **arguments
    )
    assert train.accuracy(qat, MOVING.validation, timesteps=8) == 1


def test_timed_samples_are_seen_with_their_frames_in_order_and_silence_behind_them():
    seen: list[torch.Tensor] = []
    net = network()
    net.register_forward_pre_hook(lambda module, given: seen.append(given[0].clone()))
    wide = Split(np.repeat(MOVING.train.inputs, 4, 2)[:, :, :16], MOVING.train.labels, timed=True)
    train.correct_on(net, wide, timesteps=9, batch_size=150)
    assert [x.shape for x in seen] == [(9, 150, 16), (9, 50, 16)]
    whole = torch.cat(seen, 1).numpy()
    assert np.array_equal(whole[:6].swapaxes(0, 1), wide.inputs)
    assert not whole[6:].any()


def test_of_several_timesteps_each_batch_draws_one_and_repeats_itself():
    start = network()
    seen: list[int] = []

    def watched(spikes: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.append(len(spikes))
        return CountCrossEntropy()(spikes, labels)

    arguments = {**SMALL, "timesteps": (1, 2, 4)}
    a = train.fit(start, DATA, epochs=4, loss=watched, seed=3, **arguments)
    first = list(seen)
    assert set(first) == {1, 2, 4}
    assert same(a, train.fit(start, DATA, epochs=4, loss=watched, seed=3, **arguments))
    assert seen[len(first) :] == first
    train.fit(start, DATA, epochs=4, loss=watched, seed=4, **arguments)
    assert seen[2 * len(first) :] != first
    assert same(
        train.fit(start, DATA, epochs=1, **{**SMALL, "timesteps": (3,)}),
        train.fit(start, DATA, epochs=1, **{**SMALL, "timesteps": 3}),
    )


def test_augmentation_changes_each_batch_and_repeats_itself():
    start, before = network(), DATA.train.inputs.copy()
    seen: list[tuple[np.ndarray, int]] = []

    def watched(images: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        seen.append((images.copy(), int(draw.integers(1 << 62))))
        return noisy(images, draw)

    a = train.fit(start, DATA, epochs=2, augment=watched, seed=3, **SMALL)
    first = list(seen)
    b = train.fit(start, DATA, epochs=2, augment=watched, seed=3, **SMALL)
    assert same(a, b)
    assert not same(a, train.fit(start, DATA, epochs=2, seed=3, **SMALL))
    assert len({d for _, d in first}) == 20  # each batch draws for itself
    assert [d for _, d in first] == [d for _, d in seen[20:]]
    epoch = np.concatenate([images for images, _ in first[:10]])
    assert sorted(x.tobytes() for x in epoch) == sorted(x.tobytes() for x in before)
    assert np.array_equal(DATA.train.inputs, before)
    seen.clear()
    train.fit(start, DATA, epochs=1, augment=watched, seed=4, **SMALL)
    assert {d for _, d in seen}.isdisjoint(d for _, d in first)


def test_an_augmentation_that_changes_nothing_changes_nothing():
    for net, data in ((network(), DATA), (network(), MOVING_WIDE)):
        plain = train.fit(net, data, epochs=1, **SMALL)
        assert same(plain, train.fit(net, data, epochs=1, augment=lambda images, draw: images, **SMALL))


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (lambda images, draw: images / 2, r"must return uint8 of shape \[20, 1, 4, 4\].*not float64"),
        (lambda images, draw: images[:, :, 1:], r"not uint8 \[20, 1, 3, 4\]"),
        (lambda images, draw: None, "not NoneType"),
    ],
)
def test_an_augmentation_must_return_what_it_was_given(augment, message):
    with pytest.raises(BadInput, match=message):
        train.fit(network(), DATA, epochs=1, augment=augment, **SMALL)
