"""A recurrent network of integers that drives itself: the map whose orbits are studied.

Its neurons are those of `neuron`, traced to a body as everywhere; what is new here is only where the current comes
from. The state is the membrane potential that fired, so the last output is a function of it and M = 2^(bits * N)
states exist (times the phases of a periodic drive).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput, BadProgram
from ..ir import Dense, Edge, Input, Join, Neuron, Program, Readout, frozen
from ..neuron import IF, LIF
from ..neuron.constants import constants
from ..ops import Body, Form, Shift, Uniform, step_many, trace
from .map import Ints, Map, integers, shown

Overflow = Literal["saturate", "wrap"]
Reset = Literal["none", "zero", "subtract"]

_MOST_NEURONS = 1 << 14


@dataclass(frozen=True, eq=False)
class IntegerNetwork(Map):
    """u(t+1) = store(leak(reset(u(t), s(t))) + weights @ s(t) + drive(t)),  s(t) = [u(t) >= threshold].

    Attributes:
        weights: integers [N, N]; row i holds what neuron i receives from every neuron.
        threshold: theta in LSB, at least 1; one number or [N]. Above `high` a neuron can never fire.
        bits: width of the stored membrane potential, 1..16.
        overflow: what leaves the codes is "saturate"d at the end codes or "wrap"ped modulo 2^bits.
        reset: after a spike, before the leak: "none", to "zero", or "subtract" theta.
        signed: codes -2^(bits-1)..2^(bits-1)-1, else 0..2^bits-1.
        leak: k of the shift leak u - (u >> k), 0..15 (0 forgets everything); None is no leak.
        drive: integers added in every timestep: one number, [N], or [P, N] that repeats with period P.

    Raises:
        BadInput: a field that cannot be used.

    Source: the map of arXiv 2604.01042 is signed=False, reset="none".
    """

    weights: Ints
    threshold: Any
    bits: int
    overflow: Overflow = "saturate"
    reset: Reset = "none"
    signed: bool = True
    leak: int | None = None
    drive: Any = 0

    def __post_init__(self) -> None:
        weights = integers("weights", self.weights)
        n = len(weights) if weights.ndim else 0
        if weights.shape != (n, n) or not 1 <= n <= _MOST_NEURONS:
            raise BadInput(f"weights must be [N, N] with N in 1..{_MOST_NEURONS}, not {list(weights.shape)}")
        if int(np.abs(weights).max()) >= 1 << 31:
            raise BadInput(f"weights must fit 32 bits, not reach {int(np.abs(weights).max())}")
        for name, kind in (("overflow", Overflow), ("reset", Reset)):
            if getattr(self, name) not in get_args(kind):
                raise BadInput(
                    f"{name} must be one of {', '.join(get_args(kind))}, not {getattr(self, name)!r}"
                )
        if not isinstance(self.bits, int) or not 1 <= self.bits <= 16:
            raise BadInput(f"bits must be an integer in 1..16, not {self.bits!r}")
        if self.leak is not None and not (isinstance(self.leak, int) and 0 <= self.leak <= 15):
            raise BadInput(f"leak must be None or a shift in 0..15, not {self.leak!r}")
        theta = integers("threshold", self.threshold)
        if theta.shape not in ((), (n,)) or int(theta.min()) < 1 or int(theta.max()) >= 1 << 31:
            raise BadInput(
                f"threshold must be one integer or [{n}], each in 1..2^31-1 so that rest (0) does not fire, not "
                f"{shown(theta)}"
            )
        drive = integers("drive", self.drive)
        drive = np.broadcast_to(drive, (1, n)) if drive.ndim == 0 or drive.shape == (n,) else drive
        if drive.ndim != 2 or drive.shape[1] != n or not len(drive) or int(np.abs(drive).max()) >= 1 << 31:
            raise BadInput(
                f"drive must be one integer, [{n}] or [P, {n}] of 32 bits, not {shown(np.asarray(self.drive))}"
            )
        for name, a in (("weights", weights), ("threshold", np.broadcast_to(theta, (n,))), ("drive", drive)):
            object.__setattr__(self, name, frozen(a))

    # --- what it is ---------------------------------------------------------------------------------------------

    @cached_property
    def neurons(self) -> int:
        """N."""
        return len(self.weights)

    @cached_property
    def phases(self) -> int:
        """P, the period of the drive; 1 where it is constant."""
        return len(self.drive)

    @property
    def low(self) -> int:
        """The lowest code."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The highest code."""
        return self.low + (1 << self.bits) - 1

    @cached_property
    def lows(self) -> Ints:
        """`low`, [N]."""
        return np.full(self.neurons, self.low)

    @cached_property
    def highs(self) -> Ints:
        """`high`, [N]."""
        return np.full(self.neurons, self.high)

    @cached_property
    def derived(self) -> NDArray[np.bool_]:
        """None: a state is the membrane potentials."""
        return np.zeros(self.neurons, bool)

    @cached_property
    def membranes(self) -> Ints:
        """All of them."""
        return np.arange(self.neurons)

    @cached_property
    def driven(self) -> bool:
        """Whether the drive is anything but 0."""
        return bool(self.drive.any())

    @cached_property
    def saturates(self) -> bool:
        """Whether what leaves the codes is held at their ends."""
        return self.overflow == "saturate"

    @cached_property
    def settling(self) -> int:
        """Timesteps in which the leak alone takes the highest code into the dead zone, by iteration; without a leak,
        or with one that forgets everything, 1."""
        if not self.leak:
            return 1
        u, steps = self.high, 0
        while u >> self.leak:
            u, steps = u - (u >> self.leak), steps + 1
        return max(1, steps)

    @cached_property
    def body(self) -> Body:
        """One neuron's timestep, traced from its equation."""
        return trace(self._equation, self._form)

    @cached_property
    def parameters(self) -> dict[str, Ints]:
        """The numbers per neuron that the body reads, [N] each."""
        whole = lambda x: np.full(self.neurons, x, np.int64)  # noqa: E731
        beta = None if self.leak is None else np.full(self.neurons, 1 - 2.0**-self.leak)
        return constants(
            self._equation, self._form, gain=whole(1), bias=whole(0), theta=self.threshold, beta=beta, shift=whole(0)
        )  # fmt: skip

    @property
    def _equation(self) -> IF | LIF:
        return IF(reset=self.reset) if self.leak is None else LIF(reset=self.reset)

    @property
    def _form(self) -> Form:
        return Form(Uniform(self.bits, self.low, self.overflow, "before reset"), Shift())

    # --- running it ---------------------------------------------------------------------------------------------

    def spikes(self, state: ArrayLike) -> Ints:
        """s = [state >= threshold], of states [..., N]."""
        return (self.checked(state) >= self.threshold).astype(np.int64)

    def step(self, state: ArrayLike, phase: int = 0) -> Ints:
        """The state one timestep later, of states [..., N] at a phase of the drive: the definition."""
        u = self.checked(state)
        s = (u >= self.threshold).astype(np.int64)
        current = s @ self.weights.T + self.drive[phase % self.phases]
        return step_many(self.body, current, {"u": u}, s, self.parameters, np.arange(self.neurons)).codes["u"]

    def completed(self, state: Ints) -> Ints:
        """The states themselves."""
        return state

    def program(self) -> Program:
        """The network as an integer program: the drive comes in, the recurrence is a delay edge.

        From rest it runs in every engine as `run` does, on the drive as input.

        Raises:
            BadInput: a threshold above the highest code: a program holds no neuron that cannot fire.
        """
        if int(self.threshold.max()) > self.high:
            raise BadInput(
                f"a program needs thresholds of at most {self.high}, the highest code, not "
                f"{int(self.threshold.max())}: such a neuron never fires; use more bits or a lower threshold"
            )
        try:
            return Program(
                (
                    Input("drive", (self.neurons,), int(self.drive.min()), int(self.drive.max())),
                    Dense("recurrent", Edge("neurons", 1), self.weights),
                    Join("current", (Edge("drive"), Edge("recurrent"))),
                    Neuron(
                        "neurons", Edge("current"), self.body, {k: frozen(a) for k, a in self.parameters.items()}
                    ),
                    Readout("spikes", Edge("neurons"), "count"),
                )
            )  # fmt: skip
        except BadProgram as e:
            raise BadInput(f"this network has no program: {e}") from e

    def plain(self) -> dict[str, Any]:
        """The network as numbers, words and lists: what JSON holds and `dynamics.check` reads."""
        arrays = {name: getattr(self, name).tolist() for name in ("weights", "threshold", "drive")}
        return arrays | {name: getattr(self, name) for name in ("low", "high", "overflow", "reset", "leak")}

    def drive_for(self, steps: int) -> Ints:
        """The input that the program takes for so many timesteps, [T, 1, N]."""
        return self.drive[np.arange(steps) % self.phases][:, None, :]
