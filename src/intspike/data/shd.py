"""Spiking Heidelberg Digits: spoken digits as spikes of 700 channels (Cramer, Stradmann, Schemmel, Zenke 2020)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encode import Bins
from ..errors import BadData
from .checks import checked_labels, new_frames
from .dataset import Dataset, Split, hold_out
from .hdf5 import opened

CHANNELS = 700
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ZIFFERN = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
CLASSES = DIGITS + ZIFFERN
FILES = {"train": "shd_train.h5", "test": "shd_test.h5"}
MAX_EVENTS = 1_000_000  # of one sample; the published ones have up to about 25,000
MAX_SECONDS = 3600.0


def shd(path: Path | str, *, bins: Bins | None = None, validation: float = 0.1, seed: int = 0) -> Dataset:
    """Spiking Heidelberg Digits as a Dataset of timed spikes [N, T, 700].

    Args:
        path: the folder with `shd_train.h5` and `shd_test.h5`, unpacked. Each holds spikes/times (seconds) and
            spikes/units (0 to 699), one array a sample, and labels (0 to 19).
        bins: None: Bins(40_000, 30): bins of 40 ms, spikes 0 or 1; training on 25 of them sees 1 s.
        validation, seed: the share of the training samples that becomes the validation split, and which.

    Raises BadData for missing, corrupt or otherwise unexpected files, BadInput for the other arguments, and
    MissingDependency without h5py.
    """
    bins, path = bins or Bins(40_000, 30), Path(path)
    train, test = (read_part(path / FILES[part], bins) for part in ("train", "test"))
    rest, held = hold_out(train, validation, seed)
    source = (
        f"Spiking Heidelberg Digits, {len(train):,} + {len(test):,} samples, {bins.dt / 1000:g} ms a timestep"
    )
    return Dataset("SHD", rest, held, test, CLASSES, source, bins.high)


def read_part(path: Path, bins: Bins) -> Split:
    """One file as timed spikes."""
    with opened(path) as file:
        times, units, labels = (
            file.lists("spikes/times", "fu"),
            file.lists("spikes/units", "iu"),
            file.numbers("labels"),
        )
        if not len(times) == len(units) == len(labels):
            raise BadData(
                f"{path} must hold times, units and a label for each sample, but holds {len(times):,}, "
                f"{len(units):,} and {len(labels):,}; give the file as published"
            )
        truth = checked_labels(f"labels in {path}", labels, len(CLASSES), len(labels))
        frames = new_frames(len(labels), (bins.timesteps, CHANNELS))
        for i, target in enumerate(frames):
            target[:] = _frames(path, i, times[i], units[i], bins)
    return Split(frames, truth, timed=True)


def _frames(path: Path, i: int, times: NDArray[Any], units: NDArray[Any], bins: Bins) -> NDArray[np.uint8]:
    """One sample, checked."""
    where = f"sample {i} in {path}"
    if times.shape != units.shape or times.ndim != 1 or len(times) > MAX_EVENTS:
        raise BadData(
            f"{where} must have one time and one unit for each of at most {MAX_EVENTS:,} spikes, but has "
            f"{times.size:,} and {units.size:,}"
        )
    seconds = times.astype(np.float64)
    if not ((seconds >= 0) & (seconds <= MAX_SECONDS)).all():  # also where it is no number
        raise BadData(f"{where} must have times of 0 to {MAX_SECONDS:g} seconds, but has others")
    channels = units.astype(np.int64)
    if len(channels) and not (channels.min() >= 0 and channels.max() < CHANNELS):
        raise BadData(
            f"{where} must have units 0 to {CHANNELS - 1}, but has {channels.min()} to {channels.max()}"
        )
    return bins.frames(np.floor(seconds * 1e6).astype(np.int64), channels, CHANNELS)
