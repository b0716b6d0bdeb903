"""CIFAR-10 and CIFAR-100: 32x32 colour images in 10 or 100 classes (Krizhevsky 2009).

A published binary record is one label (of CIFAR-100 two: coarse, then fine) and 3,072 bytes: 1,024 of red, of green, of
blue, row by row. The versions for Python are pickles, which can run code when they are read, so they are not read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadData, BadInput
from .checks import checked_labels, new_frames
from .cifar_names import CIFAR_10, CIFAR_100, CIFAR_100_COARSE
from .dataset import Dataset, Split, hold_out, stratified, whole
from .flat import read_flat
from .images import MAX_BYTES, SUFFIXES, decode, is_jpeg
from .readers import MAX_IMAGES, Array, npz_names, read_bytes, read_npz, reading

SIDE = 32
PIXELS = 3 * SIDE * SIDE
BYTES = ("|u1", "u1")
NAMES = tuple(f"<U{k}" for k in range(1, 33))  # element types of the classes' names


@dataclass(frozen=True)
class Files:
    """How one set is published.

    Attributes:
        name: of the set.
        classes: names of the labels that are read.
        binary: the files of each part in the binary version.
        labels: bytes of labels in a record; column: which of them is read.
        folder: that the binary archive unpacks to; archive: its name.
        pickled: names that only the version for Python has.
        npz: name of an npz file of JPEG images.
    """

    name: str
    classes: tuple[str, ...]
    binary: dict[str, tuple[str, ...]]
    labels: int
    column: int
    folder: str
    archive: str
    pickled: tuple[str, ...]
    npz: str

    @property
    def forms(self) -> str:
        """What a folder may hold, for errors."""
        names = ", ".join(f for files in self.binary.values() for f in files)
        return f"{names}; or train/CLASS/ and test/CLASS/ with PNG or JPEG images; or {self.npz}"


def cifar10(path: Path | str, *, limit: int | None = None, validation: float = 0.1, seed: int = 0) -> Dataset:
    """CIFAR-10 as a Dataset of static uint8 images [N, 3, 32, 32].

    Args:
        path: a folder with the files of the binary version (`data_batch_1.bin` .. `data_batch_5.bin` and
            `test_batch.bin`), or with folders `train/CLASS` and `test/CLASS` of PNG or JPEG images; or an npz file
            with, for train and test, JPEG files end to end (`train_jpeg`), `train_offsets` and `train_labels`.
        limit: at most so many images of each of the two parts, in the proportions of the classes; others are not
            decoded.
        validation, seed: the share of the training images that becomes the validation split, and which.

    JPEG is lossy, so a set read from it is called "CIFAR-10 (JPEG)".

    Raises BadData for missing, corrupt or otherwise unexpected files, BadInput for the other arguments, and
    MissingDependency where images need Pillow.
    """
    known = Files(
        "CIFAR-10", CIFAR_10,
        {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)},
        1, 0, "cifar-10-batches-bin", "cifar-10-binary.tar.gz",
        ("data_batch_1", "batches.meta", "cifar-10-batches-py", "cifar-10-python.tar.gz"), "cifar10_jpeg.npz",
    )  # fmt: skip
    return _dataset(Path(path), known, limit, validation, seed)


def cifar100(
    path: Path | str,
    *,
    labels: Literal["fine", "coarse"] = "fine",
    limit: int | None = None,
    validation: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """CIFAR-100 as a Dataset of static uint8 images [N, 3, 32, 32].

    Args:
        path: as for `cifar10`; the files of the binary version are `train.bin` and `test.bin`.
        labels: "fine", the 100 classes, or "coarse", the 20 groups of five.
        limit, validation, seed: as for `cifar10`.
    """
    if labels not in ("fine", "coarse"):
        raise BadInput(f"labels must be 'fine' (100 classes) or 'coarse' (20), not {labels!r}")
    fine = labels == "fine"
    known = Files(
        "CIFAR-100" if fine else "CIFAR-100 (20 coarse classes)",
        CIFAR_100 if fine else CIFAR_100_COARSE,
        {"train": ("train.bin",), "test": ("test.bin",)},
        2, int(fine), "cifar-100-binary", "cifar-100-binary.tar.gz",
        ("train", "test", "meta", "cifar-100-python", "cifar-100-python.tar.gz"), "cifar100_jpeg.npz",
    )  # fmt: skip
    return _dataset(Path(path), known, limit, validation, seed)


def _dataset(path: Path, known: Files, limit: int | None, validation: float, seed: int) -> Dataset:
    limit = MAX_IMAGES if limit is None else whole("limit", limit, 1)
    with reading(path, "a folder or file"):
        read = _reader(path, known, limit)
        train, lossy = read("train")
        test, lossy_test = read("test")
    rest, held = hold_out(train, validation, seed)
    name = f"{known.name} (JPEG)" if lossy or lossy_test else known.name
    source = f"{name}, files of the user, {len(train):,} + {len(test):,} images"
    return Dataset(name, rest, held, test, known.classes, source)


def _reader(path: Path, known: Files, limit: int) -> Callable[[str], tuple[Split, bool]]:
    """What reads a part of the form that is there, and says whether it was lossy."""
    if path.is_file() and path.suffix == ".npz":
        return lambda part: _from_npz(path, part, known, limit)
    if path.is_dir():
        for folder in (path, path / known.folder):
            there = [(folder / f).is_file() for files in known.binary.values() for f in files]
            if any(there):
                return lambda part: (_from_binary(folder, part, known, limit), False)
        if any((path / part).is_dir() for part in ("train", "test")):
            return lambda part: _from_images(path / part, known, limit)
        if (path / known.npz).is_file():
            return lambda part: _from_npz(path / known.npz, part, known, limit)
    pickled = [p for p in (path, *(path / n for n in known.pickled)) if _is_pickled(p, known)]
    if pickled:
        raise BadData(
            f"{pickled[0]} is of the version for Python, which is pickled and could run code when it is read; get the "
            f"binary version, {known.archive}, unpack it and name its folder"
        )
    if not path.exists():
        raise BadData(f"{path} must be a folder or file with {known.name}, but does not exist")
    raise BadData(f"{path} must hold {known.forms}; it holds none of them: get {known.archive} and unpack it")


def _is_pickled(path: Path, known: Files) -> bool:
    return path.name in known.pickled and (
        path.is_file() or (path.is_dir() and path.name.startswith("cifar"))
    )


def _from_binary(folder: Path, part: str, known: Files, limit: int) -> Split:
    record = known.labels + PIXELS
    files = [folder / f for f in known.binary[part]]
    if missing := [f.name for f in files if not f.is_file()]:
        raise BadData(f"{folder} must hold {', '.join(missing)} as well; get {known.archive} again")
    parts: list[NDArray[np.uint8]] = []
    for file in files:
        content = read_bytes(file, f"a file of {known.name}", MAX_IMAGES * record)
        if len(content) % record or not content:
            raise BadData(
                f"{file} must have {record:,} bytes an image, but its {len(content):,} bytes are no multiple of that; "
                f"it is truncated, or of another set: get {known.archive} again"
            )
        rows = np.frombuffer(content, np.uint8).reshape(-1, record)
        checked_labels(str(file), rows[:, known.column], len(known.classes), len(rows))
        parts.append(rows)
    rows = np.concatenate(parts)
    labels = rows[:, known.column].astype(np.int64)
    chosen = stratified(labels, min(limit, len(labels)))
    images = np.ascontiguousarray(rows[chosen, known.labels :]).reshape(-1, 3, SIDE, SIDE)
    return Split(images, labels[chosen])


def _from_images(folder: Path, known: Files, limit: int) -> tuple[Split, bool]:
    found = {p.name for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else set[str]()
    if found != set(known.classes):
        missing, more = sorted(set(known.classes) - found), sorted(found - set(known.classes))
        raise BadData(
            f"{folder} must hold one folder a class, named as {known.name} names it, but misses "
            f"{', '.join(missing[:5]) or 'none'} and holds {', '.join(more[:5]) or 'no others'}; rename them"
        )
    files = [
        (file, label)
        for label, name in enumerate(known.classes)
        for file in sorted((folder / name).iterdir())
        if file.suffix.lower() in SUFFIXES
    ]
    if not 0 < len(files) <= MAX_IMAGES:
        raise BadData(
            f"{folder} must hold 1 to {MAX_IMAGES:,} images in {', '.join(SUFFIXES)}, but holds {len(files):,}"
        )

    def read(i: int) -> tuple[bytes, str]:
        return read_bytes(files[i][0], "an image", MAX_BYTES), str(files[i][0])

    return _decoded(read, np.array([label for _, label in files], np.int64), limit)


def _from_npz(path: Path, part: str, known: Files, limit: int) -> tuple[Split, bool]:
    flat = read_flat(path, part, {"jpeg": BYTES}, len(known.classes))
    if "classes" in npz_names(path):
        names = tuple(read_npz(path, {"classes": Array(types=NAMES)})["classes"].tolist())
        if names != known.classes:
            raise BadData(
                f"array classes in {path} must be {', '.join(known.classes)[:80]}.., but is {', '.join(names)[:80]}; "
                "number the labels so"
            )

    def read(i: int) -> tuple[bytes, str]:
        return flat.sample(i)["jpeg"].tobytes(), f"image {i} of {part} in {path}"

    return _decoded(read, flat.labels, limit)


def _decoded(
    read: Callable[[int], tuple[bytes, str]], labels: NDArray[np.int64], limit: int
) -> tuple[Split, bool]:
    """The chosen images, and whether any was stored with losses."""
    chosen = stratified(labels, min(limit, len(labels)))
    images, lossy = new_frames(len(chosen), (3, SIDE, SIDE)), False
    for target, i in zip(images, chosen.tolist(), strict=True):
        content, where = read(i)
        target[:] = decode(content, where, (SIDE, SIDE))
        lossy |= is_jpeg(content)
    return Split(images, labels[chosen]), lossy
