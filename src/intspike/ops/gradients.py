"""The backward pass of a body, as a body: gradient rules emit ops, so it can be printed, tested and rendered."""

from __future__ import annotations

from dataclasses import dataclass

from .adjoints import Adjoints
from .body import Body
from .instruction import Instruction
from .table import OPS

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


def backward(body: Body) -> Backward:
    """The adjoints of one timestep of a body: gradient rules from its outputs to its leaves.

    Raises:
        BadProgram: a derivative depends on something that is not stored.
    """
    made = Adjoints(body, [_takes_gradient(body, k) for k in range(len(body.instructions))])
    made.accumulate(body.spike, made.emit("adjoint"))
    for s, k in zip(body.states, body.membranes, strict=True):
        made.accumulate(k, made.emit("adjoint", name=s.name))
    for k in reversed(range(len(body.instructions))):
        i = body.instructions[k]
        if k in made.adjoint and k not in body.reads and i.op in OPS:
            rule = OPS[i.op].gradient
            if rule is not None:
                rule(made, k, made.adjoint[k])
    zero = made.constant(0.0)
    for k, i in enumerate(body.instructions):
        if i.op == "parameter" and k in made.adjoint:
            made.accumulate_parameter(i.name, made.adjoint[k])
    (current,) = (k for k, i in enumerate(body.instructions) if i.op == "current")
    prev = next((made.adjoint.get(k) for k, i in enumerate(body.instructions) if i.op == "prev"), None)
    return Backward(
        instructions=tuple(made.instructions),
        states=tuple(made.adjoint.get(k, zero) for k in body.reads),
        current=made.adjoint.get(current, zero),
        prev=prev,
        parameters=tuple(sorted(made.parameters.items())),
    )


def _takes_gradient(body: Body, k: int) -> bool:
    i = body.instructions[k]
    if k in body.reads or i.op in ("current", "prev"):
        return True
    if i.op == "parameter":
        return not i.name.endswith(_CONSTANT)
    if i.op not in OPS or OPS[i.op].gradient is None:
        return False
    if i.op in ("ge", "gt") and not i.name:
        return False
    return any(_takes_gradient(body, a) for a in i.args)
