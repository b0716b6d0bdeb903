"""What one update of one neuron costs: the instructions of its body as adders, multipliers and words read.

| Instruction | Integers | Floating point |
| --- | --- | --- |
| add, sub, min, max, ge, gt | an addition | a float addition |
| mul by 0 or 1 (a spike, a condition) | nothing: an AND mask | nothing |
| mul by powers of two (a gain) | nothing: wires; an addition where one is negative | the gain is in the weights |
| any other mul | a multiplication | a float multiplication |
| shl, wrap, select, cut | nothing: wires, a multiplexer | nothing |
| shr | nothing: wires | a float multiplication, unless it divides a product |
| parameter | a word read | a float read |
| lookup | a word read | beta read, a float multiplication |
| decode | of a table a word read, of a uniform code nothing | nothing |
| encode | of a table n words read and n comparisons (binary search); of a uniform code an addition to round, \
the top code read where a channel has its own, two comparisons to saturate | nothing |
| prev | where it is stored nothing, else a comparison for each threshold | the same |

A comparison counts as an addition, as in the source of the coefficients' users (PMC8934428, table 3). Widths are
those of the range proof: the widest of an instruction's result and arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...fixed import bits_for
from ...ir import Neuron, Range
from ...ops import Instruction
from ...ops.codec import Table
from ...ops.interpret import forward_roots, live

Ints = NDArray[np.int64]
FLOAT = 32  # bits
_ADDS = ("add", "sub", "min", "max", "ge", "gt")


@dataclass(frozen=True)
class Work:
    """An operation of one update: its name, width, the memory it reads (bits), and how often."""

    operation: str
    bits: int
    memory: int = 0
    times: int = 1


def update(n: Neuron, proved: Range, real: bool = False) -> list[Work]:
    """The work of one neuron in one timestep, but for its stored codes and its current.

    Args:
        n: the layer of neurons.
        proved: its ranges.
        real: in floating point.
    """
    needed = live(n.body, *forward_roots(n.body))
    made: list[Work] = []
    for k in needed:
        made += (_real if real else _integer)(n, proved, k)
    return made


def _integer(n: Neuron, proved: Range, k: int) -> Iterator[Work]:
    i = n.body.instructions[k]
    if i.op in _ADDS:
        yield Work("add", _width(i, proved, k))
    elif i.op == "mul":
        if not _masks(i, proved):
            factors = [_parameter(n, a) for a in i.args]
            power = next((p for p in factors if p is not None and _powers_of_two(p)), None)
            if power is None:
                yield Work("multiply", _width(i, proved, k))
            elif (power < 0).any():
                yield Work("add", _width(i, proved, k))
    elif i.op in ("parameter", "lookup"):
        yield _word(n.parameters[i.name])
    elif i.op == "decode" and isinstance(n.body.codec(i.name), Table):
        yield _word(n.parameters[f"{i.name}.levels"])
    elif i.op == "encode":
        yield from _encode(n, i, proved)
    elif i.op == "prev" and not n.body.keeps_spike:
        yield Work("add", _codes(n), times=n.body.spikes)


def _encode(n: Neuron, i: Instruction, proved: Range) -> Iterator[Work]:
    codec = n.body.codec(i.name)
    width = _span(proved, i.args[0])
    if isinstance(codec, Table):
        yield _word(n.parameters[f"{i.name}.boundaries"], codec.bits)
        yield Work("add", width, times=codec.bits)
        return
    if n.parameters[f"{i.name}.shift"].any():
        yield Work("add", width)
    if not codec.wraps:
        if codec.has_top:
            yield _word(n.parameters[f"{i.name}.high"])
        yield Work("add", width, times=2)


def _real(n: Neuron, proved: Range, k: int) -> Iterator[Work]:
    i = n.body.instructions[k]
    scales = any(n.body.instructions[a].name == "gain" for a in i.args)
    if i.op in _ADDS:
        yield Work("float add", FLOAT)
    elif i.op == "mul":
        if not scales and not _masks(i, proved):
            yield Work("float multiply", FLOAT)
    elif i.op == "shr":
        if n.body.instructions[i.args[0]].op != "mul":
            yield Work("float multiply", FLOAT)
    elif i.op == "parameter" and i.name != "gain":
        yield Work("read", FLOAT, FLOAT * len(n.parameters[i.name]))
    elif i.op == "lookup":
        yield Work("read", FLOAT, FLOAT * len(n.parameters[i.name]))
        yield Work("float multiply", FLOAT)
    elif i.op == "prev" and not n.body.keeps_spike:
        yield Work("float add", FLOAT, times=n.body.spikes)


def state_bits(n: Neuron, real: bool = False) -> int:
    """Bits that one neuron keeps: its codes, and the spike where that is stored beside them."""
    spike = bits_for(0, n.body.spikes)[0] if n.body.keeps_spike else 0
    return spike + (FLOAT * len(n.body.states) if real else _codes(n))


def _codes(n: Neuron) -> int:
    return sum(n.body.codec(s.name).bits for s in n.body.states)


def _word(values: Ints, times: int = 1) -> Work:
    """Reading an entry of a parameter, packed at the width of its values."""
    bits = bits_for(int(values.min()), int(values.max()))[0]
    return Work("read", bits, bits * values.size, times)


def _parameter(n: Neuron, k: int) -> Ints | None:
    i = n.body.instructions[k]
    return n.parameters[i.name] if i.op == "parameter" else None


def _powers_of_two(values: Ints) -> bool:
    size = np.abs(values)
    return bool((size > 0).all() and not (size & (size - 1)).any())


def _masks(i: Instruction, proved: Range) -> bool:
    """Whether a factor is 0 or 1 alone."""
    return any(proved.steps[a][0].min() >= 0 and proved.steps[a][1].max() <= 1 for a in i.args)


def _span(proved: Range, k: int) -> int:
    low, high = proved.steps[k]
    return bits_for(int(low.min()), int(high.max()))[0]


def _width(i: Instruction, proved: Range, k: int) -> int:
    return max(_span(proved, j) for j in (k, *i.args))
