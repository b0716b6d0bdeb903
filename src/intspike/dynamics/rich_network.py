"""Recurrent integer networks whose neurons keep more than a membrane potential: rest after a spike, a synaptic current
of its own, a threshold that adapts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput
from ..ir import Neuron as NeuronNode
from ..ir import Program, frozen
from ..neuron import IF, LIF, AdaptiveLIF, CubaLIF, Neuron
from ..ops import Body, Form, Shift, Uniform, step_many, trace
from ..ops.trace import Kept
from .map import Ints, Map
from .network import IntegerNetwork
from .program_map import ProgramMap


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
    def equation(self) -> Neuron:
        """One neuron: a neuron that trains, as it is. What its leaks are the parameters say."""
        beta = None if self.base.leak is None else 0.5
        reset, alpha = self.base.reset, None if self.synapse is None else 0.5
        if self.adaptation is not None:
            return AdaptiveLIF(reset=reset, refractory=self.refractory, beta=beta, alpha=alpha)
        if alpha is not None:
            return CubaLIF(reset=reset, refractory=self.refractory, beta=beta, alpha=alpha)
        if beta is None:
            return IF(reset=reset, refractory=self.refractory)
        return LIF(reset=reset, refractory=self.refractory, beta=beta)

    @cached_property
    def body(self) -> Body:
        """Its timestep, traced."""
        bits, overflow = self.base.bits, self.base.overflow
        lasting = Kept("i", Uniform(bits, -(1 << (bits - 1)), overflow, "before reset"), Shift())
        raising = Kept("a", Uniform(bits, 0, stores="before reset"), Shift())
        codec = Uniform(bits, self.base.low, overflow, "before reset")
        return trace(self.equation, Form(codec, Shift(), others=(lasting, raising)))

    @cached_property
    def parameters(self) -> dict[str, Ints]:
        """The numbers per neuron that the body reads, [N] each."""
        jump, k = self.adaptation or (0, 0)
        numbers = {
            "gain": 1, "bias": 0, "theta": self.base.threshold, "reset": self.base.threshold,
            "leak.shift": self.base.leak or 0, "i.leak.shift": self.synapse or 0, "a.leak.shift": k, "jump": jump,
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
