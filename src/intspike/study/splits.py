"""Which samples of a data set a cell is trained and tested on."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from ..data import Dataset, Split
from ..data.dataset import hold_out, subset
from ..errors import BadInput


def split(dataset: Dataset, seed: int) -> Dataset:
    """The data set with another choice of as many validation samples; the test split stays as it is."""
    rest = _pooled(dataset.train, dataset.validation)
    if not len(dataset.validation):
        return dataset
    kept, validation = hold_out(rest, len(dataset.validation) / len(rest), seed)
    return replace(dataset, train=kept, validation=validation)


def fingerprint(dataset: Dataset) -> str:
    """A hash of all samples and labels, wherever they were read from and however they are split."""
    pool = _pooled(dataset.train, dataset.validation, dataset.test)
    rows = np.ascontiguousarray(pool.inputs).reshape(len(pool), -1)
    each = sorted(
        hashlib.sha256(r.tobytes() + k.tobytes()).digest() for r, k in zip(rows, pool.labels, strict=True)
    )
    shape = f"{pool.inputs.shape} {pool.timed} {dataset.classes}"
    return hashlib.sha256(shape.encode() + b"".join(each)).hexdigest()[:12]


def _pooled(*parts: Split) -> Split:
    return replace(
        parts[0],
        inputs=np.concatenate([p.inputs for p in parts]),
        labels=np.concatenate([p.labels for p in parts]),
    )


def fold(dataset: Dataset, folds: int, index: int, seed: int) -> Dataset:
    """The data set with fold `index` of `folds` as its test split; a tenth of the rest is for validation.

    The samples of all splits are pooled and dealt to the folds class by class, always alike, so that each sample is
    tested exactly once over all folds.
    """
    pool = _pooled(dataset.train, dataset.validation, dataset.test)
    if not 2 <= folds <= len(pool):
        raise BadInput(f"--folds must be in 2..{len(pool)}, the samples of {dataset.name}, not {folds}")
    shuffled = np.argsort(np.random.PCG64(0).random_raw(len(pool)), kind="stable")
    by_class = shuffled[np.argsort(pool.labels[shuffled], kind="stable")]
    mine = np.zeros(len(pool), bool)
    mine[by_class[index % folds :: folds]] = True
    rest, validation = hold_out(pool.pick(np.flatnonzero(~mine)), 0.1, seed)
    source = f"{dataset.source}; pooled and cross-validated in {folds} folds"
    return replace(
        dataset, train=rest, validation=validation, test=pool.pick(np.flatnonzero(mine)), source=source
    )


def few(dataset: Dataset, samples: int) -> Dataset:
    """So many training samples, at most a quarter as many for validation, and at most as many for the test."""
    if not 1 <= samples <= len(dataset.train):
        raise BadInput(
            f"--subset must be in 1..{len(dataset.train)}, the training samples of {dataset.name}, not {samples}"
        )
    return subset(
        dataset, samples, min(len(dataset.validation), max(1, samples // 4)), min(len(dataset.test), samples)
    )
