"""The in-memory-computing machine: crossbars that multiply a column of weights with all rows at once.

Weights lie in crossbars of X x X cells, one for each position of a kernel; ceil(C_in / X) ceil(C_out / X) processing
elements (PE) of k^2 crossbars hold a layer, and one of its PE cycles computes one place of the output at one timestep.
In a cycle, with S columns to a converter:

    1 tree, fetch, neuron module and tile buffer;   X / S local buffers and X / S * subtractors subtractions
    X / S * k^2 crossbar reads;                     (X / S)^2 conversions and multiplexers

as SpikeSim counts (arXiv 2210.12899, `compute_energy`). Nothing of it depends on spikes: a crossbar works whether its
rows fire or not. A converter loses nothing only where it resolves every sum that a column can have (`lossless_bits`).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from ...errors import BadInput
from ...fixed import bits_for
from ...ir import Conv, Dense, Program, ranges, static_nodes
from .counts import Count, Counts, Ints, Ledger
from .table import Coefficients


def crossbar_counts(
    program: Program, samples: int, timesteps: int, static: bool, table: Coefficients
) -> Counts:
    """What the crossbars of a program do for so many samples and timesteps; a static input's layers run once."""
    ledger = Ledger(samples)
    for n in program:
        if isinstance(n, (Dense, Conv)):
            for c in _layer(
                n, program, 1 if static and n.name in static_nodes(program) else timesteps, table
            ):
                ledger.add(c)
    return Counts(ledger.entries(), tuple(n.name for n in program), samples, timesteps)


def _layer(n: Dense | Conv, program: Program, frames: int, table: Coefficients) -> Iterator[Count]:
    rows, shared = table.settings["rows"], table.settings["shared_columns"]
    out, inputs = n.weight.shape[:2]
    kernel, groups = prod(n.weight.shape[2:]), n.groups if isinstance(n, Conv) else 1
    elements = groups * -(-inputs // rows) * -(-(out // groups) // rows)
    cycles = elements * prod(program.shapes[n.name][1:]) * frames
    parts = -(-rows // shared)
    for cause, operation, times in (
        ("weights", "crossbar read", parts * kernel),
        ("adds", "conversion", parts * parts),
        ("adds", "multiplexer", parts * parts),
        ("adds", "subtraction", parts * table.settings["subtractors"]),
        ("spikes", "local buffer", parts),
        ("spikes", "tile buffer", 1),
        ("spikes", "tree", 1),
        ("spikes", "fetch", 1),
        ("neurons", "neuron module", 1),
    ):
        yield Count(n.name, cause, operation, 0, 0, cycles * times)


def lossless_bits(program: Program, rows: int) -> dict[str, int]:
    """Bits that the converters of each layer need so that no sum of a column is rounded or clipped.

    Exact: the smallest and the largest sum of a column of at most `rows` weights of one position of the kernel, over
    all inputs in the proved range of what the layer reads; the whole code of a weight in one cell.
    """
    if rows < 1:
        raise BadInput(f"rows of a crossbar must be at least 1, not {rows}")
    proved = ranges(program, 1)
    made: dict[str, int] = {}
    for n in program:
        if isinstance(n, (Dense, Conv)):
            r = proved[n.source.source]
            weight = n.weight.reshape(*n.weight.shape[:2], -1)  # [N, C, k^2]
            places = np.arange(0, weight.shape[1], rows)
            low, high = (_sums(weight, places, *ends) for ends in ((r.low, r.high), (r.high, r.low)))
            made[n.name] = bits_for(int(low.min()), int(high.max()))[0]
    return made


def _sums(weight: Ints, places: Ints, positive: int, negative: int) -> Ints:
    """Sums of columns where positive weights meet one input and negative weights another."""
    return np.add.reduceat(np.where(weight > 0, positive, negative) * weight, places, axis=1)
