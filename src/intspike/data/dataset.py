"""What a data set is, and how to take stratified parts of one. Nothing here is random without a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..encode.checks import whole
from ..errors import BadInput
from ..fixed import half_up


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Labelled inputs, either static (one frame a sample) or timed (a frame for every timestep).

    A frame is an image [C, H, W] or a vector of features [F].

    Attributes:
        inputs: uint8 codes as stored, unscaled: [N, ...] static, [N, T, ...] timed (spikes, or events counted in
            each bin of time).
        labels: int64 [N], indices into the data set's classes, from 0.
        timed: whether the second axis is time.

    Raises:
        BadInput: no numpy arrays, other types or shapes, or a label below 0.
    """

    inputs: NDArray[np.uint8]
    labels: NDArray[np.int64]
    timed: bool = False

    def __post_init__(self):
        for name, given in (("inputs", self.inputs), ("labels", self.labels)):
            if not isinstance(given, np.ndarray):  # pyright: ignore[reportUnnecessaryIsInstance]
                repair = f"{name}.numpy()" if hasattr(given, "numpy") else f"np.array({name})"
                raise BadInput(
                    f"{name} must be numpy arrays, but are a {type(given).__module__.partition('.')[0]} "
                    f"{type(given).__name__}; give {repair}"
                )
        lead = 2 if self.timed else 1
        if self.inputs.dtype != np.uint8 or self.inputs.ndim - lead not in (1, 3):
            wanted = "[N, T, F] or [N, T, C, H, W]" if self.timed else "[N, F] or [N, C, H, W]"
            raise BadInput(
                f"{'timed' if self.timed else 'static'} inputs must be uint8 of shape {wanted}, but are "
                f"{self.inputs.dtype} of shape {list(self.inputs.shape)}; reshape or convert them "
                f"(images of one channel: x[{':, ' * lead}None]), or say timed={not self.timed}"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.inputs.shape[:1]:
            raise BadInput(
                f"labels must be int64 of shape [{len(self.inputs)}], one for each sample, but are "
                f"{self.labels.dtype} of shape {list(self.labels.shape)}; give one label for each sample"
            )
        if self.labels.min(initial=0) < 0:
            at = int(self.labels.argmin())
            raise BadInput(
                f"labels must be at least 0, indices into the classes, but the label of sample {at} is "
                f"{self.labels[at]}; count classes from 0"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        time = f"{self.timesteps} timesteps of " if self.timed else ""
        return f"Split({len(self):,} samples of {time}{list(self.frame)})"

    @property
    def frame(self) -> tuple[int, ...]:
        """Shape of what a network sees at one timestep: (C, H, W) or (F,)."""
        return self.inputs.shape[2:] if self.timed else self.inputs.shape[1:]

    @property
    def timesteps(self) -> int | None:
        """How many timesteps are recorded; None for static inputs, which have no end."""
        return self.inputs.shape[1] if self.timed else None

    def take(self, n: int) -> Split:
        """The first n inputs and labels, as views."""
        n = whole("n", n, 0, len(self))
        return replace(self, inputs=self.inputs[:n], labels=self.labels[:n])

    def pick(self, index: NDArray[np.intp]) -> Split:
        """The inputs and labels at the given positions, copied, in the order given."""
        return replace(self, inputs=self.inputs[index], labels=self.labels[index])

    def batch(self, index: NDArray[np.intp], timesteps: int) -> NDArray[np.uint8]:
        """Inputs [T, B, ...] of the samples at the given positions, for so many timesteps: what a network runs on.

        Static inputs repeat: time has stride 0, by which everything that runs knows them as static. Timed inputs
        give their first timesteps; behind their end is silence (zeros).
        """
        timesteps = whole("timesteps", timesteps, 1)
        picked = self.inputs[index]
        if not self.timed:
            return np.lib.stride_tricks.as_strided(picked, (timesteps, *picked.shape), (0, *picked.strides))
        made = np.zeros((timesteps, len(picked), *self.frame), np.uint8)
        recorded = min(timesteps, self.inputs.shape[1])
        made[:recorded] = picked[:, :recorded].swapaxes(0, 1)
        return made


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three disjoint splits and what their labels mean.

    Attributes:
        train, validation, test: the splits; choices are made on validation, test is only reported.
        classes: the name of every label; labels are below their number.
        source: one short sentence for people: where the samples are from and how many there are.
        high: the largest code that an input may hold, which `nn.Input` must be told: 255 for images, 1 for spikes.
        labelled: whether labels are classes; else they number the samples, for a loss that looks up what it needs.

    Raises:
        BadInput: splits that are not alike, an input above high, or a label that is no class.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    source: str
    high: int = 255
    labelled: bool = True

    def __post_init__(self):
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        whole("high", self.high, 1, 255)
        for name, part in parts.items():
            if (part.timed, part.frame) != (self.timed, self.frame):
                raise BadInput(
                    f"all splits of a data set must be alike, but train is {self.train} and {name} is {part}; give "
                    "frames of one shape, all timed or all static"
                )
            if self.high < 255 and part.inputs.max(initial=0) > self.high:
                raise BadInput(
                    f"inputs must be in 0..{self.high} as high says, but {name} holds {part.inputs.max()}; raise "
                    "high, or clip the inputs"
                )
            if self.labelled and part.labels.max(initial=-1) >= len(self.classes):
                at = int(part.labels.argmax())
                raise BadInput(
                    f"labels must be below {len(self.classes)}, the number of classes, but the label of sample {at} in "
                    f"{name} is {part.labels[at]}; name every class, count labels from 0, or say labelled=False"
                )

    @property
    def timed(self) -> bool:
        """Whether samples have time of their own."""
        return self.train.timed

    @property
    def frame(self) -> tuple[int, ...]:
        """Shape of what a network sees at one timestep: (C, H, W) or (F,)."""
        return self.train.frame


def subset(dataset: Dataset, train: int, validation: int, test: int) -> Dataset:
    """A smaller copy for quick runs: that many samples of each split, in the proportions of its classes.

    The choice needs no seed: it takes the first samples of every class, so a larger subset holds a smaller
    one, and their order stays. Raises BadInput where a split has fewer samples than asked for.
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

    The same fraction and seed always choose the same samples. A fraction of 0 holds out nothing. Raises
    BadInput for a fraction outside 0 <= fraction < 1 and for one that rounds to none or to all samples.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 <= fraction < 1:
        raise BadInput(f"validation must be a number with 0 <= validation < 1, but is {fraction!r}; try 0.1")
    seed = whole("seed", seed, 0)
    n = half_up(len(split) * fraction)
    if fraction > 0 and not 0 < n < len(split):
        raise BadInput(
            f"validation must leave a sample on both sides, but {fraction} of {len(split)} training samples "
            f"is {n}; give another fraction, or 0 for no validation split"
        )
    held = stratified(split.labels, n, seed)
    return split.pick(np.setdiff1d(np.arange(len(split)), held)), split.pick(held)


def stratified(labels: NDArray[np.integer], n: int, seed: int | None = None) -> NDArray[np.intp]:
    """Sorted positions of n labels, chosen in the proportions of the classes.

    Classes of equal size differ by at most one. With a seed the choice within a class is random, without
    one the first of each class are taken. Only PCG64's raw stream is used, which numpy promises to keep, so
    that a seed means the same samples in every version of numpy.
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
