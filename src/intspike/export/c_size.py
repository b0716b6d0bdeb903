"""How much memory an exported program takes on a machine, beside its code."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONSTANT = re.compile(r"^static const u?int(\d+)_t \w+\[(\d+)\]", re.MULTILINE)
_FIELD = re.compile(r"^    u?int(\d+)_t \w+(?:\[(\d+)\])?;", re.MULTILINE)


@dataclass(frozen=True)
class Size:
    """Bytes of an exported program: a compiler adds code, a pointer to the input, and padding of the struct.

    C stores a weight of 2 bits in 8, and every sum of a layer in the width that its proof needs, so this is more than
    the packed size that `measure.size_bits` counts.

    Attributes:
        constants: of weights, thresholds and tables, which are read only (flash).
        state: of `program_state`, one for each input that runs at the same time (RAM).
    """

    constants: int
    state: int

    def __str__(self) -> str:
        return f"{self.constants:,} bytes of constants, {self.state:,} bytes of state"


def size_of(header: str, source: str) -> Size:
    """Of the text of `program.h` and `program.c`."""
    return Size(
        *(
            sum(int(bits) // 8 * int(n or 1) for bits, n in p.findall(t))
            for p, t in ((_CONSTANT, source), (_FIELD, header))
        )
    )
