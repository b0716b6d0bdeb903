"""One value of a network: what its layers and the steps between them are run by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Step:
    """One value of a network: how it is made of earlier ones.

    Attributes:
        name: of the value.
        kind: "input", "group", "readout", or an operation on spikes: "pool", "flatten", "add", "and", "iand",
            "dropout", "other".
        inputs: names of the values it reads.
        module: of a pool, a dropout, the input, or another module or function that only full precision can run.
    """

    name: str
    kind: Literal["input", "group", "readout", "pool", "flatten", "add", "and", "iand", "dropout", "other"]
    inputs: tuple[str, ...]
    module: Any = None
