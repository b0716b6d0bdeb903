"""Bits of weights and membrane potentials as every option spells them: 4-2, 4 for both, fp32 for full precision."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Literal, overload

from ..errors import BadInput

if TYPE_CHECKING:
    from ..quant import QuantConfig

Bits = tuple[int, int]  # of weights, of membrane potentials
FULL = "fp32"
AFTER, BEFORE = "after-reset", "before-reset"


@overload
def parse_bits(text: str, option: str = ..., *, low: int = ..., full: Literal[False]) -> Bits: ...
@overload
def parse_bits(text: str, option: str = ..., *, low: int = ..., full: bool = ...) -> Bits | None: ...
def parse_bits(text: str, option: str = "bits", *, low: int = 1, full: bool = True) -> Bits | None:
    """Bits of one network.

    Args:
        text: 4-2 is weights of 4 bits and membrane potentials of 2, 4 is 4-4, fp32 is full precision.
        option: how the option is called.
        low: the least of either; the most is 8.
        full: whether full precision may be asked for.

    Returns:
        Bits of weights and of membrane potentials; None in full precision.

    Raises:
        BadInput: anything else.
    """
    (made,) = _parsed([text], text, option, low, full, several=False)
    return made


@overload
def parse_list(text: str, option: str = ..., *, low: int = ..., full: Literal[False]) -> tuple[Bits, ...]: ...
@overload
def parse_list(
    text: str, option: str = ..., *, low: int = ..., full: bool = ...
) -> tuple[Bits | None, ...]: ...
def parse_list(
    text: str, option: str = "bits", *, low: int = 1, full: bool = True
) -> tuple[Bits | None, ...]:
    """Bits of several networks: with commas, each once; 1,2x4,3 is every number of the first with every of the second.

    Args:
        text, option, low, full: as of `parse_bits`.

    Raises:
        BadInput: anything else, one given twice, or none.
    """
    words = text.split(",")
    if text.count("x") == 1:
        words = [f"{w}-{u}" for w, u in product(*(side.split(",") for side in text.split("x")))]
    made = _parsed(words, text, option, low, full, several=True)
    if len(set(made)) < len(made):
        raise BadInput(f"--{option} must name different bits, each once, not {text}")
    return made


def _parsed(
    words: Sequence[str], text: str, option: str, low: int, full: bool, *, several: bool
) -> tuple[Bits | None, ...]:
    known = {str(b): b for b in range(low, 9)}
    made: list[Bits | None] = []
    for word in words:
        weights, dash, states = word.partition("-")
        if full and word == FULL:
            made.append(None)
        elif weights in known and (states in known or not dash):
            made.append((known[weights], known[states or weights]))
        else:
            more = (f", or {FULL} for full precision" if full else "") + (", with commas" if several else "")
            raise BadInput(
                f"--{option} must be bits of weights and membrane potentials in {low}..8 such as 4-2, or one number "
                f"for both{more}, not {text!r}"
            )
    return tuple(made)


@overload
def alike(bits: Sequence[Bits], option: str = ..., repair: str = ...) -> tuple[int, ...]: ...
@overload
def alike(bits: Sequence[Bits | None], option: str = ..., repair: str = ...) -> tuple[int | None, ...]: ...
def alike(bits: Sequence[Bits | None], option: str = "bits", repair: str = "") -> tuple[int | None, ...]:
    """One number for both, where a command quantizes both alike; None is full precision.

    Args:
        repair: what to do instead.

    Raises:
        BadInput: weights and membrane potentials of different bits.
    """
    for b in bits:
        if b is not None and b[0] != b[1]:
            raise BadInput(
                f"--{option} must be equal for weights and membrane potentials here, such as {b[0]}, not "
                f"{word_of(b)}{repair}"
            )
    return tuple(None if b is None else b[0] for b in bits)


def words(text: str) -> tuple[str, ...]:
    """The bits of a list, each in its shortest spelling, which studies keep.

    Raises:
        BadInput: those of `parse_list`.
    """
    return tuple(word_of(b, short=True) for b in parse_list(text))


def word_of(bits: Bits | None, *, short: bool = False) -> str:
    """Bits as an option spells them; equal ones as one number where it may be short."""
    if bits is None:
        return FULL
    return str(bits[0]) if short and bits[0] == bits[1] else f"{bits[0]}-{bits[1]}"


def config_of(bits: Bits, codec: str = AFTER) -> QuantConfig:
    """Uniform weights (binary ones of one bit) and threshold-centred membrane potentials of so many bits.

    Args:
        codec: membrane potentials are stored after-reset or before-reset.

    Raises:
        BadInput: another codec.
    """
    from ..quant import QuantConfig, ThresholdCentred, weight_of

    if codec not in (AFTER, BEFORE):
        raise BadInput(f"--codec must be {AFTER} or {BEFORE}, not {codec!r}")
    stores = "after reset" if codec == AFTER else "before reset"
    return QuantConfig(weight_of(bits[0]), ThresholdCentred(bits[1], stores))
