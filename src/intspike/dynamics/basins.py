"""Basins by sampling, where there are too many states to enumerate: what was seen, how sure, and what may be unseen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BadInput
from ..measure import Interval, wilson
from ..native import default_threads
from ..native.threads import for_each
from .map import Ints, Map
from .orbits import Cycle, Orbit, orbit
from .regime import Regime, classify

UNIFORM = "uniform over all codes of all neurons"


@dataclass(frozen=True, eq=False)
class Basin:
    """What several sampled states have in common in the long run.

    Attributes:
        id: of the cycle of states, or of what an observer of spikes sees.
        cycle: the first one found.
        regime: of that one.
        hits: how many samples ended there.
        share: its part of the sampling measure, with a Wilson interval.
    """

    id: str
    cycle: Cycle
    regime: Regime
    hits: int
    share: Interval


@dataclass(frozen=True, eq=False)
class Basins:
    """Sampled basins of a network.

    Attributes:
        network: whose.
        measure: how states were drawn; shares are parts of that measure and of no other.
        budget: as in `orbit`.
        attractors: cycles of states, largest basin first.
        observable: the same, where cycles that send the same spikes are one.
        transients: of the resolved samples.
        unresolved: samples that did not recur within the budget.
    """

    network: Map
    measure: str
    budget: int
    attractors: tuple[Basin, ...]
    observable: tuple[Basin, ...]
    transients: Ints
    unresolved: int

    @property
    def samples(self) -> int:
        """n."""
        return len(self.transients) + self.unresolved

    @property
    def largest_unseen(self) -> float:
        """With 95 % confidence no attractor that was never seen has a larger share: 1 - 0.05^(1/n), about 3/n."""
        return 1 - 0.05 ** (1 / self.samples)

    @property
    def unseen_mass(self) -> float:
        """Estimated share of all attractors together that were never seen: f1/n, f1 of them seen once.

        Source: Good, Biometrika 40 (1953).
        """
        return sum(b.hits == 1 for b in self.attractors) / self.samples

    @property
    def unseen_observable_mass(self) -> float:
        """The same of observable attractors."""
        return sum(b.hits == 1 for b in self.observable) / self.samples

    @property
    def transient_ratio(self) -> float | None:
        """Mean transient over that of a random map on M states, sqrt(pi M / 8); None where nothing is resolved."""
        return _ratio(self.transients, self.network)

    @property
    def period_ratio(self) -> float | None:
        """Mean period over samples, over the same value of a random map."""
        return _ratio(
            np.repeat([b.cycle.period for b in self.attractors], [b.hits for b in self.attractors]),
            self.network,
        )

    def multistable(self, least: float = 0.01) -> tuple[Basin, ...]:
        """Observable attractors whose share is surely (at the lower end of its interval) above `least`."""
        return tuple(b for b in self.observable if (b.share.low or 0) > least)

    def __str__(self) -> str:
        return (
            f"{self.samples:,} states drawn {self.measure}: {len(self.attractors):,} state attractors, "
            f"{len(self.observable):,} observable, {self.unresolved:,} unresolved within {self.budget:,} timesteps; "
            f"any other has a share below {self.largest_unseen:.2g} (95 %), all others together about "
            f"{self.unseen_mass:.2g}"
        )


def basins(
    network: Map,
    samples: int = 1000,
    *,
    states: ArrayLike | None = None,
    measure: str = "",
    budget: int = 100_000,
    seed: int = 0,
    threads: int | None = None,
) -> Basins:
    """Follow sampled states to their attractors.

    Args:
        samples: how many states are drawn, uniformly over all codes, at phase 0 of the drive.
        states: [n, width], sampled in another way, in place of these; `measure` must then say how.
        budget: as in `orbit`.

    Raises:
        BadInput: no samples, or states without a word on how they were drawn.
    """
    if states is None:
        if samples < 1:
            raise BadInput(f"samples must be at least 1, not {samples}")
        drawn, measure = network.random_states(samples, seed), measure or UNIFORM
    else:
        drawn = network.checked(states).reshape(-1, network.width)
        if not measure:
            raise BadInput(
                "basins of given states need measure=..., a few words on how they were drawn: shares depend on it"
            )
    found: list[Orbit | None] = [None] * len(drawn)
    cycles: dict[str, Cycle] = {}

    def follow(k: int) -> None:
        made = orbit(network, drawn[k], budget)
        if made.cycle is not None:  # one cycle's spikes are kept once
            made = Orbit(budget, made.transient, cycles.setdefault(made.cycle.id, made.cycle))
        found[k] = made

    follow(0)  # compiles
    for_each(follow, range(1, len(drawn)), default_threads() if threads is None else threads)
    return gathered(network, [o for o in found if o is not None], measure, budget)


def gathered(network: Map, orbits: Sequence[Orbit], measure: str, budget: int) -> Basins:
    """What orbits of sampled states have in common; at least one.

    Args:
        measure: how their states were drawn.
        budget: of each.
    """
    resolved = [o for o in orbits if o.cycle is not None]
    names = {o.cycle.id: o.cycle.observable for o in resolved if o.cycle is not None}
    return Basins(
        network, measure, budget,
        _grouped(network, resolved, {k: k for k in names}, len(orbits)),
        _grouped(network, resolved, names, len(orbits)),
        np.array([o.transient for o in resolved], np.int64), len(orbits) - len(resolved),
    )  # fmt: skip


def _grouped(network: Map, orbits: list[Orbit], names: dict[str, str], samples: int) -> tuple[Basin, ...]:
    hits: dict[str, list[Orbit]] = {}
    for o in orbits:
        assert o.cycle is not None
        hits.setdefault(names[o.cycle.id], []).append(o)
    made: list[Basin] = []
    for name, own in hits.items():
        cycle = own[0].cycle
        assert cycle is not None
        regime = classify(network, Orbit(own[0].budget, 0, cycle))
        made.append(Basin(name, cycle, regime, len(own), wilson(len(own), samples)))
    return tuple(sorted(made, key=lambda b: (-b.hits, b.id)))


def random_map_log2(network: Map) -> float:
    """log2 of sqrt(pi M / 8), the expected transient, and period, of a state of a random map on M states.

    Source: Flajolet and Odlyzko, Eurocrypt 1989, random mapping statistics.
    """
    return (math.log2(math.pi / 8) + math.log2(network.size)) / 2


def _ratio(lengths: Ints, network: Map) -> float | None:
    if not len(lengths):
        return None
    mean = float(lengths.mean())
    return 2.0 ** (math.log2(mean) - random_map_log2(network)) if mean else 0.0
