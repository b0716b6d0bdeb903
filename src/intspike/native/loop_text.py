"""What the C text of both time loops shares: rows of parameters, tables, the loops over tiles. See `loops`."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from ..ops import Body, parameter_shape

TILE = 256  # lanes whose state and parameters stay in the first cache
FAR = 1 << 15  # elements of a timestep from which the next one is fetched ahead: it lies beyond the caches
NARROW_CURRENT = 1 << 14  # where currents are clamped in lanes of 16 bits
CHAIN_BITS = 5  # larger tables are gathered

# rows of a tile; a vector must not cross two cache lines
ROW = f"[{TILE}] __attribute__((aligned(64)))"

HEAD = """\
#pragma GCC optimize("no-tree-pre", "no-tree-sink") /* gcc would move loads into branches and stay scalar */
#if defined(__AVX512BW__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("prefer-vector-width=512") /* these loops are arithmetic alone: the widest vectors are fastest */
#endif
#include <stdint.h>
#include <math.h>
#include <string.h>

/* Bytes that will be read, or written, soon. */
static inline void fetch(const void *at, int64_t bytes, const int written)
{
    for (int64_t k = 0; k < bytes; k += 64) {
        if (written)
            __builtin_prefetch((const char *)at + k, 1);
        else
            __builtin_prefetch((const char *)at + k);
    }
}

"""

_LIMITS = [
    "int64_t lanes = last * C - e0 - p0;",
    "if (lanes > width - p0)",
    "    lanes = width - p0;",
    f"if (lanes > {TILE})",
    f"    lanes = {TILE};",
    "if (lanes <= 0)",
    "    break;",
    "const int64_t base = e0 + p0;",
]
EACH_LANE = "for (int64_t p = 0; p < lanes; p++) {"


def is_real(body: Body) -> bool:
    """Whether the body is in full precision."""
    return all(s.codec is None for s in body.states)


def affine_of(body: Body) -> int | None:
    """Index of gain * S + bias, through which alone an integer body reads the sum; None where it reads it bare."""
    text = body.instructions
    for k, i in enumerate(text):
        if i.op != "add" or text[i.args[0]].op != "mul" or text[i.args[1]].name != "bias":
            continue
        s, gain = text[i.args[0]].args
        readers = [j for j, other in enumerate(text) if s in other.args]
        if text[s].op == "current" and text[gain].name == "gain" and readers == [i.args[0]]:
            return k
    return None


def code_kind(body: Body, state: int) -> str:
    """C type of a kept code (in full precision, of the membrane)."""
    codec = body.states[state].codec
    if codec is None:
        return "float"
    for kind, low, high in (
        ("uint8_t", 0, 255),
        ("int8_t", -128, 127),
        ("int16_t", -(1 << 15), (1 << 15) - 1),
    ):
        if codec.low >= low and codec.high <= high:
            return kind
    return "int32_t"


class LoopText:
    """What both directions share: rows of parameters, tables, the loops over tiles."""

    def __init__(self, body: Body, lane: str, sums: str, numbers: tuple[str, ...], tables: tuple[str, ...]):
        self.body, self.lane, self.sums = body, lane, sums
        self.numbers, self.tables = numbers, tables
        self.names = [s.name for s in body.states]

    def entries(self, table: str) -> int:
        return parameter_shape(self.body, table)[-1]

    def is_chain(self, table: str) -> bool:
        return self.entries(table) <= 1 << CHAIN_BITS

    def number_rows(self, kind: str, names: Iterable[str]) -> list[str]:
        return [
            f"const {kind} *restrict n{k} = numbers + {k} * width + p0;\n    (void)n{k};"
            for k, _ in enumerate(names)
        ]

    def table_rows(self) -> list[str]:
        lines: list[str] = []
        at = 0
        for k, name in enumerate(self.tables):
            lines += [f"const {self.lane} *restrict r{k} = tables + {at} * width + p0;", f"(void)r{k};"]
            at += prod(parameter_shape(self.body, name))
        return lines

    def entry(self, table: str, k: int | str) -> str:
        """Element of a table's row in this lane."""
        at = f"({k})" if isinstance(k, str) else str(k)
        return f"r{self.tables.index(table)}[{at} * width + p]"

    def select(self, values: list[str], bits: list[str], name: str) -> tuple[list[str], str]:
        """Statements, and the one of 2^n values whose index has these bits (masks of ones or zeros, the lowest first).

        A tree of masked selections: no gather, no branch, one instruction a node where the processor has three inputs.
        """
        lines: list[str] = []
        for level, mask in enumerate(bits):
            halved: list[str] = []
            for k, (x, y) in enumerate(zip(values[::2], values[1::2], strict=True)):
                halved.append(f"{name}_{level}_{k}")
                lines.append(f"const {self.lane} {halved[-1]} = ({self.lane})({x} ^ (({x} ^ {y}) & {mask}));")
            values = halved
        return lines, values[0]

    def read(self, table: str, row: int, bits: list[str], name: str) -> tuple[list[str], str]:
        """The same for a row of a table."""
        first = row * self.entries(table)
        return self.select([self.entry(table, first + j) for j in range(self.entries(table))], bits, name)

    def masks(self, code: str, count: int, name: str) -> tuple[list[str], list[str]]:
        """Statements and masks of the bits of a code that counts from 0."""
        names = [f"{name}_{b}" for b in range(count)]
        return [
            f"const {self.lane} {m} = ({self.lane})-(({code} >> {b}) & 1);" for b, m in enumerate(names)
        ], names

    def function(self, signature: str, unused: str, tile: list[str]) -> str:
        inner = "\n".join("        " + line.replace("\n", "\n    ") for line in [*_LIMITS, *tile])
        return (
            f"{signature};\n\n{signature}\n{{\n    {unused}\n"
            "    for (int64_t e0 = first * C; e0 < last * C; e0 += width)\n"
            f"    for (int64_t p0 = 0; p0 < width; p0 += {TILE}) {{\n{inner}\n    }}\n}}\n"
        )
