"""N-MNIST: the digits of MNIST seen by an event camera that moves (Orchard, Jayawant, Cohen, Thakor 2015).

A published recording is a file of five bytes an event: x, y, then 23 bits of microseconds below one bit of polarity,
highest byte first. An event with y = 240 is none: it says that the clock, of which 13 bits are kept, ran over.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..encode import Bins, Sensor
from ..errors import BadData
from .checks import new_frames
from .dataset import Dataset, Split, hold_out, stratified, whole
from .flat import read_flat
from .readers import MAX_IMAGES, read_bytes, reading

SIDE = 34  # pixels
CLASSES = tuple("0123456789")
MAX_BYTES = 4 << 20  # of one recording; the published ones have up to 40 kB
OVERFLOW_ROW, OVERFLOW = 240, 1 << 13
BYTES = ("|u1", "u1")

Events = dict[str, NDArray[np.int64]]  # x, y, p, t_us


def nmnist(
    path: Path | str,
    *,
    bins: Bins | None = None,
    size: int = SIDE,
    limit: int | None = None,
    validation: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """N-MNIST as a Dataset of timed frames [N, T, 2, size, size], one channel a polarity.

    Args:
        path: a folder with the published folders `Train` and `Test`, in each one folder a digit of `.bin` files; or an
            npz file with, for train and test, the arrays x, y, p, t_us (events end to end), offsets and labels.
        bins: None: Bins(12_000, 30): bins of 12 ms; a recording lasts 0.3 s, which is 25 of them.
        size: of the frames; the camera has 34 x 34 pixels.
        limit: at most so many recordings of each of the two parts, in the proportions of the classes. The full set
            has 70,000, whose frames at 34 x 34 need 4.9 GB.
        validation, seed: the share of the training recordings that becomes the validation split, and which.

    Raises BadData for missing, corrupt or otherwise unexpected files, BadInput for the other arguments.
    """
    bins, path, sensor = bins or Bins(12_000, 30), Path(path), Sensor(SIDE, SIDE, size, size)
    limit = MAX_IMAGES if limit is None else whole("limit", limit, 1)
    with reading(path, "a folder or file"):
        make = from_folder if path.is_dir() else from_npz
        train, test = (make(path, part, sensor, bins, limit) for part in ("train", "test"))
    rest, held = hold_out(train, validation, seed)
    source = f"N-MNIST, {len(train):,} + {len(test):,} recordings, {bins.dt / 1000:g} ms a timestep"
    return Dataset("N-MNIST", rest, held, test, CLASSES, source, bins.high)


def from_folder(path: Path, part: str, sensor: Sensor, bins: Bins, limit: int) -> Split:
    """One part from the folders as published."""
    folder = path / part.capitalize()
    files = [
        (file, digit) for digit in range(len(CLASSES)) for file in sorted((folder / str(digit)).glob("*.bin"))
    ]
    if not files:
        raise BadData(
            f"{folder} must hold the folders 0 to 9 with .bin files, but holds none; give the folder that holds "
            f"`Train` and `Test` of N-MNIST"
        )
    labels = np.array([digit for _, digit in files], np.int64)
    return _framed(
        lambda i: read_recording(files[i][0]), labels, sensor, bins, limit, lambda i: str(files[i][0])
    )


def from_npz(path: Path, part: str, sensor: Sensor, bins: Bins, limit: int) -> Split:
    """One part from an npz file."""
    flat = read_flat(
        path, part, {"x": BYTES, "y": BYTES, "p": BYTES, "t_us": ("<u4", "<i4", "<i8")}, len(CLASSES)
    )

    def events(i: int) -> Events:
        return {name: array.astype(np.int64) for name, array in flat.sample(i).items()}

    return _framed(events, flat.labels, sensor, bins, limit, lambda i: f"recording {i} of {part} in {path}")


def _framed(
    events: Callable[[int], Events],
    labels: NDArray[np.int64],
    sensor: Sensor,
    bins: Bins,
    limit: int,
    where: Callable[[int], str],
) -> Split:
    chosen = stratified(labels, min(limit, len(labels)))
    frames = new_frames(len(chosen), (bins.timesteps, *sensor.frame))
    for target, i in zip(frames, chosen.tolist(), strict=True):
        e = events(i)
        inside = (e["x"] < SIDE) & (e["y"] < SIDE) & (e["p"] < 2)
        if not inside.all():
            at = int(np.flatnonzero(~inside)[0])
            raise BadData(
                f"{where(i)} must hold events of {SIDE} x {SIDE} pixels and polarity 0 or 1, but event {at} is at "
                f"({e['x'][at]}, {e['y'][at]}) with {e['p'][at]}; fetch it again"
            )
        target[:] = sensor.frames(e["t_us"], e["x"], e["y"], e["p"], bins)
    return Split(frames, labels[chosen], timed=True)


def read_recording(path: Path) -> Events:
    """The events of a published `.bin` file, as int64 arrays x, y, p and t_us."""
    content = read_bytes(path, "a recording of N-MNIST", MAX_BYTES)
    if len(content) % 5 or not content:
        raise BadData(
            f"{path} must have five bytes an event, but has {len(content):,} bytes; it is empty or truncated: fetch it "
            f"again"
        )
    x, y, high, middle, low = np.frombuffer(content, np.uint8).reshape(-1, 5).astype(np.int64).T
    times = (high & 127) << 16 | middle << 8 | low
    overflow = y == OVERFLOW_ROW
    times = times + OVERFLOW * np.cumsum(overflow)
    kept = ~overflow
    return {"x": x[kept], "y": y[kept], "p": (high >> 7)[kept], "t_us": times[kept]}
