"""snnTorch's state quantizer, judged by the installed package: every bit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from intspike.errors import BadInput
from intspike.quant import snntorch_compat as compat
from intspike.quant.per_forward import PerForwardRange

theirs = pytest.importorskip("snntorch.functional.quant")

ARGUMENTS = {
    "num_bits": st.integers(1, 8),
    "uniform": st.booleans(),
    "thr_centered": st.booleans(),
    "threshold": st.sampled_from([1, 1.0, 0.5, 2.473, 0.427, 3.0]),
    "lower_limit": st.sampled_from([0, 0.0, 0.5, 2.0, 19.0, -0.5]),
    "upper_limit": st.sampled_from([0.2, 0.0, 0.5, 1.0, 19.0]),
    "multiplier": st.sampled_from([None, 0.1, 0.5, 0.9]),
}


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    assert a.dtype == b.dtype == torch.float32
    return a.shape == b.shape and bool((a.view(torch.int32) == b.view(torch.int32)).all())


def original_levels(quantize) -> torch.Tensor:
    """The levels that the original keeps in its closure."""
    return next(c.cell_contents for c in quantize.__closure__ if isinstance(c.cell_contents, torch.Tensor))


@settings(max_examples=200, deadline=None)
@given(arguments=st.fixed_dictionaries(ARGUMENTS))
def test_levels_have_the_same_bits(arguments):
    try:
        known = original_levels(theirs.state_quant(**arguments))
    except ZeroDivisionError:  # upper_limit 0 leaves the original no room above the threshold
        with pytest.raises(ZeroDivisionError):
            compat.levels(**arguments)
        return
    assert same_bits(compat.levels(**arguments), known)


@settings(max_examples=100, deadline=None)
@example(
    arguments={
        "num_bits": 8,
        "uniform": False,
        "thr_centered": False,
        "threshold": 1,
        "lower_limit": 19.0,
        "upper_limit": 1.0,
        "multiplier": 0.1,
    },  # levels that do not rise: rounding pushes one past the centre
    values=[],
    double=False,
)
@given(
    arguments=st.fixed_dictionaries(ARGUMENTS | {"upper_limit": st.sampled_from([0.2, 1.0, 19.0])}),
    values=st.lists(st.floats(width=32), max_size=40),
    double=st.booleans(),
)
def test_membranes_and_gradients_have_the_same_bits(arguments, values, double):
    known = compat.levels(**arguments)
    midpoints = ((known[1:] + known[:-1]) / 2).tolist()
    u = torch.tensor(values + midpoints + known.tolist(), dtype=torch.float64 if double else torch.float32)
    results = []
    for state_quant in (theirs.state_quant, compat.state_quant):
        x = u.clone().requires_grad_()
        y = state_quant(**arguments)(x)
        y.backward(torch.arange(len(u), dtype=torch.float32))
        results.append((y.detach(), x.grad))
    (y1, g1), (y2, g2) = results
    assert same_bits(y1, y2)
    assert torch.equal(g1, g2)


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan"), 1e9, -1e9, 3e38])
def test_absurd_membranes_go_where_the_original_sends_them(value):
    u = torch.full((3,), value)
    assert same_bits(compat.state_quant(4)(u), theirs.state_quant(4)(u))


def test_shapes_and_strides_stay():
    u = torch.randn(3, 4, 5).transpose(0, 2)
    assert torch.equal(compat.state_quant(3)(u), theirs.state_quant(3)(u))
    assert compat.state_quant(3)(torch.empty(0, 7)).shape == (0, 7)


def test_defects_of_the_original_are_kept():
    rest = compat.state_quant(2, uniform=False)(torch.zeros(1))
    assert 0.80 < float(rest) < 0.81  # a resting neuron is stored just under the threshold
    above = compat.state_quant(4, uniform=False)(torch.tensor([1.03]))
    assert float(above) <= 1  # a membrane above the threshold does not fire


def test_bits_out_of_range_are_refused():
    with pytest.raises(BadInput, match=r"num_bits must be an integer in 1\.\.16"):
        compat.state_quant(0)
    with pytest.raises(BadInput, match="bits of a per-forward range"):
        PerForwardRange(9)
    with pytest.raises(BadInput, match="spacing"):
        PerForwardRange(4, "even")


@given(
    bits=st.integers(1, 8),
    spacing=st.sampled_from(["uniform", "threshold-centred"]),
    values=st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=50),
)
def test_a_per_forward_range_gives_levels_within_the_range(bits, spacing, values):
    u = torch.tensor(values)
    stored = PerForwardRange(bits, spacing).store(u, 1.0)
    assert len(stored.unique()) <= 1 << bits
    if spacing == "uniform":
        assert float(stored.min()) == float(u.min())
        assert float(stored.max()) == float(u.max())
        step = (u.max() - u.min()).double() / ((1 << bits) - 1)
        assert bool(((stored - u).abs().double() <= step / 2 * (1 + 1e-5) + 1e-6).all())


def test_the_range_of_a_forward_pass_is_its_own():
    state = PerForwardRange(1)
    assert state.store(torch.tensor([0.0, 0.4, 1.0]), 1.0).tolist() == [0.0, 0.0, 1.0]
    assert state.store(torch.tensor([0.0, 0.4, 0.5]), 1.0).tolist() == [0.0, 0.5, 0.5]
    x = torch.tensor([0.1, 0.9], requires_grad=True)
    state.store(x, 1.0).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
