"""The op table: one row an op, and a row is everything that is known of it.

Columns: its meaning in Python integers (the definition), the same on numpy int64 arrays, its interval rule,
its gradient rule (which emits ops), its cost, and how C says it. Interpreters, range proofs, the backward
pass, renderers and the documentation are made from these rows; completeness tests fail where one is missing.

`encode`, `decode` and `lookup` read the tables of a state; their meaning is in `interpret`, which holds
those tables. All other rows are total functions of their arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import fixed

if TYPE_CHECKING:
    from .adjoints import Adjoints

Interval = tuple[Any, Any]


def _hull(*corners: Any) -> Interval:
    low = high = corners[0]
    for c in corners[1:]:
        low, high = np.minimum(low, c), np.maximum(high, c)
    return low, high


@dataclass(frozen=True)
class Op:
    """A row of the table.

    Attributes:
        name, arity: as in a body.
        doc: the meaning in a line.
        meaning: on Python integers: the definition. None where a table is read.
        vector: the same on numpy arrays.
        interval: bounds of the result from bounds (low, high) of the arguments.
        gradient: adds to the adjoints of the arguments, given that of the result; None: no gradient passes.
        c: C expression; {0}, {1}... are the arguments.
        cost: what one evaluation costs in hardware, in words.
        real: whether the op also exists on real numbers (full precision and backward bodies).
        integer: whether the op exists on integers (everything but the ops of backward bodies).
    """

    name: str
    arity: int
    doc: str
    meaning: Callable[..., Any] | None
    vector: Callable[..., Any] | None
    interval: Callable[..., Interval] | None
    gradient: Callable[[Adjoints, int, int], None] | None
    c: str
    cost: str
    real: bool = False
    integer: bool = True


def _grad_add(a: Adjoints, k: int, g: int) -> None:
    x, y = a.args(k)
    a.accumulate(x, g)
    a.accumulate(y, g)


def _grad_sub(a: Adjoints, k: int, g: int) -> None:
    x, y = a.args(k)
    a.accumulate(x, g)
    if a.wanted(y):
        a.accumulate(y, a.emit("sub", a.constant(0.0), g))


def _grad_mul(a: Adjoints, k: int, g: int) -> None:
    x, y = a.args(k)
    if a.wanted(x):
        a.accumulate(x, a.emit("mul", g, a.primal(y)))
    if a.wanted(y):
        a.accumulate(y, a.emit("mul", g, a.primal(x)))


def _grad_shl(a: Adjoints, k: int, g: int) -> None:
    x, n = a.args(k)
    a.accumulate(x, a.emit("mul", g, a.emit("exp2", a.primal(n))))


def _grad_shr(a: Adjoints, k: int, g: int) -> None:
    x, n = a.args(k)  # straight-through: the gradient of the division, not of the rounding
    a.accumulate(x, a.emit("div", g, a.emit("exp2", a.primal(n))))


def _grad_extremum(op: str) -> Callable[[Adjoints, int, int], None]:
    def rule(a: Adjoints, k: int, g: int) -> None:
        x, y = a.args(k)
        if not (a.wanted(x) or a.wanted(y)):
            return
        takes_x = a.emit("ge", *((a.primal(x), a.primal(y)) if op == "max" else (a.primal(y), a.primal(x))))
        zero = a.constant(0.0)
        a.accumulate(x, a.emit("select", takes_x, g, zero))
        a.accumulate(y, a.emit("select", takes_x, zero, g))

    return rule


def _grad_compare(a: Adjoints, k: int, g: int) -> None:
    x, theta = a.args(k)
    state = a.instruction(k).name
    if not state:  # a plain condition, not a spike
        return
    width = a.primal(a.width())
    # what fires is what was stored (perhaps less what raises thresholds), or the sum that was, before its reset
    at = a.stored(state) if a.keeps_spike(state) else a.primal(x)
    z = a.emit("div", a.emit("sub", at, a.primal(theta)), width)
    slope = a.emit("div", a.emit("mul", g, a.surrogate(z)), width)
    a.accumulate(x, slope)
    zero = a.constant(0.0)
    if a.wanted(theta):
        a.accumulate(theta, a.emit("sub", zero, slope))
    # theta is also the width of z, so that scaling membrane and threshold alike changes nothing
    if a.wanted(a.width()):
        a.accumulate(a.width(), a.emit("sub", zero, a.emit("mul", slope, z)))


def _grad_select(a: Adjoints, k: int, g: int) -> None:
    condition, x, y = a.args(k)
    if not (a.wanted(x) or a.wanted(y)):
        return
    zero, chosen = a.constant(0.0), a.primal(condition)
    a.accumulate(x, a.emit("select", chosen, g, zero))
    a.accumulate(y, a.emit("select", chosen, zero, g))


def _grad_lookup(a: Adjoints, k: int, g: int) -> None:
    value = a.args(k)[-1]  # the table holds half_up(beta * value): beta to the value, value to beta
    leak = a.leak(k)
    a.accumulate(value, a.emit("mul", g, a.parameter(leak)))
    a.accumulate_parameter(leak, a.emit("mul", g, a.primal(value)))


ENDS, SATURATED, BELOW = 1, 2, 3  # immediates of an encode: where its straight-through gradient is blocked


def _grad_encode(a: Adjoints, k: int, g: int) -> None:
    """Straight through, but for end codes where the immediate blocks it: the code and the spike say where.

    ENDS blocks both end codes. SATURATED blocks what is surely beyond the levels: the lowest code unless that is rest
    (whose bin holds most neurons), and the highest, where it is stored after a reset only together with all spikes
    (below the threshold it is just the nearest). BELOW is the lower half of that.
    """
    i = a.instruction(k)
    codec = a.codec(i.name) if i.immediate else None
    if codec is None or (i.immediate != ENDS and codec.wraps):
        a.accumulate(i.args[0], g)
        return
    code = a.new_code(i.name)
    if i.immediate == ENDS or codec.rest != codec.low:
        g = a.emit("mul", g, a.emit("gt", code, a.constant(codec.low)))
    if i.immediate != BELOW:
        top = a.parameter(f"{i.name}.high") if codec.has_top else a.constant(codec.high)
        inside = a.emit("gt", top, code)
        if i.immediate == SATURATED and codec.stores == "after reset":
            inside = a.emit("max", inside, a.emit("gt", a.constant(a.body.spikes), a.emit("spike")))
        g = a.emit("mul", g, inside)
    a.accumulate(i.args[0], g)


def _grad_decode(a: Adjoints, k: int, g: int) -> None:
    i = a.instruction(k)
    a.accumulate(i.args[0], g)  # straight through the code
    a.accumulate_level(i.name, g)


def _grad_pass(a: Adjoints, k: int, g: int) -> None:
    a.accumulate(a.args(k)[0], g)


def _i_mul(x: Interval, y: Interval) -> Interval:
    return _hull(x[0] * y[0], x[0] * y[1], x[1] * y[0], x[1] * y[1])


def _i_shift(f: Callable[..., Any]) -> Callable[[Interval, Interval], Interval]:
    return lambda x, n: _hull(f(x[0], n[0]), f(x[0], n[1]), f(x[1], n[0]), f(x[1], n[1]))


def _i_compare(strict: bool) -> Callable[[Interval, Interval], Interval]:
    def rule(x: Interval, y: Interval) -> Interval:
        always = x[0] > y[1] if strict else x[0] >= y[1]
        never = x[1] <= y[0] if strict else x[1] < y[0]
        return np.where(always, 1, 0), np.where(never, 0, 1)

    return rule


def _i_select(c: Interval, x: Interval, y: Interval) -> Interval:
    low = np.where(c[0] > 0, x[0], np.where(c[1] < 1, y[0], np.minimum(x[0], y[0])))
    high = np.where(c[0] > 0, x[1], np.where(c[1] < 1, y[1], np.maximum(x[1], y[1])))
    return low, high


_ROWS = [
    Op(
        "add", 2, "x + y", lambda x, y: x + y, lambda x, y: x + y,
        lambda x, y: (x[0] + y[0], x[1] + y[1]), _grad_add, "({0} + {1})", "one adder", real=True,
    ),
    Op(
        "sub", 2, "x - y", lambda x, y: x - y, lambda x, y: x - y,
        lambda x, y: (x[0] - y[1], x[1] - y[0]), _grad_sub, "({0} - {1})", "one adder", real=True,
    ),
    Op(
        "mul", 2, "x * y, one of them a parameter, a spike or a condition", lambda x, y: x * y,
        lambda x, y: x * y, _i_mul, _grad_mul, "({0} * {1})",
        "shift-adds of a constant; an AND mask for a spike", real=True,
    ),
    Op(
        "shl", 2, "x * 2^n", fixed.shift_left, fixed.shift_left, _i_shift(fixed.shift_left), _grad_shl,
        "shift_left({0}, {1})", "wires",
    ),
    Op(
        "shr", 2, "floor(x / 2^n)", fixed.shift_right, fixed.shift_right, _i_shift(fixed.shift_right),
        _grad_shr, "shift_right({0}, {1})", "wires",
    ),
    Op(
        "min", 2, "the smaller of x and y", min, np.minimum,
        lambda x, y: (np.minimum(x[0], y[0]), np.minimum(x[1], y[1])), _grad_extremum("min"),
        "({0} < {1} ? {0} : {1})", "one comparator, one multiplexer", real=True,
    ),
    Op(
        "max", 2, "the larger of x and y", max, np.maximum,
        lambda x, y: (np.maximum(x[0], y[0]), np.maximum(x[1], y[1])), _grad_extremum("max"),
        "({0} > {1} ? {0} : {1})", "one comparator, one multiplexer", real=True,
    ),
    Op(
        "ge", 2, "1 if x >= y else 0", lambda x, y: int(x >= y), lambda x, y: (x >= y).astype(np.int64),
        _i_compare(strict=False), _grad_compare, "({0} >= {1})", "one comparator", real=True,
    ),
    Op(
        "gt", 2, "1 if x > y else 0", lambda x, y: int(x > y), lambda x, y: (x > y).astype(np.int64),
        _i_compare(strict=True), _grad_compare, "({0} > {1})", "one comparator", real=True,
    ),
    Op(
        "select", 3, "x if the condition is 1, y if it is 0", lambda c, x, y: x if c else y,
        lambda c, x, y: np.where(c != 0, x, y), _i_select, _grad_select, "({0} ? {1} : {2})",
        "one multiplexer", real=True,
    ),
    Op(
        "wrap", 3, "the integer in low..low + 2^bits - 1 equal to x modulo 2^bits", fixed.wrap, fixed.wrap,
        lambda x, low, bits: (low[0], low[1] + 2 ** bits[1] - 1), _grad_pass, "wrap({0}, {1}, {2})", "wires",
    ),
    Op(
        "lookup", -1, "the entry of a run-time table at a stored code (and at a spike, where it has rows)",
        None, None, None, _grad_lookup, "{table}", "one ROM of 2^n words a channel",
    ),
    Op(
        "encode", 1, "the code of x: boundaries counted, or a rounded shift that saturates or wraps",
        None, None, None, _grad_encode, "{table}", "n comparisons (a table) or one adder (uniform)", real=True,
    ),
    Op(
        "decode", 1, "the value of a code: a level, or the code shifted", None, None, None, _grad_decode,
        "{table}", "one ROM of 2^n words a channel (a table) or wires (uniform)", real=True,
    ),
    Op(
        "cut", 1, "x itself; no gradient passes", lambda x: x, lambda x: x, lambda x: x, None, "{0}",
        "nothing", real=True,
    ),
    Op(
        "div", 2, "x / y, in backward bodies", None, None, None, None, "({0} / {1})",
        "not in hardware", real=True, integer=False,
    ),
    Op(
        "abs", 1, "|x|, in backward bodies", None, None, None, None, "fabsf({0})", "not in hardware",
        real=True, integer=False,
    ),
    Op(
        "exp2", 1, "2^x, in backward bodies", None, None, None, None, "exp2f({0})", "not in hardware",
        real=True, integer=False,
    ),
]  # fmt: skip

OPS: dict[str, Op] = {row.name: row for row in _ROWS}

LEAVES = {
    "current": "the synaptic sum of this timestep",
    "state": "a stored code of the last timestep",
    "prev": "the last output",
    "parameter": "a per-channel number of the node",
    "constant": "a number",
    "level": "backward bodies: the decoded stored value, old (0) or new (1)",
    "code": "backward bodies: a code just stored",
    "spike": "backward bodies: the output of this timestep",
    "adjoint": "backward bodies: the incoming gradient of the output or of a stored membrane",
}
