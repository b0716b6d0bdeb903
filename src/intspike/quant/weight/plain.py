"""The plain quantizer of so many bits."""

from __future__ import annotations

from typing import Any

from .base import WeightQuantizer
from .binary import Binary
from .uniform import Uniform


def weight_of(bits: int, **fields: Any) -> WeightQuantizer:
    """`Binary()` for 1 bit, else `Uniform(bits)`: -1, 0, 1 for 2 bits.

    Args:
        bits: 1..8.
        fields: of `Uniform`; 1 bit has none.

    Raises:
        BadInput: a width that does not exist.
    """
    return Binary(**fields) if bits == 1 else Uniform(bits, **fields)
