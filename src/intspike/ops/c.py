"""Bodies to C: the one renderer that the engine, the MCU export and the training kernels share.

Names in the text are generated; no string of a program reaches it. Shifts of negative numbers, which C leaves
to the compiler, go through two small functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .body import Body
from .codec import Table
from .instruction import Instruction
from .table import OPS

Bounds = Mapping[int, tuple[NDArray[np.int64], NDArray[np.int64]]]

_SMALL = [
    ("uint8_t", 0, (1 << 8) - 1),
    ("int8_t", -(1 << 7), (1 << 7) - 1),
    ("uint16_t", 0, (1 << 16) - 1),
    ("int16_t", -(1 << 15), (1 << 15) - 1),
]


def wide_type(low: int, high: int) -> str:
    """The type of arithmetic: int32_t where the range allows (negation included), else int64_t."""
    return "int32_t" if low > -(1 << 31) and high < (1 << 31) else "int64_t"


def storage_type(low: int, high: int) -> str:
    """The smallest type that holds low..high."""
    return next((t for t, lo, hi in _SMALL if lo <= low and high <= hi), wide_type(low, high))


def array_type(a: NDArray[np.int64]) -> str:
    """The smallest type that holds an array's numbers."""
    return storage_type(int(a.min(initial=0)), int(a.max(initial=0)))


def helpers() -> str:
    """Functions that generated text may call, for both widths."""
    text: list[str] = []
    for bits in (32, 64):
        t = f"int{bits}_t"
        text.append(f"""
static inline {t} shift_right_{bits}({t} x, int32_t n)
{{
    return x >= 0 ? ({t})(x >> n) : ({t})(-1 - ((-1 - x) >> n));
}}

static inline {t} shift_left_{bits}({t} x, int32_t n)
{{
    return ({t})((u{t})x << n); /* unsigned: defined for every x and n */
}}

static inline {t} clamp_{bits}({t} x, {t} low, {t} high)
{{
    return x < low ? low : x > high ? high : x;
}}

static inline {t} half_up_{bits}({t} x, int32_t n)
{{
    return shift_right_{bits}(({t})(x + ({t})(((u{t})1 << n) >> 1)), n);
}}

static inline {t} wrap_{bits}({t} x, {t} low, {t} mask)
{{
    return ({t})(({t})(((u{t})x - (u{t})low) & (u{t})mask) + low); /* x - low may need a bit more than x */
}}
""")
    return "\n".join(f.strip() + "\n" for f in "".join(text).strip().split("\n\n"))


def render(
    body: Body,
    order: Sequence[int],
    bounds: Bounds,
    types: Mapping[str, str],
    leaf: Callable[[Instruction], str],
    row: Callable[[str], str],
    searches: dict[str, str],
) -> list[str]:
    """Statements `const T v<k> = ...;` for the instructions in `order`.

    Args:
        bounds: proved bounds of every instruction; they choose the types.
        types: C element type of each parameter.
        leaf: text of a leaf instruction.
        row: text of a pointer to this channel's row of a table parameter.
        searches: takes the search functions that the text calls, by name.
    """
    return [_statement(body, k, bounds, types, leaf, row, searches) for k in order]


def _type(bounds: Bounds, k: int) -> str:
    low, high = bounds[k]
    return wide_type(int(low.min()), int(high.max()))


def _cast(kind: str, have: str, text: str) -> str:
    return text if kind == have else f"({kind}){text}"


def _statement(
    body: Body,
    k: int,
    bounds: Bounds,
    types: Mapping[str, str],
    leaf: Callable[[Instruction], str],
    row: Callable[[str], str],
    searches: dict[str, str],
) -> str:
    i, kind = body.instructions[k], _type(bounds, k)
    have = [_type(bounds, a) for a in i.args if a in bounds]
    names = [f"v{a}" for a in i.args]
    if i.op in ("lookup", "encode", "decode"):
        text = _table_text(body, i, bounds, types, leaf, row, searches)
    elif i.op not in OPS:
        text = leaf(i)
    else:
        widest = "int64_t" if "int64_t" in (kind, *have) else "int32_t"
        args = [_cast(widest, h, n) for h, n in zip(have, names, strict=True)]
        op = OPS[i.op]
        if i.op in ("shl", "shr"):
            bits = widest.removeprefix("int").removesuffix("_t")
            text = f"shift_{'left' if i.op == 'shl' else 'right'}_{bits}({args[0]}, (int32_t){names[1]})"
        elif i.op == "wrap":
            bits = widest.removeprefix("int").removesuffix("_t")
            text = f"wrap_{bits}({args[0]}, {args[1]}, ({widest})(((u{widest})1 << {names[2]}) - 1))"
        else:
            text = op.c.format(*args)
    return f"const {kind} v{k} = ({kind}){text};"


def _table_text(
    body: Body,
    i: Instruction,
    bounds: Bounds,
    types: Mapping[str, str],
    leaf: Callable[[Instruction], str],
    row: Callable[[str], str],
    searches: dict[str, str],
) -> str:
    name = f"v{i.args[0]}"
    if i.op == "lookup":
        codec = body.codec(body.instructions[i.args[0]].name)
        entry = name if codec.low == 0 else f"{name} - ({codec.low})"
        if len(i.args) == 3:
            entry = f"v{i.args[1]} * {1 << codec.bits} + {entry}"
        return f"{row(i.name)}[{entry}]"
    codec = body.codec(i.name)
    x = _type(bounds, i.args[0])
    if isinstance(codec, Table):
        if i.op == "decode":
            return f"{row(f'{i.name}.levels')}[{name}]"
        edges = row(f"{i.name}.boundaries")
        if codec.bits <= 3:
            return "(" + " + ".join(f"({name} >= {edges}[{j}])" for j in range(codec.high)) + ")"
        edge = types[f"{i.name}.boundaries"]
        function = f"search_{codec.bits}_{edge.removesuffix('_t')}_{x.removesuffix('_t')}"
        searches[function] = _search_function(function, codec.bits, edge, x)
        return f"{function}({edges}, {name})"
    shift = leaf(Instruction("parameter", name=f"{i.name}.shift"))
    if i.op == "decode":
        kind = _type(bounds, body.instructions.index(i))
        return f"shift_left_{kind[3:5]}(({kind}){name}, (int32_t){shift})"
    low, high = bounds[i.args[0]]
    room = (1 << 31) - (1 << 30) - 1  # so that adding half a step cannot overflow
    bits = "32" if x == "int32_t" and int(low.min()) > -room and int(high.max()) < room else "64"
    code = f"half_up_{bits}(({f'int{bits}_t'}){name}, (int32_t){shift})"
    if codec.overflow == "wrap":
        return f"wrap_{bits}({code}, {codec.low}, {(1 << codec.bits) - 1})"
    top = (
        f"(int{bits}_t){leaf(Instruction('parameter', name=f'{i.name}.high'))}"
        if codec.has_top
        else str(codec.high)
    )
    return f"clamp_{bits}({code}, {codec.low}, {top})"


def _search_function(name: str, bits: int, edge: str, value: str) -> str:
    """The n-step search for the number of 2^n - 1 increasing boundaries at or below a value."""
    halves = [1 << b for b in reversed(range(bits))]
    steps = "\n".join(f"    code += (x >= edges[code + {half - 1}]) ? {half} : 0;" for half in halves)
    return (
        f"static inline int32_t {name}(const {edge} *edges, {value} x)\n{{\n    int32_t code = 0;\n"
        f"{steps}\n    return code;\n}}\n"
    )
