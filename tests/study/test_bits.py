"""One spelling of bits: what every option reads, against what may be written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intspike.errors import BadInput
from intspike.quant import Binary, QuantConfig, ThresholdCentred, Uniform
from intspike.study.bits import alike, config_of, parse_bits, parse_list, word_of, words
from intspike.study.neurons.options import Options as NeuronOptions
from intspike.study.squat.options import Options as SquatOptions
from intspike.study.steps.training import Options as TrainOptions
from intspike.study.timesteps.options import Options as TimestepOptions

ONE = st.integers(1, 8)
BITS = st.one_of(st.none(), st.tuples(ONE, ONE))


@given(BITS, st.booleans())
def test_what_is_written_is_read(bits: tuple[int, int] | None, short: bool):
    assert parse_bits(word_of(bits, short=short)) == bits


@given(st.lists(BITS, min_size=1, max_size=6, unique=True))
def test_a_list_is_read_in_its_order(bits: list[tuple[int, int] | None]):
    text = ",".join(map(word_of, bits))
    assert parse_list(text) == tuple(bits)
    assert words(text) == tuple(word_of(b, short=True) for b in bits)
    assert parse_list(",".join(words(text))) == tuple(bits)


@given(st.text("0123456789-x,fp ", max_size=7))
def test_anything_else_is_refused(text: str):
    """The oracle lists all that may be written of one network."""
    known = {f"{w}-{u}": (w, u) for w in range(1, 9) for u in range(1, 9)}
    known |= {str(b): (b, b) for b in range(1, 9)} | {"fp32": None}
    if text in known:
        assert parse_bits(text) == known[text]
        return
    with pytest.raises(BadInput, match="--bits must be bits of weights and membrane potentials in"):
        parse_bits(text)


def test_every_number_of_one_list_with_every_of_the_other():
    assert parse_list("1,2x4,3", full=False) == ((1, 4), (1, 3), (2, 4), (2, 3))
    assert parse_list("3x5") == ((3, 5),)
    for wrong in ("1x", "x2", "1x2x3", "1-2x3", "fp32x4", "1,x2"):
        with pytest.raises(BadInput, match="--pairs must be bits"):
            parse_list(wrong, "pairs", full=False)
    for twice in ("2-2,2", "1,1x2", "fp32,fp32"):
        with pytest.raises(BadInput, match="--bits must name different bits, each once, not "):
            parse_list(twice)


def test_full_precision_and_one_bit_only_where_there_are_any():
    for text, low, full in (("fp32", 1, False), ("1", 2, True), ("4-1", 2, True)):
        with pytest.raises(BadInput, match=rf"in {low}\.\.8 "):
            parse_bits(text, low=low, full=full)


def test_unequal_bits_are_named_where_both_are_quantized_alike():
    assert alike(parse_list("fp32,4,2-2")) == (None, 4, 2)
    with pytest.raises(
        BadInput, match=r"--bits must be equal for weights .* such as 4, not 4-2; take another"
    ):
        alike(parse_list("8,4-2"), repair="; take another")


def test_bits_are_quantizers():
    assert config_of((4, 2)) == QuantConfig(Uniform(4), ThresholdCentred(2))
    assert config_of((1, 3), "before-reset") == QuantConfig(Binary(), ThresholdCentred(3, "before reset"))
    with pytest.raises(BadInput, match="--codec must be after-reset or before-reset, not 'x'"):
        config_of((4, 4), "x")


def test_options_that_studies_stored_are_read():
    """As study.json and train.json of earlier versions have them."""
    assert TimestepOptions(bits=("fp32", "8", "4")).widths == (None, 8, 4)
    assert NeuronOptions(bits=("fp32", "4")).widths == (None, 4)
    assert SquatOptions(pairs=((3, 5), (2, 1)), bits=(8, 4)).command().endswith("--bits 8,4 --pairs 3-5,2-1")
    assert TrainOptions("x:y", "z", bits="4-4").bits == TrainOptions("x:y", "z", bits="4").bits == "4-4"
    assert TrainOptions("x:y", "z", bits="fp32").config is None
