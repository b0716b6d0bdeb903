"""State quantizers: every set of levels makes a legal neuron, and what cannot be stored is refused at once."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.errors import BadInput
from intspike.ir import frozen
from intspike.ir.check_neuron import check_neuron
from intspike.neuron import LIF
from intspike.neuron.constants import constants
from intspike.ops import Carry, Dyadic, Shift, trace
from intspike.quant import PowerOfTwoState, StateQuantizer, ThresholdCentred, UniformState, form_of

BOTH = ("after reset", "before reset")
ALL_LEVELS: list[StateQuantizer] = [
    ThresholdCentred(bits, stores, spacing)
    for bits, stores, spacing in itertools.product(range(1, 9), BOTH, ("even", "exponential", "compander"))
]
ALL_LEVELS += [PowerOfTwoState(bits, stores) for bits, stores in itertools.product((1, 2, 3), BOTH)]


def check(state: StateQuantizer, neuron: LIF, theta: np.ndarray) -> None:
    """A layer of neurons stored so breaks no rule of the program."""
    form, one = form_of(state, None), np.ones_like(theta)
    more = {}
    if not isinstance(state, UniformState):
        more["fractions"] = state.fractions
    else:
        codec = state.codec
        widest = np.maximum(
            state.high * theta / max(codec.high, 1), state.low * theta / codec.low if codec.low else 0
        )
        more["shift"] = np.ceil(np.log2(np.maximum(widest, 1))).astype(np.int64)
    made = constants(neuron, form, gain=one, bias=0 * one, theta=theta, beta=0.75 * one, **more)
    check_neuron("lif", trace(neuron, form), {k: frozen(v) for k, v in made.items()}, len(theta))


@pytest.mark.parametrize("compare", [">=", ">"])
@pytest.mark.parametrize("state", ALL_LEVELS, ids=repr)
def test_every_set_of_levels_makes_a_legal_neuron(state, compare):
    levels = state.fractions
    assert len(levels) == 1 << state.bits
    assert all(a < b for a, b in itertools.pairwise(levels))
    assert levels[state.codec.rest] == 0
    assert (levels[-1] < 1) == (state.stores == "after reset")
    least = 1 << state.resolution
    check(state, LIF(compare=compare), np.array([least, least + 1, 2 * least - 1, 3 * least, 1 << 20]))


@settings(deadline=None)
@given(
    st.integers(2, 16),
    st.sampled_from(BOTH),
    st.sampled_from(["saturate", "wrap"]),
    st.floats(-4, 0),
    st.floats(1.01, 8),
    st.sampled_from([">=", ">"]),
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
)
def test_every_range_of_a_uniform_state_makes_a_legal_neuron_or_is_refused(
    bits, stores, overflow, low, high, compare, more
):
    try:
        state = UniformState(bits, low, high, stores, overflow)
    except BadInput as e:
        if "needs a code above rest" in str(e):
            return
        raise
    assert state.codec.low <= 0 <= state.codec.high
    least = 1 << state.resolution
    check(state, LIF(compare=compare), np.array([least + k * (least // 4) for k in more]))


def test_measured_levels():
    """The sets that knowledge of low bits rests on, and the closed forms from 4 bits."""
    assert ThresholdCentred(1).fractions == (0, 0.95)
    assert ThresholdCentred(2).fractions == (-0.5, 0, 0.4, 0.9)
    assert ThresholdCentred(3).fractions == (-0.75, -0.25, 0, 0.2, 0.4, 0.6, 0.8, 0.95)
    expected = [-1, -3 / 4, -1 / 2, -1 / 4, *(k / 12 for k in range(12))]
    assert ThresholdCentred(4).fractions == pytest.approx(expected)
    assert ThresholdCentred(2, "before reset").fractions == (0, 0.4, 0.8, 1.2)
    six = ThresholdCentred(6).fractions
    assert six[:16] == pytest.approx([-1 + j / 16 for j in range(16)])
    assert six[16:] == pytest.approx([j / 48 for j in range(48)])


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_exponential_levels_are_finest_at_the_threshold(bits):
    levels = ThresholdCentred(bits, spacing="exponential").fractions
    steps = np.diff(levels)
    away = np.arange(len(steps)) - levels.index(0)
    kept = (away != 0) & (away != -1)  # rest was moved to 0
    assert (np.diff(steps[kept]) < 0).all()
    assert levels[0] == -1


@pytest.mark.parametrize("stores", BOTH)
@pytest.mark.parametrize("spacing", ["exponential", "compander"])
@pytest.mark.parametrize("steepness", [1.0, 1.5, 16.0, 200.0])
def test_curved_spacings_are_as_steep_as_they_say(spacing, stores, steepness):
    """On each side the spacing grows geometrically, from the threshold to `steepness` times as much at the end."""
    counts = (64, 0) if stores == "after reset" else (40, 24)
    state = ThresholdCentred(
        6, stores, spacing, counts=counts, steepness=(steepness, steepness), ends=(-3.0, 4.0)
    )
    levels = np.array(state.fractions)
    assert ((levels < 1).sum(), (levels >= 1).sum()) == counts
    for side, reach in ((levels[: counts[0]][::-1], 4.0), (levels[counts[0] :], 3.0)):
        if not len(side):
            continue
        distances = np.abs(side - 1)
        n = len(side)
        first, second = distances[:2]
        if spacing == "compander":  # the middles of n steps
            assert first < reach / n / 2 * (1 + 1e-9)
            assert distances[-1] < reach
        elif side is not levels[counts[0] :] and stores == "after reset":
            assert distances[-1] == pytest.approx(reach)
        steps = np.diff(distances)
        rest = np.abs(steps[1:] / steps[:-1] - steepness ** (1 / n)) > 1e-6
        assert rest.sum() <= 3  # the ratios that see the level moved to 0
        assert second > first


def test_the_mu_law_by_hand():
    """n = 2 steps below the threshold, R = 2, mu = 3: y = 1/4 and 3/4 expand to R (4^y - 1) / 3."""
    state = ThresholdCentred(
        2, "before reset", "compander", counts=(2, 2), steepness=(4.0, 9.0), ends=(-1.0, 3.0)
    )
    assert state.fractions[0] == 0  # 1 - 2 * (4^.75 - 1) / 3 = -.22 is the nearest to rest
    assert state.fractions[1] == pytest.approx(1 - 2 * (4**0.25 - 1) / 3)
    assert state.fractions[2:] == pytest.approx([1 + 2 * (9**y - 1) / 8 for y in (0.25, 0.75)])


def test_levels_at_powers_of_two_from_the_threshold():
    assert PowerOfTwoState(2).fractions == (-1, 0, 1 / 2, 3 / 4)
    assert PowerOfTwoState(3).fractions == (-1, 0, 1 / 2, 3 / 4, 7 / 8, 15 / 16, 31 / 32, 63 / 64)
    for bits, stores in itertools.product((1, 2, 3), BOTH):
        distances = np.abs(1 - np.array(PowerOfTwoState(bits, stores).fractions))
        assert (np.frexp(distances)[0] == 0.5).all()


def test_the_leak_follows_the_bits_and_the_decay_the_state():
    assert form_of(ThresholdCentred(8), None).leak == Carry("guaranteed")
    assert form_of(ThresholdCentred(2, decay="nearest"), None).leak == Carry("nearest")
    assert form_of(UniformState(8), None).leak == Carry("guaranteed")
    assert form_of(UniformState(9), None).leak == Shift()
    assert form_of(UniformState(9), Dyadic(4)).leak == Dyadic(4)
    assert form_of(ThresholdCentred(3, decay="nearest"), Carry("guaranteed")).leak == Carry("nearest")
    assert form_of(ThresholdCentred(3, gradient="block ends"), None).blocked == "ends"
    assert form_of(ThresholdCentred(3, gradient="pass"), None).blocked == "nothing"
    assert form_of(ThresholdCentred(1), None).blocked == "saturated"
    assert form_of(ThresholdCentred(3, stores="before reset"), None).blocked == "saturated"
    assert (
        form_of(ThresholdCentred(2, stores="before reset"), None).blocked == "below"
    )  # one level holds all that fire


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ThresholdCentred(9),
            "the bits of a threshold-centred state must be an integer in 1..8, not 9; UniformState takes up to 16",
        ),
        (lambda: ThresholdCentred(0), "1..8, not 0"),
        (lambda: ThresholdCentred(2.0), "an integer in 1..8, not 2.0"),
        (
            lambda: ThresholdCentred(4, stores="after"),
            "stores must be 'after reset' or 'before reset', not 'after'",
        ),
        (
            lambda: ThresholdCentred(4, spacing="log"),
            "spacing must be 'even', 'exponential' or 'compander', not 'log'",
        ),
        (lambda: ThresholdCentred(4, counts=(8, 8)), "counts is of the curved spacings"),
        (
            lambda: ThresholdCentred(4, "before reset", "compander", counts=(16, 0)),
            "counts of levels must add up to 16, at least one on each side, not 16 and 0",
        ),
        (
            lambda: ThresholdCentred(4, spacing="compander", counts=(15, 1)),
            "add up to 16, all of them below the threshold",
        ),
        (lambda: ThresholdCentred(4, spacing="compander", steepness=(0.5, 1)), "at least 1, not (0.5, 1)"),
        (lambda: ThresholdCentred(4, spacing="exponential", ends=(-1, 1)), "below 0 and above 1, not at"),
        (lambda: PowerOfTwoState(4), "the bits of a power-of-two state must be an integer in 1..3, not 4"),
        (lambda: ThresholdCentred(4, decay="none"), "decay must be 'guaranteed' or 'nearest', not 'none'"),
        (
            lambda: ThresholdCentred(4, gradient="block"),
            "gradient must be one of 'pass', 'block saturated', 'block ends', not 'block'",
        ),
        (lambda: ThresholdCentred(2, levels=(-0.5, 0.1, 0.4, 0.8)), "levels must hold 0, the rest"),
        (
            lambda: ThresholdCentred(2, levels=(0, 0.5)),
            "a 2-bit state must be 4 increasing numbers, not [0.0, 0.5]",
        ),
        (lambda: ThresholdCentred(2, levels=(0, 0.5, 0.4, 0.9)), "must be 4 increasing numbers"),
        (lambda: ThresholdCentred(1, levels=(float("nan"), 0)), "must be 2 increasing numbers"),
        (
            lambda: ThresholdCentred(2, levels=(0, 0.5, 0.6, 1)),
            "levels stored after reset must lie below threshold (1), not reach 1",
        ),
        (
            lambda: ThresholdCentred(2, "before reset", levels=(-0.5, 0, 0.4, 0.8)),
            "one level stored before reset must lie at or above threshold (1)",
        ),
        (lambda: UniformState(0), "the bits of a uniform state must be an integer in 1..16, not 0"),
        (lambda: UniformState(17), "1..16, not 17"),
        (lambda: UniformState(8, overflow="clip"), "overflow must be 'saturate' or 'wrap', not 'clip'"),
        (lambda: UniformState(8, low=0.5), "the range of a uniform state must hold rest (0), not 0.5..2"),
        (lambda: UniformState(8, high=float("inf")), "must hold rest (0), not -1..inf"),
        (
            lambda: UniformState(8, high=1.0),
            "a range stored before reset must reach above threshold (1), not 1; raise high or choose "
            "stores='after reset'",
        ),
        (
            lambda: UniformState(1),
            "a range stored before reset needs a code above rest, but 1 bits over -1..2 have none; choose low=0",
        ),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(BadInput) as e:
        make()
    assert message in str(e.value)
