"""What every rule of a legal program is made of."""

from __future__ import annotations

import re

import numpy as np

from ..errors import BadProgram

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}\Z")


def must(condition: object, message: str) -> None:
    """Raise BadProgram with the message where a condition does not hold."""
    if not condition:
        raise BadProgram(message)


def within(a: np.ndarray, bits: int) -> bool:
    """Whether |a| < 2^bits everywhere; abs alone does not say, for that of the lowest int64 is itself."""
    return a.size == 0 or (-(1 << bits) < int(a.min()) and int(a.max()) < 1 << bits)
