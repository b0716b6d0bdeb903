"""Tracing: a neuron's `step` runs once on symbolic values and leaves its body.

`form` says how: in integers with the given codecs and leak, or in full precision, where encode and decode
are the identity and the leak is a multiplication by beta.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, Protocol

from ..errors import BadInput, BadProgram, did_you_mean
from .body import REAL_LEAKS, Body, leak_prefix
from .codec import Codec, State, Uniform
from .codec import Table as TableCodec
from .surrogate import Surrogate
from .table import BELOW, ENDS, SATURATED
from .value import SHIFT, Builder, States, Value, check_number, no_such_state


@dataclass(frozen=True)
class Carry:
    """Leak by a table: carry[c] = half_up(beta * v[c]), v the decoded level after its reset line.

    Attributes:
        decay: "guaranteed" moves every code but rest towards rest even where rounding would leave it stuck;
            "nearest" is plain rounding.
    """

    decay: Literal["guaranteed", "nearest"] = "guaranteed"


@dataclass(frozen=True)
class Shift:
    """Leak by a shift: v - floor(v / 2^m), beta = 1 - 2^-m."""


@dataclass(frozen=True)
class Dyadic:
    """Leak by a multiplication and a shift: floor(a * v / 2^b), beta = a / 2^b.

    Attributes:
        bits: b.
    """

    bits: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 15:
            raise BadInput(f"the bits of a dyadic leak must be in 1..15, not {self.bits}")


Leak = Carry | Shift | Dyadic


Blocked = Literal["nothing", "ends", "saturated", "below"]
BLOCKED: Mapping[Blocked, int] = {"nothing": 0, "ends": ENDS, "saturated": SATURATED, "below": BELOW}


@dataclass(frozen=True)
class Kept:
    """How a state beside the membrane is stored: a synaptic current, an adaptation.

    Attributes:
        state: its name.
        codec: uniform, stored before reset: such a state is not reset.
        leak, blocked: as of a `Form`.
    """

    state: str
    codec: Uniform
    leak: Leak = field(default_factory=Carry)
    blocked: Blocked = "saturated"

    def __post_init__(self) -> None:
        if self.codec.stores != "before reset":
            raise BadInput(f"the state {self.state} is not reset, so its codes must be stored 'before reset'")


@dataclass(frozen=True)
class Form:
    """What a step is traced to.

    Attributes:
        codec: of the membrane potential; None is full precision.
        leak: the integer form of the leak; unused in full precision and in neurons without a leak.
        blocked: where the straight-through gradient is blocked: at both end codes, where a value is surely beyond the
            levels, or that at the lower end alone; see the gradient rule of `encode` in `table`.
        others: how states beside the membrane are stored; those that are not named here as `kept` says.
    """

    codec: Codec | None = None
    leak: Leak = field(default_factory=Carry)
    blocked: Blocked = "nothing"
    others: tuple[Kept, ...] = ()

    def kept(self, state: str, signed: bool = False) -> Kept:
        """How a state beside the membrane is stored: by default in uniform codes of as many bits, at least 2, with the
        membrane's form of leak."""
        if self.codec is None:
            raise BadInput("codes are of quantized neurons only, not of full precision")
        for k in self.others:
            if k.state == state:
                return k
        bits = max(self.codec.bits, 2)
        return Kept(state, Uniform(bits, -(1 << (bits - 1)) * signed, stores="before reset"), self.leak)


class Steps(Protocol):
    """What the tracer needs of a neuron: the fields of the contract, its states and its step."""

    @property
    def reset(self) -> Literal["subtract", "zero", "none"]: ...
    @property
    def compare(self) -> Literal[">=", ">"]: ...
    @property
    def spikes(self) -> int: ...
    @property
    def surrogate(self) -> Surrogate: ...
    def states(self, form: Form) -> tuple[State, ...]: ...
    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value: ...


_OF_A_STEP = ("cut", "fire", "leak", "parameter", "prev", "reset", "select", "store")


