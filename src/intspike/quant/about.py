"""What the documentation says of a quantizer: a row of its table, kept beside the code that it describes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """A quantizer in words and formulas.

    Attributes:
        equation: what becomes of a value.
        codes: which codes, or levels, there are.
        gradient: what passes backward.
        source: who published it, and what differs.
    """

    equation: str
    codes: str
    gradient: str
    source: str
