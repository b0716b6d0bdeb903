"""The text that travels with intspike: plays by William Shakespeare (1564-1616), in the public domain.

The beginning of the file tinyshakespeare of the repository karpathy/char-rnn, about half a million characters.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from ..encode.checks import whole
from ..errors import BadData, MissingDependency
from .dataset import Dataset, hold_out
from .text import Text, encode_text, one_hot

# Made by tools/make_text_sample.py, which says what is in it and prints this checksum.
SAMPLE = Path(__file__).parent / "samples" / "shakespeare.txt.xz"
SAMPLE_SHA256 = "e407018aadd69134a9b46a8ac0d5e1572bcfcde9421897808e380679436f86de"


def shakespeare() -> Text:
    """The embedded text, in characters."""
    text = _sample()
    known = tuple(sorted(set(text)))
    source = f"embedded sample, {len(text):,} characters of plays by Shakespeare (public domain)"
    return Text(encode_text(text, known), known, "character", source)


def speakers(
    classes: int = 4, *, length: int = 64, validation: float = 0.1, test: float = 0.2, seed: int = 0
) -> Dataset:
    """Who says it: speeches of the embedded text, labelled by the speakers who have most of them.

    Inputs are spikes [N, T, V] as those of `text_folders`: the beginnings of speeches, one character a timestep.

    Args:
        classes: how many speakers.
        length: T; of longer speeches the beginning.
        validation, test: shares, in the proportions of the classes.
        seed: chooses which.
    """
    classes, length = whole("classes", classes, 2, 20), whole("length", length, 1, 1 << 12)
    text = _sample()
    known = tuple(sorted(set(text)))
    found: dict[str, list[str]] = {}
    for name, said in re.findall(r"(?:^|\n\n)([A-Z][A-Za-z ]+):\n(.+?)(?=\n\n|\Z)", text, re.DOTALL):
        found.setdefault(name, []).append(said)
    most = sorted(found, key=lambda name: (-len(found[name]), name))[:classes]
    speeches = [encode_text(said, known) for name in most for said in found[name]]
    labels = np.repeat(np.arange(classes), [len(found[name]) for name in most]).astype(np.int64)
    rest, held = hold_out(one_hot(speeches, labels, len(known), length), test, seed)
    kept, chosen = hold_out(rest, validation, seed)
    source = (
        f"embedded sample, {len(labels):,} speeches of Shakespeare's, the first {length} characters of each"
    )
    return Dataset("speakers", kept, chosen, held, tuple(most), source, high=1)


def _sample() -> str:
    try:
        import lzma
    except ImportError as error:  # Python can be built without liblzma
        raise MissingDependency(
            "the embedded text needs the module lzma of Python, but this Python was built without it; install another "
            "Python, or read a text of your own"
        ) from error
    try:
        packed = SAMPLE.read_bytes()
    except OSError as error:
        raise BadData(f"{SAMPLE} must be readable, but {error}; install intspike again") from error
    digest = hashlib.sha256(packed).hexdigest()
    if digest != SAMPLE_SHA256:
        raise BadData(
            f"{SAMPLE} must have the SHA-256 checksum {SAMPLE_SHA256}, but has {digest}; it was altered or damaged: "
            "install intspike again"
        )
    return lzma.decompress(packed).decode("ascii")
