"""The data sets of the study, each with its network and defaults. A new one is a new entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch

from ... import models, train
from ...data import Dataset
from ...errors import BadInput, did_you_mean
from ...nn import Network
from ...train.losses import Loss
from .. import custom
from ..samples import READERS, Reader


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


def build(where: Where, dataset: Dataset) -> Network:
    """The network in full precision, untrained."""
    made = (
        custom.user_model(where.model) if where.model is not None else task_of(where.dataset).model(dataset)
    )
    return made if isinstance(made, Network) else Network(made)
