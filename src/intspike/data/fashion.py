"""Fashion-MNIST: 28x28 grey images of clothes in ten classes (Xiao, Rasul, Vollgraf, arXiv:1708.07747).

Without a path it is the sample that travels with intspike; with one, the full set from the user's files.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import BadData, MissingDependency
from .dataset import Dataset, Split, hold_out
from .idx_images import IdxImages, read_images

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

FILES = IdxImages(
    name="Fashion-MNIST",
    npz="fashion_mnist.npz",
    classes=CLASSES,
    published="ca3ab2a37f845e1b8ae23cab1b51749a3011ba3bf1d9016176d75cbaabac376f",
    help="fetch them with intspike.data.get_fashion_mnist(), or leave the path out for the embedded sample",
)


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
        train, test, source = read_images(Path(path), FILES)
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
