"""Any integer program as a map: its state is every stored code, every output that codes do not tell, every delay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..engine import reference
from ..errors import BadInput
from ..ir import Edge, Integrator, Neuron, Program, Readout, ranges
from .alone import alone, fixed_output, sent_by
from .map import Ints, Map, integers


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


@dataclass(frozen=True, eq=False)
class ProgramMap(Map):
    """An integer program under a drive that repeats.

    Attributes:
        source: the program.
        drive: input codes, one frame [*shape] for a constant drive, or [P, *shape]; one number is the same everywhere.

    The readout and what only it reads keep nothing that a later spike depends on, so they are no part of the state.

    Raises:
        BadInput: a drive that the input cannot hold, a program without neurons, or one whose neurons read a running
            sum, which has no bound.
    """

    source: Program
    drive: ArrayLike = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "drive", _frames(self.source, self.drive))
        assert self.program

    @cached_property
    def program(self) -> Program:
        """What the neurons depend on, and nothing else."""
        return _pruned(self.source)

    @property
    def frames(self) -> Ints:
        """The drive, [P, *shape]."""
        return self.drive  # type: ignore[return-value]

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What a state is made of, in order."""
        return _parts(self.program)

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], Part]:
        return {(p.node, p.what): p for p in self.parts}

    def part(self, node: str, what: str) -> Part:
        """The part of a node."""
        return self._by_place[node, what]

    @cached_property
    def neurons(self) -> int:
        """N, of all layers together."""
        return sum(p.end - p.begin for p in self.parts if p.what == "spikes")

    @cached_property
    def phases(self) -> int:
        """P, the period of the drive."""
        return len(self.frames)

    @cached_property
    def lows(self) -> Ints:
        """The least value of every integer of a state."""
        return np.concatenate([p.low for p in self.parts])

    @cached_property
    def highs(self) -> Ints:
        """The greatest."""
        return np.concatenate([p.high for p in self.parts])

    @cached_property
    def derived(self) -> NDArray[np.bool_]:
        """Outputs that follow from stored codes."""
        return np.concatenate([np.full(p.end - p.begin, p.derived) for p in self.parts])

    @cached_property
    def membranes(self) -> Ints:
        """Where the stored code of every neuron's membrane potential stands."""
        return np.concatenate([np.arange(p.begin, p.end) for p in self.parts if p.what == "u"])

    @cached_property
    def sends(self) -> Ints:
        """Where every neuron's last output stands."""
        return np.concatenate([np.arange(p.begin, p.end) for p in self.parts if p.what == "spikes"])

    @cached_property
    def driven(self) -> bool:
        """Whether the drive is anything but 0."""
        return bool(self.frames.any())

    @cached_property
    def saturates(self) -> bool:
        """Whether every layer holds its codes at their ends."""
        return not any(n.body.codec("u").wraps for n in self.program.neurons)

    @cached_property
    def settling(self) -> int:
        """Timesteps in which a neuron that receives nothing is where it stays, whatever its codes; at least 1."""
        longest = 1
        for n in self.program.neurons:
            channels = np.arange(self.program.shapes[n.name][0])
            found = alone(n, np.zeros_like(channels), channels)
            longest = max(longest, int(found.longest.max()) if found is not None else 1)
        return longest

    def rest(self, *batch: int) -> Ints:
        """Every code at rest, nothing sent, [*batch, width]."""
        made = np.zeros(self.width, np.int64)
        for n in self.program.neurons:
            for s in n.body.states:
                made[self.part(n.name, s.name).place] = n.body.codec(s.name).rest
        return np.broadcast_to(made, (*batch, self.width)).copy()

    def spikes(self, state: ArrayLike) -> Ints:
        """What all neurons last sent, [..., N], in the order of the layers."""
        return self.checked(state)[..., self.sends]

    def of_layer(self, name: str) -> slice:
        """Which of the N neurons a layer is."""
        begin = 0
        for p in self.parts:
            if p.what == "spikes":
                if p.node == name:
                    return slice(begin, begin + p.end - p.begin)
                begin += p.end - p.begin
        raise BadInput(f"there is no layer {name!r}; it must be one of {', '.join(self.layers)}")

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers of neurons, in order."""
        return tuple(n.name for n in self.program.neurons)

    def completed(self, state: Ints) -> Ints:
        """States whose outputs are what their codes say, where codes say it."""
        made = state.copy()
        for n in self.program.neurons:
            sent = self.part(n.name, "spikes")
            if sent.derived:
                shape = (*state.shape[:-1], *self.program.shapes[n.name])
                codes = {
                    s.name: state[..., self.part(n.name, s.name).place].reshape(shape) for s in n.body.states
                }
                channel = np.arange(shape[state.ndim - 1]).reshape(-1, *(1,) * (len(shape) - state.ndim))
                made[..., sent.place] = sent_by(n, codes, channel).reshape(*state.shape[:-1], -1)
        return made

    def step(self, state: ArrayLike, phase: int = 0) -> Ints:
        """The state one timestep later, by the reference engine: the definition."""
        u = self.checked(state)
        return self.follow(u, np.broadcast_to(self.frames[phase % self.phases], self._input(u)))

    def _input(self, u: Ints) -> tuple[int, ...]:
        return (*u.shape[:-1], *self.program.input.shape)

    def follow(self, state: Ints, x: Ints) -> Ints:
        """The states [..., width] one timestep later on inputs [..., *shape], each its own."""
        flat = state.reshape(-1, self.width)
        session, shapes = self._session, self.program.shapes
        session.batch = len(flat)
        session.reset()
        of = lambda p: flat[:, p.place].reshape(len(flat), *shapes[p.node])  # noqa: E731
        for n in self.program.neurons:
            session.codes[n.name] = {s.name: of(self.part(n.name, s.name)) for s in n.body.states}
            session.spikes[n.name] = of(self.part(n.name, "spikes"))
        for name, past in session.past.items():
            for back in range(past.maxlen or 0, 0, -1):
                past.append(of(self.part(name, _past(self.program, name, back))))
        session.step(x.reshape(len(flat), *self.program.input.shape))
        made = np.empty_like(flat)
        for p in self.parts:
            if p.what == "spikes":
                value = session.spikes[p.node]
            elif p.what.startswith("past "):
                value = session.past[p.node][-int(p.what.split()[1])]
            else:
                value = session.codes[p.node][p.what]
            made[:, p.place] = value.reshape(len(flat), -1)
        return made.reshape(state.shape)

    @cached_property
    def _session(self) -> reference.Session:
        return reference.Session(self.program, 1)

    def driven_by(self, drive: ArrayLike) -> ProgramMap:
        """The same program under another drive."""
        return replace(self, drive=drive)


def _past(program: Program, name: str, back: int) -> str:
    """The part that holds a node's output of so many timesteps ago."""
    return "spikes" if back == 1 and isinstance(program[name], Neuron) else f"past {back}"


def _frames(program: Program, drive: ArrayLike) -> Ints:
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


def _pruned(program: Program) -> Program:
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


def _parts(program: Program) -> tuple[Part, ...]:
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
    late = [(name, _past(program, name, k)) for name, most in longest.items() for k in range(1, most + 1)]
    late = [(name, what) for name, what in late if what != "spikes"]
    proved = ranges(program) if late else {}  # which takes its time where neurons have many states
    for name, what in late:
        none = np.zeros(int(np.prod(program.shapes[name])), np.int64)
        add(name, what, none + min(0, proved[name].low), none + max(0, proved[name].high))
    return tuple(made)
