"""Sound files: uncompressed WAV of 16 bits and one channel."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import BadData
from .readers import read_bytes

MAX_WAV_BYTES = 16 << 20  # three minutes at 44.1 kHz


def read_wav(path: Path) -> tuple[NDArray[np.int16], int]:
    """The samples of a WAV file, int16 [n], and how many there are a second.

    Raises BadData for a file that is missing, no WAV, truncated, compressed, of other width or of several channels.
    """
    content = read_bytes(path, "a WAV file", MAX_WAV_BYTES)
    try:
        with wave.open(io.BytesIO(content)) as sound:
            kind = sound.getnchannels(), 8 * sound.getsampwidth()
            rate, count = sound.getframerate(), sound.getnframes()
            if kind != (1, 16):
                raise BadData(
                    f"{path} must have 1 channel of 16 bits, but has {kind[0]} of {kind[1]} bits; convert it"
                )
            if 2 * count > len(content):
                raise BadData(
                    f"{path} must hold {count:,} samples as it claims, but ends before; fetch it again"
                )
            values = sound.readframes(count)
    except (wave.Error, EOFError, ValueError, RuntimeError) as error:
        raise BadData(
            f"{path} must be an uncompressed WAV file that can be read, but fails with "
            f"{type(error).__name__}: {error}; convert or fetch it again"
        ) from error
    if len(values) != 2 * count:
        raise BadData(f"{path} must hold {count:,} samples as it claims, but ends before; fetch it again")
    return np.frombuffer(values, "<i2").astype(np.int16), rate
