"""Ranges fitted to data: the best of those offered, and nothing else changed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike import nn
from intspike.errors import BadInput
from intspike.nn.ranges import LOW
from intspike.quant import LearnedLevels, QuantConfig, ThresholdCentred, Uniform, UniformState


def inhibited(seed: int) -> nn.Network:
    """Two layers of which the second is driven far below rest."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(12, 20), nn.LIF(beta=0.9), torch.nn.Linear(20, 8), nn.LIF(beta=0.97)
    )
    with torch.no_grad():
        model[0].weight.mul_(3)
        model[2].weight.mul_(6).sub_(1.0)
    return nn.Network(model).eval()


def inputs(seed: int) -> torch.Tensor:
    return torch.randint(0, 2, (12, 30, 12), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def differing(net: nn.Network, config: QuantConfig, x: torch.Tensor, layer: str) -> int:
    wanted = net.record(x).spikes[layer]
    return int((nn.calibrate(nn.quantize(net, config), x).record(x).spikes[layer] != wanted).sum())


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    state=st.sampled_from(
        [UniformState(8), UniformState(6, stores="after reset"), ThresholdCentred(8), ThresholdCentred(5)]
    ),
)
def test_no_offered_range_is_better(seed, state):
    net, x = inhibited(seed), inputs(seed)
    config = QuantConfig(Uniform(8), state)
    found = nn.fit_ranges(net, config, x)
    first, last = (g.name for g in net.layers)
    for layer, others in ((first, {}), (last, {first: {"state": found.of(first).state}})):
        best = differing(net, found, x, layer)
        for times in LOW:
            tried = {layer: {"state": state.reaching(low=times)}}
            offered = QuantConfig(Uniform(8), state, overrides={**others, **tried})
            assert best <= differing(net, offered, x, layer)
        assert best <= differing(net, QuantConfig(Uniform(8), state, overrides=others), x, layer)


def test_a_neuron_driven_far_below_rest_gets_a_longer_range():
    """Two inhibiting timesteps to -12 thresholds, then a drive that a saturated membrane would answer too early."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False), nn.LIF(beta=0.99))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[-6.0, 0.6]]))
    net = nn.Network(model).eval()
    x = torch.zeros(40, 1, 2, dtype=torch.uint8)
    x[:2, :, 0] = 1
    x[2:, :, 1] = 1
    config = QuantConfig(Uniform(8), ThresholdCentred(8))
    found = nn.fit_ranges(net, config, x)
    layer = net.layers[0].name
    assert found.of(layer).state.fractions[0] <= -12
    assert differing(net, found, x, layer) < differing(net, config, x, layer)


def test_a_neuron_driven_far_above_the_threshold_gets_a_longer_range():
    """One timestep lifts it to nine thresholds; stored before reset, it answers with spikes for many timesteps."""
    model = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), nn.LIF(beta=0.99))
    with torch.no_grad():
        model[0].weight.fill_(9.0)
    net = nn.Network(model).eval()
    x = torch.zeros(20, 1, 1, dtype=torch.uint8)
    x[0] = 1
    layer = net.layers[0].name
    for state in (UniformState(8), ThresholdCentred(8, "before reset")):
        config = QuantConfig(Uniform(8), state)
        found = nn.fit_ranges(net, config, x)
        assert found.of(layer).state.fractions[-1] > 8
        assert differing(net, found, x, layer) < differing(net, config, x, layer)
    after = QuantConfig(Uniform(8), ThresholdCentred(8))
    assert differing(net, nn.fit_ranges(net, after, x), x, layer) > 5  # nothing stays above the threshold


def test_other_fields_and_overrides_stay():
    net, x = inhibited(2), inputs(2)
    first, last = (g.name for g in net.layers)
    config = QuantConfig(
        Uniform(4),
        UniformState(8),
        bias=12,
        overrides={
            last: {"weight": Uniform(3)},
            "*": {"weight": Uniform(5)},
            first: {"state": ThresholdCentred(2)},
        },
    )
    found = nn.fit_ranges(net, config, x)
    assert found.of(first) == config.of(first)  # a measured set has no range
    assert found.of(last).weight == Uniform(5)
    assert found.of(last).bias == 12


def test_levels_without_a_range_are_left_alone():
    net, x = inhibited(3), inputs(3)
    for state in (ThresholdCentred(2), LearnedLevels(3), UniformState(4, low=0.0), None):
        config = QuantConfig(Uniform(4), state)
        assert nn.fit_ranges(net, config, x) == config


def test_what_cannot_be_fitted_is_refused():
    net, x = inhibited(4), inputs(4)
    config = QuantConfig(Uniform(4), ThresholdCentred(4))
    with pytest.raises(BadInput, match="quantized already"):
        nn.fit_ranges(nn.quantize(net, config), config, x)
    with pytest.raises(BadInput, match="at least one batch"):
        nn.fit_ranges(net, config, [])


EVEN = {"bits": st.integers(4, 8), "stores": st.sampled_from(["after reset", "before reset"])}


@given(low=st.floats(0.01, 64), **EVEN)
def test_even_levels_reach_as_far_below_rest_as_told(low, bits, stores):
    usual = ThresholdCentred(bits, stores)
    reached = usual.reaching(low=low)
    assert reached.fractions[0] == -low
    assert [x for x in reached.fractions if x >= 0] == [x for x in usual.fractions if x >= 0]


@given(high=st.floats(1, 64), state=st.sampled_from([UniformState(6), ThresholdCentred(6, "before reset")]))
def test_levels_stored_before_reset_reach_above_the_threshold_as_far_as_told(high, state):
    reached = state.reaching(high=high)
    top, usual = reached.fractions[-1], state.fractions[-1]
    if isinstance(state, ThresholdCentred):
        assert top - 1 == pytest.approx((usual - 1) * high)
        assert [x for x in reached.fractions if x <= 1] == [x for x in state.fractions if x <= 1]
    else:
        assert reached.high == state.high * high
        assert top >= usual


@pytest.mark.parametrize(
    "ends", [(0.0, 2.5), (float("nan"), 2.5), (-float("inf"), 2.5), (-2.0, 1.0), (-2.0, float("inf"))]
)
def test_ends_that_even_levels_cannot_have_are_refused(ends):
    with pytest.raises(BadInput, match="ends must lie below 0 and above 1"):
        ThresholdCentred(4, ends=ends)
    with pytest.raises(BadInput, match="ends is of the curved spacings"):
        ThresholdCentred(2, ends=(-2.0, 2.5))
