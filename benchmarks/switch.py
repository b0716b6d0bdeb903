"""Whether a synapse's own choice between its dense and its event path is the faster one, by firing rate."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .catalog import SWITCH_LAYERS, SWITCH_RATES, better_of
from .harness import Result, Tell, interleave
from .synapses import LAYERS, Synapse


def measure(name: str, rounds: int, tell: Tell) -> list[Result]:
    found: list[Result] = []
    cases = [(layer, rate) for layer in LAYERS if layer.name in SWITCH_LAYERS for rate in SWITCH_RATES]
    for k, (layer, rate) in enumerate(cases):
        synapse = Synapse(layer, rate, layer.frames)
        contenders: dict[str, Callable[[], object]] = {
            path: partial(synapse.run, path) for path in ("fastest", "dense", "events")
        }
        times = interleave(contenders, rounds, lambda what, done, of: None, calls=5)
        better = min(("dense", "events"), key=lambda path: times[path].median)
        found.append(
            Result(
                better_of(layer.name, rate),
                times["fastest"],
                times[better],
                all(synapse.equal(path) for path in ("fastest", "dense", "events")),
                "integers of 64 frames on every path == torch in float64",
                note=f"better: {better}; dense {times['dense'].median:.3f} ms, events {times['events'].median:.3f} ms",
            )
        )
        tell("case", k + 1, len(cases))
    return found
