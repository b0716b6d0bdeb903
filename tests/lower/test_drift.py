"""Drift from torch: the same rates as every engine's, operations as counted by brute force, streamed or at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from intspike import nn
from intspike.data import Dataset, Split
from intspike.engine import native, reference
from intspike.errors import BadInput
from intspike.lower import drift, lower
from intspike.lower.drift import Side, evaluated
from intspike.measure import HalvedCounts, synops
from intspike.nn import Network, quantize
from intspike.quant import QuantConfig, ThresholdCentred, Uniform
from small_networks import seeded

T = 4
CONFIG = QuantConfig(Uniform(2), ThresholdCentred(2))


def network(seed: int = 0, hidden: int = 3) -> Network:
    torch.manual_seed(seed)
    made = Network(
        torch.nn.Sequential(
            nn.Input(1 / 15, 15),
            torch.nn.Conv2d(2, hidden, 3, stride=2, padding=1, bias=False),
            nn.LIF(beta=0.75),
            torch.nn.Flatten(),
            torch.nn.Linear(hidden * 9, 4),
            nn.LIF(beta=0.75),
        )
    )
    with torch.no_grad():
        for group in made.layers:
            group.modules_of_synapses[0].weight.mul_(4)  # so that neurons fire
    return made


def images(samples: int = 7) -> np.ndarray:
    draw = np.random.default_rng(3)
    return (draw.integers(0, 16, (samples, 2, 6, 6)) * (draw.random((samples, 2, 6, 6)) < 0.6)).astype(
        np.uint8
    )


def timed(x: np.ndarray) -> np.ndarray:
    return np.broadcast_to(x, (T, *x.shape))


# ---------------------------------------------------------------- the same rates everywhere


@pytest.mark.parametrize("seed", range(6))
def test_rates_from_torch_the_reference_and_the_native_engine_are_identical(seed: int) -> None:
    made = seeded(seed)
    program = lower(made.net)
    moving = np.stack([np.roll(made.images, t, 0) for t in range(T)])
    for x in (moving, timed(made.images)):
        traces = [evaluated(made.net, x), reference.run(program, x, T), native.run(program, x, T)]
        one, *others = [HalvedCounts().add(trace) for trace in traces]
        for other in others:
            for name, rates in one.whole.rates.items():
                assert rates.tolist() == other.whole.rates[name].tolist()
                assert one.first.counts[name].tolist() == other.first.counts[name].tolist()
            assert one.shapes == other.shapes
        assert all((trace.readout == traces[0].readout).all() for trace in traces)
        counted = [synops(program, trace, x) for trace in traces]
        assert counted[0] == counted[1] == counted[2]


def test_evaluation_leaves_the_network_as_it_was() -> None:
    net = network().train()
    evaluated(net, timed(images()))
    assert net.training


# ---------------------------------------------------------------- operations


def test_operations_in_full_precision_are_counted_by_brute_force() -> None:
    """Each output of a convolution with weights of one over nonzero inputs is the number of its operations."""
    net, x = network().eval(), images()
    side = Side(net)
    side.add(timed(x))
    assert side.synops is not None
    present = torch.from_numpy((x != 0).astype(np.float64))
    conv = torch.nn.functional.conv2d(present, torch.ones(3, 2, 3, 3).double(), stride=2, padding=1)
    spikes = net.record(torch.from_numpy(x).expand(T, *x.shape)).spikes[net.layers[0].name]
    assert [layer.operations for layer in side.synops.layers] == [
        int(conv.sum()),
        4 * int((spikes != 0).sum()),
    ]
    assert [layer.kind for layer in side.synops.layers] == ["multiply-accumulate", "accumulate"]


def test_operations_of_a_quantized_network_are_those_of_its_program() -> None:
    net, x = quantize(network(), CONFIG).eval(), timed(images())
    side = Side(net)
    side.add(x)
    program = lower(net)
    assert side.synops == synops(program, native.run(program, x, T), x)


def test_a_network_without_an_integer_form_has_no_operations_and_drifts_all_the_same() -> None:
    torch.manual_seed(0)
    layers = [nn.Input(1 / 15, 15), torch.nn.Flatten(), torch.nn.Linear(72, 5), nn.LIF(), torch.nn.Softmax(1)]
    net = Network(torch.nn.Sequential(*layers, torch.nn.Linear(5, 3), nn.LIF()))
    found = drift(net, net, timed(images()))
    assert found.cost[0].synops is None
    assert found.pooled.emd == 0


# ---------------------------------------------------------------- data


def data_of(x: np.ndarray) -> Dataset:
    split = Split(x, np.zeros(len(x), np.int64))
    return Dataset("made here", split.take(0), split.take(0), split, ("a",), "made here", high=15)


def test_data_sets_splits_arrays_and_streams_give_the_same_drift() -> None:
    a, b, x = network(), quantize(network(), CONFIG), images()
    told: list[tuple[int, int]] = []
    whole = drift(a, b, timed(x))
    assert whole.samples == 7
    assert whole.pooled.emd > 0
    assert drift(a, b, data_of(x), timesteps=T, batch=3, progress=lambda *p: told.append(p)) == whole
    assert told == [(3, 7), (6, 7), (7, 7)]
    assert drift(a, b, data_of(x).test, timesteps=T) == whole
    seen: list[int] = []

    def stream() -> Any:
        for at in range(0, 7, 2):
            seen.append(at)
            yield timed(x[at : at + 2])

    assert drift(a, b, stream()) == whole
    assert seen == [0, 2, 4, 6]
    assert whole.firing.names == ("full precision", "quantized")


def test_a_second_seed_gives_the_other_floor() -> None:
    found = drift(network(), quantize(network(), CONFIG), timed(images()), second=network(1))
    assert found.seed is not None
    assert found.seed.pooled.emd == drift(network(), network(1), timed(images())).pooled.emd > 0


@pytest.mark.parametrize(
    ("other", "data", "message"),
    [
        (
            network(hidden=4),
            timed(images()),
            r"layer .* must have the same shape in quantized as in full precision",
        ),
        (network(), timed(images(1)), "at least two samples, .* but full precision ran on 1"),
        (network(), [], "at least two samples, .* but full precision ran on 0"),
        (network(), [images().tolist()], r"arrays of integers \[T, B, ...\], not list"),
        (network(), np.zeros((4, 3), np.uint8), r"arrays of integers \[T, B, ...\], not \[4, 3\]"),
    ],
)
def test_what_cannot_be_compared_is_refused(other: Network, data: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        drift(network(), other, data)
