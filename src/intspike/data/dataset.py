"""What a data set is, and how to take stratified parts of one. Nothing here is random without a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..fixed import half_up


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Labelled images.

    Attributes:
        images: uint8 [N, C, H, W], the codes as stored (0..255, unscaled).
        labels: int64 [N], indices into the data set's classes.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self):
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise BadInput(
                f"images must be uint8 of shape [N, C, H, W], but are {self.images.dtype} of shape "
                f"{list(self.images.shape)}; reshape or convert them"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise BadInput(
                f"labels must be int64 of shape [{len(self.images)}], one for each image, but are "
                f"{self.labels.dtype} of shape {list(self.labels.shape)}; give one label for each image"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Split({len(self):,} images of {list(self.images.shape[1:])})"

    def take(self, n: int) -> Split:
        """The first n images and labels, as views."""
        n = whole("n", n, 0, len(self))
        return Split(self.images[:n], self.labels[:n])

    def pick(self, index: NDArray[np.intp]) -> Split:
        """The images and labels at the given positions, copied, in the order given."""
        return Split(self.images[index], self.labels[index])


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three disjoint splits and what their labels mean.

    Attributes:
        train, validation, test: the splits; choices are made on validation, test is only reported.
        classes: the name of every label.
        source: one short sentence for people: where the images are from and how many there are.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    source: str


def subset(dataset: Dataset, train: int, validation: int, test: int) -> Dataset:
    """A smaller copy for quick runs: that many images of each split, in the proportions of its classes.

    The choice needs no seed: it takes the first images of every class, so a larger subset holds a smaller
    one, and the order of the images stays. Raises BadInput where a split has fewer images than asked for.
    """
    wanted = {"train": train, "validation": validation, "test": test}
    parts: dict[str, Split] = {}
    for name, n in wanted.items():
        split: Split = getattr(dataset, name)
        parts[name] = split.pick(stratified(split.labels, whole(name, n, 0, len(split))))
    counts = " + ".join(f"{len(part):,}" for part in parts.values())
    return replace(
        dataset, **parts, source=f"{dataset.source}; of these {counts} (training + validation + test)"
    )


def hold_out(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Divide a split into (rest, held out): disjoint, in the proportions of its classes, in their old order.

    The same fraction and seed always choose the same images. A fraction of 0 holds out nothing. Raises
    BadInput for a fraction outside 0 <= fraction < 1 and for one that rounds to none or to all images.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 <= fraction < 1:
        raise BadInput(f"validation must be a number with 0 <= validation < 1, but is {fraction!r}; try 0.1")
    seed = whole("seed", seed, 0)
    n = half_up(len(split) * fraction)
    if fraction > 0 and not 0 < n < len(split):
        raise BadInput(
            f"validation must leave an image on both sides, but {fraction} of {len(split)} training images "
            f"is {n}; give another fraction, or 0 for no validation split"
        )
    held = stratified(split.labels, n, seed)
    return split.pick(np.setdiff1d(np.arange(len(split)), held)), split.pick(held)


def stratified(labels: NDArray[np.integer], n: int, seed: int | None = None) -> NDArray[np.intp]:
    """Sorted positions of n labels, chosen in the proportions of the classes.

    Classes of equal size differ by at most one. With a seed the choice within a class is random, without
    one the first of each class are taken. Only PCG64's raw stream is used, which numpy promises to keep, so
    that a seed means the same images in every version of numpy.
    """
    order = np.arange(len(labels))
    if seed is not None:
        order = np.argsort(np.random.PCG64(seed).random_raw(len(labels)), kind="stable")
    shuffled = np.asarray(labels)[order]
    by_class = np.argsort(shuffled, kind="stable")
    _, first, size = np.unique(shuffled[by_class], return_index=True, return_counts=True)
    # How far into its class each label stands, in (0, 1): taking the lowest takes from all classes alike.
    depth = np.empty(len(order))
    depth[by_class] = (np.arange(len(order)) - np.repeat(first, size) + 0.5) / np.repeat(size, size)
    return np.sort(order[np.argsort(depth, kind="stable")[:n]])


def whole(name: str, value: int, low: int, high: int | None = None) -> int:
    """The value as a Python integer in low..high, or BadInput."""
    bounds = f"a whole number from {low}" + ("" if high is None else f" to {high}")
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise BadInput(f"{name} must be {bounds}, but is {value!r}; give an integer")
    if value < low or (high is not None and value > high):
        raise BadInput(f"{name} must be {bounds}, but is {value}; give one of these")
    return int(value)
