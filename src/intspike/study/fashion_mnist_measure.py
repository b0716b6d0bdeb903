"""What the recipe measures of its networks on the test images: accuracy, firing, operations, latency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import Split
from ..engine import native
from ..ir import Program
from ..lower.drift import evaluated
from ..measure import Cost, Drift, HalvedCounts, Latency, SynOps, drift, latencies, synops, wilson
from ..native import compiler
from ..nn import Network
from .watch import Watch

BATCH = 250
TIMED = 20  # images whose latency is measured


@dataclass(frozen=True)
class Measures:
    """Numbers by network.

    Attributes:
        accuracy: with its Wilson interval.
        firing: counts of both halves of the images.
        synops: those of the network in full precision are its spikes on the same connections.
        latency: of the programs; empty without a compiler.
    """

    accuracy: dict[str, dict[str, Any]]
    firing: dict[str, HalvedCounts]
    synops: dict[str, SynOps]
    latency: dict[str, Latency]

    def drift(self, before: str, after: str) -> Drift:
        """Of one network against another, with its cost."""
        a, b = (Cost(self.synops[name], self.latency.get(name)) for name in (before, after))
        return drift(self.firing[before], self.firing[after], names=(before, after), cost=(a, b))


def measure(
    networks: Mapping[str, Network],
    programs: Mapping[str, Program],
    test: Split,
    timesteps: int,
    watch: Watch,
) -> Measures:
    """Run every network on every image: programs on the native engine, what has no program in torch."""
    made = Measures({}, {}, {}, {})
    connections = next(iter(programs.values()))  # all variants have the same ones
    tell = watch.start("measure", len(networks) * len(test))
    for k, (name, net) in enumerate(networks.items()):
        counts, right = HalvedCounts(), 0
        for at in range(0, len(test), BATCH):
            index = np.arange(at, min(at + BATCH, len(test)))
            x = test.batch(index, timesteps)
            trace = native.run(programs[name], x, timesteps) if name in programs else evaluated(net, x)
            counts.add(trace)
            right += int((trace.classes == test.labels[index]).sum())
            part = synops(programs.get(name, connections), trace, x)
            made.synops[name] = made.synops[name] + part if name in made.synops else part
            tell(k * len(test) + at + len(index), name)
        made.firing[name] = counts
        made.accuracy[name] = wilson(right, len(test)).to_dict()
    if compiler() is not None:
        tell = watch.start("latency", 5)
        few = test.batch(np.arange(min(TIMED, len(test))), timesteps)
        timed = latencies(list(programs.values()), few, timesteps, progress=lambda done, of: tell(done, ""))
        made.latency.update(zip(programs, timed, strict=True))
    return made