class Tracer(Builder):
    """The `ops` of a `step`: arithmetic on values, and the parts of a timestep every neuron shares."""

    def __init__(self, neuron: Steps, form: Form):
        super().__init__()
        self.neuron, self.form = neuron, form
        self.states = neuron.states(form)
        self.stores: dict[str, int] = {}
        self.membranes: dict[str, int] = {}
        self._was_reset: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise BadProgram(f"ops has no {name!r}; {did_you_mean(name, _OF_A_STEP)}")

    def lift(self, x: Value | float, op: str = "", beside: int | None = None) -> int:
        """The index of a value or of a number that a step may use.

        Args:
            op, beside: what is done with it, and to which value.
        """
        if isinstance(x, Value):
            if x.ops is not self:
                raise BadProgram(
                    "a step must use the values that it was given, not those of another call; keep none between calls"
                )
            if op == "mul" and beside is not None and self.form.codec is None:
                self._check_product(x.index, beside)
            return x.index
        if op == "div":
            raise BadProgram(f"a step must not divide by a value; {SHIFT}")
        potential = self.form.codec is None and beside is not None and self._is_potential(beside)
        check_number(x, op, potential)
        return self.constant(x)

    def shift_right(self, x: int, n: Value | int) -> int:
        """x >> n: a shift in integers, in full precision x / 2^n, which nothing rounds."""
        by = self.lift(n)
        if isinstance(n, Value):
            if self.form.codec is None:
                raise BadProgram("a step must shift by a number, such as u >> 1, not by a value")
        elif not 0 <= n <= 31:
            raise BadProgram(f"a step must shift by 0..31, not {n}; write x * 4 for a shift to the left by 2")
        elif self.form.codec is None:
            return self.emit("mul", x, self.constant(2.0**-n))
        return self.emit("shr", x, by)

    def absolute(self, x: int) -> int:
        return self.emit("max", x, self.emit("sub", self.constant(0), x))

    def _check_product(self, x: int, y: int) -> None:
        if self._is_potential(x) and self._is_potential(y):
            raise BadProgram(
                "a step must not multiply a potential by a potential: the product is of LSB in integers and of "
                "thresholds in full precision, which differ; one factor must be a number, a spike or a condition"
            )

    def _is_potential(self, index: int) -> bool:
        """Whether a value is in the unit of the threshold, so that numbers but 0 mean nothing beside it."""
        i = self.instructions[index]
        if i.op in ("current", "state", "decode"):
            return i.name != "r"
        if i.op == "parameter":
            return i.name in ("reset", "jump") or i.name.startswith("theta")
        args = i.args[1:] if i.op == "select" else i.args
        return i.op not in ("ge", "gt", "prev", "constant") and any(map(self._is_potential, args))

    def value(self, index: int) -> Value:
        return Value(self, index)

    def parameter(self, name: str) -> Value:
        """A number per channel that training may change: a run-time array, never a constant of the text."""
        return self.value(self.emit("parameter", name=name))

    def prev(self) -> Value:
        """The last output, an integer in 0..D; it is a function of what is stored, not a memory."""
        return self.value(self.emit("prev"))

    def select(self, condition: Value, x: Value | float, y: Value | float) -> Value:
        """x where the condition is 1, y where it is 0."""
        if not isinstance(condition, Value):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadProgram(f"ops.select must be asked with a value, such as u > 0, not {condition!r}")
        first = self.lift(x, "select", y.index if isinstance(y, Value) else None)
        return self.value(self.emit("select", condition.index, first, self.lift(y, "select", first)))

    def cut(self, x: Value) -> Value:
        """x itself, without a gradient."""
        return self.value(self.emit("cut", self.lift(x)))

    def codec(self, state: str) -> Codec | None:
        """Of a state of the neuron.

        Raises:
            BadProgram: it has no such state.
        """
        for s in self.states:
            if s.name == state:
                return s.codec
        raise no_such_state(state, [s.name for s in self.states])

    def _fires_in_store(self, state: str) -> bool:
        codec = self.codec(state)
        return codec is not None and codec.stores == "after reset"

    def read(self, state: str) -> Value:
        """The decoded stored value: the membrane that fired, L[c] or L[c] + reset * s by the codec."""
        value = self.value(self.emit("decode", self.emit("state", name=state), name=state))
        return value + self.parameter("reset") * self.prev() if self._fires_in_store(state) else value

    def reset(self, u: Value, s: Value) -> Value:
        """u after the reset that the neuron names; no gradient passes through the spike."""
        if self.neuron.reset == "none":
            return u
        if self.neuron.reset == "zero":
            after = self.select(self.cut(s) > 0, self.value(self.constant(0)), u)
        else:
            after = u - self.parameter("reset") * self.cut(s)
        self._was_reset.add(after.index)
        return after

    def leak(self, v: Value, state: str = "u") -> Value:
        """v after its leak: beta * v in full precision, otherwise the declared integer form of it."""
        codec, v = self.codec(state), self.value(self.lift(v))
        if self.form.codec is None:
            return v * self.parameter(REAL_LEAKS.get(state, f"{state}.beta"))
        leak, prefix = self.form.leak if state == "u" else self.form.kept(state).leak, leak_prefix(state)
        if isinstance(leak, Shift):
            return v - (v >> self.parameter(f"{prefix}leak.shift"))
        if isinstance(leak, Dyadic):
            multiplied = v * self.parameter(f"{prefix}leak.multiplier")
            return multiplied >> self.parameter(f"{prefix}leak.shift")
        if self._sees_more(v.index, state):
            raise BadInput(
                "a leak on state plus input must be a Shift() or Dyadic() leak, not Carry(): a carry table is "
                "read at a stored code, and the sum is not one; choose QuantConfig(leak=Dyadic()) for this layer"
            )
        if codec is None or codec.bits > 8:
            raise BadInput(
                f"a Carry() leak must have at most 8 state bits (a table of 2^n entries), not "
                f"{codec.bits if codec else 'full precision'} of {state}; choose QuantConfig(leak=Shift()) or Dyadic()"
            )
        code = self.emit("state", name=state)
        # a row for each output where the code alone does not tell what the last output took from v
        was_reset = v.index in self._was_reset
        silenced = any(
            s.name != "i" for s in self.states if s.name != state
        )  # a code that would fire may not
        rows = not was_reset if self._fires_in_store(state) else was_reset and silenced
        rows = rows and self.neuron.reset != "none"
        args = (code, self.emit("prev"), v.index) if rows else (code, v.index)
        return self.value(self.emit("lookup", *args, name=f"{prefix}carry"))

    def _sees_more(self, index: int, state: str) -> bool:
        """Whether a value sees a current: that of this timestep, or one that was stored in another state."""
        i = self.instructions[index]
        if i.op == "current" or (i.op == "state" and i.name != state):
            return True
        return any(self._sees_more(a, state) for a in i.args)

    def _spikes(self, x: Value, state: str, gate: Value | None) -> Value:
        op = "ge" if self.neuron.compare == ">=" else "gt"
        total: Value | None = None
        for d in range(self.neuron.spikes):
            theta = self.parameter(threshold_name(d))
            fired = self.value(self.emit(op, x.index, theta.index, name=state))
            total = fired if total is None else total + fired
        if total is None:
            raise BadInput(f"a neuron must send at least one spike, not spikes={self.neuron.spikes}")
        return total if gate is None else self.select(gate, total, 0)

    def store(self, state: str, x: Value) -> Value:
        """Encode x as the next value of a state that does not fire; returns what was stored, decoded."""
        others = {k.state: BLOCKED[k.blocked] for k in self.form.others}
        blocked = others.get(state, BLOCKED[self.form.blocked])
        self.codec(state)  # a state that there is not is refused here
        self.stores[state] = self.emit("encode", self.lift(x), name=state, immediate=blocked)
        self.membranes[state] = self.emit("decode", self.stores[state], name=state)
        return self.value(self.membranes[state])

    def fire(self, state: str, x: Value, gate: Value | None = None, raised: Value | None = None) -> Value:
        """Encode x as the next membrane and fire from what was stored; where `gate` is 0 nothing fires.

        Args:
            raised: what thresholds are raised by, a state just stored that is never negative; None: nothing.
        """
        x = self.value(self.lift(x))
        if not self._fires_in_store(state):
            stored = self.store(state, x)
            return self._spikes(stored if raised is None else stored - raised, state, gate)
        if raised is not None:
            raise BadInput(
                "a threshold that moves needs the membrane that fired: below it lie potentials at theta and above, and "
                "codes stored after reset have none; choose stores='before reset' for the state"
            )
        s = self._spikes(x, state, gate)
        stored = self.store(state, self.reset(x, s))
        self.membranes[state] = (stored + self.parameter("reset") * self.cut(s)).index
        return s


