"""Networks that travel with intspike: trained, lowered and verified. They need no torch."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import BadInput, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..ir import Program

__all__ = ["Pretrained", "find", "load", "networks", "typed"]

FOLDER = Path(__file__).parent
PROGRAM = "model.intspike"  # as commands name it in their folders


@dataclass(frozen=True)
class Pretrained:
    """What is known of a network.

    Attributes:
        name: its own.
        title: what it is, in words.
        dataset: what it was trained on, as `--data` names it.
        timesteps: T it was trained and tested with.
        correct, test: right answers on the published test set, and its size.
        sample: right answers on the 2,000 test images that travel with intspike.
        training: where it comes from. Chosen by validation accuracy among the seeds there, never by the test.
    """

    name: str
    title: str
    dataset: str
    timesteps: int
    correct: int
    test: int
    sample: int
    training: str

    @property
    def path(self) -> Path:
        """The stored program."""
        return FOLDER / f"{self.name}.intspike"


@cache
def networks() -> Mapping[str, Pretrained]:
    """All of them, by name."""
    known = tomllib.loads((FOLDER / "networks.toml").read_text(encoding="utf-8"))
    return MappingProxyType({name: Pretrained(name, **facts) for name, facts in known.items()})


def load(name: str) -> Program:
    """The program of a network, such as "fashion-mnist-w2u2".

    Raises:
        BadInput: there is none of that name.
    """
    from ..ir.artifact import load

    known = networks()
    if name not in known:
        raise BadInput(f"no network {name!r} travels with intspike; {did_you_mean(name, known)}")
    return load(known[name].path)


def find(path: Path) -> Path:
    """Where a command finds a stored program: the path, the program in that folder, or a network's file by its name.

    Raises:
        BadInput: a word that is neither a file nor such a name, or a folder without a program.
    """
    known = networks()
    if path.is_dir():
        if (path / PROGRAM).is_file():
            return path / PROGRAM
        raise BadInput(
            f"{path} must be a stored program or a folder that holds {PROGRAM}, but is another folder"
        )
    if path.exists():
        return path
    if str(path) in known:
        return known[str(path)].path
    if path.name == str(path) and not path.suffix:
        raise BadInput(
            f"{path} must be a file or a network that travels with intspike; {did_you_mean(str(path), known)}"
        )
    return path


def typed(path: Path) -> str:
    """A stored program as a user types it: what travels with intspike by its name, else the path."""
    return path.stem if path.parent == FOLDER and path.stem in networks() else str(path)
