"""Memory of a network as a whole: drive that rises and falls, pulses that set and reset, basins that are proved."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BadInput
from .basins import Basin, Basins
from .certificates import Trap
from .compiled import advance
from .map import Ints, Map
from .network import IntegerNetwork
from .orbits import Orbit, orbit
from .program_map import ProgramMap
from .prove import prove_silence, prove_trap
from .rich_network import RichNetwork


def driven_by(network: Map, drive: ArrayLike) -> Map:
    """The same network under another drive, in the form that it takes."""
    if isinstance(network, ProgramMap):
        return network.driven_by(drive)
    if isinstance(network, IntegerNetwork):
        return replace(network, drive=drive)
    if isinstance(network, RichNetwork):
        return replace(network, base=replace(network.base, drive=drive))
    raise BadInput(f"the drive of {type(network).__name__} cannot be changed")


@dataclass(frozen=True, eq=False)
class Hysteresis:
    """A drive that rises step by step and falls again; each is held until the network recurs.

    Attributes:
        drives: in rising order.
        rising, falling: the orbit at each drive, in the order of `drives`; it begins where the one before ended.
    """

    drives: tuple[int, ...]
    rising: tuple[Orbit, ...]
    falling: tuple[Orbit, ...]

    @property
    def loop(self) -> tuple[int, ...]:
        """Drives at which what is sent in the long run depends on where the network comes from. Where an orbit is not
        resolved, nothing is said."""
        return tuple(
            d
            for d, a, b in zip(self.drives, self.rising, self.falling, strict=True)
            if a.cycle is not None and b.cycle is not None and a.cycle.observable != b.cycle.observable
        )

    def rates(self) -> tuple[list[float | None], list[float | None]]:
        """Spikes per neuron and timestep, rising and falling; None where an orbit is not resolved."""
        of = lambda found: [None if o.cycle is None else o.cycle.rate for o in found]  # noqa: E731
        return of(self.rising), of(self.falling)


def hysteresis(
    network: Map, drives: Sequence[int], *, state: ArrayLike | None = None, budget: int = 20_000
) -> Hysteresis:
    """Raise the drive of all neurons (of a program: of all inputs) step by step, then lower it again.

    Args:
        drives: integers in rising order, at least two; the network's own drive is not used.
        state: where it starts; rest where it is None.
        budget: as in `orbit`. A drive whose orbit is resolved is left from the least state of its cycle, another after
            `budget` timesteps.

    Raises:
        BadInput: drives that do not rise, or that the network does not take.
    """
    levels = tuple(int(d) for d in drives)
    if len(levels) < 2 or any(b <= a for a, b in itertools.pairwise(levels)):
        raise BadInput(f"drives must be at least two integers that rise, not {list(levels)}")
    u = network.rest() if state is None else network.checked(state)
    nets = {d: driven_by(network, d) for d in levels}
    found: list[Orbit] = []
    for d in (*levels, *reversed(levels)):
        made = orbit(nets[d], u, budget)
        found.append(made)
        u = advance(nets[d], u, budget) if made.cycle is None else made.cycle.state
    return Hysteresis(levels, tuple(found[: len(levels)]), tuple(reversed(found[len(levels) :])))


@dataclass(frozen=True, eq=False)
class Pulse:
    """Another drive for a while.

    Attributes:
        drive, timesteps: of the pulse.
        before, after: where the network was bound for, and where it is bound for when the pulse is over.
        state: the state when it is over, [width].
    """

    drive: Ints
    timesteps: int
    before: Orbit
    after: Orbit
    state: Ints

    @property
    def switched(self) -> bool | None:
        """Whether what is sent in the long run is another; None where an orbit is not resolved."""
        if self.before.cycle is None or self.after.cycle is None:
            return None
        return self.before.cycle.observable != self.after.cycle.observable


def pulse(
    network: Map, drive: ArrayLike, timesteps: int, *, state: ArrayLike | None = None, budget: int = 20_000
) -> Pulse:
    """Give a network with constant drive another one for some timesteps.

    Args:
        drive: during the pulse, as the network takes it (in place of its own drive).
        state: where the pulse begins, [width]; rest where it is None.

    Raises:
        BadInput: no timesteps, or a network whose own drive changes.
    """
    if timesteps < 1:
        raise BadInput(f"a pulse must last at least 1 timestep, not {timesteps}")
    if network.phases > 1:
        raise BadInput(
            f"pulses are for a constant drive, but this one repeats after {network.phases} timesteps"
        )
    u = network.rest() if state is None else network.checked(state)
    after = advance(driven_by(network, drive), u, timesteps)
    return Pulse(
        np.asarray(drive, np.int64),
        timesteps,
        orbit(network, u, budget),
        orbit(network, after, budget),
        after,
    )


@dataclass(frozen=True, eq=False)
class Bistable:
    """Silence and activity beside each other.

    Attributes:
        quiet, active: the observable attractors with the largest sampled basins, of each kind; None: none was seen.
        silence, activity: traps that prove both, for every state in them; None where no proof was found.
        proved: log2 of the proved share of all states that stay silent, and that stay active: the volumes of the traps.
    """

    quiet: Basin | None
    active: Basin | None
    silence: Trap | None
    activity: Trap | None
    proved: tuple[float | None, float | None]

    @property
    def certain(self) -> bool:
        """Whether both are proved."""
        return self.silence is not None and self.activity is not None

    def seen(self, least: float = 0.01) -> bool:
        """Whether both basins surely (at the lower ends of their intervals) have a larger share of the samples."""
        return all(b is not None and (b.share.low or 0) > least for b in (self.quiet, self.active))


def bistable(network: IntegerNetwork, sampled: Basins) -> Bistable:
    """What samples and proofs say of silence beside activity, under the network's own drive.

    Args:
        sampled: of the same network.
    """
    quiet = next((b for b in sampled.observable if not b.cycle.spikes.any()), None)
    active = [b for b in sampled.observable if b.cycle.spikes.any()]
    silence = prove_silence(network)
    traps = [t for b in active[:8] if (t := prove_trap(network, b.cycle)) is not None and t.active]
    activity = max(traps, key=lambda t: _log2_share(network, t), default=None)
    volumes = tuple(None if t is None else _log2_share(network, t) for t in (silence, activity))
    return Bistable(quiet, active[0] if active else None, silence, activity, (volumes[0], volumes[1]))


def _log2_share(network: IntegerNetwork, trap: Trap) -> float:
    """log2 of the share of all states that the largest box of a trap holds; it may begin at any of them."""
    sizes = [
        sum(math.log2(b - a + 1) for a, b in zip(lows, highs, strict=True)) for lows, highs in trap.boxes
    ]
    return max(sizes) - network.bits * network.neurons
