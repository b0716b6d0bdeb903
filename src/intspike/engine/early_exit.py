"""Early exit: stop at the first timestep at which the winning class leads by enough spikes.

After t timesteps a sample has counts n_k(t) in the readout. It stops where the largest is at least `margin` above the
second largest, and its class is that of the largest; without such a timestep it runs all T. Margins are integers, so
the rule is exact on every engine and in C (`program_margin`): it reads nothing but the readout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput, did_you_mean
from ..ir import Program
from . import native, reference

Engine = Literal["native", "reference"]
_SESSIONS: Mapping[str, Callable[..., Any]] = {"native": native.Session, "reference": reference.Session}
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


def run(
    program: Program, inputs: NDArray[np.generic], timesteps: int, margin: int, engine: Engine = "native"
) -> Exits:
    """Run samples one after the other, each only until the rule stops it; equal to `exits` of a whole run.

    Args:
        inputs: integers [B, *shape] (static) or [T, B, *shape].
        timesteps: T, the longest run.
        margin: spikes by which the winner must lead, from 1 up.
        engine: "native", or "reference", which defines what a program means.

    Raises:
        BadInput: no such margin or engine.
    """
    check_margin(margin)
    frames, static = _frames(program, inputs)
    session = _session(engine, program, 1, timesteps)
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


def readouts(
    program: Program, inputs: NDArray[np.generic], timesteps: int, engine: Engine = "native"
) -> NDArray[np.int64]:
    """The readout after every timestep of a whole run, [T, B, K]: what `exits` reads.

    Args:
        inputs: integers [B, *shape] (static) or [T, B, *shape].
    """
    frames, static = _frames(program, inputs)
    count = frames.shape[1]
    session = _session(engine, program, count, timesteps)
    made: list[Ints] = []
    for t in range(timesteps):
        session.step(frames[0 if static else t], static=static and t > 0)
        assert session.readout is not None
        made.append(session.readout.reshape(count, -1).copy())
    return np.stack(made)


def candidates(counts: NDArray[np.generic], most: int) -> Ints:
    """Margins worth trying, increasing: so many, at most, of those that a run [T, B, K] shows, and one that it never
    reaches, with which every sample runs all timesteps."""
    found = np.unique(margins(counts))
    found = found[found > 0]
    if len(found) > most:
        found = np.unique(np.quantile(found, np.linspace(0, 1, most), method="closest_observation"))
    return np.append(found, found.max(initial=0) + 1).astype(np.int64)


def choose(
    program: Program,
    inputs: NDArray[np.generic],
    labels: NDArray[np.integer[Any]],
    timesteps: int,
    lose: float,
    most: int = 200,
) -> int:
    """The smallest margin whose accuracy is at most `lose` points below that of all timesteps.

    Give it validation samples: on the samples that chose it, a margin looks better than it is.

    Args:
        inputs: integers [B, *shape] (static) or [T, B, *shape].
        labels: of the samples, [B].
        timesteps: T, the longest run.
        lose: points of accuracy, in per cent.
        most: margins that are tried.
    """
    if not len(labels) or lose < 0:
        raise BadInput(
            f"a margin must be chosen on samples, and may lose 0 or more points, not {len(labels)} samples and {lose:g}"
        )
    counts = readouts(program, inputs, timesteps)
    whole = int((counts[-1].argmax(-1) == labels).sum())
    for margin in candidates(counts, most).tolist():
        right = int((exits(counts, margin).classes == labels).sum())
        if 100 * right >= 100 * whole - lose * len(labels) - 1e-9:
            return margin
    raise AssertionError("a margin that is never reached loses nothing")


def _frames(program: Program, inputs: NDArray[np.generic]) -> tuple[NDArray[np.generic], bool]:
    """Inputs as [T or 1, B, *shape], and whether one frame serves all timesteps."""
    x = np.asarray(inputs)
    static = x.ndim == len(program.input.shape) + 1 or len(x) == 1 or x.strides[0] == 0
    return (x if x.ndim == len(program.input.shape) + 2 else x[None]), static


def _session(engine: str, program: Program, batch: int, timesteps: int) -> Any:
    if engine not in _SESSIONS:
        raise BadInput(f"an early exit runs on no engine {engine!r}; {did_you_mean(engine, _SESSIONS)}")
    one = {"threads": 1} if engine == "native" and batch == 1 else {}
    return _SESSIONS[engine](program, batch, timesteps, **one)
