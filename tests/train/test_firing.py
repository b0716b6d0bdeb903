"""The firing regularizer: distances by hand and by scipy, gradients of float64, and that it does what it is for."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance
from torch import Tensor

from halves import CONFIG, DATA, SMALL, network, same
from intspike import measure, nn, train
from intspike.data import Split
from intspike.errors import BadInput
from intspike.native import compiler
from intspike.nn import Network, quantize
from intspike.quant import QuantConfig, ThresholdCentred, Uniform
from intspike.train import FiringRegularizer


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=30), st.randoms())
@settings(max_examples=50, deadline=None)
def test_distances_are_scipys(pairs, random):
    a, b = (torch.tensor(column, dtype=torch.float64) / 40 for column in zip(*pairs, strict=True))
    emd = FiringRegularizer(network(), "emd", 2.0)
    paired = FiringRegularizer(network(), "paired", 2.0)
    assert float(emd({"l": a}, {"l": b})) == pytest.approx(2 * wasserstein_distance(a, b), abs=1e-12)
    assert float(paired({"l": a}, {"l": b})) == pytest.approx(2 * float((a - b).abs().mean()), abs=1e-12)
    assert float(emd({"l": a}, {"l": b})) <= float(paired({"l": a}, {"l": b})) + 1e-12
    order = list(range(len(a)))
    random.shuffle(order)
    assert float(emd({"l": a[order]}, {"l": b})) == float(emd({"l": a}, {"l": b}))  # blind to who fires
    assert float(emd({"l": a}, {"l": a})) == float(paired({"l": a}, {"l": a})) == 0


def test_by_hand_and_every_layer_counts_alike():
    rates = {"a": torch.tensor([0.1, 0.5]), "b": torch.tensor([[[0.2]], [[0.4]], [[0.9]], [[0.0]]])}
    taught = {"a": torch.tensor([0.5, 0.2]), "b": torch.tensor([[[0.2]], [[0.4]], [[0.5]], [[0.0]]])}
    emd, paired = (FiringRegularizer(network(), kind) for kind in ("emd", "paired"))
    assert float(emd(rates, taught)) == pytest.approx(((0.1 + 0) / 2 + 0.4 / 4) / 2)
    assert float(paired(rates, taught)) == pytest.approx(((0.4 + 0.3) / 2 + 0.4 / 4) / 2)


def loss_gradients(net: Network, teacher: Network, kind: str, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
    regularizer = FiringRegularizer(teacher, kind, 3.0)
    spikes, rates = net.train().forward_with_rates(x)
    (train.CountCrossEntropy()(spikes, labels) + regularizer(rates, regularizer.taught(x))).backward()
    return {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None}


@pytest.mark.skipif(compiler() is None, reason="there is no C compiler")
@pytest.mark.parametrize("kind", ["emd", "paired"])
def test_gradients_are_those_of_float64(kind):
    torch.manual_seed(2)
    layers = [
        nn.Input(1 / 256), torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), nn.LIF(), torch.nn.Flatten(),
        torch.nn.Linear(64, 6), torch.nn.BatchNorm1d(6), nn.LIF(),
    ]  # fmt: skip
    teacher = quantize(Network(torch.nn.Sequential(*layers)), QuantConfig(Uniform(8), ThresholdCentred(8)))
    net = quantize(teacher, QuantConfig(Uniform(3), ThresholdCentred(3)))
    for g in (*teacher.layers, *net.layers):
        g.log_step += 0.013
    x = torch.randint(0, 256, (5, 1, 6, 6), dtype=torch.uint8).expand(9, 5, 1, 6, 6)
    labels = torch.randint(0, 6, (5,))
    found = loss_gradients(copy.deepcopy(net), teacher, kind, x, labels)
    torch.set_default_dtype(torch.float64)
    try:
        expected = loss_gradients(
            copy.deepcopy(net).double(), copy.deepcopy(teacher).double(), kind, x, labels
        )
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.keys() == expected.keys()
    largest = max(float(g.abs().max()) for g in expected.values())
    for name, g in expected.items():
        scale = max(float(g.abs().max()), 1e-3 * largest)
        assert float((found[name].double() - g).abs().max()) < 1e-5 * scale, name


@torch.no_grad()
def drift(teacher: Network, net: Network, split: Split) -> dict[str, tuple[float, float]]:
    """EMD and paired distance of each layer over a whole split."""
    x = torch.from_numpy(split.batch(np.arange(len(split)), 3))
    a, b = (n.eval().forward_with_rates(x)[1] for n in (teacher, net))
    return {
        name: (
            float((a[name].sort().values - b[name].sort().values).abs().mean()),
            float((a[name] - b[name]).abs().mean()),
        )
        for name in a
    }


@pytest.mark.parametrize("kind", ["emd", "paired"])
def test_training_with_it_ends_nearer_to_the_teacher(kind):
    teacher = train.fit(network(), DATA, epochs=6, learning_rate=0.02, **SMALL)
    before = copy.deepcopy(teacher.state_dict())
    start = quantize(teacher, CONFIG)
    regularizer = FiringRegularizer(teacher, kind, 10.0)
    plain = train.fit(start, DATA, epochs=5, learning_rate=0.02, **SMALL)
    held = train.fit(start, DATA, epochs=5, learning_rate=0.02, regularizer=regularizer, **SMALL)
    at = 0 if kind == "emd" else 1
    far, near = (np.mean([d[at] for d in drift(teacher, n, DATA.validation).values()]) for n in (plain, held))
    assert near < far / 2
    assert train.accuracy(held, DATA.validation, timesteps=3) >= 0.95
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())  # which is left alone


def test_a_weight_of_zero_changes_nothing():
    start = quantize(network(), CONFIG)
    plain = train.fit(start, DATA, epochs=1, **SMALL)
    assert same(
        plain, train.fit(start, DATA, epochs=1, regularizer=FiringRegularizer(network(), weight=0), **SMALL)
    )


def test_the_teacher_is_a_copy_in_evaluation():
    teacher = network(dropout=0.5).train()
    regularizer = FiringRegularizer(teacher)
    assert teacher.training
    with torch.no_grad():
        teacher.layers[0].modules_of_synapses[0].weight.zero_()
    x = torch.from_numpy(DATA.train.batch(np.arange(20), 3))
    expected = network().eval().record(x)
    for name, rates in regularizer.taught(x).items():
        assert torch.equal(rates, expected.spikes[name].sum((0, 1)) / 60)
        assert not rates.requires_grad


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "rates"}, "kind of a firing regularizer must be 'emd' or 'paired', not 'rates'"),
        ({"weight": -1}, "weight of a firing regularizer must be 0 or a positive number, not -1"),
        ({"weight": float("nan")}, "must be 0 or a positive number, not nan"),
        ({"teacher": torch.nn.Linear(1, 1)}, "must be an nn.Network, not Linear; wrap"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(BadInput) as e:
        FiringRegularizer(**{"teacher": network(), **arguments})
    assert message in str(e.value)


def test_a_teacher_of_another_shape_is_refused():
    wide = Network(torch.nn.Sequential(nn.Input(1 / 255), torch.nn.Linear(16, 2), nn.LIF()))
    with pytest.raises(
        BadInput, match=r"must have the same layers of the same shape.*layer_3: none and"
    ) as e:
        train.fit(network(), DATA, epochs=1, regularizer=FiringRegularizer(wide), **SMALL)
    assert "\n" not in str(e.value)


def test_it_is_what_the_firing_report_says():
    """On one batch, the distances of `measure` over the same counts."""
    teacher, net = network().eval(), quantize(network(), CONFIG).eval()
    x = torch.from_numpy(DATA.validation.batch(np.arange(60), 3))
    counts = [
        measure.FiringCounts()
        .add({k: v.numpy().astype(np.uint8) for k, v in n.record(x).spikes.items()})
        .counts
        for n in (teacher, net)
    ]
    report = measure.firing_report(*counts, steps=180)
    regularizer = FiringRegularizer(teacher, "paired")
    value = regularizer(net.forward_with_rates(x)[1], regularizer.taught(x))
    assert float(value) == pytest.approx(
        np.mean([layer.paired_distance for layer in report.layers]), rel=1e-6
    )
    value = replace(regularizer, kind="emd")(net.forward_with_rates(x)[1], regularizer.taught(x))
    assert float(value) == pytest.approx(np.mean([layer.emd for layer in report.layers]), rel=1e-6)
