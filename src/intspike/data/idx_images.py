"""Image sets in the files of MNIST: four idx files in a folder, or the same arrays in one npz file."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import BadData
from .checks import checked_labels
from .dataset import Split
from .readers import Array, Shape, read_idx, read_npz, reading

ARRAYS: dict[str, Shape] = {  # in this order they are what `published` is the checksum of
    "train_images": (None, 28, 28),
    "train_labels": (None,),
    "test_images": (None, 28, 28),
    "test_labels": (None,),
}
IDX_NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


@dataclass(frozen=True)
class IdxImages:
    """A set whose files have these names and shapes.

    Attributes:
        name: of the set; npz: of its npz file.
        published: SHA-256 of the values as published. MNIST and Fashion-MNIST have the same file names and shapes, so
            only this tells them apart.
        help: where the files come from, for errors.
    """

    name: str
    npz: str
    classes: tuple[str, ...]
    published: str
    help: str


def read_images(path: Path, known: IdxImages) -> tuple[Split, Split, str]:
    """Training split, test split and source sentence from the user's files."""
    arrays, where = read_arrays(path, known)
    train, test = (checked(arrays, where, part, len(known.classes)) for part in ("train", "test"))
    counts = f"{len(train):,} + {len(test):,} images"
    if checksum(arrays) == known.published:
        return train, test, f"the published full set, {counts}"
    return train, test, f"files of the user that are not the published set, {counts}"


def read_arrays(path: Path, known: IdxImages) -> tuple[dict[str, NDArray[np.uint8]], dict[str, str]]:
    """The four arrays, and for each a phrase that says where it is from."""
    with reading(path, "a folder or file"):
        files = find(path, known)
    if isinstance(files, Path):
        arrays = read_npz(files, {name: Array(shape) for name, shape in ARRAYS.items()})
        return arrays, {name: f"array {name} in {files}" for name in ARRAYS}
    arrays = {name: read_idx(files[name], shape) for name, shape in ARRAYS.items()}
    return arrays, {name: str(file) for name, file in files.items()}


def checksum(arrays: dict[str, NDArray[np.uint8]]) -> str:
    """SHA-256 of the values, whatever file they were in."""
    digest = hashlib.sha256()
    for name in ARRAYS:
        digest.update(arrays[name].data)
    return digest.hexdigest()


def find(path: Path, known: IdxImages) -> Path | dict[str, Path]:
    """The npz file, or the four idx files, that a path means."""
    names = {name + end for name in IDX_NAMES.values() for end in ("", ".gz")}
    if path.is_file():
        if path.name not in names:
            if path.suffix == ".npz" or zipfile.is_zipfile(path):
                return path
            raise BadData(
                f"{path} must be an npz file or one of {', '.join(IDX_NAMES.values())} (or these with .gz), "
                f"but its name and content are neither; rename it, or give the folder that holds the files"
            )
        path = path.parent  # one idx file stands for the four of its folder
    if not path.is_dir():
        raise BadData(
            f"{path} must be a folder or a file with {known.name}, but does not exist; {known.help}"
        )
    files = {
        name: file
        for name, idx in IDX_NAMES.items()
        for file in (path / f"{idx}.gz", path / idx)  # the last one found is kept: unpacked wins
        if file.is_file()
    }
    if len(files) == len(IDX_NAMES):
        return files
    if (path / known.npz).is_file():
        return path / known.npz
    missing = ", ".join(idx for name, idx in IDX_NAMES.items() if name not in files)
    raise BadData(
        f"folder {path} must hold {', '.join(IDX_NAMES.values())} (each may end in .gz) or {known.npz}, but "
        f"these are missing: {missing}; {known.help}"
    )


def checked(arrays: dict[str, NDArray[np.uint8]], where: dict[str, str], part: str, classes: int) -> Split:
    """One split of arrays as read, with one label in 0..classes - 1 for every image."""
    images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
    return Split(images[:, None], checked_labels(where[f"{part}_labels"], labels, classes, len(images)))
