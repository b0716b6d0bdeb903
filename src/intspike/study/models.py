"""The networks and data sets that studies know by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TypedDict

import torch

from .. import models
from ..data import Augment, Dataset, read_text, shakespeare, text_windows
from ..data.readers import npz_names
from ..errors import BadInput, did_you_mean
from ..nn import Network
from . import custom
from .samples import READERS
from .splits import few, fingerprint

LANGUAGE = "language"  # windows of a text, whose tokens are predicted
CONTEXT = 64  # tokens of a window


@dataclass(frozen=True)
class Model:
    """A network of the study.

    Attributes:
        make: of (classes, channels, image, high), or of (classes, inputs, high) where it reads vectors.
        timesteps: T, unless data set or user say.
        vectors: whether frames are [N], not [C, H, H].
    """

    make: Callable[..., torch.nn.Module]
    timesteps: int
    vectors: bool = False

    def fitted(self, name: str, frame: tuple[int, ...], source: str, **more: int) -> torch.nn.Module:
        """The network for frames of a shape.

        Args:
            name, source: what an error calls the network, and where the frames come from.
            more: classes and the largest code, where they are not the network's own.

        Raises:
            BadInput: it reads other frames.
        """
        if self.vectors and len(frame) == 1:
            return self.make(inputs=frame[0], **more)
        if not self.vectors and len(frame) == 3 and frame[1] == frame[2]:
            return self.make(channels=frame[0], image=frame[1], **more)
        shape = ",".join(map(str, frame))
        raise BadInput(
            f"{name} reads {'vectors N' if self.vectors else 'square images C,H,H'}, not {shape}; {source}"
        )


@dataclass(frozen=True)
class Known:
    """A data set of the studies.

    Attributes:
        model: its network, unless the user says.
        augmented: whether its images are augmented in training, unless the user says.
        augment: how; mirrored digits are no digits.
        timesteps: T, where that is not for the network to say.
        labelled: whether samples have classes; only the neuron study takes others.
    """

    model: str
    augmented: bool = False
    timesteps: int | None = None
    augment: Augment = Augment()
    labelled: bool = True


MODELS: Mapping[str, Model] = {
    "squat-fmnist": Model(models.squat_fmnist, 25),
    "spiking-cnn": Model(models.spiking_cnn, 10),
    "spiking-cnn-if": Model(partial(models.spiking_cnn, "trained"), 10),
    "sew-resnet-8": Model(models.sew_resnet_8, 4),
    "sew-resnet-18": Model(models.sew_resnet_18, 4),
    "spiking-transformer": Model(models.spiking_transformer, 4),
    "squat-dvs": Model(models.squat_dvs, 25),
    "squat-shd": Model(models.squat_shd, 25, vectors=True),
    "recurrent-100": Model(models.recurrent, 25, vectors=True),
    "squat-shd-100": Model(partial(models.squat_shd, hidden=100), 25, vectors=True),
    "spiking-language": Model(
        lambda classes, inputs, high: models.spiking_language(inputs), CONTEXT, vectors=True
    ),
}
DATASETS: Mapping[str, Known] = {
    "cifar10": Known("sew-resnet-8", augmented=True),
    "cifar100": Known("sew-resnet-18", augmented=True),
    "fashion-mnist": Known("squat-fmnist"),
    "mnist": Known("spiking-cnn", augment=Augment(crop=2, flip=False)),
    "delayed-match": Known("squat-shd-100", timesteps=9),
    "spoken-digits": Known("squat-shd"),
    "events": Known("squat-dvs"),
    "text-classification": Known("squat-shd-100", timesteps=64),
    LANGUAGE: Known("spiking-language", timesteps=CONTEXT, labelled=False),
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


class Names(TypedDict):
    """Fields of a cell: registered names, or fingerprints of functions of the user's; data is one of the samples."""

    dataset: str
    data: str
    model: str


