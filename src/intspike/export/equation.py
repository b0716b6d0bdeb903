"""Which equation of real numbers a layer of a program is: the one whose traced body is the layer's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import fixed
from ..errors import NotLowerable
from ..ir import Neuron
from ..neuron import IF, LIF, CubaLIF
from ..neuron import Neuron as Equations
from ..ops import Carry, Dyadic, Form, Shift, Table, trace
from ..ops.body import Body, leak_prefix
from ..ops.trace import BLOCKED, Blocked, Kept

Reals = NDArray[np.float64]
ALONE = "export with program_only=True (--program-only)"  # what NIR cannot say travels as the program alone


@dataclass(frozen=True, eq=False)
class RealLeak:
    """A leak as real numbers.

    Attributes:
        value: the factor per timestep, per channel.
        moved: how far a carry table is from half_up(value * v) at most, in LSB; 0 for other leaks.
    """

    value: Reals
    moved: int = 0


@dataclass(frozen=True, eq=False)
class Equation:
    """A layer's equation and its leaks as real numbers.

    Attributes:
        equation: its fields; theta and the leaks are the program's.
        beta: leak of the membrane potential; None without one.
        alpha: leak of the synaptic current; None without one.
    """

    equation: Equations
    beta: RealLeak | None
    alpha: RealLeak | None = None

    def words(self) -> dict[str, str]:
        """What NIR does not say of it."""
        e = self.equation
        order = {} if self.beta is None else {"reset_order": getattr(e, "reset_order", "before leak")}
        return {"reset": e.reset, "compare": e.compare, **order}


def equation_of(n: Neuron) -> Equation:
    """The equation of a layer.

    Raises:
        NotLowerable: it is none of LIF, IF and CubaLIF with one threshold and without a refractory time.
    """
    states = {s.name for s in n.body.states}
    if "a" in states:
        raise NotLowerable(f"{n.name}: NIR has no neuron whose threshold adapts; {ALONE}")
    if n.body.spikes == 1 and states <= {"u", "i"}:
        for equation, form in _candidates(n):
            try:
                if trace(equation, form) != n.body:
                    continue
            except Exception:  # a combination without meaning is no candidate
                continue
            beta = _leak(n, "u", equation) if equation.has_leak else None
            return Equation(equation, beta, _leak(n, "i", equation) if "i" in states else None)
    raise NotLowerable(
        f"{n.name}: neurons must be LIF, CubaLIF or IF of one threshold, without a refractory time, to be NIR; "
        f"{ALONE}"
    )


def _candidates(n: Neuron) -> Iterator[tuple[Equations, Form]]:
    body = n.body
    codec = body.codec("u")
    fields: dict[str, Any] = {
        "reset": body.reset, "compare": ">" if body.strict else ">=", "surrogate": body.surrogate
    }  # fmt: skip
    leak, orders = _kind(n, "u"), ("before leak", "after leak")
    if "i" in body.quantized:
        kept = Kept("i", body.codec("i"), _kind(n, "i"), _blocked(body, "i"))  # type: ignore[arg-type]
        form = Form(codec, leak, _blocked(body, "u"), (kept,))
        for order, on, reads in product(orders, ("state", "sum"), ("new current", "last current")):
            for beta in (0.5, None):
                yield CubaLIF(reset_order=order, leak_on=on, reads=reads, beta=beta, **fields), form  # type: ignore[arg-type]
        return
    blocked = _blocked(body, "u")
    yield IF(**fields), Form(codec, Carry(), blocked)
    for order in orders:
        yield LIF(reset_order=order, **fields), Form(codec, leak, blocked)  # type: ignore[arg-type]


def _blocked(body: Body, state: str) -> Blocked:
    """Where the gradient of a state's codec is blocked."""
    said = next(i.immediate for i in body.instructions if i.op == "encode" and i.name == state)
    return next(name for name, value in BLOCKED.items() if value == said)


def _kind(n: Neuron, state: str) -> Carry | Dyadic | Shift:
    """The form of a state's leak, by its parameters."""
    prefix = leak_prefix(state)
    if f"{prefix}carry" in n.parameters:
        return Carry()
    return Dyadic() if f"{prefix}leak.multiplier" in n.parameters else Shift()


def _leak(n: Neuron, state: str, equation: Equations) -> RealLeak:
    """The leak of a state."""
    p, prefix = n.parameters, leak_prefix(state)
    if f"{prefix}leak.multiplier" in p:
        return RealLeak(p[f"{prefix}leak.multiplier"] / 2.0 ** p[f"{prefix}leak.shift"])
    if f"{prefix}carry" not in p:
        return RealLeak(1 - 0.5 ** p[f"{prefix}leak.shift"].astype(np.float64))
    carry = p[f"{prefix}carry"]
    carry = carry if carry.ndim == 2 else carry[:, 0]
    codec = n.body.codec(state)
    if isinstance(codec, Table):
        v = p[f"{state}.levels"].copy()
    else:
        v = np.arange(codec.low, codec.high + 1)[None, :] << p[f"{state}.shift"][:, None]
    before = getattr(equation, "reset_order", "before leak") == "before leak"
    if state == "u" and codec.stores == "before reset" and before and equation.reset != "none":
        fires = v >= p["theta"][:, None] + (equation.compare == ">")
        v = np.where(fires, 0 if equation.reset == "zero" else v - p["reset"][:, None], v)
    beta = np.array([_fitted(*row) for row in zip(carry, v, strict=True)])
    return RealLeak(beta, int(np.abs(carry - fixed.half_up(beta[:, None] * v)).max(initial=0)))


def _fitted(carry: NDArray[Any], v: NDArray[Any]) -> float:
    """The leak that most entries of a table are half_up of: the middle of those that serve them all."""
    moved = v != 0
    if not moved.any():
        return 1.0
    carry, v = carry[moved].astype(np.float64), v[moved].astype(np.float64)
    ratio = np.clip(carry / v, 0, 1)
    serves = fixed.half_up(ratio[:, None] * v) == carry  # [candidate, entry]
    best = int(np.lexsort((np.abs(v), serves.sum(1)))[-1])
    ends = np.sort(np.stack([carry - 0.5, carry + 0.5]) / v, 0)[:, serves[best]]
    low, high = float(ends[0].max(initial=0)), float(ends[1].min(initial=1))
    return min(max((low + high) / 2, 0), 1) if low <= high else float(ratio[best])
