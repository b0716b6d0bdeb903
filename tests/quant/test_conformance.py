"""What every weight quantizer promises, checked for all that `intspike.quant` names: a new one is found by itself."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from intspike.errors import BadInput
from intspike.quant import (
    LQNet,
    StateQuantizer,
    Ternary,
    Uniform,
    WeightQuantizer,
    weight_of,
)
from intspike.quant.docs import kinds, renewed
from intspike.quant.weight.lq_net import alternation
from quant.found import every, label, weights

WEIGHTS = weights()


@st.composite
def rows(draw: st.DrawFn) -> Tensor:
    """Weights [N, K] of any scale and shape, some channels of zeros or of one value."""
    shape = draw(st.sampled_from([(3, 40), (1, 1), (4, 9), (2, 300)]))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    w = torch.randn(shape, generator=random) * 10.0 ** draw(st.integers(-4, 3))
    match draw(st.sampled_from(["any", "zeros", "one value", "few values"])):
        case "zeros":
            w[0] = 0
        case "one value":
            w[0] = w[0, 0]
        case "few values":
            w = torch.sign(w) * (w.abs() > w.abs().mean())
    return w


def test_all_are_found():
    names = {c.__name__ for c in (*kinds(WeightQuantizer), *kinds(StateQuantizer))}
    assert names >= {"Uniform", "LQNet", "PowerOfTwo", "Ternary", "Binary"}
    assert names >= {"UniformState", "ThresholdCentred", "PowerOfTwoState", "LearnedLevels"}
    for kind in (*kinds(WeightQuantizer), *kinds(StateQuantizer)):
        assert {q.bits for q in every(kind)} == set(kind.WIDTHS)
    assert [weight_of(n).bits for n in range(1, 9)] == list(range(1, 9))


def test_the_tables_of_the_documentation_are_current():
    page = Path(__file__).parents[2] / "docs" / "quantizers.md"
    text = page.read_text("utf-8")
    assert text == renewed(text), "run: python -m intspike.quant.docs docs/quantizers.md"
    assert all(
        f"`{kind.__name__}`" in text for base in (WeightQuantizer, StateQuantizer) for kind in kinds(base)
    )


@pytest.mark.parametrize("q", WEIGHTS, ids=label)
def test_weight_codes(q: WeightQuantizer):
    """Integers of int8 within the declared range, no more of them than the bits tell apart."""

    @settings(max_examples=8, deadline=None)
    @given(rows())
    def check(w: Tensor) -> None:
        kept = q.start(w)
        assert q.learned <= kept.keys()
        made = q.encode(w, kept)
        assert made.codes.shape == w.shape
        assert torch.equal(made.codes, made.codes.round())
        assert -128 <= q.low <= int(made.codes.min()) <= int(made.codes.max()) <= q.high <= 127
        assert made.step.shape in ((len(w),), (1,))
        assert (made.step > 0).all()
        assert made.step.dtype == w.dtype
        for row in made.codes:
            assert len(row.unique()) <= 1 << q.bits
        again = q.encode(made.codes * made.step[:, None], kept)
        assert torch.equal(again.codes, made.codes)  # what is quantized already stays

    check()


@pytest.mark.parametrize("q", WEIGHTS, ids=label)
def test_weight_codes_do_not_depend_on_the_scale(q: WeightQuantizer):
    """Of a channel; of the tensor where the step is the tensor's. Scales are powers of two, so nothing is rounded."""
    w = torch.randn(3, 60, generator=torch.Generator().manual_seed(q.bits))
    shared = getattr(q, "per", "channel") == "tensor"
    scale = torch.tensor([[2.0**-7]]) if shared else torch.tensor([[2.0**-7], [1.0], [2.0**9]])
    a, b = (q.encode(x, q.start(x)) for x in (w, w * scale))
    if "log_step" not in q.start(w):  # a kept logarithm is rounded
        assert torch.equal(a.codes, b.codes)
        assert torch.equal(b.step, a.step * scale[:, 0])
    soft = w / a.step[:, None]
    near = (soft - soft.round()).abs() < 0.5 - 1e-4  # no tie
    assert torch.equal(a.codes[near], b.codes[near])
    assert torch.allclose(b.step, a.step * scale[:, 0], rtol=1e-5)


