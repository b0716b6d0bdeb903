"""Weight codes: in range, trained straight through, and with steps that the search cannot make worse."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from intspike.errors import BadInput
from intspike.quant import LSQ, Binary, LQNet, Uniform, weight_of

quantizers = st.builds(
    Uniform,
    st.integers(2, 8),
    per=st.sampled_from(["channel", "tensor"]),
    range=st.sampled_from(["mse", "absmax", "percentile", "lsq"]),
    learn_step=st.booleans(),
    full_range=st.booleans(),
)


@st.composite
def weights(draw: st.DrawFn) -> Tensor:
    """Weights of a dense layer or a convolution, of any scale, some channels all zero."""
    shape = draw(st.sampled_from([(3, 7), (2, 3, 2, 2), (1, 1), (4, 30)]))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    w = torch.randn(shape, generator=random) * 10.0 ** draw(st.integers(-4, 3))
    if draw(st.booleans()):
        w[0] = 0
    return w


def expanded(step: Tensor, weight: Tensor) -> Tensor:
    return step.reshape(-1, *(1,) * (weight.ndim - 1))


def error(q: Uniform, weight: Tensor, step: Tensor) -> Tensor:
    """Squared error per step, with a plain division, rounding and clamp."""
    s = expanded(step.double(), weight)
    e = ((weight.double() / s).round().clamp(q.low, q.high) * s - weight.double()).square()
    return e.flatten(1).sum(1) if q.per == "channel" else e.sum().reshape(1)


def codes_of(q: Uniform, weight: Tensor, step: Tensor) -> Tensor:
    return q.encode(weight.flatten(1), {"log_step": step.log()}).codes.reshape(weight.shape)


@settings(deadline=None)
@given(quantizers, weights())
def test_codes_are_the_nearest_integers_in_range(q, weight):
    step = q.steps(weight)
    assert step.shape == ((len(weight),) if q.per == "channel" else (1,))
    assert (step > 0).all()
    codes = codes_of(q, weight, step)
    assert torch.equal(codes, codes.round())
    assert q.low <= int(codes.min()) <= int(codes.max()) <= q.high
    away = (codes - (weight / expanded(step, weight)).clamp(q.low, q.high)).abs()
    assert float(away.max()) <= 0.5 + 1e-4  # the learned step may differ in its last bit


@settings(deadline=None)
@given(quantizers.filter(lambda q: q.range == "mse"), weights())
def test_the_search_is_never_worse_than_absmax(q, weight):
    absmax = Uniform(q.bits, q.per, "absmax", q.learn_step, q.full_range)
    searched, plain = error(q, weight, q.steps(weight)), error(q, weight, absmax.steps(weight))
    assert (searched <= plain * (1 + 1e-6)).all()


@settings(deadline=None)
@given(weights(), st.integers(2, 8))
def test_absmax_reaches_the_largest_weight_and_per_tensor_shares_it(weight, bits):
    q = Uniform(bits, "channel", "absmax")
    codes = codes_of(q, weight, q.steps(weight)).abs().flatten(1).amax(1)
    used = weight.flatten(1).abs().amax(1) > 0
    assert (codes[used] == q.high).all()
    assert (codes[~used] == 0).all()
    shared = Uniform(bits, "tensor", "absmax").steps(weight)
    assert torch.equal(shared, q.steps(weight).max().reshape(1))


def test_ranges_of_codes():
    assert [(Uniform(n).low, Uniform(n).high) for n in (2, 3, 4, 8)] == [
        (-1, 1),
        (-3, 3),
        (-7, 7),
        (-127, 127),
    ]
    assert [(Uniform(n, full_range=True).low, Uniform(n).high) for n in (2, 8)] == [(-2, 1), (-128, 127)]


def test_a_percentile_leaves_outliers_outside():
    weight = torch.cat([torch.linspace(-1, 1, 9999), torch.tensor([100.0])])[None]
    step = Uniform(4, range="percentile").steps(weight)
    assert float(step) * 7 == pytest.approx(1.0, rel=2e-3)
    assert float(Uniform(4, range="absmax").steps(weight)) * 7 == pytest.approx(100)


@settings(deadline=None)
@given(weights(), st.integers(2, 6), st.floats(0.25, 8))
def test_a_clip_is_so_many_standard_deviations_of_a_channel(weight, bits, clip):
    rows = weight.flatten(1)
    limit = clip * rows.double().std(1, correction=0)
    q = Uniform(bits, clip=clip)
    assert torch.allclose(q.steps(weight).double() * q.high, limit, rtol=1e-6, atol=1e-11)
    clipped = rows.clamp(-limit[:, None].float(), limit[:, None].float())
    for key, basis in LQNet(bits, clip=clip).start(rows).items():
        assert torch.allclose(basis, LQNet(bits).start(clipped)[key], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("clip", [0, -1.0, float("inf"), float("nan")])
def test_a_clip_that_is_no_range_is_refused(clip):
    for make in (Uniform, LQNet):
        with pytest.raises(BadInput, match="clip must be a positive number of standard deviations"):
            make(4, clip=clip)


def test_the_gradient_passes_inside_the_range_and_nowhere_else():
    q = Uniform(3, learn_step=False)  # codes -3..3
    weight = torch.tensor([[-4.0, -2.6, -0.2, 0.4, 2.9, 3.5]], requires_grad=True)
    codes_of(q, weight, torch.ones(1)).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[0, 1, 1, 1, 1, 0]]


def test_lsq_is_the_published_quantizer():
    """Codes -2^(b-1)..2^(b-1) - 1, the published start, and the published gradient of code * step over sqrt(N Q)."""
    q = LSQ(3)
    assert (q.low, q.high) == (-4, 3)
    assert q.learned == {"log_step"}
    weight = torch.tensor([[-5.0, -3.3, 0.4, 1.3, 3.5]], dtype=torch.float64)
    assert q.start(weight)["log_step"].exp().item() == pytest.approx(2 * 2.7 / 3**0.5)
    log_step = torch.zeros(
        1, dtype=torch.float64, requires_grad=True
    )  # at a step of 1 both gradients are one
    made = q.encode(weight, {"log_step": log_step})
    assert made.codes.tolist() == [[-4, -3, 0, 1, 3]]
    (made.codes * made.step).sum().backward()
    assert log_step.grad is not None
    published = -4 + (-3 + 3.3) + (0 - 0.4) + (1 - 1.3) + 3
    assert float(log_step.grad) == pytest.approx(published / (5 * 3) ** 0.5)


def test_codes_without_a_zero_are_odd():
    """{-3, -1, 1, 3} / 2 of the distance of two levels."""
    q = Uniform(2, mid_rise=True)
    weight = torch.tensor([[-9.0, -2.1, -1.9, -0.1, 0.0, 1.9, 2.1]])
    assert codes_of(q, weight, torch.ones(1)).tolist() == [[-3, -3, -1, -1, 1, 1, 3]]


def test_bits_name_a_quantizer():
    assert weight_of(1) == Binary()
    assert weight_of(2) == Uniform(2)
    assert (weight_of(2).low, weight_of(2).high) == (-1, 1)
    assert weight_of(4, per="tensor") == Uniform(4, per="tensor")
    with pytest.raises(BadInput, match=r"2\.\.8, not 0"):
        weight_of(0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": 1}, "the bits of a uniform weight must be an integer in 2..8, not 1; Binary() has 1"),
        ({"bits": 8, "mid_rise": True}, "they take 2..7 bits and no full_range"),
        ({"bits": 4, "mid_rise": True, "full_range": True}, "they take 2..7 bits and no full_range"),
        ({"bits": 9}, "2..8, not 9"),
        ({"bits": 4.0}, "an integer in 2..8, not 4.0"),
        ({"bits": 4, "per": "layer"}, "per must be 'channel' or 'tensor', not 'layer'"),
        ({"bits": 4, "range": "max"}, "range must be 'mse', 'absmax', 'percentile' or 'lsq', not 'max'"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(BadInput) as e:
        Uniform(**arguments)
    assert message in str(e.value)
