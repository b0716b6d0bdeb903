"""Recordings of event cameras in their published forms: N-MNIST and DVS Gesture, good and damaged."""

from __future__ import annotations

import contextlib
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intspike.data import aedat, checks, dvs_gesture, nmnist
from intspike.data.nmnist import read_recording
from intspike.encode import Bins
from intspike.errors import BadData, BadInput

Event = tuple[int, int, int, int]  # time, x, y, polarity
FIXTURES = {"suppress_health_check": [HealthCheck.function_scoped_fixture], "deadline": None}


def events(seed: int, count: int, side: int, last: int) -> list[Event]:
    draw = np.random.default_rng(seed)
    times = np.sort(draw.integers(0, last, count)).tolist()
    return [(t, *draw.integers(0, side, 2).tolist(), int(draw.integers(0, 2))) for t in times]


def counted(made: list[Event], side: int, size: int, bins: Bins) -> np.ndarray:
    """Frames by a loop."""
    frames = np.zeros((bins.timesteps, 2, size, size), np.int64)
    for time, x, y, polarity in made:
        if 0 <= time < bins.timesteps * bins.dt:
            frames[time // bins.dt, polarity, y * size // side, x * size // side] += 1
    return np.minimum(frames, bins.high)


# ---------------------------------------------------------------- N-MNIST


def packed(made: list[Event]) -> bytes:
    """Five bytes an event."""
    return b"".join(bytes([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255]) for t, x, y, p in made)


def folders(path: Path, train: int = 30, test: int = 10) -> dict[str, list[tuple[int, list[Event]]]]:
    """The folders of N-MNIST; what they hold, in the order of digits and names."""
    held: dict[str, list[tuple[int, list[Event]]]] = {"Train": [], "Test": []}
    for part, count in (("Train", train), ("Test", test)):
        for k in range(count):
            made, digit = events(k, 5 + k, 34, 300_000), k % 10
            (path / part / str(digit)).mkdir(parents=True, exist_ok=True)
            (path / part / str(digit) / f"{k:05}.bin").write_bytes(packed(made))
            held[part].append((digit, made))
        held[part].sort(key=lambda pair: pair[0])  # stable: names rise within a digit
    return held


@pytest.mark.parametrize(("size", "bins"), [(34, Bins(12_000, 30)), (17, Bins(50_000, 4, 7))])
def test_nmnist_is_read_from_its_folders(size, bins, tmp_path: Path):
    held = folders(tmp_path)
    data = nmnist(tmp_path, bins=bins, size=size, validation=0)
    assert (data.name, data.timed, data.high, data.frame) == ("N-MNIST", True, bins.high, (2, size, size))
    for split, part in ((data.train, "Train"), (data.test, "Test")):
        assert split.labels.tolist() == [digit for digit, _ in held[part]]
        for frames, (_, made) in zip(split.inputs, held[part], strict=True):
            assert np.array_equal(frames, counted(made, 34, size, bins))


def flat(path: Path, held: dict[str, list[tuple[int, list[Event]]]], **changed: np.ndarray) -> Path:
    """The same in one npz file."""
    arrays: dict[str, np.ndarray] = {}
    for part, recordings in held.items():
        columns = np.array([e for _, made in recordings for e in made]).T
        for name, column in zip(("t_us", "x", "y", "p"), columns, strict=True):
            arrays[f"{part.lower()}_{name}"] = column.astype(np.uint32 if name == "t_us" else np.uint8)
        arrays[f"{part.lower()}_offsets"] = np.cumsum([0, *(len(made) for _, made in recordings)])
        arrays[f"{part.lower()}_labels"] = np.array([digit for digit, _ in recordings], np.uint8)
    np.savez(path / "a.npz", **(arrays | changed))
    return path / "a.npz"


def test_nmnist_is_the_same_from_an_npz_file(tmp_path: Path):
    held = folders(tmp_path)
    one, other = nmnist(tmp_path), nmnist(flat(tmp_path, held))
    for name in ("train", "validation", "test"):
        a, b = getattr(one, name), getattr(other, name)
        assert np.array_equal(a.inputs, b.inputs)
        assert np.array_equal(a.labels, b.labels)
    assert one.source == other.source == "N-MNIST, 30 + 10 recordings, 12 ms a timestep"


def test_few_recordings_are_those_of_the_whole(tmp_path: Path):
    folders(tmp_path)
    whole, few = nmnist(tmp_path, validation=0), nmnist(tmp_path, limit=20, validation=0)
    assert (len(few.train), len(few.test)) == (20, 10)
    assert np.bincount(few.train.labels).tolist() == [2] * 10
    kept = {frames.tobytes() for frames in whole.train.inputs}
    assert all(frames.tobytes() in kept for frames in few.train.inputs)


def test_the_clock_of_a_recording_runs_over(tmp_path: Path):
    made = [(100, 1, 2, 0), (5, 0, 240, 0), (7, 3, 4, 1), (0, 0, 240, 1), (0, 0, 240, 1), (1, 5, 6, 0)]
    (tmp_path / "a.bin").write_bytes(packed(made))
    found = read_recording(tmp_path / "a.bin")
    assert found["t_us"].tolist() == [100, 7 + 8192, 1 + 3 * 8192]
    assert found["x"].tolist() == [1, 3, 5]
    assert found["p"].tolist() == [0, 1, 0]


def test_nmnist_refuses_what_cannot_be(tmp_path: Path):
    held = folders(tmp_path)
    file = tmp_path / "Train" / "3" / "00003.bin"
    good = file.read_bytes()
    for content, message in (
        (good[:-1], r"00003\.bin must have five bytes an event"),
        (b"", r"00003\.bin must have five bytes an event, but has 0"),
        (
            good + bytes([34, 0, 0, 0, 0]),
            r"00003\.bin must hold events of 34 x 34 pixels .* event 8 is at \(34, 0\)",
        ),
    ):
        file.write_bytes(content)
        with pytest.raises(BadData, match=message):
            nmnist(tmp_path)
    offsets = np.cumsum([0, *(len(made) for _, made in held["Train"])])
    labels = np.array([digit for digit, _ in held["Train"]])
    for name, array, message in (
        ("train_offsets", offsets[:-1], "train_offsets .* must rise from 0 to the length"),
        ("train_offsets", offsets[::-1], "must rise from 0"),
        ("train_offsets", np.where(offsets == offsets[2], -1, offsets), "must rise from 0"),
        ("train_offsets", offsets.astype(float), "must be int16 or .*, but is '<f8'"),
        ("train_labels", labels[1:], "one label for each of the 30 samples, but holds 29"),
        ("train_labels", labels + 1, "must hold labels 0 to 9, but holds 10"),
        ("train_labels", labels - 1, "must hold labels 0 to 9, but holds -1"),
        ("train_p", np.full(offsets[-1], 2, np.uint8), "recording 0 of train .* with 2"),
    ):
        with pytest.raises(BadData, match=message):
            nmnist(flat(tmp_path, held, **{name: array}))
    with pytest.raises(BadData, match=r"Train must hold the folders 0 to 9 with \.bin files, but holds none"):
        nmnist(tmp_path / "Test")
    with pytest.raises(BadData, match="nowhere must be an npz file"):
        nmnist(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="limit must be a whole number from 1"):
        nmnist(tmp_path, limit=0)
    with pytest.raises(BadInput, match=r"frames must have 1\.\.34 rows"):
        nmnist(tmp_path, size=35)


def test_frames_that_no_memory_holds_are_refused_before_they_are_made(tmp_path: Path):
    folders(tmp_path)
    with pytest.raises(BadInput, match=r"the frames of a split must have at most .* give fewer samples"):
        nmnist(tmp_path, bins=Bins(1, 1 << 20))


def test_a_recording_of_another_size_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folders(tmp_path)
    monkeypatch.setattr(sys.modules["intspike.data.nmnist"], "MAX_BYTES", 20)
    with pytest.raises(BadData, match="a recording of N-MNIST of at most 20 bytes, but has"):
        nmnist(tmp_path)


@given(content=st.binary(max_size=60))
@settings(**FIXTURES)
def test_any_bytes_are_a_recording_or_refused(content, tmp_path: Path):
    (tmp_path / "a.bin").write_bytes(content)
    if len(content) % 5 or not content:
        with pytest.raises(BadData, match="five bytes an event"):
            read_recording(tmp_path / "a.bin")
        return
    found = read_recording(tmp_path / "a.bin")
    clock = 0
    expected: list[tuple[int, ...]] = []
    for k in range(0, len(content), 5):
        x, y, high, middle, low = content[k : k + 5]
        clock += 8192 * (y == 240)
        if y != 240:
            expected.append((x, y, high >> 7, clock + (high % 128) * 65536 + middle * 256 + low))
    assert list(zip(*(found[n].tolist() for n in ("x", "y", "p", "t_us")), strict=True)) == expected


# ---------------------------------------------------------------- AEDAT and DVS Gesture


def packet(made: list[Event], kind: int = 1, overflow: int = 0, room: int = 0, valid: bool = True) -> bytes:
    """A packet of events, with room for more."""
    count = len(made)
    head = struct.pack("<hhiiiiii", kind, 0, 8, 4, overflow, count + room, count, count if valid else 0)
    body = b"".join(struct.pack("<II", x << 17 | y << 2 | p << 1 | valid, t) for t, x, y, p in made)
    return head + body + bytes(8 * room)


HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"


def write_recording(file: Path, made: list[Event], label_rows: list[tuple[int, int, int]]) -> None:
    special = struct.pack("<hhiiiiii", 0, 0, 8, 4, 0, 1, 1, 1) + bytes(8)  # a packet of another kind
    parts = [packet(made[k : k + 50]) for k in range(0, len(made), 50)]
    file.write_bytes(HEADER + parts[0] + special + packet([(5, 1, 1, 1)], valid=False) + b"".join(parts[1:]))
    rows = "".join(f"{a},{b},{c}\n" for a, b, c in label_rows)
    file.with_name(f"{file.stem}_labels.csv").write_text("class,startTime_usec,endTime_usec\n" + rows)


def gesture_folder(
    path: Path, lists: bool = True
) -> dict[str, list[tuple[list[Event], list[tuple[int, int, int]]]]]:
    """DVS Gesture: recordings with eleven gestures each."""
    held: dict[str, list[tuple[list[Event], list[tuple[int, int, int]]]]] = {"train": [], "test": []}
    for part, users in (("train", (1, 2)), ("test", (24,))):
        folder = path if lists else path / part
        folder.mkdir(exist_ok=True)
        for user in users:
            made = events(user, 400, 128, 3_000_000)
            table = [(k + 1, 200_000 * k + 100_000, 200_000 * k + 250_000) for k in range(11)]
            write_recording(folder / f"user{user:02}_led.aedat", made, table)
            held[part].append((made, table))
        if lists:
            names = [f"user{user:02}_led.aedat" for user in users]
            (path / f"trials_to_{part}.txt").write_text("\r\n".join(names) + "\n\n")
    return held


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize(("size", "bins"), [(32, Bins(12_000, 15)), (128, Bins(40_000, 3, 255))])
def test_dvs_gesture_is_read(size, bins, lists, tmp_path: Path):
    held = gesture_folder(tmp_path, lists)
    data = dvs_gesture(tmp_path, bins=bins, size=size, validation=0)
    assert (data.name, data.timed, data.high, data.frame) == ("DVS Gesture", True, bins.high, (2, size, size))
    assert len(data.classes) == 11
    for split, part in ((data.train, "train"), (data.test, "test")):
        gestures = [(made, row) for made, table in held[part] for row in table]
        assert split.labels.tolist() == [row[0] - 1 for _, row in gestures]
        for frames, (made, (_, first, last)) in zip(split.inputs, gestures, strict=True):
            inside = [(t - first, x, y, p) for t, x, y, p in made if first <= t < last]
            assert np.array_equal(frames, counted(inside, 128, size, bins))


def test_dvs_gesture_defaults(tmp_path: Path):
    gesture_folder(tmp_path)
    data = dvs_gesture(tmp_path, validation=0.5)
    assert data.train.inputs.shape == (11, 150, 2, 32, 32)
    assert data.source == "DVS Gesture, 22 + 11 gestures, 12 ms a timestep"


def test_packets_with_room_and_a_clock_that_ran_over(tmp_path: Path):
    made = [(2**31 - 1, 127, 3, 1), (0, 32767, 32766, 0)]
    (tmp_path / "a.aedat").write_bytes(HEADER + packet(made, room=3, overflow=2) + packet([]))
    found = aedat.read_aedat(tmp_path / "a.aedat")
    assert found.times.tolist() == [2 * 2**31 + 2**31 - 1, 2 * 2**31]
    assert (found.x.tolist(), found.y.tolist()) == ([127, 32767], [3, 32766])
    assert found.polarity.tolist() == [1, 0]
    assert found.between(2 * 2**31, 3 * 2**31 - 1).times.tolist() == [0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must start with the line #!AER-DAT3.1, but starts with b''"),
        (
            HEADER.replace(b"3.1", b"2.0"),
            r"must start with the line #!AER-DAT3.1, but starts with b'#!AER-DAT2\.0",
        ),
        (HEADER[:-3], "must have the line #!END-HEADER in its first 65,536 bytes"),
        (HEADER + packet([(1, 2, 3, 0)])[:-1], "must hold 1 events in a packet for 1 of 8 bytes at byte 61"),
        (HEADER + packet([])[:-1], "ends in the head of one at byte 61"),
        (HEADER + struct.pack("<hhiiiiii", 1, 0, 8, 4, 0, 2**31 - 1, 1, 1), "for 2,147,483,647 of 8 bytes"),
        (HEADER + struct.pack("<hhiiiiii", 1, 0, 8, 4, 0, -1, -1, -1), "must hold -1 events in a packet"),
        (HEADER + struct.pack("<hhiiiiii", 1, 0, 0, 4, 0, 9, 9, 9), "for 9 of 0 bytes"),
        (
            HEADER + struct.pack("<hhiiiiii", 1, 0, 8, 4, 0, 1, 2, 1) + bytes(8),
            "must hold 2 events in a packet for 1",
        ),
        (
            HEADER + struct.pack("<hhiiiiii", 1, 0, 8, 4, -1, 1, 1, 1) + bytes(8),
            "must hold 1 events in a packet",
        ),
        (HEADER + struct.pack("<hhiiiiii", 1, 0, 16, 4, 0, 1, 1, 1) + bytes(16), "has 16 and 4"),
        (HEADER + packet([(2**31, 1, 1, 1)]), "must hold times of 31 bits"),
    ],
)
def test_damaged_recordings_are_refused(content, message, tmp_path: Path):
    (tmp_path / "a.aedat").write_bytes(content)
    with pytest.raises(BadData, match=message):
        aedat.read_aedat(tmp_path / "a.aedat")


