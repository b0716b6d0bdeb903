"""A body: one neuron's timestep as a short list of scalar instructions (static single assignment).

`trace` makes it from a neuron's `step`; interpreters, interval analysis, gradients and renderers read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ..errors import BadProgram
from .codec import Codec, State, Table
from .instruction import Instruction
from .surrogate import ShiftedArctan, Surrogate


@dataclass(frozen=True)
class Body:
    """What one neuron does in one timestep.

    Attributes:
        instructions: in order of evaluation.
        states: stored between timesteps.
        stores: for each state, the index of its next code (in full precision: its next value).
        membranes: for each state, the index of its decoded next value.
        reads: for each state, the index of its decoded last value.
        spike: index of the output, an integer in 0..spikes.
        spikes: the largest output D.
        reset, strict: the neuron's reset, and whether it compares with `>`: what range proofs use.
        surrogate: derivative that stands in for that of a spike's comparison.
    """

    instructions: tuple[Instruction, ...]
    states: tuple[State, ...]
    stores: tuple[int, ...]
    membranes: tuple[int, ...]
    reads: tuple[int, ...]
    spike: int
    spikes: int = 1
    reset: Literal["subtract", "zero", "none"] = "subtract"
    strict: bool = False
    surrogate: Surrogate = ShiftedArctan()

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that the instructions and the codecs read, in order of first use."""
        names: dict[str, None] = {}
        for i in self.instructions:
            if i.op == "parameter" or i.op == "lookup":
                names[i.name] = None
            elif i.op in ("encode", "decode") and i.name in self.quantized:
                names.update(dict.fromkeys(codec_parameters(i.name, self.codec(i.name), i.op)))
        return tuple(names)

    @cached_property
    def quantized(self) -> frozenset[str]:
        """States that have a codec (none in full precision)."""
        return frozenset(s.name for s in self.states if s.codec is not None)

    def codec(self, state: str) -> Codec:
        for s in self.states:
            if s.name == state and s.codec is not None:
                return s.codec
        raise BadProgram(
            f"a body must declare a codec for every state it encodes, but has none for {state!r}"
        )

    @cached_property
    def firing(self) -> frozenset[str]:
        """States whose stored value fires."""
        return frozenset(i.name for i in self.instructions if i.op in ("ge", "gt") and i.name)

    @cached_property
    def real_leaks(self) -> tuple[str, ...]:
        """Real leaks behind the carry tables, which gradients read beside them."""
        return tuple(dict.fromkeys(real_leak(i.name) for i in self.instructions if i.op == "lookup"))

    @cached_property
    def raises(self) -> str | None:
        """The state that raises the thresholds: what fires is the membrane less that; None: nothing does."""
        for i in self.instructions:
            if i.op in ("ge", "gt") and i.name and self.instructions[i.args[0]].op == "sub":
                raised = self.instructions[self.instructions[i.args[0]].args[1]]
                return raised.name if raised.op == "decode" and raised.name not in self.firing else None
        return None

    @cached_property
    def keeps_spike(self) -> bool:
        """Whether the last output is memory of its own (an `after reset` codec stores it with the code)."""
        return any(s.codec is not None and s.codec.stores == "after reset" for s in self.states)

    @cached_property
    def provenance(self) -> tuple[frozenset[str], ...]:
        """Of each value, what it saw: "parameter", "code" (old codes and last output), "current"."""
        seen: list[frozenset[str]] = []
        for i in self.instructions:
            own = {
                "parameter": {"parameter"},
                "state": {"code"},
                "prev": {"code"},
                "current": {"current"},
            }.get(i.op, set[str]())
            seen.append(frozenset(own).union(*(seen[a] for a in i.args)))
        return tuple(seen)

    def __str__(self) -> str:
        lines = [f"%{k} = {i}" for k, i in enumerate(self.instructions)]
        lines += [f"store {s.name} <- %{k}" for s, k in zip(self.states, self.stores, strict=True)]
        lines.append(f"spike <- %{self.spike}")
        return "\n".join(lines)


REAL_LEAKS = {"u": "beta", "i": "alpha", "a": "rho"}  # of each state that may leak


def leak_prefix(state: str) -> str:
    """What the names of the parameters of a state's leak begin with: those of the membrane's are bare."""
    return "" if state == "u" else f"{state}."


def real_leak(table: str) -> str:
    """The real leak that a carry table was made from."""
    state = "u" if table == "carry" else table.removesuffix(".carry")
    return REAL_LEAKS.get(state, f"{state}.beta")


def codec_parameters(state: str, codec: Codec, op: str) -> tuple[str, ...]:
    """Parameters that encode or decode reads for a state."""
    if isinstance(codec, Table):
        return (f"{state}.boundaries",) if op == "encode" else (f"{state}.levels",)
    if op == "encode" and codec.has_top:
        return f"{state}.shift", f"{state}.high"
    return (f"{state}.shift",)


def parameter_shape(body: Body, name: str) -> tuple[int, ...]:
    """Shape of one channel's row of a parameter: () for a number, (entries,) or (rows, entries) for a table."""
    for i in body.instructions:
        if i.op == "lookup" and i.name == name:
            state = body.instructions[i.args[0]].name
            entries = 1 << body.codec(state).bits
            return (entries,) if len(i.args) == 2 else (body.spikes + 1, entries)
        if (
            i.op in ("encode", "decode")
            and i.name in body.quantized
            and name in codec_parameters(i.name, body.codec(i.name), i.op)
        ):
            bits = body.codec(i.name).bits
            if name.endswith(".levels"):
                return (1 << bits,)
            if name.endswith(".boundaries"):
                return ((1 << bits) - 1,)
    return ()
