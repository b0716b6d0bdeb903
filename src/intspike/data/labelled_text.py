"""Labelled texts: folders of text files, whose names are classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..encode.checks import whole
from ..errors import BadData
from .dataset import Dataset, hold_out
from .text import Unit, one_hot, read_units, tokens_of, vocabulary_of


def text_folders(
    path: Path | str,
    *,
    length: int = 64,
    unit: Unit = "character",
    encoding: str = "utf-8",
    vocabulary: Sequence[str] | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Labelled texts: a folder of folders, each named after its class, of text files, one a sample.

    Where the folder holds `train` and `test`, the classes are in them; else a share of all files becomes the test
    split.
    Inputs are spikes [N, T, V]: token t of a sample on its channel at timestep t; behind a shorter text is silence.

    Args:
        length: T; of longer texts the beginning.
        unit, encoding, vocabulary: as in `read_text`; one vocabulary for all files.
        validation, test: shares, in the proportions of the classes; `test` is unused where there is a test folder.
        seed: chooses which.

    Raises:
        BadData: no folder, no classes, classes that differ between the splits, or a file that cannot be read.
        BadInput: the other arguments, or a token that a given vocabulary lacks.
    """
    root, length = Path(path), whole("length", length, 1, 1 << 16)
    found, own = _parts(root)
    classes = tuple(found[0])
    for other in found[1:]:
        if tuple(other) != classes:
            raise BadData(
                f"{root} must have the same classes in train and test, not {', '.join(classes)} and {', '.join(other)}"
            )
    texts = [_texts(part, unit, encoding) for part in found]
    labels = [np.repeat(np.arange(len(classes)), [len(files) for files in part.values()]) for part in found]
    known = (
        tuple(vocabulary)
        if vocabulary is not None
        else vocabulary_of((t for part in texts for t, _ in part), unit)
    )
    splits = [
        one_hot([tokens_of(t, known, unit, str(f)) for t, f in part], k.astype(np.int64), len(known), length)
        for part, k in zip(texts, labels, strict=True)
    ]
    rest, held = splits if own else hold_out(splits[0], test, seed)
    kept, chosen = hold_out(rest, validation, seed)
    source = f"{len(rest):,} + {len(held):,} texts of {root.name}, the first {length} {unit}s of each"
    return Dataset("labelled texts", kept, chosen, held, classes, source, high=1)


def folder_vocabulary(
    path: Path | str, *, unit: Unit = "character", encoding: str = "utf-8"
) -> tuple[str, ...]:
    """What each token of `text_folders` is, in order, where it is given no vocabulary.

    Raises:
        BadData, BadInput: as `text_folders`.
    """
    found, _ = _parts(Path(path))
    return vocabulary_of([t for part in found for t, _ in _texts(part, unit, encoding)], unit)


def _parts(root: Path) -> tuple[list[dict[str, list[Path]]], bool]:
    """Files by class, of train and of test where the folder holds these, else of all; and whether it holds them."""
    own = all((root / part).is_dir() for part in ("train", "test"))
    return [_labelled(root / part) for part in ("train", "test")] if own else [_labelled(root)], own


def _texts(part: dict[str, list[Path]], unit: Unit, encoding: str) -> list[tuple[str, Path]]:
    return [(read_units(f, unit, encoding), f) for files in part.values() for f in files]


def _labelled(folder: Path) -> dict[str, list[Path]]:
    """Files by class, both in the order of their names."""
    if not folder.is_dir():
        raise BadData(f"{folder} must be a folder of folders of texts, but is none; give another")
    made = {
        d.name: sorted(f for f in d.iterdir() if f.is_file() and not f.name.startswith("."))
        for d in sorted(folder.iterdir())
        if d.is_dir() and not d.name.startswith(".")
    }
    empty = [name for name, files in made.items() if not files]
    if len(made) < 2 or empty:
        raise BadData(
            f"{folder} must hold at least two folders of text files, named after their classes, but holds "
            f"{', '.join(made) or 'none'}{f', of which {empty[0]} is empty' if empty else ''}"
        )
    return made
