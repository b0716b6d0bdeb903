"""The data sets of the study, each with its network and defaults. A new one is a new entry."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from ... import models, train
from ...data import Dataset, Split
from ...data.dataset import hold_out, subset
from ...errors import BadInput, did_you_mean
from ...nn import Network
from ...train.losses import Loss
from ..samples import READERS, Reader
from . import custom


@dataclass(frozen=True)
class Task:
    """One data set of the study.

    Attributes:
        load: the data set, from the user's folder or file (None: what travels with intspike).
        model: its network in full precision, from the data set and beta.
        timesteps, test_timesteps: as in the paper, where its recordings are that long.
        beta, loss: defaults.
        paper: which data set of the paper stands beside it: "FMNIST", "SHD", "DVS" or "" for none.
        same: whether that is this very data set.
        low: lowest level of a state, in thresholds: where membranes go far below rest, it must be there.
    """

    load: Reader
    model: Callable[[Dataset], torch.nn.Module]
    timesteps: int
    test_timesteps: int
    beta: float
    loss: str
    paper: str = ""
    same: bool = False
    low: float = -1.0


def _dense(hidden: int) -> Callable[[Dataset], torch.nn.Module]:
    def model(d: Dataset) -> torch.nn.Module:
        return models.squat_shd(classes=len(d.classes), inputs=d.frame[0], hidden=hidden, high=d.high)

    return model


def _images(make: Callable[..., torch.nn.Module]) -> Callable[[Dataset], torch.nn.Module]:
    def model(d: Dataset) -> torch.nn.Module:
        return make(classes=len(d.classes), channels=d.frame[0], image=d.frame[1], high=d.high)

    return model


TASKS: Mapping[str, Task] = {
    "fashion-mnist": Task(
        READERS["fashion-mnist"], _images(models.squat_fmnist), 25, 25, 0.75, "counts", "FMNIST", same=True
    ),
    "delayed-match": Task(READERS["delayed-match"], _dense(100), 9, 9, 0.9, "counts"),
    "fashion-rows": Task(READERS["fashion-rows"], _dense(256), 28, 28, 0.9, "counts"),
    "spoken-digits": Task(
        READERS["spoken-digits"],
        _dense(1000),
        25,
        30,
        0.75,
        "counts",
        "SHD",
        low=-8.0,
    ),
    "events": Task(
        READERS["events"],
        _images(models.squat_dvs),
        25,
        30,
        0.75,
        "mse",
        "DVS",
        low=-4.0,
    ),
    "shd": Task(READERS["shd"], _dense(1000), 25, 30, 0.75, "counts", "SHD", same=True, low=-8.0),
    "dvs-gesture": Task(
        READERS["dvs-gesture"],
        _images(models.squat_dvs),
        25,
        150,
        0.75,
        "mse",
        "DVS",
        same=True,
        low=-4.0,
    ),
}

LOSSES: Mapping[str, Callable[[], Loss]] = {
    "counts": train.CountCrossEntropy,
    "steps": lambda: train.CountCrossEntropy("steps"),
    "mse": train.CountMSE,
}


def task_of(name: str) -> Task:
    """A registered data set.

    Raises:
        BadInput: there is none of that name.
    """
    if name not in TASKS:
        raise BadInput(
            f"the study has no data set {name!r}; {did_you_mean(name, TASKS)}; or give --data module:function"
        )
    return TASKS[name]


@dataclass(frozen=True)
class Where:
    """What a cell's numbers do not depend on, or say by a fingerprint: where samples and model are found.

    Attributes:
        dataset: registered name.
        data: folder of the samples, module:function of the user's, or None.
        model: module:function of the user's, or None.
    """

    dataset: str
    data: str | None = None
    model: str | None = None


@lru_cache(maxsize=1)
def load(where: Where) -> Dataset:
    """The whole data set; a worker reads (and encodes) it once."""
    if where.data is not None and custom.is_function(where.data):
        return custom.user_data(where.data)
    return task_of(where.dataset).load(where.data)


def split(dataset: Dataset, seed: int) -> Dataset:
    """The data set with another choice of as many validation samples; the test split stays as it is."""
    rest = _pooled(dataset.train, dataset.validation)
    if not len(dataset.validation):
        return dataset
    kept, validation = hold_out(rest, len(dataset.validation) / len(rest), seed)
    return replace(dataset, train=kept, validation=validation)


def build(where: Where, dataset: Dataset) -> Network:
    """The network in full precision, untrained."""
    made = (
        custom.user_model(where.model) if where.model is not None else task_of(where.dataset).model(dataset)
    )
    return made if isinstance(made, Network) else Network(made)


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
