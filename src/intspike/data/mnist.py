"""MNIST: 28x28 grey images of handwritten digits (LeCun, Bottou, Bengio, Haffner 1998)."""

from __future__ import annotations

from pathlib import Path

from .dataset import Dataset, hold_out
from .idx_images import IdxImages, read_images

FILES = IdxImages(
    name="MNIST",
    npz="mnist.npz",
    classes=tuple("0123456789"),
    published="06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
    help="fetch the four files of MNIST and name their folder",
)


def mnist(path: Path | str, *, validation: float = 0.1, seed: int = 0) -> Dataset:
    """MNIST as a Dataset of static uint8 images [N, 1, 28, 28].

    Args:
        path: a folder with the four published idx files (gzipped or not) or with `mnist.npz`, or one of these files;
            the arrays of an npz file are those of `fashion_mnist`.
        validation, seed: the share of the training images that becomes the validation split, and which.

    Raises BadData for a missing, corrupt or otherwise unexpected file, BadInput for the other arguments.
    """
    train, test, source = read_images(Path(path), FILES)
    rest, held = hold_out(train, validation, seed)
    return Dataset(FILES.name, rest, held, test, FILES.classes, source)
