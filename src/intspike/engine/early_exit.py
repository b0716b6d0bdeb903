"""Early exit: stop at the first timestep at which the winning class leads by enough spikes.

After t timesteps a sample has counts n_k(t) in the readout. It stops where the largest is at least `margin` above the
second largest, and its class is that of the largest; without such a timestep it runs all T. Margins are integers, so
the rule is exact on every engine and in C: it reads nothing but the readout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..ir import Program
from .native import Session

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Exits:
    """When samples stopped, and as what.

    Attributes:
        timesteps: timesteps that each of B samples ran, [B].
        classes: what it was classified as then, [B].
    """

    timesteps: Ints
    classes: Ints


def check_margin(margin: int) -> None:
    """Refuse what is no margin."""
    if not isinstance(margin, (int, np.integer)) or isinstance(margin, bool) or margin < 1:
        raise BadInput(f"the margin of an early exit must be a number of spikes from 1 up, not {margin!r}")


def margins(counts: NDArray[np.generic]) -> Ints:
    """How far the largest entry is above the second largest: counts [..., K] to [...].

    Raises:
        BadInput: fewer than two classes.
    """
    if counts.shape[-1] < 2:
        raise BadInput(f"an early exit must choose among at least two classes, not {counts.shape[-1]}")
    two = np.partition(counts.astype(np.int64), -2, axis=-1)[..., -2:]
    return two[..., 1] - two[..., 0]


def exits(counts: NDArray[np.generic], margin: int) -> Exits:
    """Where the rule stops samples, from a whole run: its readout after every timestep, [T, B, K]."""
    check_margin(margin)
    enough = margins(counts) >= margin
    last = len(counts) - 1
    at = np.where(enough.any(0), enough.argmax(0), last)
    classes = counts.argmax(-1)[at, np.arange(counts.shape[1])]
    return Exits(at.astype(np.int64) + 1, classes.astype(np.int64))


def run(program: Program, inputs: NDArray[np.generic], timesteps: int, margin: int) -> Exits:
    """Run samples one after the other, each only until the rule stops it; equal to `exits` of a whole run.

    Args:
        inputs: integers [B, *shape] (static) or [T, B, *shape].
        timesteps: T, the longest run.
        margin: spikes by which the winner must lead, from 1 up.
    """
    check_margin(margin)
    x = np.asarray(inputs)
    static = x.ndim == len(program.input.shape) + 1 or len(x) == 1 or x.strides[0] == 0
    frames = x if x.ndim == len(program.input.shape) + 2 else x[None]
    session = Session(program, 1, timesteps, threads=1)
    ran, classes = np.empty(frames.shape[1], np.int64), np.empty(frames.shape[1], np.int64)
    for b in range(frames.shape[1]):
        session.reset()
        for t in range(timesteps):
            session.step(frames[0 if static else t, b : b + 1], static=static and t > 0)
            assert session.readout is not None
            counts = session.readout.reshape(1, -1)
            if t + 1 == timesteps or int(margins(counts)[0]) >= margin:
                ran[b], classes[b] = t + 1, int(counts[0].argmax())
                break
    return Exits(ran, classes)
