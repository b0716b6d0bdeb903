"""Bodies to bit planes: a neuron's timestep as logic on words that hold one bit of many states.

A number is its planes in two's complement, the lowest first; the last is the sign. Every gate has at most three
inputs, so that processors with a three-input instruction take one a gate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from ..errors import BadProgram
from .body import Body
from .c import Bounds
from .codec import Uniform
from .instruction import Instruction

Literal = int  # twice a gate's number, plus 1 where its output is inverted
Number = tuple[Literal, ...]
ZERO, ONES = 0, 1  # gate 0 is the constant 0


class Logic:
    """A circuit: gates in the order of their making, none twice."""

    def __init__(self) -> None:
        self._gates: list[str | tuple[tuple[int, ...], int]] = ["0"]
        self._known: dict[Any, int] = {}

    def named(self, text: str) -> Literal:
        """What a C expression holds."""
        return 2 * self._number(text)

    def _number(self, gate: Any) -> int:
        if gate not in self._known:
            self._known[gate] = len(self._gates)
            self._gates.append(gate)
        return self._known[gate]

    def gate(self, meaning: Callable[..., int], *inputs: Literal) -> Literal:
        """A gate of at most three inputs by its meaning on 0 and 1: constants, repetitions and inversions vanish."""
        nodes = sorted({x >> 1 for x in inputs} - {0})

        def value(bits: Sequence[int]) -> int:
            at = dict(zip(nodes, bits, strict=True)) | {0: 0}
            return meaning(*(at[x >> 1] ^ (x & 1) for x in inputs)) & 1

        for k, node in enumerate(nodes):
            others = product((0, 1), repeat=len(nodes) - 1)
            if all(value((*o[:k], 0, *o[k:])) == value((*o[:k], 1, *o[k:])) for o in others):
                kept = {node: ZERO}  # it does not matter
                return self.gate(meaning, *(kept.get(x >> 1, x & ~1) ^ (x & 1) for x in inputs))
        values = [value(bits) for bits in product((0, 1), repeat=len(nodes))]
        inverted = values[0]
        if len(nodes) < 2:
            return 2 * (nodes[0] if nodes else 0) + inverted
        table = sum((v ^ inverted) << k for k, v in enumerate(values))
        return 2 * self._number((tuple(nodes), table)) + inverted

    def c(self, outputs: Sequence[Literal]) -> tuple[list[str], list[str]]:
        """Statements `const plane p<k> = ...;` that outputs need, and an expression of each output."""
        needed: set[int] = set()
        stack = [x >> 1 for x in outputs]
        while stack:
            k = stack.pop()
            if k not in needed:
                needed.add(k)
                g = self._gates[k]
                stack.extend(() if isinstance(g, str) else g[0])
        lines = [f"const plane p{k} = {self._text(k)};" for k in sorted(needed - {0})]
        # the constant is what no plane is needed for
        inverted = lambda x: f"~p{x >> 1}" if x & 1 else f"p{x >> 1}"  # noqa: E731
        return lines, [inverted(x) if x >> 1 else ("ALL_ONES", "ALL_ZEROS")[x == ZERO] for x in outputs]

    def _text(self, k: int) -> str:
        g = self._gates[k]
        if isinstance(g, str):
            return g
        nodes, table = g
        if len(nodes) == 2:  # the third input is the second once more
            table = sum((table >> (k >> 1) & 1) << k for k in range(8))
        return f"gate({', '.join(f'p{n}' for n in (*nodes, nodes[-1])[:3])}, 0x{table:02x})"

    # --- numbers ------------------------------------------------------------------------------------------------

    def add(self, x: Number, y: Number, carry: Literal = ZERO) -> Number:
        """x + y + carry."""
        width = max(len(x), len(y)) + 1
        out: list[Literal] = []
        for a, b in zip(extended(x, width), extended(y, width), strict=True):
            out.append(self.gate(lambda p, q, r: p ^ q ^ r, a, b, carry))
            carry = self.gate(lambda p, q, r: (p & q) | (r & (p | q)), a, b, carry)
        return tuple(out)

    def sub(self, x: Number, y: Number) -> Number:
        """x - y."""
        return self.add(x, tuple(b ^ 1 for b in y), ONES)

    def at_least(self, x: Number, y: Number) -> Literal:
        """Whether x >= y."""
        return self.sub(x, y)[-1] ^ 1

    def select(self, condition: Literal, x: Number, y: Number) -> Number:
        """x where the condition holds, else y."""
        width = max(len(x), len(y))
        pairs = zip(extended(x, width), extended(y, width), strict=True)
        return tuple(self.gate(lambda c, p, q: p if c else q, condition, a, b) for a, b in pairs)

    def stored(self, x: Number, codec: Uniform) -> Number:
        """The code of a value, as an extended number where codes have no sign."""
        signed = codec.low < 0
        inside = codec.bits - signed  # planes below the sign
        x = extended(x, inside + 1)
        sign = x[-1]
        if codec.wraps:
            return (*x[:inside], x[inside]) if signed else (*x[:inside], ZERO)
        outside = ZERO
        for b in x[inside:-1]:
            outside = self.gate(lambda o, p, s: o | (p ^ s), outside, b, sign)
        if signed:
            held = tuple(self.gate(lambda o, s, p: 1 - s if o else p, outside, sign, b) for b in x[:inside])
            return (*held, sign)
        held = tuple(self.gate(lambda o, s, p: (1 - s) & (o | p), outside, sign, b) for b in x[:inside])
        return (*held, ZERO)


def extended(x: Number, width: int) -> Number:
    """The same number by at least so many planes."""
    return x + x[-1:] * (width - len(x))


def constant(value: int) -> Number:
    """A number that is the same in all states."""
    return tuple(value >> k & 1 for k in range(width_of(value, value)))


def width_of(low: int, high: int) -> int:
    """Planes of a number in low..high."""
    return max(low.bit_length() if low >= 0 else (-1 - low).bit_length(), max(high, 0).bit_length()) + 1


def trimmed(x: Number, low: int, high: int) -> Number:
    """A number that is known to lie in low..high, by no more planes than that needs."""
    return x[: width_of(low, high)]


def render(
    logic: Logic, body: Body, order: Sequence[int], bounds: Bounds, leaf: Callable[[Instruction], Number]
) -> dict[int, Number]:
    """The planes of every instruction in `order`.

    Args:
        bounds: proved bounds of every instruction; they choose the widths.
        leaf: the planes of a leaf instruction, constants among them.

    Raises:
        BadProgram: an instruction that has no planes: a table, a product or a shift by what is not constant.
    """
    made: dict[int, Number] = {}
    for k in order:
        low, high = int(bounds[k][0].min()), int(bounds[k][1].max())
        made[k] = constant(low) if low == high else trimmed(_planes(logic, body, k, made, leaf), low, high)
    return made


def _planes(
    logic: Logic, body: Body, k: int, made: dict[int, Number], leaf: Callable[[Instruction], Number]
) -> Number:
    i = body.instructions[k]
    x = [made[a] for a in i.args]
    match i.op:
        case "add":
            return logic.add(x[0], x[1])
        case "sub":
            return logic.sub(x[0], x[1])
        case "mul":
            return _product(logic, x[0], x[1])
        case "shr":
            by = _constant(x[1], i)
            return x[0][by:] or x[0][-1:]
        case "shl":
            return (ZERO,) * _constant(x[1], i) + x[0]
        case "min" | "max":
            first = logic.at_least(x[0], x[1]) ^ (i.op == "min")
            return logic.select(first, x[0], x[1])
        case "ge":
            return (logic.at_least(x[0], x[1]), ZERO)
        case "gt":
            return (logic.at_least(x[1], x[0]) ^ 1, ZERO)
        case "select":
            return logic.select(x[0][0], x[1], x[2])
        case "cut":
            return x[0]
        case "encode" | "decode":
            codec = body.codec(i.name)
            if isinstance(codec, Uniform) and not codec.has_top:
                shift = _constant(leaf(Instruction("parameter", name=f"{i.name}.shift")), i)
                if i.op == "decode":
                    return (ZERO,) * shift + x[0]
                return logic.stored(logic.add(x[0], constant(1 << shift >> 1))[shift:], codec)
        case "current" | "state" | "prev" | "parameter" | "constant":
            return leaf(i)
        case _:
            pass
    raise BadProgram(f"bit planes must add, compare, select or shift by constants, but the body has {i}")


def _constant(x: Number, i: Instruction) -> int:
    if set(x) - {ZERO, ONES}:
        raise BadProgram(f"bit planes must shift by a constant, but the body has {i}")
    return sum(b << k for k, b in enumerate(x))


def _product(logic: Logic, x: Number, y: Number) -> Number:
    for a, b in ((x, y), (y, x)):
        bit, *rest = extended(b, 2)
        if rest == [ZERO]:  # 0 or 1
            return tuple(logic.gate(lambda p, q: p & q, p, bit) for p in a)
    raise BadProgram("bit planes must multiply by 0 or 1, a spike or a condition")
