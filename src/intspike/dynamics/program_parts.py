"""What the state of a program's map is made of, and which programs and drives have one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BadInput
from ..ir import Edge, Integrator, Neuron, Program, Readout, ranges
from .alone import fixed_output
from .map import Ints, integers


@dataclass(frozen=True, eq=False)
class Part:
    """A stretch of a state: what one node keeps of one kind.

    Attributes:
        node: whose.
        what: "u" or another state's codes, "spikes", or "past 2": the output two timesteps ago.
        begin, end: where it stands in a state.
        low, high: of its values, [end - begin].
        derived: it follows from other parts.
    """

    node: str
    what: str
    begin: int
    end: int
    low: Ints
    high: Ints
    derived: bool = False

    @property
    def place(self) -> slice:
        return slice(self.begin, self.end)


def past_of(program: Program, name: str, back: int) -> str:
    """The part that holds a node's output of so many timesteps ago."""
    return "spikes" if back == 1 and isinstance(program[name], Neuron) else f"past {back}"


def frames_of(program: Program, drive: ArrayLike) -> Ints:
    """A drive as frames [P, *shape] of input codes, or BadInput."""
    declared = program.input
    x = integers("a drive", drive)
    if x.ndim == 0:
        x = np.broadcast_to(x, declared.shape)
    x = x[None] if x.shape == declared.shape else x
    if x.shape[1:] != declared.shape:
        raise BadInput(
            f"a drive must be one integer, {list(declared.shape)} or [P, {', '.join(map(str, declared.shape))}], not "
            f"{list(np.shape(drive))}"
        )
    if int(x.min()) < declared.low or int(x.max()) > declared.high:
        raise BadInput(
            f"a drive must hold input codes {declared.low}..{declared.high}, not {int(x.min())}..{int(x.max())}"
        )
    made = x.astype(np.int64)
    made.flags.writeable = False
    return made


def pruned(program: Program) -> Program:
    """What later spikes depend on, with a readout that keeps nothing, or BadInput."""
    if not program.neurons:
        raise BadInput("a map needs neurons, but this program has none: it keeps nothing between timesteps")
    needed: set[str] = set()
    waiting = [n.name for n in program.neurons]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [e.source for e in program[name].edges]
    running = [n.name for n in program if isinstance(n, Integrator) and n.name in needed]
    if running:
        raise BadInput(
            f"the states of a map must be bounded, but neurons read the running sum {', '.join(running)}; "
            "analyse the part of the network before it"
        )
    kept = [n for n in program if n.name in needed or n.name == program.input.name]
    end = Readout(program.readout.name, Edge(program.neurons[-1].name), "last")  # keeps no sum
    return Program((*kept, end))


def parts_of(program: Program) -> tuple[Part, ...]:
    """What a state of the map is made of, in order."""
    made: list[Part] = []

    def add(node: str, what: str, low: Ints, high: Ints, derived: bool = False) -> None:
        begin = made[-1].end if made else 0
        made.append(Part(node, what, begin, begin + low.size, low, high, derived))

    for n in program.neurons:
        shape = program.shapes[n.name]
        each = np.zeros(shape, np.int64).reshape(shape[0], -1)
        for s in n.body.states:
            codec = n.body.codec(s.name)
            top = n.parameters.get(f"{s.name}.high", np.full(shape[0], codec.high))
            add(n.name, s.name, (each + codec.low).reshape(-1), (each + top[:, None]).reshape(-1))
        sent = (each + n.body.spikes).reshape(-1)
        add(n.name, "spikes", np.zeros_like(sent), sent, fixed_output(n.body) is not None)
    longest: dict[str, int] = {}
    for n in program:
        for e in n.edges:
            longest[e.source] = max(longest.get(e.source, 0), e.delay)
    late = [(name, past_of(program, name, k)) for name, most in longest.items() for k in range(1, most + 1)]
    late = [(name, what) for name, what in late if what != "spikes"]
    proved = ranges(program) if late else {}  # which takes its time where neurons have many states
    for name, what in late:
        none = np.zeros(int(np.prod(program.shapes[name])), np.int64)
        add(name, what, none + min(0, proved[name].low), none + max(0, proved[name].high))
    return tuple(made)
