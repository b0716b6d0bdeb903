"""Symbolic values: what a neuron's `step` computes with, and what it says of arithmetic that has no integer form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from ..errors import BadProgram
from .instruction import Instruction

_MAY = (
    "a step may use +, -, *, >> n, >=, >, abs(x), x.max(y), ops.select(condition, x, y), ops.leak(u), ops.reset(u, s), "
    "ops.cut(x)"
)
SHIFT = "x >> n divides by 2^n and rounds down, and ops.leak(u) multiplies by the neuron's leak"
_CHOOSE = "of conditions, which are 0 or 1, a * b says both, and a.max(b) says either"


@dataclass(frozen=True, eq=False)
class Value:
    """A symbolic value: an instruction of the body being traced. Arithmetic on it adds instructions.

    What is no op of the table is refused with what to write instead (BadProgram).
    """

    ops: Builder = field(repr=False)
    index: int

    def _with(self, op: str, x: Value | float) -> Value:
        return Value(self.ops, self.ops.emit(op, self.index, self.ops.lift(x, op, self.index)))

    def _behind(self, op: str, x: float) -> Value:
        return Value(self.ops, self.ops.emit(op, self.ops.lift(x, op, self.index), self.index))

    def __add__(self, x: Value | float) -> Value:
        return self._with("add", x)

    def __sub__(self, x: Value | float) -> Value:
        return self._with("sub", x)

    def __mul__(self, x: Value | float) -> Value:
        return self._with("mul", x)

    def __radd__(self, x: float) -> Value:
        return self._with("add", x)

    def __rsub__(self, x: float) -> Value:
        return self._behind("sub", x)

    def __rmul__(self, x: float) -> Value:
        return self._with("mul", x)

    def __neg__(self) -> Value:
        return self._behind("sub", 0)

    def __rtruediv__(self, x: float) -> Value:
        return self._behind("div", x)

    def __rshift__(self, n: Value | int) -> Value:
        return Value(self.ops, self.ops.shift_right(self.index, n))

    def __abs__(self) -> Value:
        return Value(self.ops, self.ops.absolute(self.index))

    def __ge__(self, x: Value | float) -> Value:
        return self._with("ge", x)

    def __gt__(self, x: Value | float) -> Value:
        return self._with("gt", x)

    def __le__(self, x: float) -> Value:
        return self._behind("ge", x)

    def __lt__(self, x: float) -> Value:
        return self._behind("gt", x)

    def max(self, x: Value | float) -> Value:
        return self._with("max", x)

    def __bool__(self) -> bool:
        raise BadProgram(
            "a step must not branch on a value, which only a run knows; write ops.select(condition, x, y)"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python itself asks for
            raise AttributeError(name)
        raise BadProgram(f"a value in a step has no {name!r}; {_MAY}")

    def __array_ufunc__(self, function: Any, *_: Any, **__: Any) -> Any:
        raise BadProgram(f"a step must not call numpy.{function.__name__}; {_MAY}")

    @classmethod
    def __torch_function__(cls, function: Any, *_: Any, **__: Any) -> Any:
        raise BadProgram(
            f"a step must not use tensors, as in {getattr(function, '__name__', function)}; {_MAY}"
        )


def _refused(what: str, hint: str) -> Callable[..., Any]:
    def refuse(self: Value, *_: Any) -> Any:
        raise BadProgram(f"a step must not {what}; {hint}")

    return refuse


_NOT: dict[tuple[str, ...], tuple[str, str]] = {
    ("truediv", "floordiv", "rfloordiv", "mod", "rmod", "divmod"): ("divide a value", SHIFT),
    ("pow", "rpow", "matmul", "rmatmul", "round"): ("use **, @ or round() on a value", _MAY),
    ("lshift", "rlshift", "rrshift"): (
        "shift so",
        "write x * 4 for a shift to the left by 2, and x >> n to the right",
    ),
    ("and", "rand", "or", "ror", "xor", "rxor", "invert"): ("use &, |, ^ or ~ on a value", _CHOOSE),
    ("eq", "ne"): ("use == or != on a value", "write (x >= y) * (y >= x)"),
    ("float", "int", "index", "iter", "getitem", "len", "contains", "hash"): (
        "ask what a value is, which only a run knows",
        "write ops.select(condition, x, y)",
    ),
}
for _names, _said in _NOT.items():
    for _name in _names:
        setattr(Value, f"__{_name}__", _refused(*_said))


class Builder:
    """A growing list of instructions in which equal instructions are one."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self._known: dict[Instruction, int] = {}

    def emit(self, op: str, *args: int, name: str = "", immediate: float = 0) -> int:
        i = Instruction(op, args, name, immediate)
        if i not in self._known:
            self._known[i] = len(self.instructions)
            self.instructions.append(i)
        return self._known[i]

    def constant(self, x: float) -> int:
        return self.emit("constant", immediate=x)

    def absolute(self, x: int) -> int:
        return self.emit("abs", x)

    def shift_right(self, x: int, n: Value | int) -> int:
        return self.emit("shr", x, self.lift(n))

    def lift(self, x: Value | float, op: str = "", beside: int | None = None) -> int:
        """The index of a value, or of a number as a constant; `op` and `beside` say what is done with it."""
        return x.index if isinstance(x, Value) else self.constant(x)


class States(dict[str, Value]):
    """What a step reads of the states that the neuron has; others are refused by name."""

    def __missing__(self, name: str) -> Value:
        raise no_such_state(name, list(self))


def no_such_state(name: str, known: Sequence[str]) -> BadProgram:
    """Why a state cannot be read or stored."""
    return BadProgram(
        f"a step must read and store the states that its neuron has, {', '.join(known)}, not {name!r}; a field alpha "
        "makes a synaptic current i, rho an adaptation a, refractory a counter r"
    )


def check_number(x: object, op: str, potential: bool) -> None:
    """Check a number in a step: integers must know it, and it must mean the same in full precision.

    Args:
        op: what is done with it.
        potential: in full precision, beside a value in the unit of the threshold.

    Raises:
        BadProgram: no number, a fraction, or a number that would be another in integers.
    """
    if not isinstance(x, Real):
        raise BadProgram(
            f"a step must compute with values and numbers, not {x!r} of {type(x).__name__}; {_MAY}"
        )
    if not float(x).is_integer():
        raise BadProgram(
            f"a number in a step must be whole, because codes are integers, not {float(x):g}; {SHIFT}"
        )
    if potential and x and op not in ("mul", ""):
        raise BadProgram(
            f"a potential has the unit of the threshold, so a step may {_DONE[op]} 0 alone, not {float(x):g}, which in "
            'integers would be another part of it; write ops.parameter("theta") for the threshold'
        )


_DONE = {
    "add": "add to it", "sub": "subtract from it", "max": "bound it by", "ge": "compare it with",
    "gt": "compare it with", "select": "choose beside it", "div": "divide",
}  # fmt: skip
