"""Time loops around a body, forward and backward, as generated C: one text for training and for the engine.

Layout [T, rows, C], channels last: a row is one position of one sample. The inner loop runs over lanes, which are
consecutive elements; parameters are rows that repeat every C lanes, so a layer of few channels still fills vectors.

Forward. Sums become currents, gain * S + bias, in a loop of their own (once where the input is static). Tables of up
to 5 bits are searched and read by trees of masked selections, which vectorize everywhere; larger ones by gathers. A
table that the next timestep reads at the new code is read right behind `encode`, from the masks of the same search.
Backward. All factors are functions of codes, outputs and parameters; what depends on parameters alone is computed once
a tile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadProgram
from ..ops import Body, Uniform, backward, parameter_shape
from .loop_backward import BackwardText
from .loop_forward import ForwardText
from .loop_text import CHAIN_BITS, HEAD, affine_of, is_real

Lane = Literal["int16_t", "int32_t", "float"]
AFFINE = ("gain", "bias")
LANES = {"int16_t": np.int16, "int32_t": np.int32, "float": np.float32}

NARROW_CODES = 1 << 13  # what codes hold and a current clamped to NARROW_CURRENT fit 16 bits together


@dataclass(frozen=True)
class Loop:
    """Generated C of a body and what its caller must pass.

    Attributes:
        forward: C of the loop forward.
        backward: C of the loop backward; empty where no gradients are wanted.
        lane: type of membranes.
        numbers: parameters [C], in order of the `numbers` argument; `backward` takes gain and bias behind them.
        tables: parameters with entries, in order of the `tables` argument.
        gradients: parameters whose gradients `backward` sums, in order, and how many rows each has: one, or as many as
            there are levels.
        resumes: whether loops take `resumed` behind their strides, 1 where the timestep before lies in memory before
            the first, 0 at rest; and backward, at the end, `adjoints` [states and last output, N], which it changes.
    """

    forward: str
    backward: str
    lane: Lane
    numbers: tuple[str, ...]
    tables: tuple[str, ...]
    gradients: tuple[tuple[str, int], ...]
    resumes: bool = False

    @property
    def gradient_rows(self) -> int:
        """Rows of all gradients together."""
        return sum(rows for _, rows in self.gradients)


@lru_cache(maxsize=256)
def loop(
    body: Body,
    lane: Lane,
    sums: str,
    *,
    wide: str = "int32_t",
    gradients: frozenset[str] | None = None,
    resumes: bool = False,
) -> Loop:
    """The time loops of a body.

    Args:
        lane: type of membranes: "float" in full precision, else an integer; int16_t where `is_narrow` allows.
        sums: C type of an element of the sums.
        wide: C type in which gain * S + bias is computed; "float" beside integer lanes: currents stay real.
        gradients: parameters that need gradients; None leaves the backward loop out.
        resumes: whether a run can go on in the middle, as that of recurrent neurons must.

    Raises:
        BadProgram: a derivative depends on something that is not stored.
    """
    if is_real(body) != (lane == "float"):
        raise BadProgram(f"a body in {'full precision' if is_real(body) else 'integers'} has no {lane} lanes")
    steps = None if gradients is None else backward(body)
    names = list(body.parameters)
    wanted: tuple[str, ...] = ()
    if steps is not None:
        wanted = tuple(p for p, _ in steps.parameters if p in (gradients or ()))
        names += body.real_leaks
    if steps is not None and "float" in (lane, wide):  # of real currents: a norm's gain and offset
        wanted += tuple(p for p in AFFINE if p in (gradients or ()) and p not in wanted)
    inside = AFFINE if affine_of(body) is not None else ()
    tables = tuple(p for p in names if parameter_shape(body, p))
    numbers = tuple(p for p in names if p not in tables and p not in inside)
    forward = ForwardText(body, lane, sums, wide, numbers, tables, resumes).text()
    back = ""
    if steps is not None:
        back = BackwardText(body, steps, lane, sums, numbers, tables, wanted, resumes).text()
    rows = tuple((p, prod(parameter_shape(body, p))) for p in wanted)
    return Loop(HEAD + forward, HEAD + back if back else "", lane, numbers, tables, rows, resumes)


def is_narrow(body: Body, parameters: Mapping[str, NDArray[np.generic]]) -> bool:
    """Whether 16-bit lanes hold everything, once currents are clamped to what can still change a code or an output.

    Such codes saturate, and a current meets them in a sum: beyond 2^14 it changes nothing, because no boundary, level
    or threshold reaches 2^13.
    """
    if is_real(body) or not adds_only(body):
        return False
    # a shift by a number of each channel has no 16-bit form on most processors
    if any(isinstance(s.codec, Uniform) or (s.codec and s.codec.bits > CHAIN_BITS) for s in body.states):
        return False
    most = 0
    for name, values in parameters.items():
        if name not in ("gain", "bias", *body.real_leaks):
            most = max(most, int(np.abs(values).max(initial=0)))
    thresholds = [int(a.max()) for n, a in parameters.items() if n == "reset" or n.startswith("theta")]
    return most + body.spikes * max(thresholds, default=0) < NARROW_CODES


def adds_only(body: Body) -> bool:
    """Whether the current is only added to, compared and stored, and products have a small factor."""
    at = affine_of(body)
    small: set[int] = set()  # outputs and conditions
    fed: set[int] = set()  # what sees the current as a number
    current = at if at is not None else next(k for k, i in enumerate(body.instructions) if i.op == "current")
    fed.add(current)
    inside = set() if at is None else {current, *body.instructions[current].args}
    for k, i in enumerate(body.instructions):
        if k == current or k in inside or (i.op == "current"):
            continue
        if i.op in ("ge", "gt", "prev") or (
            i.op in ("add", "sub", "cut", "select") and all(a in small for a in i.args)
        ):
            small.add(k)
            continue
        if i.op == "mul" and not any(a in small for a in i.args):
            return False
        if any(a in fed for a in i.args) and i.op not in ("encode", "decode", "lookup"):
            if i.op not in ("add", "sub", "select", "cut"):
                return False
            fed.add(k)
    return True


def lane_of(body: Body, parameters: Mapping[str, NDArray[np.generic]]) -> Lane:
    """The narrowest lanes that are exact for these parameters."""
    if is_real(body):
        return "float"
    return "int16_t" if is_narrow(body, parameters) else "int32_t"


def width_of(channels: int) -> int:
    """Lanes after which parameters repeat: a multiple of the channels, long enough to fill vectors."""
    return channels * max(1, -(-192 // channels))


def pack_rows(names: Sequence[str], parameters: Mapping[str, Any], width: int, kind: Any) -> NDArray[Any]:
    """Rows [names, width] of a type; a gain that is not given is 1, a bias 0."""
    channels = next(len(a) for a in parameters.values())
    rows = np.empty((max(1, len(names)), channels), kind)
    for k, name in enumerate(names):
        rows[k] = parameters[name] if name in parameters else float(name == "gain")
    return np.tile(rows, (1, width // channels))


def pack_tables(body: Body, made: Loop, parameters: Mapping[str, Any], width: int) -> NDArray[Any]:
    """Rows [entries of all tables, width]."""
    kind = LANES[made.lane]
    rows: list[NDArray[Any]] = []
    for name in made.tables:
        shape = parameter_shape(body, name)
        a = np.asarray(parameters[name]).reshape(-1, *shape)
        rows.append(a.reshape(len(a), -1).T)
    channels = next(len(a) for a in parameters.values())
    joined = np.concatenate(rows).astype(kind) if rows else np.zeros((1, channels), kind)
    return np.ascontiguousarray(np.tile(joined, (1, width // channels)))
