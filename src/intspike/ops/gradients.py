"""The backward pass of a body, as a body: gradient rules emit ops, so it can be printed, tested and rendered.

Everything a rule needs must be known from the codes: of this timestep (just stored), of the last one, and the
parameters. A rule that asks for a value which saw the current and was not stored is an error that names the
op: such a neuron would need more memory than its codes.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import BadProgram
from .body import Body, Instruction, real_leak
from .codec import Codec, Table
from .table import OPS
from .trace import Builder, Value

# what takes no gradients: gains, shifts and multipliers are constants of a forward pass
_CONSTANT = ("gain", "leak.shift", "leak.multiplier")


@dataclass(frozen=True)
class Backward:
    """The adjoints of one timestep, all in real numbers.

    Leaves of `instructions`: "level" (immediate 1: what was just stored, decoded; 0: what was stored before),
    "code" (just stored), "spike" (this output), "prev" (the last output), "parameter", "constant", and
    "adjoint", the incoming gradient: of the output where it has no name, else of that state's stored membrane.

    Attributes:
        states: for each state, the index of the adjoint of its last membrane.
        current: index of the adjoint of the synaptic sum.
        prev: index of the adjoint of the last output; None where no gradient passes through it.
        parameters: (name, index) of each parameter's gradient; of "levels", that of the level of the code just stored.
    """

    instructions: tuple[Instruction, ...]
    states: tuple[int, ...]
    current: int
    prev: int | None
    parameters: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        lines = [f"%{k} = {i}" for k, i in enumerate(self.instructions)]
        lines.append(f"current <- %{self.current}")
        lines += [] if self.prev is None else [f"prev <- %{self.prev}"]
        lines += [f"{name} <- %{k}" for name, k in self.parameters]
        return "\n".join(lines)


class Adjoints(Builder):
    """What a gradient rule may use: the forward body, primal values from codes, and adjoints to add to."""

    def __init__(self, body: Body):
        super().__init__()
        self.body = body
        self._primal: dict[int, int] = {}
        self._adjoint: dict[int, int] = {}
        self._parameters: dict[str, int] = {}
        self._wanted = [self._takes_gradient(k) for k in range(len(body.instructions))]

    def _takes_gradient(self, k: int) -> bool:
        i = self.body.instructions[k]
        if k in self.body.reads or i.op in ("current", "prev"):
            return True
        if i.op == "parameter":
            return not i.name.endswith(_CONSTANT)
        if i.op not in OPS or OPS[i.op].gradient is None:
            return False
        if i.op in ("ge", "gt") and not i.name:
            return False
        return any(self._takes_gradient(a) for a in i.args)

    def run(self) -> Backward:
        """Apply the gradient rules from the outputs to the leaves."""
        body = self.body
        self.accumulate(body.spike, self.emit("adjoint"))
        for s, k in zip(body.states, body.membranes, strict=True):
            self.accumulate(k, self.emit("adjoint", name=s.name))
        for k in reversed(range(len(body.instructions))):
            i = body.instructions[k]
            if k in self._adjoint and k not in body.reads and i.op in OPS:
                rule = OPS[i.op].gradient
                if rule is not None:
                    rule(self, k, self._adjoint[k])
        zero = self.constant(0.0)
        for k, i in enumerate(body.instructions):
            if i.op == "parameter" and k in self._adjoint:
                self.accumulate_parameter(i.name, self._adjoint[k])
        (current,) = (k for k, i in enumerate(body.instructions) if i.op == "current")
        prev = next((self._adjoint.get(k) for k, i in enumerate(body.instructions) if i.op == "prev"), None)
        return Backward(
            instructions=tuple(self.instructions),
            states=tuple(self._adjoint.get(k, zero) for k in body.reads),
            current=self._adjoint.get(current, zero),
            prev=prev,
            parameters=tuple(sorted(self._parameters.items())),
        )

    def instruction(self, k: int) -> Instruction:
        return self.body.instructions[k]

    def args(self, k: int) -> tuple[int, ...]:
        return self.body.instructions[k].args

    def codec(self, state: str) -> Codec:
        return self.body.codec(state)

    def keeps_spike(self, state: str) -> bool:
        """Whether a state is stored after its reset, beside the spike."""
        return state in self.body.quantized and self.codec(state).stores == "after reset"

    def leak(self, k: int) -> str:
        """The real leak of a carry table that is looked up."""
        return real_leak(self.body.instructions[k].name)

    def wanted(self, k: int) -> bool:
        """Whether any gradient flows through forward value k."""
        return self._wanted[k]

    def accumulate(self, k: int, g: int) -> None:
        """Add g to the adjoint of forward value k."""
        if self.wanted(k):
            self._adjoint[k] = self.emit("add", self._adjoint[k], g) if k in self._adjoint else g

    def accumulate_parameter(self, name: str, g: int) -> None:
        """Add g to the gradient of a parameter that the forward text does not read itself."""
        known = self._parameters
        known[name] = self.emit("add", known[name], g) if name in known else g

    def accumulate_level(self, state: str, g: int) -> None:
        """Add g to the gradient of the level that a state's code names, where its levels are a table."""
        if state in self.body.quantized and isinstance(self.codec(state), Table):
            self.accumulate_parameter(f"{state}.levels", g)

    def parameter(self, name: str) -> int:
        return self.emit("parameter", name=name)

    def width(self) -> int:
        """Forward index of the first threshold: the unit in which a surrogate is as wide as it says."""
        for k, i in enumerate(self.body.instructions):
            if i.op == "parameter" and i.name == "theta":
                return k
        raise BadProgram("a neuron that fires must compare with the parameter 'theta'")

    def surrogate(self, z: int) -> int:
        return self.body.surrogate(Value(self, z)).index

    def new_code(self, state: str) -> int:
        return self.emit("code", name=state)

    def stored(self, state: str) -> int:
        """The membrane just stored, as a value of the backward body."""
        names = [s.name for s in self.body.states]
        return self.primal(self.body.membranes[names.index(state)])

    def primal(self, k: int) -> int:
        """Forward value k, recomputed from codes and parameters.

        Raises:
            BadProgram: the value saw the current and was not stored.
        """
        if k not in self._primal:
            self._primal[k] = self._recompute(k)
        return self._primal[k]

    def _recompute(self, k: int) -> int:
        body, i = self.body, self.body.instructions[k]
        if k == body.spike:
            return self.emit("spike")
        if i.op == "decode":
            return self.emit("level", name=i.name, immediate=float(i.args[0] in body.stores))
        if i.op in ("parameter", "prev"):
            return self.emit(i.op, name=i.name)
        if i.op == "constant":
            return self.constant(float(i.immediate))
        if i.op == "cut":
            return self.primal(i.args[0])
        if i.op in ("current", "encode", "state", "lookup") or (i.op in ("ge", "gt") and i.name):
            raise BadProgram(
                f"a gradient rule may read only codes, outputs and parameters, but needs %{k} = {i.op}, which "
                "was not stored; store it, or keep the current linear until it is stored"
            )
        return self.emit(i.op, *(self.primal(a) for a in i.args))


def backward(body: Body) -> Backward:
    """The adjoints of one timestep of a body.

    Raises:
        BadProgram: a derivative depends on something that is not stored.
    """
    return Adjoints(body).run()
