"""Which equation of real numbers a layer of a program is: the one whose traced body is the layer's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from .. import fixed
from ..errors import NotLowerable
from ..ir import Neuron
from ..neuron import IF, LIF
from ..neuron import Neuron as Equations
from ..ops import Carry, Dyadic, Form, Shift, Table, trace
from ..ops.trace import Blocked

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Equation:
    """A layer's equation and its leak as real numbers.

    Attributes:
        equation: its fields; theta and beta are the program's.
        beta: per channel; None without a leak.
        moved: how far a carry table is from half_up(beta * v) at most, in LSB; 0 for other leaks.
    """

    equation: Equations
    beta: Reals | None
    moved: int

    def words(self) -> dict[str, str]:
        """What NIR does not say of it."""
        e = self.equation
        order = {} if self.beta is None else {"reset_order": getattr(e, "reset_order", "before leak")}
        return {"reset": e.reset, "compare": e.compare, **order}


def equation_of(n: Neuron) -> Equation:
    """The equation of a layer.

    Raises:
        NotLowerable: it is none of a single membrane with one threshold and without a refractory time.
    """
    body = n.body
    if len(body.states) == 1 and body.spikes == 1:
        for equation, form in _candidates(n):
            try:
                if trace(equation, form) != body:
                    continue
            except Exception:  # a combination without meaning is no candidate
                continue
            if not equation.has_leak:
                return Equation(equation, None, 0)
            return Equation(equation, *_leak(n, equation, form))
    raise NotLowerable(
        f"{n.name}: neurons must be LIF or IF of one threshold and without a refractory time to be real equations"
    )


def _candidates(n: Neuron) -> Iterator[tuple[Equations, Form]]:
    body = n.body
    codec = body.codec("u")
    fields: dict[str, Any] = {
        "reset": body.reset, "compare": ">" if body.strict else ">=", "surrogate": body.surrogate
    }  # fmt: skip
    leaks = [k for k in (Carry(), Dyadic(), Shift()) if type(k) is _kind(n)]
    for blocked in get_args(Blocked):
        yield IF(**fields), Form(codec, Carry(), blocked)
        for leak, order, on in product(leaks, ("before leak", "after leak"), ("state",)):
            yield LIF(reset_order=order, leak_on=on, **fields), Form(codec, leak, blocked)  # type: ignore[arg-type]


def _kind(n: Neuron) -> type[Any]:
    if "carry" in n.parameters:
        return Carry
    return Dyadic if "leak.multiplier" in n.parameters else Shift


def _leak(n: Neuron, equation: Equations, form: Form) -> tuple[Reals, int]:
    """The leak per channel, and how far a carry table is from it."""
    p = n.parameters
    if "leak.multiplier" in p:
        return p["leak.multiplier"] / 2.0 ** p["leak.shift"], 0
    if "carry" not in p:
        return 1 - 0.5 ** p["leak.shift"].astype(np.float64), 0
    carry = p["carry"] if p["carry"].ndim == 2 else p["carry"][:, 0]
    codec = form.codec
    if isinstance(codec, Table):
        v = p["u.levels"].copy()
    else:
        assert codec is not None
        v = np.arange(codec.low, codec.high + 1)[None, :] << p["u.shift"][:, None]
    before = getattr(equation, "reset_order", "before leak") == "before leak"
    if codec is not None and codec.stores == "before reset" and before and equation.reset != "none":
        fires = v >= p["theta"][:, None] + (equation.compare == ">")
        v = np.where(fires, 0 if equation.reset == "zero" else v - p["reset"][:, None], v)
    beta = np.array([_fitted(*row) for row in zip(carry, v, strict=True)])
    return beta, int(np.abs(carry - fixed.half_up(beta[:, None] * v)).max(initial=0))


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