@pytest.mark.parametrize("q", WEIGHTS, ids=label)
def test_weight_gradients_are_the_documented_ones(q: WeightQuantizer):
    """Of r * code * step, explicitly in float64: r inside the range (everywhere for those without one), else 0."""
    random = torch.Generator().manual_seed(0)
    w, r = (torch.randn(2, 50, generator=random, dtype=torch.float64) for _ in range(2))
    kept = {k: v.double().clone().requires_grad_(k in q.learned) for k, v in q.start(w).items()}
    leaf = w.clone().requires_grad_()
    made = q.encode(leaf, kept)
    (r * made.codes * made.step[:, None]).sum().backward()
    soft, codes, step = w / made.step[:, None].detach(), made.codes.detach(), made.step.detach()
    clipped = type(q).__name__ in ("Uniform", "PowerOfTwo")
    inside = (soft >= q.low) & (soft <= q.high) if clipped else torch.ones_like(w, dtype=torch.bool)
    assert leaf.grad is not None
    assert torch.allclose(leaf.grad, torch.where(inside, r, 0.0), rtol=1e-12, atol=0)
    for name, value in kept.items():
        assert value.requires_grad == (name in q.learned)
    if isinstance(q, Uniform) and q.learn_step:
        slope = torch.where(inside, codes - soft, codes) * r
        slope = slope.sum(1) if q.per == "channel" else slope.sum().reshape(1)
        per_step = 50 if q.per == "channel" else 100
        got = kept["log_step"].grad
        assert got is not None
        assert torch.allclose(got / step, slope / (per_step * q.high) ** 0.5, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("q", WEIGHTS, ids=label)
def test_the_real_weights_of_codes(q: WeightQuantizer):
    w = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    made = q.encode(w.flatten(1), q.start(w.flatten(1)))
    assert torch.equal(q.quantize(w), (made.codes * made.step[:, None]).reshape(w.shape))
    leaf = w.clone().requires_grad_()
    q.quantize(leaf).sum().backward()
    assert leaf.grad is not None
    assert copy.deepcopy(q) == q


# --- known facts ----------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(rows())
def test_one_bit_of_lq_net_is_the_mean_magnitude(w):
    """The least error of +-v is v = mean|w|; B is sign(w)."""
    q = LQNet(1)
    made = q.encode(w, q.start(w))
    mean = w.double().abs().mean(1)
    assert torch.allclose(
        made.step.double(), mean.clamp_min(1e-12), rtol=1e-3
    )  # the ridge, 1e-4 of one weight
    assert torch.equal(made.codes[w != 0], torch.sign(w[w != 0]))


@settings(max_examples=20, deadline=None)
@given(rows(), st.integers(1, 6), st.integers(0, 2**31))
def test_an_alternation_of_lq_net_never_increases_the_error(w, bits, seed):
    """From any basis: ||w - B v||^2, each weight at its nearest level."""
    basis = torch.randn(len(w), bits, generator=torch.Generator().manual_seed(seed)).double()
    basis *= w.abs().mean(1, keepdim=True)
    signs = torch.tensor([[1.0 - 2 * (k >> j & 1) for j in range(bits)] for k in range(1 << bits)]).double()

    def error(basis: Tensor) -> Tensor:
        levels = basis @ signs.T
        return (w.double()[:, :, None] - levels[:, None, :]).abs().min(2).values.square().sum(1)

    before = error(basis)
    for _ in range(5):
        basis = alternation(w, basis)
        now = error(basis)
        assert (now <= before * (1 + 1e-9) + 1e-18).all()
        before = now


@settings(max_examples=20, deadline=None)
@given(rows())
def test_the_exact_ternary_threshold_is_the_best_of_all(w):
    """Every threshold tried; and the published one is never better."""

    def error(q: Ternary) -> Tensor:
        return (q.quantize(w).double() - w.double()).square().sum(1)

    best = torch.full((len(w),), torch.inf, dtype=torch.float64)
    for k in range(w.shape[1]):
        least = w.abs().sort(1, descending=True).values[:, k : k + 1]
        far = w.abs() >= least
        step = (w.abs() * far).double().sum(1, keepdim=True) / far.sum(1, keepdim=True)
        best = torch.minimum(best, (torch.sign(w) * far * step - w).square().sum(1))
    rounding = 1e-6 * w.double().square().sum(1)  # of float32 steps
    assert (error(Ternary("mse")) <= best + rounding).all()
    assert (error(Ternary("mse")) <= error(Ternary()) + rounding).all()


def test_an_integer_basis_has_the_largest_level_it_may():
    for bits, largest in ((2, 31), (3, 127), (6, 127)):
        q = LQNet(bits, largest)
        basis, _ = q.integers(torch.rand(50, bits, generator=torch.Generator().manual_seed(0)) + 0.01)
        assert (basis.sum(1) <= largest).all()
        assert (basis.sum(1) >= largest - bits).all()
        assert q.table_bits == bits * largest.bit_length()
    for wrong in ({"bits": 7}, {"bits": 3, "largest": 128}, {"bits": 6, "largest": 62}):
        with pytest.raises(BadInput):
            LQNet(**wrong)
