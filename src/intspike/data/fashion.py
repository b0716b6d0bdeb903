"""Fashion-MNIST: 28x28 grey images of clothes in ten classes (Xiao, Rasul, Vollgraf, arXiv:1708.07747).

Without a path it is the sample that travels with intspike; with one, the full set from the user's files.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import BadData, MissingDependency
from .dataset import Dataset, Split, hold_out
from .readers import Shape, read_idx, read_npz, reading

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

# Made by tools/make_fashion_mnist_sample.py, which says what is in it and prints this checksum.
SAMPLE = Path(__file__).parent / "samples" / "fashion_mnist_sample.npy.xz"
SAMPLE_SHA256 = "0ebbbba546a2bbbedeb841e485ef4fedc6777c999010f69b48e9b86304f87c9a"
SAMPLE_TRAIN = 1000  # images of each class; those behind them are the test images

ARRAYS: dict[str, Shape] = {  # in this order they are what PUBLISHED_SHA256 is the checksum of
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
NPZ_NAME = "fashion_mnist.npz"

# Of the values of the full set. MNIST has the same file names and shapes, so only this tells them apart.
PUBLISHED_SHA256 = "ca3ab2a37f845e1b8ae23cab1b51749a3011ba3bf1d9016176d75cbaabac376f"

HELP = "fetch them with intspike.data.get_fashion_mnist(), or leave the path out for the embedded sample"


def fashion_mnist(path: Path | str | None = None, *, validation: float = 0.1, seed: int = 0) -> Dataset:
    """Fashion-MNIST as a Dataset of uint8 images [N, 1, 28, 28].

    Args:
        path: None for the embedded sample (10,000 training and 2,000 test images, all classes equally
            often). Otherwise a folder with the four published files (`train-images-idx3-ubyte` and so on,
            gzipped or not) or with `fashion_mnist.npz`; or one of these files itself. An npz file holds
            uint8 arrays train_images [N, 28, 28], train_labels [N], test_images and test_labels.
        validation: the fraction of the training images that becomes the validation split, in the
            proportions of the classes. The test split is never touched.
        seed: chooses which; the same seed gives the same split.

    Raises BadData for a missing, corrupt or otherwise unexpected file, BadInput for the other arguments.
    """
    if path is None:
        train, test = embedded_sample()
        source = f"embedded sample, {len(train):,} + {len(test):,} images"
    else:
        train, test, source = full_set(Path(path))
    rest, held = hold_out(train, validation, seed)
    return Dataset("Fashion-MNIST", rest, held, test, CLASSES, source)


def embedded_sample() -> tuple[Split, Split]:
    """The training and test images of the embedded sample; classes alternate, so the first n are balanced."""
    try:
        import lzma
    except ImportError as error:  # Python can be built without liblzma
        raise MissingDependency(
            "the embedded sample needs the module lzma of Python, but this Python was built without it; "
            "install another Python, or give the full set: --data DIR, or fashion_mnist(DIR)"
        ) from error
    try:
        packed = SAMPLE.read_bytes()
    except OSError as error:
        raise BadData(f"{SAMPLE} must be readable, but {error}; install intspike again") from error
    digest = hashlib.sha256(packed).hexdigest()
    if digest != SAMPLE_SHA256:
        raise BadData(
            f"{SAMPLE} must have the SHA-256 checksum {SAMPLE_SHA256}, but has {digest}; it was altered or "
            f"damaged: install intspike again"
        )
    stored = np.load(io.BytesIO(lzma.decompress(packed)), allow_pickle=False)
    images = stored.swapaxes(-1, -2)  # columns are stored first, which packs better: [class, n, row, column]
    return alternate(images[:, :SAMPLE_TRAIN]), alternate(images[:, SAMPLE_TRAIN:])


def alternate(images: NDArray[np.uint8]) -> Split:
    """Images [class, n, 28, 28] as a split whose labels run 0, 1, .., 9, 0, 1, .."""
    classes, n = images.shape[:2]
    order = np.ascontiguousarray(images.swapaxes(0, 1)).reshape(n * classes, 1, 28, 28)
    return Split(order, np.tile(np.arange(classes, dtype=np.int64), n))


def full_set(path: Path) -> tuple[Split, Split, str]:
    """Training split, test split and source sentence from the user's files."""
    with reading(path, "a folder or file"):
        files = find(path)
    if isinstance(files, Path):
        arrays, where = read_npz(files, ARRAYS), {name: f"array {name} in {files}" for name in ARRAYS}
    else:
        arrays = {name: read_idx(files[name], shape) for name, shape in ARRAYS.items()}
        where = {name: str(file) for name, file in files.items()}
    train, test = (checked(arrays, where, part) for part in ("train", "test"))
    digest = hashlib.sha256()
    for name in ARRAYS:
        digest.update(arrays[name].data)
    counts = f"{len(train):,} + {len(test):,} images"
    if digest.hexdigest() == PUBLISHED_SHA256:
        return train, test, f"the published full set, {counts}"
    return train, test, f"files of the user that are not the published set, {counts}"


def find(path: Path) -> Path | dict[str, Path]:
    """The npz file, or the four idx files, that a path means."""
    known = {name + end for name in IDX_NAMES.values() for end in ("", ".gz")}
    if path.is_file():
        if path.name not in known:
            if path.suffix == ".npz" or zipfile.is_zipfile(path):
                return path
            raise BadData(
                f"{path} must be an npz file or one of {', '.join(IDX_NAMES.values())} (or these with .gz), "
                f"but its name and content are neither; rename it, or give the folder that holds the files"
            )
        path = path.parent  # one idx file stands for the four of its folder
    if not path.is_dir():
        raise BadData(f"{path} must be a folder or a file with Fashion-MNIST, but does not exist; {HELP}")
    files = {
        name: file
        for name, idx in IDX_NAMES.items()
        for file in (path / f"{idx}.gz", path / idx)  # the last one found is kept: unpacked wins
        if file.is_file()
    }
    if len(files) == len(IDX_NAMES):
        return files
    if (path / NPZ_NAME).is_file():
        return path / NPZ_NAME
    missing = ", ".join(idx for name, idx in IDX_NAMES.items() if name not in files)
    raise BadData(
        f"folder {path} must hold {', '.join(IDX_NAMES.values())} (each may end in .gz) or {NPZ_NAME}, but "
        f"these are missing: {missing}; {HELP}"
    )


def checked(arrays: dict[str, NDArray[np.uint8]], where: dict[str, str], part: str) -> Split:
    """One split of arrays as read, with one label in 0..9 for every image."""
    images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
    if len(images) != len(labels):
        raise BadData(
            f"{where[f'{part}_labels']} must hold one label for each of the {len(images):,} images, but holds "
            f"{len(labels):,}; take images and labels from the same source"
        )
    wrong = np.flatnonzero(labels >= len(CLASSES))
    if len(wrong):
        raise BadData(
            f"{where[f'{part}_labels']} must hold labels 0 to 9, but holds {labels[wrong[0]]} at position "
            f"{wrong[0]} ({len(wrong):,} such labels); give the file as published"
        )
    return Split(images[:, None], labels.astype(np.int64))