@given(data=st.data())
@settings(max_examples=200, **FIXTURES)
def test_changed_recordings_are_read_or_refused(data, tmp_path: Path):
    good = HEADER + packet(events(0, 6, 128, 9000)) + packet(events(1, 3, 128, 9000), room=2)
    content = bytearray(good[: data.draw(st.integers(0, len(good)))])
    for _ in range(data.draw(st.integers(0, 3)) if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / "a.aedat").write_bytes(content)
    with contextlib.suppress(BadData):
        found = aedat.read_aedat(tmp_path / "a.aedat")
        assert len(found.times) == len(found.x) == len(found.y) == len(found.polarity) <= 9
        assert (found.times >= 0).all()


def test_dvs_gesture_refuses_what_cannot_be(tmp_path: Path):
    gesture_folder(tmp_path)
    table, head = tmp_path / "user01_led_labels.csv", "class,startTime_usec,endTime_usec\n"
    good = table.read_text()
    for text, message in (
        ("", "must start with class,startTime_usec,endTime_usec, but starts with ''"),
        ("a,b\n1,2\n", "must start with class,"),
        (head + "12,0,5\n", "a class from 1 to 11 .*, but line 2 is '12,0,5'"),
        (head + "0,0,5\n", "line 2 is '0,0,5'"),
        (head + "1,0,5\n1,5,5\n", "line 3 is '1,5,5'"),
        (head + "1,0\n", "line 2 is '1,0'"),
        (head + "1,-3,5\n", "line 2 is '1,-3,5'"),
        (head + "1,0," + "9" * 19 + "\n", "line 2 is '1,0,9"),
    ):
        table.write_text(text)
        with pytest.raises(BadData, match=message):
            dvs_gesture(tmp_path)
    table.write_text(good)
    write_recording(tmp_path / "user02_led.aedat", [(150_000, 128, 0, 0)], [(1, 100_000, 200_000)])
    with pytest.raises(BadData, match=r"user02_led\.aedat must hold events of 128 x 128 pixels alone"):
        dvs_gesture(tmp_path)
    for name in ("../user01_led.aedat", "/etc/hostname", "user01.txt"):
        (tmp_path / "trials_to_train.txt").write_text(name)
        with pytest.raises(BadData, match=r"must name \.aedat files of its own folder, but names"):
            dvs_gesture(tmp_path)
    (tmp_path / "trials_to_train.txt").write_text("absent.aedat")
    with pytest.raises(BadData, match=r"absent_labels\.csv must be a table of gestures"):
        dvs_gesture(tmp_path)
    (tmp_path / "trials_to_train.txt").unlink()
    with pytest.raises(
        BadData, match=r"must hold trials_to_train\.txt that names recordings, or \.aedat files"
    ):
        dvs_gesture(tmp_path)
    for name in ("user01_led_labels.csv", "user02_led_labels.csv"):
        (tmp_path / name).write_text(head)
    (tmp_path / "trials_to_train.txt").write_text("user01_led.aedat\nuser02_led.aedat")
    with pytest.raises(BadData, match="must hold gestures in train, but all its tables are empty"):
        dvs_gesture(tmp_path)


def test_large_recordings_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    gesture_folder(tmp_path)
    monkeypatch.setattr(aedat, "MAX_AEDAT_BYTES", 100)
    with pytest.raises(BadData, match=r"an AEDAT 3\.1 file of at most 100 bytes"):
        dvs_gesture(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(checks, "MAX_FRAME_BYTES", 1000)
    with pytest.raises(BadInput, match="must have at most 1,000 bytes, but 22 samples of"):
        dvs_gesture(tmp_path)
