"""Readouts that never fire: their sums are those of torch in every engine, and classes are compared in one unit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike import models, nn, train
from intspike.data import Dataset, Split
from intspike.engine import native, reference
from intspike.errors import BadInput, NotLowerable, RangeExceeded
from intspike.ir import Dense, Integrator, Readout
from intspike.lower import lower, lower_with_report, lowerability, verify
from intspike.quant import (
    LSQ,
    Binary,
    LQNet,
    PowerOfTwo,
    QuantConfig,
    Ternary,
    ThresholdCentred,
    Uniform,
    UniformState,
)

WEIGHTS = [Uniform(4), Uniform(2, mid_rise=True), LSQ(3), LQNet(2), PowerOfTwo(4), Ternary(), Binary()]


def model(seed: int, classes: int = 4) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        nn.Input(1 / 15, 15),
        torch.nn.Linear(6, 12),
        nn.LIF(),
        torch.nn.Linear(12, classes, bias=False),
        nn.Integrator(),
    )


def samples(seed: int, count: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 16, (count, 6)).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    weight=st.sampled_from(WEIGHTS),
    state=st.sampled_from([ThresholdCentred(4), ThresholdCentred(2), UniformState(8)]),
    timesteps=st.integers(1, 7),
)
def test_sums_are_the_same_integers_everywhere(seed, weight, state, timesteps):
    net = nn.quantize(model(seed), QuantConfig(weight, state)).eval()
    x = samples(seed)
    given_x = torch.from_numpy(x).expand(timesteps, *x.shape)
    program = lower(net, input_shape=(6,))
    verify(net, program, x, timesteps=timesteps)
    sums = net.record(given_x).readout
    assert torch.equal(sums, sums.round())
    for engine in (reference, native):
        trace = engine.run(program, x, timesteps)
        assert np.array_equal(trace.readout, sums.numpy())
        assert np.array_equal(trace.classes, sums.argmax(1).numpy())


@given(seed=st.integers(0, 1000), weight=st.sampled_from(WEIGHTS))
@settings(max_examples=15, deadline=None)
def test_all_classes_share_one_unit(seed, weight):
    """Real weights times input, summed over time, rank classes as the integers do."""
    net = nn.quantize(model(seed), QuantConfig(weight, ThresholdCentred(4))).eval()
    codes, step = net.readout.coded()
    assert step.numel() == 1
    program = lower(net, input_shape=(6,))
    dense = next(n for n in program if isinstance(n, Dense) and n.name == net.readout.synapse_name)
    assert np.array_equal(dense.weight, codes.detach().numpy())
    assert program.units[net.output].shape == (1,)
    assert float(program.units[net.output][0]) == float(step.detach())


def test_the_program_ends_in_an_integrator_whose_last_value_is_read():
    net = nn.quantize(model(0), QuantConfig(Uniform(4), ThresholdCentred(4)))
    program, report = lower_with_report(net, input_shape=(6,))
    *_, integrator, readout = program
    assert isinstance(integrator, Integrator)
    assert isinstance(readout, Readout)
    assert readout.kind == "last"
    assert any(p.layer == net.output and p.status == "exact" for p in report.parameters)
    assert report.packing[net.readout.synapse_name].bits == 4


def test_training_learns_and_its_gradient_is_that_of_the_real_readout():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    inputs = (random.random((300, 6)) * 6).astype(np.uint8)
    inputs[np.arange(300), labels] += 9
    parts = [Split(inputs[a:b], labels[a:b]) for a, b in ((0, 200), (200, 250), (250, 300))]
    data = Dataset("made", *parts, ("a", "b", "c"), "random")
    net = train.fit(model(1, 3), data, epochs=8, timesteps=3, batch_size=20, learning_rate=0.02)
    assert train.accuracy(net, data.test, timesteps=3) > 0.9
    made = nn.quantize(net, QuantConfig(Uniform(3), ThresholdCentred(3)))
    made = train.fit(made, data, epochs=4, timesteps=3, batch_size=20, learning_rate=0.01)
    assert train.accuracy(made, data.test, timesteps=3) > 0.9
    program = lower(made)
    found = native.run(program, data.test.inputs, 3).classes
    assert (found == data.test.labels).mean() == train.accuracy(made, data.test, timesteps=3)


def test_in_training_currents_are_real_and_in_evaluation_they_are_codes_of_the_same():
    net = nn.quantize(model(2), QuantConfig(Uniform(4), ThresholdCentred(4)))
    x = torch.from_numpy(samples(2)).expand(4, 9, 6)
    real, codes = net.train()(x), net.eval()(x)
    assert torch.equal(codes, codes.round())
    assert torch.equal(real, codes * net.readout.coded()[1])


def test_weights_alone_and_states_alone_run_and_are_refused():
    x = torch.from_numpy(samples(3)).expand(4, 9, 6)
    for config in (QuantConfig(Uniform(4)), QuantConfig(None, ThresholdCentred(4))):
        net = nn.quantize(model(3), config)
        assert torch.equal(net.eval()(x), net.train()(x))
        with pytest.raises(NotLowerable, match="is in full precision"):
            lower(net, input_shape=(6,))
    half = nn.quantize(
        model(3), QuantConfig(Uniform(4), ThresholdCentred(4), overrides={"layer_4": {"weight": None}})
    )
    with pytest.raises(BadInput, match="quantized in every layer or in none, but layer_4 is not"):
        half(x)
    assert any(p.layer == "layer_4" and p.status == "refused" for p in lowerability(half).parameters)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([torch.nn.Linear(6, 3), nn.Integrator()], "must have no bias"),
        ([nn.Integrator()], "must read one Linear layer"),
        (
            [torch.nn.Linear(6, 3, bias=False), torch.nn.BatchNorm1d(3), nn.Integrator()],
            "must read one Linear layer",
        ),
        (
            [torch.nn.Linear(6, 3, bias=False), nn.Integrator(), torch.nn.Linear(3, 2), nn.LIF()],
            "an integrator must be the end of a model",
        ),
    ],
)
def test_other_places_are_refused(layers, message):
    with pytest.raises(BadInput, match=message):
        nn.Network(torch.nn.Sequential(*layers))


def test_sums_that_could_round_are_refused():
    wide = torch.nn.Sequential(nn.Input(1.0, 65535), torch.nn.Linear(300, 3, bias=False), nn.Integrator())
    torch.nn.init.ones_(wide[1].weight)
    net = nn.quantize(wide, QuantConfig(Uniform(8), ThresholdCentred(4)))
    with pytest.raises(RangeExceeded, match="sums must stay below 2\\^24"):
        net.eval()(torch.zeros(2, 1, 300))


@pytest.mark.parametrize("variant", ["described", "trained"])
def test_the_network_of_the_timestep_study_is_exact(variant):
    torch.manual_seed(0)
    net = models.spiking_cnn(variant, image=8, classes=5)
    x = np.random.default_rng(0).integers(0, 256, (3, 1, 8, 8)).astype(np.uint8)
    net.train()(torch.from_numpy(x).expand(3, *x.shape))
    made = nn.quantize(net, QuantConfig(Uniform(4), ThresholdCentred(4))).eval()
    (first, *_) = verify(made, lower(made, input_shape=(1, 8, 8)), x, timesteps=3)
    assert first.compared > 0
    assert made.record(torch.from_numpy(x).expand(3, *x.shape)).readout.shape == (3, 5)
