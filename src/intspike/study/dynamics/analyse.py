"""One program as a map: what it does in the long run, what is proved of it, and how it forgets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ...dynamics import (
    Basins,
    Certificate,
    Cycle,
    Damage,
    Hysteresis,
    Orbit,
    ProgramMap,
    Pulse,
    Settled,
    Silence,
    StateGraph,
    as_network,
    attractors,
    certify,
    damage,
    gathered,
    hysteresis,
    orbit,
    pulse,
    recurrent,
    settle,
    silence,
)
from ...dynamics.basins import UNIFORM
from ...errors import BadInput, RangeExceeded
from ...ir.artifact import load
from ..watch import Watch
from .options import Options
from .stimuli import After, Check, followed

ENUMERATED = 1 << 20


@dataclass(eq=False)
class Analysis:
    """What was found, filled stage by stage; what is None or empty was not reached, or is not there.

    Attributes:
        network: the program as a map.
        loop: whether it is recurrent.
        settled: bounds of a program without recurrence.
        silence: proof that silence lasts.
        certificates: of a program that is an integer network.
        graph: of every state.
        orbits: of the states drawn; `basins` is what they have in common.
        from_rest: the orbit of rest.
        hurt: (kick, damage) on the attractor `hurt_on`.
        after: of stimuli.
        ramp: of a drive that rises and falls.
        pulses: its highest drive, given to rest for a while, and its lowest, given to what that left.
        stopped: why it ended early.
        interrupted: whether that was Ctrl-C.
    """

    options: Options
    network: ProgramMap
    loop: bool
    settled: tuple[Settled, ...] = ()
    silence: Silence | None = None
    certificates: tuple[Certificate, ...] = ()
    graph: StateGraph | None = None
    orbits: list[Orbit] = field(default_factory=list[Orbit])
    from_rest: Orbit | None = None
    hurt_on: Cycle | None = None
    hurt: tuple[tuple[int, Damage], ...] = ()
    after: After | None = None
    ramp: Hysteresis | None = None
    pulses: tuple[Pulse, ...] = ()
    stopped: str = ""
    interrupted: bool = False

    @property
    def basins(self) -> Basins | None:
        """Of the states drawn so far."""
        return gathered(self.network, self.orbits, UNIFORM, self.options.budget) if self.orbits else None


class _Over(Exception):
    """The time is over."""


def analyse(options: Options, watch: Watch | None = None) -> Analysis:
    """Everything that is known of a stored program as a map. After Ctrl-C, or when its time is over, what there is.

    Raises:
        BadInput, BadArtifact: a file, a drive or options that cannot be used.
    """
    told = watch or Watch()
    program = load(options.artifact)
    try:
        network = ProgramMap(program, options.frames(program))
    except RangeExceeded as e:
        raise BadInput(f"{options.artifact} has no bounded map: {e}") from e
    made = Analysis(options, network, recurrent(network.program))
    if options.exhaustive:
        attractors_fit(network)
    began = time.monotonic()

    def check() -> None:
        if options.seconds is not None and time.monotonic() - began > options.seconds:
            raise _Over

    try:
        for stage in (_proved, _enumerated, _sampled, _kicked, _stimulated, _ramped):
            stage(made, told, check)
            check()
    except _Over:
        made.stopped = f"the {options.seconds:g} seconds of --seconds were over"
    except KeyboardInterrupt:
        made.stopped, made.interrupted = "it was stopped", True
    return made


def attractors_fit(network: ProgramMap) -> None:
    """Refuse to enumerate what is too large, before anything else is done."""
    from ...dynamics.graph import MOST_STATES, counted

    if network.size > MOST_STATES:
        raise BadInput(
            f"--exhaustive enumerates up to 2^26 = {MOST_STATES:,} states, but this program has {counted(network)}; "
            "leave it out to draw states, more of them with --states"
        )


def _proved(made: Analysis, told: Watch, check: Check) -> None:
    if not made.loop:
        made.settled = settle(made.network)
    made.silence = silence(made.network)
    check()
    if (plain := as_network(made.network)) is not None:
        made.certificates = certify(plain, budget=min(10_000, made.options.budget), seed=made.options.seed)


def _enumerated(made: Analysis, told: Watch, check: Check) -> None:
    wanted = made.options.exhaustive
    if wanted if wanted is not None else made.network.size <= ENUMERATED:
        progress = told.start("every state", 1)
        made.graph = attractors(made.network)
        progress(1, "")


def _sampled(made: Analysis, told: Watch, check: Check) -> None:
    options, network = made.options, made.network
    made.from_rest = orbit(network, budget=options.budget)
    if made.graph is not None:
        return
    progress = told.start("states", options.states)
    known: dict[str, Cycle] = {}
    for k, state in enumerate(network.random_states(options.states, options.seed)):
        found = orbit(network, state, options.budget)
        if found.cycle is not None:  # one cycle's spikes are kept once
            found = Orbit(options.budget, found.transient, known.setdefault(found.cycle.id, found.cycle))
        made.orbits.append(found)
        progress(k + 1, f"{len(known)} attractors")
        check()


def cycles(made: Analysis) -> Iterator[tuple[int, Cycle]]:
    """(states or samples that end in it, cycle) of every attractor that is known, largest basin first."""
    if made.graph is not None:
        for k in np.argsort(-made.graph.basins, kind="stable"):
            found = orbit(made.network, made.graph.cycle(int(k))[0], made.options.budget)
            if found.cycle is not None:
                yield int(made.graph.basins[k]), found.cycle
    elif (basins := made.basins) is not None:
        yield from ((b.hits, b.cycle) for b in basins.attractors)


def _kicked(made: Analysis, told: Watch, check: Check) -> None:
    """Damage on the attractor with the largest basin among those that fire, else among all."""
    first: Cycle | None = None
    for k, (_, cycle) in enumerate(cycles(made)):
        first = first or cycle
        if cycle.spikes.any():
            first = cycle
            break
        if k == 1000:
            break
    if first is None:
        return
    network = made.network
    most = int((network.highs - network.lows)[network.membranes].min()) // 2 + 1
    r = np.random.default_rng(made.options.seed)
    neurons = np.sort(r.permutation(network.neurons)[:200])
    made.hurt_on = first
    for kick in sorted({1, max(1, most // 4)}):
        found = damage(network, first.state, kick=kick, neurons=neurons, steps=made.options.steps)
        made.hurt = (*made.hurt, (kick, found))
        check()


def _stimulated(made: Analysis, told: Watch, check: Check) -> None:
    made.after = followed(made.network, made.options, told, check)


def _ramped(made: Analysis, told: Watch, check: Check) -> None:
    levels, options = made.options.levels, made.options
    if not levels:
        return
    made.ramp = hysteresis(made.network, levels, budget=options.budget)
    check()
    if made.network.phases == 1:
        timesteps = options.timesteps or 25
        up = pulse(made.network, levels[-1], timesteps, budget=options.budget)
        down = pulse(made.network, levels[0], timesteps, state=up.state, budget=options.budget)
        made.pulses = (up, down)
