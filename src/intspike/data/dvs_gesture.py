"""DVS Gesture: eleven gestures of hands and arms before an event camera (Amir et al., CVPR 2017).

A recording holds one person's gestures one after another; a table beside it says which is when.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..encode import Bins, Sensor
from ..errors import BadData
from .aedat import read_aedat
from .checks import new_frames
from .dataset import Dataset, Split, hold_out
from .readers import MAX_IMAGES, read_bytes, reading

SIDE = 128  # pixels of the camera
CLASSES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter clockwise",
    "left arm clockwise",
    "left arm counter clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other gestures",
)
LISTS = {"train": "trials_to_train.txt", "test": "trials_to_test.txt"}
COLUMNS = ["class", "startTime_usec", "endTime_usec"]
MAX_TABLE_BYTES = 1 << 20
MAX_TIME = 1 << 53  # microseconds

Gesture = tuple[Path, int, int, int]  # recording, label, first microsecond, last


def dvs_gesture(
    path: Path | str, *, bins: Bins | None = None, size: int = 32, validation: float = 0.1, seed: int = 0
) -> Dataset:
    """DVS Gesture as a Dataset of timed frames [N, T, 2, size, size], one channel a polarity.

    Args:
        path: the folder as published: `*.aedat`, for each a `*_labels.csv`, and the lists `trials_to_train.txt` and
            `trials_to_test.txt`; or, without the lists, folders `train` and `test` with recordings and tables.
        bins: None: Bins(12_000, 150): bins of 12 ms over 1.8 s. Training on 25 of them sees 0.3 s of a gesture, the
            timesteps of SQUAT over the time of its authors' earlier code.
        size: of the frames; the camera has 128 x 128 pixels.
        validation, seed: the share of the training gestures that becomes the validation split, and which.

    Raises BadData for missing, corrupt or otherwise unexpected files, BadInput for the other arguments.
    """
    bins, path, sensor = bins or Bins(12_000, 150), Path(path), Sensor(SIDE, SIDE, size, size)
    with reading(path, "a folder"):
        train, test = (framed(list(gestures(path, part)), sensor, bins) for part in LISTS)
    rest, held = hold_out(train, validation, seed)
    source = f"DVS Gesture, {len(train):,} + {len(test):,} gestures, {bins.dt / 1000:g} ms a timestep"
    return Dataset("DVS Gesture", rest, held, test, CLASSES, source, bins.high)


def gestures(path: Path, part: str) -> Iterator[Gesture]:
    """The gestures of one part, in the order of the list (or of the files' names) and of the tables."""
    found = 0
    for recording in recordings(path, part):
        for gesture in read_table(recording.with_name(f"{recording.stem}_labels.csv"), recording):
            found += 1
            if found > MAX_IMAGES:
                raise BadData(
                    f"{path} must hold at most {MAX_IMAGES:,} gestures in {part}; give fewer recordings"
                )
            yield gesture
    if not found:
        raise BadData(f"{path} must hold gestures in {part}, but all its tables are empty; fetch it again")


def recordings(path: Path, part: str) -> list[Path]:
    """The recordings of one part."""
    if (path / LISTS[part]).is_file():
        lines = read_bytes(path / LISTS[part], "a list of recordings", MAX_TABLE_BYTES).decode(
            "utf-8", "replace"
        )
        names = [line.strip() for line in lines.splitlines() if line.strip()]
        for name in names:
            if Path(name).name != name or not name.endswith(".aedat"):
                raise BadData(
                    f"{path / LISTS[part]} must name .aedat files of its own folder, but names {name[:80]!r}"
                )
        files = [path / name for name in names]
    else:
        files = sorted((path / part).glob("*.aedat"))
    if not files:
        raise BadData(
            f"{path} must hold {LISTS[part]} that names recordings, or .aedat files in the folder {part}, but holds "
            f"neither; give the folder of DVS Gesture as published"
        )
    return files


def read_table(table: Path, recording: Path) -> Iterator[Gesture]:
    """The gestures of one recording: class 1 to 11, first and last microsecond."""
    text = read_bytes(table, "a table of gestures", MAX_TABLE_BYTES).decode("utf-8", "replace")
    rows = csv.reader(io.StringIO(text))
    if (head := next(rows, [])) != COLUMNS:
        raise BadData(f"{table} must start with {','.join(COLUMNS)}, but starts with {','.join(head)[:80]!r}")
    for k, row in enumerate(rows, start=2):
        fits = len(row) == 3 and all(len(field) < 20 and field.strip().isdecimal() for field in row)
        label, first, last = (int(field) for field in row) if fits else (0, 0, 0)
        if not (1 <= label <= len(CLASSES) and first < last <= MAX_TIME):
            raise BadData(
                f"{table} must hold a class from 1 to {len(CLASSES)} and a beginning before its end, but line {k} is "
                f"{','.join(row)[:80]!r}"
            )
        yield recording, label - 1, first, last


def framed(wanted: list[Gesture], sensor: Sensor, bins: Bins) -> Split:
    """Gestures as timed frames; each recording is read once."""
    frames = new_frames(len(wanted), (bins.timesteps, *sensor.frame))
    path, events = None, None
    for target, (recording, _, first, last) in zip(frames, wanted, strict=True):
        if events is None or recording != path:
            path, events = recording, read_aedat(recording)
            if events.x.max(initial=0) >= SIDE or events.y.max(initial=0) >= SIDE:
                raise BadData(f"{recording} must hold events of {SIDE} x {SIDE} pixels alone; fetch it again")
        e = events.between(first, last)
        target[:] = sensor.frames(e.times, e.x, e.y, e.polarity, bins)
    return Split(frames, np.array([label for _, label, _, _ in wanted], np.int64), timed=True)
