"""How long one inference takes on the native engine, measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine import native
from ..errors import BadInput, MissingDependency
from ..ir import Program
from ..native import compiler


@dataclass(frozen=True)
class Latency:
    """Seconds of one inference: one sample, all timesteps, one thread, spikes and codes not kept.

    Attributes:
        median, low, high: over all samples and repeats: the middle one, and the quartiles below and above.
        repeats, samples: how often each sample ran, and how many there were.
    """

    median: float
    low: float
    high: float
    repeats: int
    samples: int

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for a summary."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{1e3 * self.median:.3f} ms ({1e3 * self.low:.3f} to {1e3 * self.high:.3f})"


def latencies(
    programs: Sequence[Program],
    inputs: NDArray[np.generic],
    timesteps: int,
    repeats: int = 5,
    progress: Callable[[int, int], None] | None = None,
) -> list[Latency]:
    """Time programs side by side on the same samples, one after the other in every repeat.

    It is a measurement of this machine at this moment: only the ratio of programs timed together says something.

    Args:
        inputs: integers [T, B, *shape]; each of the B samples is a call of its own.
        repeats: rounds that count; one before them compiles and warms up.
        progress: called with (rounds done, of).

    Raises:
        MissingDependency: there is no C compiler, so there is no native engine to time.
    """
    if repeats < 1 or not inputs.shape[1]:
        raise BadInput(
            f"a latency must be measured at least once on at least one sample, not {repeats} times on "
            f"{inputs.shape[1]}"
        )
    if compiler() is None:
        raise MissingDependency("latency is that of the native engine, which needs a C compiler; install gcc")
    samples = [inputs[:, k : k + 1] for k in range(inputs.shape[1])]
    seconds: list[list[float]] = [[] for _ in programs]
    for turn in range(repeats + 1):
        for program, own in zip(programs, seconds, strict=True):
            for x in samples:
                began = time.perf_counter()
                native.run(program, x, timesteps, record=False, threads=1)
                if turn:
                    own.append(time.perf_counter() - began)
        if progress is not None:
            progress(turn, repeats)
    return [
        Latency(
            *(float(np.quantile(own, q)) for q in (0.5, 0.25, 0.75)), repeats=repeats, samples=len(samples)
        )
        for own in seconds
    ]
