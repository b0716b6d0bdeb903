"""Spoken digits from WAV files and from npz; one's own arrays; images by rows."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intspike.data import Dataset, Split, by_rows, npz, readers, spoken_digits, wav
from intspike.data.wav import read_wav
from intspike.encode import Bins, Cochlea
from intspike.errors import BadData, BadInput

COCHLEA, BINS, RATE = Cochlea(channels=16), Bins(5_000, 20, 3), 8000
FIXTURES = {"suppress_health_check": [HealthCheck.function_scoped_fixture], "deadline": None}
SPEAKERS = ("anna", "ben")


def sound(digit: int, take: int) -> np.ndarray:
    t = np.arange(400 + 40 * take) / RATE
    return (9000 * np.sin(2 * np.pi * (200 + 300 * digit) * t)).astype(np.int16)


def write_wav(file: Path, audio: np.ndarray, channels: int = 1, rate: int = RATE) -> Path:
    with wave.open(str(file), "wb") as f:
        f.setnchannels(channels)
        f.setsampwidth(audio.dtype.itemsize)
        f.setframerate(rate)
        f.writeframes(audio.tobytes())
    return file


def recordings(path: Path) -> Path:
    """FSDD in small: 2 speakers, 10 digits, takes 3 to 7, and files that are none."""
    folder = path / "recordings"
    folder.mkdir()
    for speaker in SPEAKERS:
        for digit in range(10):
            for take in range(3, 8):
                write_wav(folder / f"{digit}_{speaker}_{take}.wav", sound(digit, take))
    (folder / "readme.txt").write_text("no sound")
    return path


def flat(path: Path, **changed: np.ndarray) -> Path:
    """The same recordings in one npz file."""
    arrays: dict[str, np.ndarray] = {"sample_rate": np.array(RATE)}
    for part, takes in (("train", range(5, 8)), ("test", range(3, 5))):
        order = [(s, take, digit) for s in SPEAKERS for take in takes for digit in range(10)]
        sounds = [sound(digit, take) for _, take, digit in order]
        arrays |= {
            f"{part}_audio": np.concatenate(sounds),
            f"{part}_offsets": np.cumsum([0, *map(len, sounds)]),
            f"{part}_labels": np.array([digit for *_, digit in order], np.uint8),
            f"{part}_speakers": np.array([s for s, *_ in order]),
        }
    np.savez(path / "a.npz", **(arrays | changed))
    return path / "a.npz"


def test_recordings_are_encoded_and_split_by_take(tmp_path: Path):
    for path in (recordings(tmp_path), tmp_path / "recordings", flat(tmp_path)):
        data = spoken_digits(path, cochlea=COCHLEA, bins=BINS, validation=0)
        assert (data.name, data.timed, data.high, data.frame) == ("FSDD spikes", True, 3, (16,))
        assert (len(data.train), len(data.test), len(data.classes)) == (60, 40, 10)
        for split, takes in ((data.train, (5, 6, 7)), (data.test, (3, 4))):
            order = [(take, digit) for _ in SPEAKERS for take in takes for digit in range(10)]
            assert split.labels.tolist() == [digit for _, digit in order]
            for frames, (take, digit) in zip(split.inputs, order, strict=True):
                assert np.array_equal(frames, COCHLEA.frames(sound(digit, take), RATE, BINS))
                assert frames.any()


@pytest.mark.parametrize("form", [recordings, flat])
def test_unknown_voices_may_be_the_test(form, tmp_path: Path):
    data = spoken_digits(form(tmp_path), cochlea=COCHLEA, bins=BINS, test_speakers=["ben"])
    assert (len(data.train) + len(data.validation), len(data.test)) == (50, 50)
    assert np.bincount(data.test.labels).tolist() == [5] * 10
    assert data.source.endswith("a cochlea of 16 channels, 5 ms a timestep; tested on ben alone")
    with pytest.raises(BadInput, match="test_speakers must be among anna, ben, but carl is not"):
        spoken_digits(tmp_path if form is recordings else tmp_path / "a.npz", test_speakers=["carl"])
    with pytest.raises(BadData, match="must hold training recordings, but holds none"):
        spoken_digits(tmp_path if form is recordings else tmp_path / "a.npz", test_speakers=SPEAKERS)


def test_defaults(tmp_path: Path):
    data = spoken_digits(recordings(tmp_path))
    assert data.train.inputs.shape == (54, 50, 700)
    assert data.high == data.train.inputs.max() == 1


def test_what_cannot_be_is_refused(tmp_path: Path):
    with pytest.raises(BadData, match=r"recordings named \{digit\}_\{speaker\}_\{take\}.wav, but holds none"):
        spoken_digits(tmp_path)
    with pytest.raises(BadData, match="nowhere must be an npz file"):
        spoken_digits(tmp_path / "nowhere")
    labels = np.arange(60) % 10
    for name, array, message in (
        ("train_speakers", np.array(["x"] * 59), "must name 60 speakers, but names 59"),
        ("train_speakers", np.zeros(60), r"train_speakers in .* must be str, but is '<f8'"),
        ("train_speakers", np.array([None] * 60, object), "must be str|must have a plain npy header"),
        ("train_labels", np.where(labels == 9, 10, labels), "must hold labels 0 to 9, but holds 10"),
        ("train_offsets", np.arange(61), "must rise from 0 to the length of train_audio"),
        ("train_audio", np.zeros(9, np.float32), "must be int16, but is '<f4'"),
        ("sample_rate", np.array([8000]), r"must have shape \[\], but claims \[1\]"),
    ):
        with pytest.raises(BadData, match=message):
            spoken_digits(flat(tmp_path, **{name: array}))
    with pytest.raises(BadInput, match="the rate must be above twice high"):
        spoken_digits(flat(tmp_path, sample_rate=np.array(4000)))
    write_wav(recordings(tmp_path) / "recordings" / "3_ben_4.wav", np.zeros(2, np.uint8))
    with pytest.raises(BadData, match=r"3_ben_4\.wav must have 1 channel of 16 bits, but has 1 of 8 bits"):
        spoken_digits(tmp_path)


def test_text_that_is_no_text_is_refused(tmp_path: Path):
    """Code points that no text has, in an array of names."""
    content = flat(tmp_path).read_bytes()
    anna = "anna".encode("utf-32-le")
    assert content.count(anna)
    (tmp_path / "a.npz").write_bytes(content.replace(anna, b"\xff" * len(anna)))
    with pytest.raises(BadData, match=r"a\.npz must be"):
        spoken_digits(tmp_path / "a.npz", cochlea=COCHLEA, bins=BINS)


# ---------------------------------------------------------------- WAV


@given(
    audio=st.lists(st.integers(-(2**15), 2**15 - 1), max_size=50), rate=st.sampled_from([8000, 22050, 44100])
)
@settings(**FIXTURES)
def test_what_was_written_is_read(audio, rate, tmp_path: Path):
    found, its_rate = read_wav(write_wav(tmp_path / "a.wav", np.array(audio, "<i2"), rate=rate))
    assert found.tolist() == audio
    assert its_rate == rate


def test_other_sounds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = write_wav(tmp_path / "a.wav", np.zeros(4, "<i2"), channels=2)
    with pytest.raises(BadData, match="must have 1 channel of 16 bits, but has 2 of 16 bits"):
        read_wav(file)
    good = bytearray(write_wav(file, np.arange(90, dtype="<i2")).read_bytes())
    good[20] = 3  # floating point
    file.write_bytes(good)
    with pytest.raises(BadData, match="must be an uncompressed WAV file that can be read, but fails with"):
        read_wav(file)
    monkeypatch.setattr(wav, "MAX_WAV_BYTES", 100)
    with pytest.raises(BadData, match="a WAV file of at most 100 bytes, but has 224"):
        read_wav(file)


def test_a_wav_file_cut_anywhere_is_refused(tmp_path: Path):
    good = write_wav(tmp_path / "a.wav", np.arange(40, dtype="<i2")).read_bytes()
    for end in range(len(good)):
        (tmp_path / "a.wav").write_bytes(good[:end])
        with pytest.raises(BadData, match=r"a\.wav must"):
            read_wav(tmp_path / "a.wav")
    (tmp_path / "a.wav").write_bytes(good[:40] + struct.pack("<I", 0xFFFFFFF0) + good[44:])
    with pytest.raises(BadData, match=r"a\.wav must hold 2,147,483,640 samples as it claims"):
        read_wav(tmp_path / "a.wav")


@given(data=st.data())
@settings(max_examples=200, **FIXTURES)
def test_a_damaged_wav_file_is_read_or_refused(data, tmp_path: Path):
    made = io.BytesIO()
    with wave.open(made, "wb") as f:
        f.setnchannels(1), f.setsampwidth(2), f.setframerate(8000), f.writeframes(bytes(range(40)))
    content = bytearray(made.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / "a.wav").write_bytes(content)
    try:
        audio, _ = read_wav(tmp_path / "a.wav")
    except BadData:
        return
    assert 2 * len(audio) <= len(content)


# ---------------------------------------------------------------- one's own arrays


def own(path: Path, **changed: np.ndarray | None) -> Path:
    draw = np.random.default_rng(0)
    arrays: dict[str, np.ndarray | None] = {}
    for part, count in (("train", 30), ("test", 10)):
        arrays[f"{part}_inputs"] = draw.integers(0, 2, (count, 6, 4)).astype(np.uint8)
        arrays[f"{part}_labels"] = np.arange(count) % 3
    np.savez_compressed(path / "own.npz", **{k: a for k, a in (arrays | changed).items() if a is not None})
    return path / "own.npz"


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"])
def test_own_arrays_are_read(kind, tmp_path: Path):
    file = own(tmp_path, train_labels=(np.arange(30) % 3).astype(kind))
    data = npz(file, timed=True, high=1, validation=0.2)
    with np.load(file) as arrays:
        inputs, test = arrays["train_inputs"], arrays["test_inputs"]
    assert (data.name, data.classes, data.timed, data.high) == ("own", ("0", "1", "2"), True, 1)
    assert (len(data.train), len(data.validation), len(data.test)) == (24, 6, 10)
    assert np.array_equal(data.test.inputs, test)
    everything = {x.tobytes() for x in (*data.train.inputs, *data.validation.inputs)}
    assert everything == {x.tobytes() for x in inputs}
    named = npz(file, timed=True, classes=("a", "b", "c"), name="mine")
    assert (named.name, named.classes, named.high) == ("mine", ("a", "b", "c"), 255)


def test_own_validation_arrays_are_kept(tmp_path: Path):
    held = np.ones((5, 2, 4), np.uint8)  # recordings may differ in length
    data = npz(own(tmp_path, validation_inputs=held, validation_labels=np.arange(5) % 3), timed=True)
    assert (len(data.train), len(data.validation)) == (30, 5)
    assert np.array_equal(data.validation.inputs, held)


@pytest.mark.parametrize("shape", [(30, 4), (30, 2, 3, 4)])
def test_own_static_arrays(shape, tmp_path: Path):
    inputs = np.zeros(shape, np.uint8)
    data = npz(own(tmp_path, train_inputs=inputs, test_inputs=inputs[:10]))
    assert not data.timed
    assert data.frame == shape[1:]


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({}, {}, r"train_inputs in .*: static inputs must be uint8 .*; .* timed=True"),
        ({"train_labels": None}, {"timed": True}, "must hold one array train_labels, but holds 0"),
        ({"test_labels": np.arange(9)}, {"timed": True}, "one label for each of the 10 samples, but holds 9"),
        ({"test_labels": np.full(10, -1)}, {"timed": True}, "must hold labels 0 to 2, but holds -1"),
        ({}, {"timed": True, "classes": ("a", "b")}, "must hold labels 0 to 1, but holds 2"),
        ({"test_labels": np.arange(10.0)}, {"timed": True}, "must be int16 or .*, but is '<f8'; .* argmax"),
        ({"train_inputs": np.zeros((30, 6, 4))}, {"timed": True}, "must be uint8, but is '<f8'"),
        ({"train_inputs": np.full((30, 6, 4), 2, np.uint8)}, {"timed": True, "high": 1}, "codes up to 1, but holds 2"),
        ({"train_inputs": np.zeros(30, np.uint8)}, {}, r"must have two to five axes, but claims \[30\]"),
        ({"train_inputs": np.zeros((0, 6, 4), np.uint8)}, {"timed": True}, "1 <= N <= 100,000, but claims 0"),
    ],
)  # fmt: skip
def test_own_arrays_that_cannot_be_are_refused(changed, options, message, tmp_path: Path):
    with pytest.raises(BadData, match=message):
        npz(own(tmp_path, **changed), **options)


def test_own_frames_must_be_alike(tmp_path: Path):
    with pytest.raises(BadInput, match="all splits of a data set must be alike"):
        npz(own(tmp_path, test_inputs=np.zeros((10, 6, 5), np.uint8)), timed=True)
    with pytest.raises(BadInput, match="high must be a whole number from 1 to 255"):
        npz(own(tmp_path), timed=True, high=0)
    with pytest.raises(BadData, match="nowhere must be an npz file"):
        npz(tmp_path / "nowhere")


def test_arrays_that_no_memory_holds_are_refused_by_their_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(readers, "MAX_ARRAY_BYTES", 700)
    with pytest.raises(BadData, match=r"must have at most 700 bytes, but claims 720 for shape \[30, 6, 4\]"):
        npz(own(tmp_path), timed=True)


# ---------------------------------------------------------------- rows


def test_images_come_by_rows():
    draw = np.random.default_rng(0)
    splits = [
        Split(draw.integers(0, 256, (n, 2, 5, 3)).astype(np.uint8), np.zeros(n, np.int64)) for n in (4, 3, 2)
    ]
    data = by_rows(Dataset("small", *splits, classes=("a",), source="random numbers"))
    assert (data.name, data.timed, data.frame, data.high) == ("small by rows", True, (6,), 255)
    for split, made in zip(splits, (data.train, data.validation, data.test), strict=True):
        assert made.timesteps == 5
        assert made.labels is split.labels
        batch = made.batch(np.arange(len(split)), 5)
        for t in range(5):
            assert np.array_equal(batch[t].reshape(-1, 2, 3), split.inputs[:, :, t])
    with pytest.raises(BadInput, match="by_rows must be given static images"):
        by_rows(data)
