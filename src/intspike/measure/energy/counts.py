"""How often a machine does what, in integers: one entry for each layer, cause, operation and width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BadInput

Ints = NDArray[np.int64]

CAUSES = {
    "input": "all that reading the network's input costs: codes, weights, sums and addresses of the layers that do",
    "weights": "weights read, of all other layers",
    "adds": "their additions, and multiplications where they read more than -1, 0, 1",
    "states": "stored codes and synaptic sums, read and written",
    "neurons": "neuron updates: their arithmetic and the constants they read",
    "spikes": "spikes written and read as events, and the addresses that they stand for",
    "other": "pools, joins, offsets, folds of substeps, integrators and readouts",
}


@dataclass(frozen=True)
class Count:
    """One kind of work of one layer.

    Attributes:
        layer: name of the node.
        cause: one of CAUSES.
        operation: "add", "multiply", "float add", "float multiply", "read", "write", or one of another machine.
        bits: width of the numbers; 0 where an operation has none.
        memory: bits of the memory that is read or written; 0 for arithmetic.
        number: how often, in each sample, [B]; one number for all of them until it is collected.
        driven: whether it happens once for every spike of a neuron, and so falls with the firing rate.
    """

    layer: str
    cause: str
    operation: str
    bits: int
    memory: int
    number: Ints | int
    driven: bool = False

    @property
    def total(self) -> int:
        """How often, over all samples."""
        return int(np.sum(self.number))


@dataclass(frozen=True)
class Counts:
    """What a run cost a machine, in operations. Batches of one program add up with `+`.

    Attributes:
        entries: at most one for each layer, cause, operation, bits, memory and `driven`.
        layers: names of the nodes, in program order.
        samples, timesteps: B and T.
    """

    entries: tuple[Count, ...]
    layers: tuple[str, ...]
    samples: int
    timesteps: int

    def __add__(self, other: Counts) -> Counts:
        if (self.layers, self.timesteps) != (other.layers, other.timesteps):
            raise BadInput("counts can be added for batches of one program and one number of timesteps only")
        ledger = Ledger(self.samples + other.samples)
        for counts, part in (
            (self, slice(None, self.samples)),
            (other, slice(self.samples, None)),
        ):
            for c in counts.entries:
                ledger.add(c, part)
        return replace(self, entries=ledger.entries(), samples=ledger.samples)

    def total(self, operation: str, where: Callable[[Count], Any] = lambda c: True) -> int:
        """How often an operation is done over all samples, in the entries that `where` takes."""
        return sum(c.total for c in self.entries if c.operation == operation and where(c))


class Ledger:
    """Collects counts; equal kinds of work are one entry.

    Args:
        samples: B.
    """

    def __init__(self, samples: int):
        self.samples = samples
        self._numbers: dict[tuple[str, str, str, int, int, bool], Ints] = {}

    def add(self, c: Count, part: slice = slice(None)) -> None:
        """Add a count for the samples of `part`; its number may be one for all of them."""
        kind = (c.layer, c.cause, c.operation, c.bits, c.memory, c.driven)
        numbers = self._numbers.setdefault(kind, np.zeros(self.samples, np.int64))
        numbers[part] += c.number

    def entries(self) -> tuple[Count, ...]:
        """What was collected and is not zero."""
        return tuple(
            Count(layer, cause, operation, bits, memory, number, driven)
            for (layer, cause, operation, bits, memory, driven), number in self._numbers.items()
            if number.any()
        )