def threshold_name(d: int) -> str:
    """Parameter of the d-th threshold, counted from 0."""
    return "theta" if d == 0 else f"theta.{d + 1}"


@lru_cache(maxsize=256)
def trace(neuron: Steps, form: Form) -> Body:
    """The body of a neuron: synapses are integrated, `step` runs, states are stored, the output is named.

    In integers the current is gain * S + bias, S the wide integer sum of the synapses and gain a signed power
    of two per channel; in full precision it is the current itself.

    Raises:
        BadInput: a combination of fields that has no meaning, with the repair.
    """
    codec = form.codec
    if codec is not None and codec.stores == "after reset" and neuron.reset == "none":
        raise BadInput(
            "a state stored after reset needs a reset, but the neuron has reset='none'; "
            "choose stores='before reset' for its state"
        )
    ops = Tracer(neuron, form)
    current = ops.value(ops.emit("current"))
    if codec is not None:
        current = current * ops.parameter("gain") + ops.parameter("bias")
    state = States({s.name: ops.read(s.name) for s in ops.states})
    reads = {name: v.index for name, v in state.items()}
    spike = neuron.step(ops, state, current)
    if not isinstance(spike, Value):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadProgram(f"step must return the output, what ops.fire returns, not {spike!r}")
    missing = [s.name for s in ops.states if s.name not in ops.stores]
    if missing:
        raise BadProgram(f"step must store every state it declares, but did not store {', '.join(missing)}")
    if (
        isinstance(codec, TableCodec)
        and neuron.spikes > 1
        and codec.stores == "before reset"
        and codec.bits < 2
    ):
        raise BadInput("a table that holds several thresholds needs at least 2 bits")
    return Body(
        instructions=tuple(ops.instructions),
        states=ops.states,
        stores=tuple(ops.stores[s.name] for s in ops.states),
        membranes=tuple(ops.membranes[s.name] for s in ops.states),
        reads=tuple(reads[s.name] for s in ops.states),
        spike=spike.index,
        spikes=neuron.spikes,
        reset=neuron.reset,
        strict=neuron.compare == ">",
        surrogate=neuron.surrogate,
    )
