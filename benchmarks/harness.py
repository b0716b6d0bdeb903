"""Timing: ours and the peers take turns in one process, so that all of them meet the same disturbances."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

Tell = Callable[[str, int, int], None]  # what, done, of


class Missing(Exception):
    """A benchmark that cannot run here; the reason is printed and its rows are left out."""


@dataclass(frozen=True)
class Times:
    """Milliseconds of one call (or megabytes of one run): the median and the minimum over all calls."""

    median: float
    least: float

    @classmethod
    def of(cls, measured: Iterable[float]) -> Times:
        """Of single measurements."""
        x = list(measured)
        return cls(statistics.median(x), min(x))


@dataclass(frozen=True)
class Result:
    """Ours against one peer.

    Attributes:
        peer: its name in the catalog.
        ours, theirs: times, or memory.
        equal: whether everything that was compared in this run was equal.
        compared: what was compared with what.
        firing: firing rates by contender and layer, because dead networks are no work.
        note: what a reader must know besides.
    """

    peer: str
    ours: Times
    theirs: Times
    equal: bool
    compared: str
    firing: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    note: str = ""


def interleave(
    contenders: Mapping[str, Callable[[], object]], rounds: int, tell: Tell, *, calls: int = 1, warm: int = 1
) -> dict[str, Times]:
    """Time each contender `calls` times in each round, one contender after the other.

    Args:
        contenders: what to call, by name.
        calls: calls a round; each is timed on its own.
        warm: rounds before the first that counts: compilers, caches, allocators.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    gc.collect()
    gc.disable()  # a collection would fall on whoever is running
    try:
        for k in range(-warm, rounds):
            start = k % len(order)  # who comes first meets colder caches
            for name in order[start:] + order[:start]:
                run = contenders[name]
                for _ in range(calls):
                    began = time.perf_counter()
                    run()
                    took = time.perf_counter() - began
                    if k >= 0:
                        seconds[name].append(took)
            gc.collect()
            tell("round", max(0, k + 1), rounds)
    finally:
        gc.enable()
    return {name: Times.of(1000 * x for x in s) for name, s in seconds.items()}
