"""What a run leaves: every spike and every stored code of every neuron at every timestep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..ir import Program


@dataclass(frozen=True)
class Trace:
    """The result of a run of T timesteps on B samples.

    Attributes:
        spikes: for each neuron node, integers [T, B, *shape] (uint8).
        codes: for each neuron node and state, stored codes [T, B, *shape] (int32).
        readout: [B, *shape] (int64); the class of a sample is its largest entry, ties to the lowest index.
        timesteps: T.
    """

    spikes: Mapping[str, NDArray[np.uint8]]
    codes: Mapping[str, Mapping[str, NDArray[np.int32]]]
    readout: NDArray[np.int64]
    timesteps: int

    @property
    def classes(self) -> NDArray[np.int64]:
        """Predicted class of each sample, [B]."""
        return self.readout.reshape(len(self.readout), -1).argmax(1)


def checked_inputs(program: Program, inputs: NDArray[np.generic], timesteps: int) -> NDArray[np.int64]:
    """Inputs as int64 [T or 1, B, *shape]; see `check_inputs`."""
    return check_inputs(program, inputs, timesteps).astype(np.int64)


def check_inputs(program: Program, inputs: NDArray[np.generic], timesteps: int) -> NDArray[np.generic]:
    """Inputs [T or 1, B, *shape] in their own type; one frame ([B, *shape]), or time of stride 0, is static.

    Raises:
        BadInput: another shape, not integers, out of the declared range, or no timesteps.
    """
    if not isinstance(program, Program):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(
            f"a run must be of a Program, not {type(program).__name__}; intspike.ir.artifact.load(path) reads one"
        )
    x, declared = np.asarray(inputs), program.input
    shape = declared.shape
    if not isinstance(timesteps, Integral):
        raise BadInput(f"timesteps must be a whole number, not {timesteps!r}")
    if timesteps < 1:
        raise BadInput(f"timesteps must be at least 1, not {timesteps}")
    if x.dtype.kind not in "iub":
        raise BadInput(
            f"inputs must be integers (codes, spikes or counts), not {x.dtype}; pass the uint8 codes"
        )
    if x.ndim == len(shape) + 1:
        x = x[None]
    if x.ndim != len(shape) + 2 or x.shape[2:] != shape or x.shape[0] not in (1, timesteps):
        raise BadInput(
            f"inputs must be [B, {', '.join(map(str, shape))}] (static) or [{timesteps}, B, "
            f"{', '.join(map(str, shape))}], not {list(np.shape(inputs))}"
        )
    if x.shape[0] > 1 and x.strides[0] == 0:
        x = x[:1]  # the same frame repeated, as data.Split.batch gives it
    if not x.shape[1]:
        raise BadInput("inputs must hold at least one sample, but the batch is empty")
    # uint8 images, whose type is their range, are not read
    known = x.dtype == np.uint8 and declared.low <= 0 and declared.high >= 255
    if not known and x.size and (int(x.min()) < declared.low or int(x.max()) > declared.high):
        raise BadInput(
            f"inputs must be in {declared.low}..{declared.high}, not {int(x.min())}..{int(x.max())}"
        )
    return x
