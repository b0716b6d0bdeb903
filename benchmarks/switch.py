"""Whether a synapse's own choice of its path is the fastest one, by firing rate."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import get_args

from intspike.native.synapse import Path

from .catalog import SWITCH_LAYERS, SWITCH_RATES, better_of
from .harness import Result, Tell, interleave
from .synapses import LAYERS, Synapse

PATHS: tuple[Path, ...] = get_args(Path)


def measure(name: str, rounds: int, tell: Tell) -> list[Result]:
    found: list[Result] = []
    cases = [(layer, rate) for layer in LAYERS if layer.name in SWITCH_LAYERS for rate in SWITCH_RATES]
    for k, (layer, rate) in enumerate(cases):
        synapse = Synapse(layer, rate, layer.frames)
        contenders: dict[str, Callable[[], object]] = {path: partial(synapse.run, path) for path in PATHS}
        times = interleave(contenders, rounds, lambda what, done, of: None, calls=5)
        better = min((p for p in PATHS if p != "fastest"), key=lambda path: times[path].median)
        found.append(
            Result(
                better_of(layer.name, rate),
                times["fastest"],
                times[better],
                all(synapse.equal(path) for path in PATHS),
                "integers of 64 frames on every path == torch in float64",
                note=f"better: {better}; " + ", ".join(f"{p} {times[p].median:.3f} ms" for p in PATHS[1:]),
            )
        )
        tell("case", k + 1, len(cases))
    return found
