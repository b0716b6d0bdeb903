"""The networks and data sets that studies of images know by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from .. import models
from ..data import Dataset
from ..errors import BadInput, did_you_mean
from ..nn import Network
from . import custom
from .samples import READERS


@dataclass(frozen=True)
class Model:
    """A network of the study.

    Attributes:
        make: of (classes, channels, image, high).
        timesteps: T, unless the user says.
    """

    make: Callable[..., torch.nn.Module]
    timesteps: int


MODELS: Mapping[str, Model] = {
    "squat-fmnist": Model(models.squat_fmnist, 25),
    "spiking-cnn": Model(models.spiking_cnn, 10),
    "sew-resnet-8": Model(models.sew_resnet_8, 4),
    "sew-resnet-18": Model(models.sew_resnet_18, 4),
}
DATASETS: Mapping[str, tuple[str, bool]] = {  # its model, and whether its images are augmented
    "cifar10": ("sew-resnet-8", True),
    "cifar100": ("sew-resnet-18", True),
    "fashion-mnist": ("squat-fmnist", False),
    "mnist": ("spiking-cnn", False),
}


@dataclass(frozen=True)
class Where:
    """Where samples and model are found.

    Attributes:
        dataset: registered name.
        data: folder or file of the samples, module:function of the user's, or None.
        model: registered name, or module:function of the user's.
    """

    dataset: str
    data: str | None
    model: str


def find(study: str, dataset: str, model: str | None, data: str | None) -> Where:
    """Where samples and model of a study of images are found.

    Args:
        study: what an error calls it.
        model: None is the data set's own.

    Raises:
        BadInput: no such data set, and no function of the user's in its place.
    """
    own = custom.is_function(data)
    if not own and dataset not in DATASETS:
        raise BadInput(
            f"the {study} study has no data set {dataset!r}; {did_you_mean(dataset, DATASETS)}; or give --data "
            "module:function"
        )
    path = data if own or data is None else str(Path(data).resolve())
    return Where(dataset, path, model or DATASETS.get(dataset, DATASETS["fashion-mnist"])[0])


@lru_cache(maxsize=1)
def load(where: Where) -> Dataset:
    """The whole data set; a worker reads it once."""
    if where.data is not None and custom.is_function(where.data):
        return custom.user_data(where.data)
    if where.dataset not in DATASETS:
        raise BadInput(
            f"the drift study has no data set {where.dataset!r}; {did_you_mean(where.dataset, DATASETS)}; or give "
            "--data module:function"
        )
    return READERS[where.dataset](where.data)


def build(where: Where, dataset: Dataset) -> Network:
    """The network in full precision.

    Raises:
        BadInput: no such model, or data that are no images.
    """
    if custom.is_function(where.model):
        made = custom.user_model(where.model)
        return made if isinstance(made, Network) else Network(made)
    if where.model not in MODELS:
        raise BadInput(
            f"--model must be a network of the study or module:function, not {where.model!r}; "
            f"{did_you_mean(where.model, MODELS)}"
        )
    if len(dataset.frame) != 3 or dataset.frame[1] != dataset.frame[2]:
        raise BadInput(
            f"{where.model} reads square images [C, H, H], but samples of {dataset.name} are {list(dataset.frame)}; "
            "give --model module:function"
        )
    channels, image, _ = dataset.frame
    made = MODELS[where.model].make(
        classes=len(dataset.classes), channels=channels, image=image, high=dataset.high
    )
    return made if isinstance(made, Network) else Network(made)
