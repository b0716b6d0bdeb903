"""Spoken digits as spikes: the Free Spoken Digit Dataset (Jakobovski et al., CC BY-SA 4.0) through `encode.Cochlea`.

Six speakers say 0 to 9 in English fifty times each, at 8 kHz. It is a task like the Spiking Heidelberg Digits, made
from other recordings by another encoder: results on one say nothing of the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encode import Bins, Cochlea
from ..errors import BadData, BadInput
from .checks import new_frames
from .dataset import Dataset, Split, hold_out
from .flat import read_flat
from .readers import MAX_IMAGES, Array, read_npz, reading
from .wav import read_wav

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NAME = re.compile(r"([0-9])_([A-Za-z]{1,32})_([0-9]{1,6})\.wav")
TEST_TAKES = 5  # takes 0 to 4 of each digit and speaker are the data set's own test split
NAMES = tuple(f"<U{k}" for k in range(1, 33))  # element types of the speakers' names

Recording = tuple[NDArray[np.int16], int, int, str]  # samples, rate, digit, speaker


def spoken_digits(
    path: Path | str,
    *,
    cochlea: Cochlea | None = None,
    bins: Bins | None = None,
    test_speakers: Sequence[str] = (),
    validation: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """FSDD as a Dataset of timed spikes [N, T, channels].

    Args:
        path: a folder with `{digit}_{speaker}_{take}.wav` (or with the folder `recordings` that holds them), or an npz
            file with int16 arrays train_audio (end to end), train_offsets, train_labels, train_speakers, the same for
            test, and sample_rate.
        cochlea: the encoder; None: Cochlea().
        bins: None: Bins(20_000, 50): bins of 20 ms, 1 s long, spikes 0 or 1. The mean utterance fills 22 bins;
            `high` above 1 keeps counts.
        test_speakers: whose recordings are the test split, so that it holds unknown voices; none: takes 0 to 4 of every
            digit and speaker, as the data set splits itself, whose voices are known from training.
        validation, seed: the share of the training recordings that becomes the validation split, and which.

    Raises BadData for missing, corrupt or otherwise unexpected files, BadInput for the other arguments.
    """
    cochlea, bins = cochlea or Cochlea(), bins or Bins(20_000, 50)
    path = Path(path)
    with reading(path, "a folder or file"):
        parts = from_folder(path) if path.is_dir() else from_npz(path)
    speakers = {r[3] for part in parts for r in part}
    if missing := set(test_speakers) - speakers:
        raise BadInput(
            f"test_speakers must be among {', '.join(sorted(speakers))}, but {', '.join(sorted(missing))} "
            f"{'is' if len(missing) == 1 else 'are'} not"
        )
    if test_speakers:
        both = [*parts[0], *parts[1]]
        parts = tuple([r for r in both if (r[3] in test_speakers) == chosen] for chosen in (False, True))
    for name, part in zip(("training", "test"), parts, strict=True):
        if not part:
            raise BadData(f"{path} must hold {name} recordings, but holds none; give the whole data set")
    train, test = (encoded(part, cochlea, bins) for part in parts)
    rest, held = hold_out(train, validation, seed)
    unknown = f"; tested on {', '.join(sorted(test_speakers))} alone" if test_speakers else ""
    source = (
        f"Free Spoken Digit Dataset, {len(train):,} + {len(test):,} recordings through a cochlea of "
        f"{cochlea.channels} channels, {bins.dt / 1000:g} ms a timestep{unknown}"
    )
    return Dataset("FSDD spikes", rest, held, test, CLASSES, source, bins.high)


def encoded(recordings: Sequence[Recording], cochlea: Cochlea, bins: Bins) -> Split:
    """Recordings as timed spikes."""
    frames = new_frames(len(recordings), (bins.timesteps, cochlea.channels))
    for target, (audio, rate, _, _) in zip(frames, recordings, strict=True):
        target[:] = cochlea.frames(audio, rate, bins)
    return Split(frames, np.array([digit for _, _, digit, _ in recordings], np.int64), timed=True)


def from_folder(path: Path) -> tuple[list[Recording], list[Recording]]:
    """Training and test recordings of a folder of WAV files, in the order of speaker, take and digit."""
    folder = path / "recordings" if (path / "recordings").is_dir() else path
    named = ((NAME.fullmatch(file.name), file) for file in folder.iterdir())
    found = [(match[2], int(match[3]), int(match[1]), file) for match, file in named if match]
    if not found:
        raise BadData(
            f"folder {folder} must hold recordings named {{digit}}_{{speaker}}_{{take}}.wav, but holds none; give the "
            f"folder `recordings` of the Free Spoken Digit Dataset"
        )
    if len(found) > MAX_IMAGES:
        raise BadData(
            f"folder {folder} must hold at most {MAX_IMAGES:,} recordings, not {len(found):,}; split it"
        )
    parts: tuple[list[Recording], list[Recording]] = [], []
    for speaker, take, digit, file in sorted(found):
        parts[take < TEST_TAKES].append((*read_wav(file), digit, speaker))
    return parts


def from_npz(path: Path) -> tuple[list[Recording], list[Recording]]:
    """Training and test recordings of an npz file."""
    rate = int(read_npz(path, {"sample_rate": Array((), types=("<i8", "<i4"))})["sample_rate"])
    parts: list[list[Recording]] = []
    for part in ("train", "test"):
        flat = read_flat(path, part, {"audio": ("<i2",)}, len(CLASSES))
        names = read_npz(path, {f"{part}_speakers": Array(types=NAMES)})[f"{part}_speakers"]
        if len(names) != len(flat):
            raise BadData(
                f"array {part}_speakers in {path} must name {len(flat):,} speakers, but names {len(names):,}"
            )
        parts.append(list(_recordings(flat, names, rate)))
    return parts[0], parts[1]


def _recordings(flat: Any, names: NDArray[np.str_], rate: int) -> Iterator[Recording]:
    for i, (label, name) in enumerate(zip(flat.labels.tolist(), names.tolist(), strict=True)):
        yield flat.sample(i)["audio"], rate, label, name
