"""Any integer program as a map: its state is every stored code, every output that codes do not tell, every delay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..engine import reference
from ..errors import BadInput
from ..ir import Program
from .alone import alone, sent_by
from .map import Ints, Map
from .program_parts import Part, frames_of, parts_of, past_of, pruned


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
        object.__setattr__(self, "drive", frames_of(self.source, self.drive))
        assert self.program

    @cached_property
    def program(self) -> Program:
        """What the neurons depend on, and nothing else."""
        return pruned(self.source)

    @property
    def frames(self) -> Ints:
        """The drive, [P, *shape]."""
        return self.drive  # type: ignore[return-value]

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What a state is made of, in order."""
        return parts_of(self.program)

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
                past.append(of(self.part(name, past_of(self.program, name, back))))
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
