"""The configuration: a frozen value with overrides, whose mistakes are named when it is made."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

from intspike.errors import BadInput
from intspike.ops import Carry, Dyadic, Shift
from intspike.quant import Binary, LQNet, QuantConfig, ThresholdCentred, Uniform, UniformState

NAMES = {
    c.__name__: c
    for c in (QuantConfig, Binary, LQNet, ThresholdCentred, Uniform, UniformState, Carry, Dyadic, Shift)
}
BASE = QuantConfig(Uniform(4), ThresholdCentred(4))
CONFIGS = [
    QuantConfig(),
    BASE,
    QuantConfig(Uniform(3, per="tensor", range="absmax"), UniformState(12, low=-0.5), Dyadic(6)),
    QuantConfig(Uniform(8), ThresholdCentred(2, levels=(-0.5, 0, 0.3, 0.6)), Shift()),
    QuantConfig(
        LQNet(3), ThresholdCentred(2), bias=6, overrides={"lif1": {"weight": Binary(), "bias": None}}
    ),
    QuantConfig(
        Uniform(4), ThresholdCentred(4), overrides={"lif1": {"weight": Uniform(8)}, "o*": {"leak": Shift()}}
    ),
]


def test_the_last_matching_override_wins_field_by_field():
    config = QuantConfig(
        Uniform(4),
        ThresholdCentred(4),
        overrides={
            "lif*": {"weight": Uniform(3), "state": ThresholdCentred(5)},
            "lif2": {"state": ThresholdCentred(2), "leak": Shift()},
        },
    )
    assert config.of("out") == BASE
    assert config.of("lif1") == QuantConfig(Uniform(3), ThresholdCentred(5))
    assert config.of("lif2") == QuantConfig(Uniform(3), ThresholdCentred(2), Shift())
    assert config.of("LIF2") == BASE  # patterns are exact in case


def test_an_override_may_ask_for_full_precision():
    assert (
        QuantConfig(Uniform(4), ThresholdCentred(4), overrides={"a": {"state": None}}).of("a").state is None
    )


@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
def test_its_repr_rebuilds_it_and_it_travels(config):
    assert eval(repr(config), NAMES) == config
    assert pickle.loads(pickle.dumps(config)) == config
    assert copy.deepcopy(config) == config
    assert hash(eval(repr(config), NAMES)) == hash(config)


def test_it_cannot_be_changed():
    given = {"lif": {"weight": Uniform(3)}}
    config = QuantConfig(Uniform(4), ThresholdCentred(4), overrides=given)
    given["lif"]["weight"] = Uniform(8)  # nor through what it was made from
    assert config.of("lif").weight == Uniform(3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.weight = Uniform(8)
    with pytest.raises(TypeError):
        config.overrides["lif"] = {}
    with pytest.raises(TypeError):
        config.overrides["lif"]["weight"] = Uniform(8)
    assert len({config, config}) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": 4}, "the weight quantizer must be WeightQuantizer (or None), not 4; give Uniform(4)"),
        ({"weight": ThresholdCentred(4)}, "the weight quantizer must be WeightQuantizer"),
        ({"state": 3}, "(or None), not 3; give ThresholdCentred(3), for example"),
        ({"state": Uniform(4)}, "the state quantizer must be StateQuantizer or ComparisonState (or None)"),
        ({"bias": 1}, "the bits of a bias must be an integer in 2..16 (or None), not 1"),
        ({"bias": 8.0}, "an integer in 2..16 (or None), not 8.0"),
        ({"leak": "shift"}, "the leak must be Carry or Shift or Dyadic (or None), not 'shift'"),
        (
            {"overrides": {"a": {"weigth": None}}},
            "override 'a' names 'weigth'; did you mean 'weight'? known: bias, leak, others, state, weight",
        ),
        (
            {"overrides": {"a": {"weight": 3}}},
            "the weight quantizer must be WeightQuantizer (or None), not 3",
        ),
        (
            {"overrides": {"a": Uniform(3)}},
            "override 'a' must be a dict of weight, state, leak, bias, others, not Uniform(bits=3",
        ),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(BadInput) as e:
        QuantConfig(**arguments)
    assert message in str(e.value)
