"""Networks quantized elsewhere: the same spikes when imported, the same integers where they are, the rest measured."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike import interop, nn
from intspike.errors import BadInput, NotImportable, NotLowerable
from intspike.interop.elsewhere import Mismatch
from intspike.interop.given import levels_of
from intspike.lower import lower, verify
from intspike.quant import QuantConfig, UniformState, form_of

snn = pytest.importorskip("snntorch")
state_quant = importlib.import_module("snntorch.functional.quant").state_quant
CODES = torch.randint(0, 256, (40, 20), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def layers() -> Any:
    """Brevitas' layers; its warnings while it is imported are its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("brevitas.nn")


def leaky(beta: float, **fields: Any) -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return snn.Leaky(beta, **fields)


# ---------------------------------------------------------------- membranes


@given(
    st.integers(1, 6),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["subtract", "zero", "none"]),
    st.floats(0, 1),
)
@settings(max_examples=12, deadline=None)
def test_levels_of_snntorch_give_its_spikes(bits: int, uniform: bool, centred: bool, reset: str, beta: float):
    """In floating point, level by level: the original and the import differ in no spike."""
    stored = state_quant(bits, uniform, centred, threshold=1.5)
    dense = torch.nn.Linear(6, 5)
    random = torch.Generator().manual_seed(bits)
    with torch.no_grad():
        for p in dense.parameters():
            p.copy_(torch.randint(-24, 25, p.shape, generator=random) / 16)
    parts = [dense, leaky(beta, threshold=1.5, state_quant=stored, reset_mechanism=reset)]
    x = torch.randint(-8, 25, (12, 4, 6), generator=random) / 16
    imported = interop.from_snntorch(parts)
    assert interop.agreement(imported, x).differ == 0
    with pytest.raises(NotLowerable):
        lower(imported.network, input_shape=(6,))  # exact in floating point is not exact in integers


def test_levels_are_taken_only_from_what_state_quant_makes():
    found = levels_of(state_quant(3))
    assert found is not None
    assert found.bits == 3
    assert len(found.levels) == 8
    table = torch.linspace(0, 1, 4)
    assert levels_of(lambda u: u + table.sum()) is None  # holds a tensor, and does something else with it
    assert levels_of(torch.round) is None
    assert levels_of(False) is None
    with pytest.raises(NotImportable, match="neurons with one state"):
        interop.from_snntorch([torch.nn.Linear(2, 2), snn.Synaptic(0.5, 0.5, state_quant=state_quant(4))])


def test_levels_that_lower_hold_rest_and_the_threshold():
    found = levels_of(state_quant(4, threshold=2.0))
    assert found is not None
    state = found.lowerable(2.0)
    assert 0.0 in state.fractions
    assert state.fractions[-1] == pytest.approx(1.2)
    assert form_of(state, None) is not None
    moved = [abs(a - b / 2.0) for a, b in zip(state.fractions, found.levels, strict=True)]
    assert sum(x > 0 for x in moved) == 1  # rest alone


def test_what_changes_when_they_lower_is_measured():
    torch.manual_seed(0)
    parts = [
        torch.nn.Linear(20, 30),
        leaky(0.9, state_quant=state_quant(4)),
        torch.nn.Linear(30, 4),
        leaky(0.8),
    ]
    imported = interop.from_snntorch(parts, scale=3 / 255)
    made = interop.lowerable(imported)
    assert made.refused == ()
    x = CODES.expand(12, 40, 20)
    found = made.mismatch(x)
    theirs, ours = imported.original(x), made.network.record(x).spikes  # type: ignore[misc]
    assert found.layers == tuple((n, s.numel(), int((s != ours[n]).sum())) for n, s in theirs.items())
    assert 0 < found.differ < sum(s.numel() for s in theirs.values()) / 5
    assert found.first is not None
    t, layer, sample, at = found.first
    assert theirs[layer][(t, sample, *at)] != ours[layer][(t, sample, *at)]
    assert all(torch.equal(s[:t], ours[n][:t]) for n, s in theirs.items())
    program = lower(made.network)  # and it is a network as any other
    assert all(c.mismatches == 0 for c in verify(made.network, program, CODES.numpy(), timesteps=4))
    assert "rest moved by 0." in str(made)
    assert "of 14400 spikes differ" in str(found)


def test_levels_too_close_for_integers_are_refused_with_the_reason():
    parts = [torch.nn.Linear(20, 4), leaky(0.9, state_quant=state_quant(4, uniform=False))]
    made = interop.lowerable(interop.from_snntorch(parts))
    assert any("levels must stay distinct as integers" in why for why in made.refused)
    assert "does not lower" in str(made)
    with pytest.raises(NotLowerable, match="must lower to be compared"):
        made.mismatch(CODES.expand(3, 40, 20))


# ---------------------------------------------------------------- weights


@pytest.mark.parametrize(("bits", "channel"), [(2, True), (4, False), (8, True)])
def test_integers_of_brevitas_are_the_integers_of_the_program(bits: int, channel: bool):
    check_integers(bits, channel, 0, engines=bits == 4)


