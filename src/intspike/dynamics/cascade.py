"""Programs without recurrence: layer after layer is on its cycle in bounded time, from every state."""

from __future__ import annotations

import graphlib
from dataclasses import dataclass
from math import lcm
from typing import Literal

import numpy as np

from ..engine.reference import join, pool
from ..errors import BadInput
from ..ir import Conv, Dense, Input, Join, Neuron, Node, Offset, Pool, Program, Readout
from ..ir.ranges import conv
from .alone import Alone, alone, states_of
from .map import Ints
from .program_map import ProgramMap


@dataclass(frozen=True)
class Settled:
    """What a layer does in the long run, from every state of the whole network.

    Attributes:
        layer: its name.
        within: timesteps after which each of its neurons is on a cycle, whatever the state was.
        period: its output then repeats after so many timesteps (it can repeat earlier).
        output: "silent", "steady" (the same in every timestep) or "periodic".
        attained: whether some state needs exactly `within` timesteps where layers before it have settled; otherwise
            it is counted by the number of states.
    """

    layer: str
    within: int
    period: int
    output: Literal["silent", "steady", "periodic"]
    attained: bool


def recurrent(program: Program) -> bool:
    """Whether a node depends on its own past through an edge."""
    try:
        graphlib.TopologicalSorter({n.name: [e.source for e in n.edges] for n in program}).prepare()
    except graphlib.CycleError:
        return True
    return False


@dataclass(frozen=True)
class _Late:
    """A node's output: from timestep `begins` on it has a period, and is `value` where it is always the same."""

    begins: int
    period: int
    value: Ints | None


def settle(network: ProgramMap) -> tuple[Settled, ...]:
    """A bound for every layer of a program without recurrence, under the drive of the map.

    Where a layer's input is the same in every timestep in the end, every state of every neuron is followed to its
    cycle, and the bound is the longest way there. Where the input repeats with period L, a neuron of K states is on its
    cycle after at most L K timesteps, for it then has been in one of its states at the same phase twice.

    Raises:
        BadInput: a recurrent program.
    """
    if recurrent(network.program):
        raise BadInput(
            "only a program without recurrence settles layer by layer, but this one has a loop; use orbit or basins"
        )
    made: list[Settled] = []
    late: dict[str, _Late] = {}
    left = list(network.program)
    while left:  # a delayed edge may point to a later node
        n = next(n for n in left if all(e.source in late for e in n.edges))
        left.remove(n)
        if isinstance(n, Neuron):
            found, late[n.name] = _layer(network, n, late[n.source.source], n.source.delay)
            made.append(found)
        else:
            late[n.name] = _between(network, n, [late[e.source] for e in n.edges])
    return tuple(made)


def _between(network: ProgramMap, n: Node, sources: list[_Late]) -> _Late:
    if isinstance(n, Input):
        return _Late(1, network.phases, network.frames[0] if network.phases == 1 else None)
    begins = max(s.begins + e.delay for s, e in zip(sources, n.edges, strict=True))
    values = [s.value for s in sources if s.value is not None]
    if len(values) < len(sources):
        return _Late(begins, lcm(*(s.period for s in sources)), None)
    return _Late(begins, 1, still(n, values))


def still(n: Node, values: list[Ints]) -> Ints | None:
    """What a node without memory makes of inputs [*shape]; None of those on a substep clock."""
    x = values[0][None]
    match n:
        case Dense():
            return n.weight @ values[0].reshape(-1)
        case Conv():
            return conv(n, x, n.weight)[0]
        case Pool():
            return pool(n, x)[0]
        case Join():
            return join(n, [v[None] for v in values])[0]
        case Offset():
            return values[0] + n.offset
        case Readout():
            return values[0]
        case _:
            return None


def _layer(network: ProgramMap, n: Neuron, source: _Late, delay: int) -> tuple[Settled, _Late]:
    begins = source.begins + delay
    found = None if source.value is None else each_alone(network.program, n, source.value)
    if found is None:
        within = begins - 1 + source.period * states_of(n)
        period = source.period * lcm(*range(1, states_of(n) + 1))
        return Settled(n.name, within, period, "periodic", False), _Late(max(1, within), period, None)
    own, place = found
    within = begins - 1 + int(own.longest.max())
    if (own.least == own.most).all():
        output = "steady" if own.most.any() else "silent"
        value = own.most[place].reshape(network.program.shapes[n.name])
        return Settled(n.name, within, 1, output, True), _Late(max(1, within), 1, value)
    return Settled(n.name, within, own.period, "periodic", True), _Late(max(1, within), own.period, None)


def each_alone(program: Program, n: Neuron, current: Ints) -> tuple[Alone, Ints] | None:
    """Every neuron of a layer under its constant current [*shape], and which entry each is; equal ones are one."""
    shape = program.shapes[n.name]
    channel = np.broadcast_to(np.arange(shape[0]).reshape(-1, *(1,) * (len(shape) - 1)), shape)
    pairs = np.stack([channel.reshape(-1), current.reshape(-1)])
    unique, place = np.unique(pairs, axis=1, return_inverse=True)
    found = alone(n, unique[1], unique[0])
    return None if found is None else (found, place.reshape(-1))


@dataclass(frozen=True)
class Silence:
    """Once nothing was sent for `memory` timesteps, nothing is ever sent, under the drive of the map, from every state.

    Attributes:
        memory: the longest delay of the program, at least 1.
        settles: timesteps after which nothing moves any more.
    """

    memory: int
    settles: int

    def __str__(self) -> str:
        return (
            f"silence lasts: after {self.memory} timesteps without a spike none ever comes, and after {self.settles} "
            "nothing moves"
        )


def silence(network: ProgramMap) -> Silence | None:
    """The proof that silence lasts, by every state of every neuron that sent nothing; None where some could fire, or
    where the drive changes or there are too many states."""
    program = network.program
    if network.phases > 1:
        return None
    values: dict[str, Ints] = {
        n.name: np.zeros(program.shapes[n.name], np.int64) for n in program.neurons
    } | {program.input.name: network.frames[0]}
    left = [n for n in program if n.name not in values]
    while left:
        n = next(n for n in left if all(e.source in values for e in n.edges))
        left.remove(n)
        made = still(n, [values[e.source] for e in n.edges])
        if made is None:
            return None
        values[n.name] = made
    settles = 0
    for n in program.neurons:
        found = each_alone(program, n, values[n.source.source])
        if found is None or not found[0].quiet.all():
            return None
        settles = max(settles, int(found[0].longest.max()))
    longest = max((e.delay for n in program for e in n.edges), default=0)
    return Silence(max(1, longest), settles)
