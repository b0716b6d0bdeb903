"""The encodings of a study: runs of any length are beginnings of one, and what an encoding cannot take is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intspike import data, encode
from intspike.data import Dataset, Split
from intspike.errors import BadInput
from intspike.study import encodings
from intspike.study.encodings import encoded
from intspike.study.grid import cell_hash
from intspike.study.models import Where
from intspike.study.rows import rows_of
from intspike.study.timesteps.cells import TimestepCell
from intspike.study.timesteps.options import Options
from intspike.study.timesteps.study import run
from intspike.study.timesteps.work import samples_of


def images(*counts: int, timed: bool = False) -> Dataset:
    random = np.random.default_rng(0)

    def split(n: int) -> Split:
        shape = (n, 5, 3) if timed else (n, 1, 4, 4)
        return Split(random.integers(0, 256, shape, np.uint8), np.arange(n, dtype=np.int64) % 2, timed)

    return Dataset("made", *map(split, counts), ("a", "b"), "made up")


@given(st.sampled_from(["rate", "latency"]), st.integers(1, 8), st.integers(0, 1000))
def test_every_split_is_what_the_encoder_says_and_short_runs_are_beginnings(
    how: str, t: int, seed: int
) -> None:
    whole = images(6, 3, 4)
    made = encoded(whole, how, 8, seed)
    assert (made.timed, made.high, made.frame) == (True, 1, whole.frame)
    first = 0
    for name in ("train", "validation", "test"):
        part, spikes = getattr(whole, name), getattr(made, name)
        expected = (
            encode.rate(part.inputs, 8, seed=seed, sample=first)
            if how == "rate"
            else encode.latency(part.inputs, 8, threshold=1)
        )
        index = np.arange(len(part))
        assert np.array_equal(spikes.batch(index, t), expected[:t])
        assert np.array_equal(spikes.labels, part.labels)
        first += len(part)


def test_no_two_samples_of_different_splits_draw_alike() -> None:
    same = np.full((2, 1, 4, 4), 128, np.uint8)
    parts = [Split(same, np.zeros(2, np.int64)) for _ in range(3)]
    made = encoded(Dataset("made", *parts, ("a",), "made up"), "rate", 12)
    rows = np.concatenate([p.inputs for p in (made.train, made.validation, made.test)]).reshape(6, -1)
    assert len(np.unique(rows, axis=0)) == 6


def test_delta_sends_rises_and_falls_of_signals() -> None:
    whole = images(3, 2, 2, timed=True)
    made = encoded(whole, "delta", 5)
    assert made.frame == (6,)
    before, now = whole.test.inputs[:, 1].astype(int), whole.test.inputs[:, 2].astype(int)
    assert np.array_equal(made.test.inputs[:, 2], np.concatenate([now > before, now < before], 1))


def test_direct_is_the_data_set_itself() -> None:
    whole = images(3, 2, 2)
    assert encoded(whole, "direct", 5) is whole


@pytest.mark.parametrize(
    ("how", "timed", "message"),
    [
        ("delta", False, "sends changes in time, but samples of made stand still; use rate or latency"),
        ("rate", True, "gives time to samples that stand still, but those of made have their own"),
        ("latency", True, "use direct or delta"),
    ],
)
def test_what_an_encoding_cannot_take_is_refused(how: str, timed: bool, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        encoded(images(3, 2, 2, timed=timed), how, 5)


def test_more_than_memory_should_hold_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "MOST", 1000)
    encoded(images(3, 2, 2), "rate", 8)
    with pytest.raises(BadInput, match="give --subset, or fewer timesteps"):
        encoded(images(3, 2, 2), "rate", 9)


def test_an_encoding_has_cells_and_rows_of_its_own_and_direct_keeps_those_it_had() -> None:
    plain = TimestepCell(
        trained=(1, 2), bits=4, tested=(1, 2), seed=0, dataset="mnist", data="0", model="spiking-cnn", epochs=1,
        batch_size=10, learning_rate=3e-3, quantized_learning_rate=2e-3,
    )  # fmt: skip
    assert cell_hash(plain) == "b7252cf107698e1a"
    rate = TimestepCell(**{**vars(plain), "encode": "rate"})
    assert cell_hash(rate) != cell_hash(plain)
    assert rate.row == "mnist-rate/trained-random-T/4-4"
    assert rate.parent is not None
    assert rate.parent.encode == "rate"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["rate", "latency"])
def test_a_study_of_spikes_is_exact_and_has_no_rivals(how: str, tmp_path) -> None:
    options = Options(
        timesteps=(1, 3), bits=("3",), train=("fixed-T",), seeds=1, epochs=1, subset=40, encode=how
    )
    study = run(options, tmp_path)
    assert not study.failed
    (row,) = rows_of(study.cells, TimestepCell).values()
    assert row.name == f"fashion-mnist-{how}/trained-T3/3-3"
    assert all(c["mismatches"] == 0 for c in row.record(0)["exact"])
    test = samples_of(row.cell, Where("fashion-mnist", None, "squat-fmnist")).test
    assert test.timed
    few = data.fashion_mnist().test.inputs[: len(test)]
    assert 0 < test.inputs.mean() < max(0.5, few.mean() / 255 * 2)
