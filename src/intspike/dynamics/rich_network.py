"""Recurrent integer networks whose neurons keep more than a membrane potential: rest after a spike, a synaptic current
of its own, a threshold that adapts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput
from ..ir import Neuron as NeuronNode
from ..ir import Program, frozen
from ..neuron import Neuron
from ..ops import Body, Form, State, Uniform, step_many, trace
from ..ops.trace import Tracer, Value
from .map import Ints, Map
from .network import IntegerNetwork
from .program_map import ProgramMap


@dataclass(frozen=True)
class RichNeuron(Neuron):
    """i = i - (i >> k_i) + I;  u = leak(reset(u, s)) + i;  a = a - (a >> k_a) + jump s;  s = [u >= theta + a].

    Each line but the second is there where the neuron has it; while it is refractory i is not added and nothing fires.
    A subtracting reset takes theta, not theta + a.

    Attributes:
        leaks: whether u has a shift leak.
        synapse: whether i is there (a current-based neuron).
        adapts: whether a is there.
    """

    leaks: bool = True
    synapse: bool = False
    adapts: bool = False

    def states(self, form: Form) -> tuple[State, ...]:
        made = super().states(form)
        codec = form.codec
        if not isinstance(codec, Uniform):
            raise BadInput("these neurons are stored in uniform codes; use Uniform")
        if self.synapse:
            signed = Uniform(codec.bits, -(1 << (codec.bits - 1)), codec.overflow, "before reset")
            made = (*made, State("i", signed))
        return (*made, State("a", Uniform(codec.bits, 0, stores="before reset"))) if self.adapts else made

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        fired = ops.prev()
        if self.synapse:
            current = ops.store("i", state["i"] - (state["i"] >> ops.parameter("i.leak.shift")) + current)
        current, awake = self.gated(ops, state, current)
        u = ops.reset(state["u"], fired)
        u = (u - (u >> ops.parameter("leak.shift")) if self.leaks else u) + current
        if not self.adapts:
            return ops.fire("u", u, awake)
        a = state["a"] - (state["a"] >> ops.parameter("a.leak.shift")) + fired * ops.parameter("a.jump")
        above = ops.store("u", u) - ops.store("a", a) >= ops.parameter("theta")  # then u is, too
        return ops.fire("u", u, above if awake is None else ops.select(awake, above, 0))


@dataclass(frozen=True, eq=False)
class RichNetwork(Map):
    """An integer network with richer neurons; its states are those of its program.

    A state is u of all neurons, then the refractory counters r, the synaptic currents i and the adaptations a, where
    there are such, then what was sent, which follows from them: [width].

    Attributes:
        base: weights, threshold, bits and semantics.
        refractory: timesteps after a spike in which a neuron neither integrates nor fires.
        synapse: k of the synaptic current's leak i - (i >> k), in signed codes of `bits`; None: the current itself.
        adaptation: (jump, k): a spike raises the threshold by jump, which decays as a - (a >> k), in codes
            0..2^bits - 1; None: none.

    Raises:
        BadInput: nothing richer than `base`, or numbers that cannot be.
    """

    base: IntegerNetwork
    refractory: int = 0
    synapse: int | None = None
    adaptation: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not self.refractory and self.synapse is None and self.adaptation is None:
            raise BadInput(
                "a rich network needs refractory, synapse or adaptation; without them use IntegerNetwork"
            )
        jump, k = self.adaptation or (1, 0)
        for name, shift in (("synapse", self.synapse or 0), ("the k of adaptation", k)):
            if not 0 <= shift <= 15:
                raise BadInput(f"{name} must be a shift in 0..15, not {shift}")
        if not 1 <= jump < 1 << self.base.bits:
            raise BadInput(
                f"the jump of adaptation must be in 1..{(1 << self.base.bits) - 1} LSB, not {jump}"
            )
        assert self.program()

    # --- its neuron -----------------------------------------------------------------------------------------------

    @cached_property
    def equation(self) -> RichNeuron:
        """One neuron."""
        return RichNeuron(
            reset=self.base.reset, refractory=self.refractory, leaks=self.base.leak is not None,
            synapse=self.synapse is not None, adapts=self.adaptation is not None,
        )  # fmt: skip

    @cached_property
    def body(self) -> Body:
        """Its timestep, traced."""
        form = Form(Uniform(self.base.bits, self.base.low, self.base.overflow, "before reset"))
        return trace(self.equation, form)

    @cached_property
    def parameters(self) -> dict[str, Ints]:
        """The numbers per neuron that the body reads, [N] each."""
        jump, k = self.adaptation or (0, 0)
        numbers = {
            "gain": 1, "bias": 0, "theta": self.base.threshold, "reset": self.base.threshold,
            "leak.shift": self.base.leak or 0, "i.leak.shift": self.synapse or 0, "a.leak.shift": k, "a.jump": jump,
        }  # fmt: skip
        each = lambda x: np.broadcast_to(np.asarray(x, np.int64), (self.base.neurons,))  # noqa: E731
        return {p: each(numbers.get(p, 0)) for p in self.body.parameters}

    def program(self) -> Program:
        """The network as an integer program, as that of `IntegerNetwork`."""
        made = self.base.program()
        numbers = {p: frozen(a) for p, a in self.parameters.items()}
        nodes = (
            replace(n, body=self.body, parameters=numbers) if isinstance(n, NeuronNode) else n for n in made
        )
        return Program(tuple(nodes))

    @cached_property
    def whole(self) -> ProgramMap:
        """The program as a map, of the same states."""
        return ProgramMap(self.program(), self.base.drive)

    # --- the map --------------------------------------------------------------------------------------------------

    def step(self, state: ArrayLike, phase: int = 0) -> Ints:
        """The state one timestep later, of states [..., width]: the definition."""
        x = self.checked(state)
        n, names = self.neurons, [s.name for s in self.body.states]
        codes = {name: x[..., k * n : (k + 1) * n] for k, name in enumerate(names)}
        sent = x[..., len(names) * n :]
        current = sent @ self.base.weights.T + self.base.drive[phase % self.phases]
        made = step_many(self.body, current, codes, sent, self.parameters, np.arange(n))
        return np.concatenate([*(made.codes[name] for name in names), made.spike], -1)

    def spikes(self, state: ArrayLike) -> Ints:
        """What was sent, [..., N]."""
        return self.checked(state)[..., -self.neurons :]

    def completed(self, state: Ints) -> Ints:
        """States whose outputs follow from their codes."""
        return self.whole.completed(state)

    @cached_property
    def neurons(self) -> int:
        """N."""
        return self.base.neurons

    @cached_property
    def phases(self) -> int:
        """P, the period of the drive."""
        return self.base.phases

    @cached_property
    def lows(self) -> Ints:
        """The least codes."""
        return self.whole.lows

    @cached_property
    def highs(self) -> Ints:
        """The greatest."""
        return self.whole.highs

    @cached_property
    def derived(self) -> NDArray[np.bool_]:
        """What was sent follows from the codes."""
        return self.whole.derived

    @cached_property
    def membranes(self) -> Ints:
        """The first N."""
        return np.arange(self.neurons)

    @cached_property
    def driven(self) -> bool:
        """Whether the drive is anything but 0."""
        return self.base.driven

    @cached_property
    def saturates(self) -> bool:
        """Whether membrane potentials are held at the ends of their codes."""
        return self.base.saturates

    @cached_property
    def settling(self) -> int:
        """Timesteps in which a neuron that receives nothing is where it stays, whatever its codes."""
        return self.whole.settling