def split_for(study: str, where: Where, subset: int | None, least: Mapping[str, int]) -> Dataset:
    """The samples of a study, after its network is found to fit them.

    Args:
        study: what an error calls it.
        subset: training samples; None is all.
        least: samples that parts must have at least, such as {"test": 2}.

    Raises:
        BadInput: a user's function that cannot be used, a model that does not fit, parts that are too small.
        BadData: files that cannot be read.
    """
    whole = load(where)
    dataset = whole if subset is None else few(whole, subset)
    for part, needed in least.items():
        have = len(getattr(dataset, part))
        if have < needed:
            raise BadInput(
                f"the {study} study must have at least {needed} {part} samples, but {dataset.name} has {have}; give a "
                "larger data set or --subset"
            )
    return dataset


def names_of(where: Where) -> Names:
    """What tells a cell's samples and network from others."""
    return {
        "dataset": "user" if custom.is_function(where.data) else where.dataset,
        "data": fingerprint(load(where)),
        "model": custom.fingerprint(where.model) if custom.is_function(where.model) else where.model,
    }


def is_augmented(where: Where, asked: bool | None) -> bool:
    """Whether training samples are augmented: as asked, else as the data set says."""
    if asked is not None or custom.is_function(where.data):
        return bool(asked)
    return DATASETS[where.dataset].augmented


def timesteps_of(where: Where) -> int:
    """T where the user does not say: the data set's, else the network's, else 25."""
    known = None if custom.is_function(where.data) else DATASETS[where.dataset].timesteps
    return known or (MODELS[where.model].timesteps if where.model in MODELS else 25)


def augmentation(where: Where, augmented: bool) -> Augment | None:
    """How training samples of a data set are augmented; None: they stay as they are."""
    if not augmented:
        return None
    return DATASETS[where.dataset].augment if where.dataset in DATASETS else Augment()


def find(study: str, dataset: str, model: str | None, data: str | None) -> Where:
    """Where samples and model of a study of images are found.

    Args:
        study: what an error calls it.
        model: None is the data set's own.

    Raises:
        BadInput: no such data set, and no function of the user's in its place; a file of one's own data.
    """
    own = custom.is_function(data)
    if not own and dataset not in DATASETS:
        raise BadInput(
            f"the {study} study has no data set {dataset!r}; {did_you_mean(dataset, DATASETS)}; or give --data "
            "module:function"
        )
    if not own and not DATASETS[dataset].labelled and study != "neuron":
        raise BadInput(
            f"the {study} study compares classes, but {dataset} has none; intspike study neurons --dataset {dataset}"
        )
    path = data if own or data is None else str(Path(data).resolve())
    file = None if own or path is None else Path(path)
    if file is not None and file.suffix == ".npz" and file.is_file() and "train_inputs" in npz_names(file):
        raise BadInput(
            f"--data {data} holds data of your own, which a study takes from a function: give --data "
            f"my_module:my_data, where my_data returns intspike.data.npz({str(data)!r})"
        )
    return Where(dataset, path, model or DATASETS.get(dataset, DATASETS["fashion-mnist"]).model)


@lru_cache(maxsize=1)
def load(where: Where) -> Dataset:
    """The whole data set; a worker reads it once."""
    if where.data is not None and custom.is_function(where.data):
        return custom.user_data(where.data)
    if where.dataset not in DATASETS:
        raise BadInput(
            f"the study has no data set {where.dataset!r}; {did_you_mean(where.dataset, DATASETS)}; or give --data "
            "module:function"
        )
    if where.dataset == LANGUAGE:
        return text_windows(shakespeare() if where.data is None else read_text(where.data), CONTEXT)
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
    made = MODELS[where.model].fitted(
        where.model, dataset.frame, f"the samples of {dataset.name} need another --model",
        classes=len(dataset.classes), high=dataset.high,
    )  # fmt: skip
    return made if isinstance(made, Network) else Network(made)
