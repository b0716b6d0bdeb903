"""The data sets that commands know by name. Needs no torch: what runs stored programs reads them too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path

from .. import data
from ..data import Dataset
from ..data.readers import npz_names
from ..errors import BadInput, did_you_mean
from ..ir import Program

Reader = Callable[[str | None], Dataset]
"""Reads a data set from the user's folder or file; None is what travels with intspike."""


def _needs_path(name: str, read: Callable[[str], Dataset]) -> Reader:
    def load_from(path: str | None) -> Dataset:
        if path is None:
            raise BadInput(
                f"{name} must be on this machine, because it does not travel with intspike; give its folder or "
                f"file: --data {name}=PATH, in studies --data PATH"
            )
        return read(path)

    return load_from


READERS: Mapping[str, Reader] = {
    "fashion-mnist": data.fashion_mnist,
    "mnist": _needs_path("mnist", data.mnist),
    "cifar10": _needs_path("cifar10", data.cifar10),
    "cifar100": _needs_path("cifar100", data.cifar100),
    # which no network without memory can solve
    "delayed-match": lambda path: data.delayed_match(),
    # one row of the image a timestep
    "fashion-rows": lambda path: data.by_rows(data.fashion_mnist(path)),
    "spoken-digits": _needs_path("spoken-digits", data.spoken_digits),
    "events": _needs_path("events", data.nmnist),
    "shd": _needs_path("shd", data.shd),
    "dvs-gesture": _needs_path("dvs-gesture", data.dvs_gesture),
    # who says it, of the embedded text; or folders of texts
    "text-classification": lambda path: data.speakers() if path is None else data.text_folders(path),
}


def read_data(text: str) -> Dataset:
    """The data set that `--data` names: NAME, NAME=PATH, module:function, or a path.

    A path alone is one's own npz file (`data.npz`) or the files of Fashion-MNIST.

    Raises:
        BadInput, BadData: there is none of that name, or the files cannot be read.
    """
    name, equals, path = text.partition("=")
    if name in READERS:
        return READERS[name](path if equals else None)
    if Path(text).exists():
        own = (
            Path(text).is_file()
            and Path(text).suffix == ".npz"
            and "train_images" not in npz_names(Path(text))
        )
        return data.npz(text) if own else data.fashion_mnist(text)
    if ":" in text and "/" not in text:
        from .custom import user_data

        return user_data(text)
    raise BadInput(
        f"--data must be a data set, NAME=PATH, or a folder or file that exists, not {text!r}; "
        f"{did_you_mean(name, READERS)}"
    )


def check_fits(name: str, program: Program, dataset: Dataset) -> None:
    """Refuse a stored program that reads other frames, smaller codes, or knows other classes.

    Raises:
        BadInput: what it must read or answer, and what it does.
    """
    declared, outputs = program.input, prod(program.shapes[program.readout.name])
    if declared.shape != dataset.frame:
        raise BadInput(
            f"{name} must read frames {list(dataset.frame)} of {dataset.name}, but reads {list(declared.shape)}; give "
            "by --data what it was made for"
        )
    if declared.high < dataset.high:
        raise BadInput(
            f"{name} must read codes up to {dataset.high}, the largest of {dataset.name}, but reads up to "
            f"{declared.high}; give by --data what it was made for"
        )
    if outputs != len(dataset.classes):
        raise BadInput(
            f"{name} must have {len(dataset.classes)} outputs, one for each class of {dataset.name}, but has {outputs}"
        )