@pytest.mark.slow
@pytest.mark.timeout(900)
@given(st.integers(2, 8), st.booleans(), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_integers_of_many_layers_of_brevitas(bits: int, channel: bool, seed: int):
    check_integers(bits, channel, seed, engines=False)


def check_integers(bits: int, channel: bool, seed: int, engines: bool):
    qnn = layers()
    torch.manual_seed(seed)
    more = {"weight_bit_width": bits, "weight_scaling_per_output_channel": channel}
    conv = qnn.QuantConv2d(1, 3, 3, **more)
    dense = qnn.QuantLinear(3 * 16, 4, bias=True, **more)
    parts = [conv, leaky(0.9), torch.nn.Flatten(), dense, leaky(0.5)]
    imported = interop.from_snntorch(parts, scale=1 / 64)
    images = torch.randint(0, 256, (5, 1, 6, 6), dtype=torch.uint8)
    x = images.expand(6, *images.shape)
    found = interop.agreement(imported, x)
    assert found.causes == found.ties
    made = interop.lowerable(imported, input_shape=(1, 6, 6))
    assert made.refused == ()
    program = lower(made.network)
    weights = [n.weight for n in program if hasattr(n, "weight")]
    for layer, codes in zip((conv, dense), weights, strict=True):
        want = layer.quant_weight().int().numpy()
        assert (codes == want).all() or (codes == -want).all()
    assert [c.effect for c in made.choices if c.field == "weights"] == ["same", "same"]
    assert made.mismatch(x).samples == 5
    if engines:
        assert all(c.mismatches == 0 for c in verify(made.network, program, images.numpy(), timesteps=6))


def test_layers_that_are_not_quantized_are_quantized_here():
    qnn = layers()
    torch.manual_seed(0)
    parts = [
        qnn.QuantLinear(20, 8, bias=True, weight_bit_width=4),
        leaky(0.9),
        torch.nn.Linear(8, 3),
        leaky(0.9),
    ]
    made = interop.lowerable(interop.from_snntorch(parts, scale=1 / 64), state=UniformState(12))
    said = [(c.layer, c.theirs, c.effect) for c in made.choices if c.field == "weights"]
    assert said == [("leaky_1", "4-bit integers", "same"), ("leaky_3", "real", "rounding")]
    assert "Uniform, moved by up to 0." in str(made)


def test_what_of_brevitas_has_no_equal_is_named():
    qnn = layers()
    quant = importlib.import_module("brevitas.quant")
    parts = [
        qnn.QuantIdentity(bit_width=4),
        qnn.QuantLinear(4, 4, bias=True, input_quant=quant.Int8ActPerTensorFloat), leaky(0.5),
        qnn.QuantLinear(4, 4, bias=True, weight_quant=quant.ShiftedUint8WeightPerTensorFloat), leaky(0.5),
    ]  # fmt: skip
    with pytest.raises(NotImportable) as caught:
        interop.from_snntorch(parts)
    for words in (
        "quantidentity_0: QuantIdentity is none of QuantLinear, QuantConv2d",
        "quantlinear_1: its input is quantized",
        "quantlinear_3: its zero point must be 0",
    ):
        assert words in str(caught.value)


def test_a_layer_of_brevitas_that_is_not_quantized_is_a_torch_layer():
    qnn = layers()
    plain = qnn.QuantLinear(4, 3, bias=True, weight_quant=None)
    imported = interop.from_snntorch([plain, leaky(0.5)])
    assert imported.steps == {}
    assert interop.agreement(imported, torch.rand(5, 6, 4) * 4).differ == 0


# ---------------------------------------------------------------- given numbers


def test_given_steps_give_the_integers_back():
    codes = torch.tensor([[-8.0, 7.0, 0.0], [1.0, -3.0, 5.0]])
    steps = (0.1, 0.07)
    net = nn.Network(torch.nn.Sequential(torch.nn.Linear(3, 2, bias=False), nn.LIF()))
    with torch.no_grad():
        net.layers[0].modules_of_synapses[0].weight.copy_(codes * torch.tensor(steps)[:, None])
    made = nn.quantize(net, QuantConfig(interop.GivenSteps(4, steps), UniformState(12)))
    assert torch.equal(made.layers[0].codes()[0], codes)
    made.layers[0].codes()[0].sum().backward()
    assert made.layers[0].modules_of_synapses[0].weight.grad is not None  # it can be trained on


@pytest.mark.parametrize(
    ("bits", "steps", "words"),
    [
        (9, (1.0,), "bits of given weights"),
        (4, (), "steps must be positive"),
        (4, (0.0,), "steps must be positive"),
    ],
)
def test_given_steps_that_are_none(bits: int, steps: tuple[float, ...], words: str):
    with pytest.raises(BadInput, match=words):
        interop.GivenSteps(bits, steps)


def test_given_steps_for_other_channels():
    net = torch.nn.Sequential(torch.nn.Linear(3, 2, bias=False), nn.LIF())
    with pytest.raises(BadInput, match="one for each of 2 channels, not 3"):
        nn.quantize(net, QuantConfig(interop.GivenSteps(4, (1.0, 1.0, 1.0)), UniformState(12)))


def test_no_difference_is_called_exact():
    assert Mismatch((("a", 10, 0),), 2, 0, None).exact
    assert not Mismatch((("a", 10, 1),), 2, 0, (0, "a", 0, (1,))).exact
