"""Counts times coefficients: energies by layer and by cause, as intervals.

Hardware has units of the listed widths and memories of the listed sizes. An operation of a width between two of them
costs between the narrower and the wider, and its value is that of the wider, on which it fits. Below the narrowest, the
lower end falls in proportion to the width (of a product, to its square). The same holds for the capacity of memories,
of whose words (say, 64 bits) an access takes its share: numbers are packed. A table with "access per bit of memory" has
another rule, a + b times the bits of the memory for each access of whatever width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .counts import CAUSES, Count, Counts
from .span import Span, total
from .table import Coefficient, Coefficients


@dataclass(frozen=True)
class Energy:
    """Energy of a run.

    Attributes:
        table: name of the table of coefficients.
        parts: total of all samples by (layer, cause), in program order.
        driven: the part of it that falls with the firing rate.
        each: value of each sample in picojoules, [B].
        samples, timesteps: B and T.
    """

    table: str
    parts: Mapping[tuple[str, str], Span]
    driven: Span
    each: NDArray[np.float64]
    samples: int
    timesteps: int

    @property
    def total(self) -> Span:
        """Of all samples."""
        return total(list(self.parts.values()))

    @property
    def per_inference(self) -> Span:
        """Mean of one sample, all its timesteps."""
        return self.total * Fraction(1, self.samples)

    @property
    def by_layer(self) -> dict[str, Span]:
        """Mean of one sample, by layer."""
        return self._by(0)

    @property
    def by_cause(self) -> dict[str, Span]:
        """Mean of one sample, by cause, in the order of `CAUSES`."""
        found = self._by(1)
        return {c: found[c] for c in CAUSES if c in found}

    def _by(self, axis: int) -> dict[str, Span]:
        made: dict[str, Span] = {}
        for key, span in self.parts.items():
            made[key[axis]] = made.get(key[axis], Span()) + span * Fraction(1, self.samples)
        return made

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for a summary, in picojoules a sample."""
        share = Fraction(1, self.samples)
        layers: dict[str, dict[str, Any]] = {}
        for (layer, cause), span in self.parts.items():
            layers.setdefault(layer, {})[cause] = (span * share).to_dict()
        return {
            "table": self.table,
            "unit": "pJ",
            "per_inference": self.per_inference.to_dict(),
            "driven_per_inference": (self.driven * share).to_dict(),
            "by_cause": {k: v.to_dict() for k, v in self.by_cause.items()},
            "by_layer": {k: v.to_dict() for k, v in self.by_layer.items()},
            "layers": layers,
            "samples": self.samples,
            "timesteps": self.timesteps,
        }

    def __str__(self) -> str:
        width = max([len(k) for k in (*self.by_layer, *CAUSES)])
        head = f"energy per inference by {self.table} ({self.samples} samples, {self.timesteps} timesteps)"
        lines = [f"{k:{width}}  {v}" for k, v in (*self.by_layer.items(), *self.by_cause.items())]
        return "\n".join([head, *lines, f"{'total':{width}}  {self.per_inference}"])


def energy(counts: Counts, table: Coefficients) -> Energy:
    """What counts cost by a table.

    Raises:
        BadInput: an operation for which the table has no coefficient, by name.
    """
    parts: dict[tuple[str, str], Span] = {}
    driven, each = Span(), np.zeros(counts.samples)
    order = {name: k for k, name in enumerate(counts.layers)}
    causes = list(CAUSES)
    for c in sorted(counts.entries, key=lambda c: (order[c.layer], causes.index(c.cause))):
        one = cost(c, table)
        parts[c.layer, c.cause] = parts.get((c.layer, c.cause), Span()) + one * c.total
        driven = driven + one * (c.total if c.driven else 0)
        each += np.asarray(c.number) * float(one.value)
    return Energy(table.name, parts, driven, each, counts.samples, counts.timesteps)


def cost(c: Count, table: Coefficients) -> Span:
    """Energy of one operation of a count."""
    if c.operation in ("read", "write"):
        return _access(c, table)
    listed = table.of(c.operation)
    if not listed:
        raise table.lacks(repr(c.operation), c.layer)
    if not listed[0].bits:
        return listed[0].energy
    widths = [Fraction(e.bits) for e in listed]
    found = _between(listed, widths, Fraction(c.bits), 2 if "multiply" in c.operation else 1)
    if found is None:
        raise table.lacks(f"{c.operation!r} of {c.bits} bits", c.layer)
    return found


def _access(c: Count, table: Coefficients) -> Span:
    listed, slope = table.of("access"), table.of("access per bit of memory")
    if slope:
        return listed[0].energy + slope[0].energy * c.memory
    if not listed or listed[0].kib is None:
        return cost(replace(c, operation="access"), table)
    words = [replace(e, energy=e.energy * Fraction(c.bits, e.bits)) for e in listed]
    # off the chip everything finds room
    sizes = [Fraction(c.memory + 1) if e.kib == float("inf") else Fraction(e.kib or 0) * 8192 for e in listed]
    found = _between(words, sizes, Fraction(c.memory), 1)
    if found is None:
        raise table.lacks(f"'access' to {c.memory / 8192:.0f} KiB", c.layer)
    return found


def _between(
    listed: Sequence[Coefficient], sizes: Sequence[Fraction], wanted: Fraction, power: int
) -> Span | None:
    """The cost of a size from the costs of listed sizes; None above the largest."""
    at = next((k for k, s in enumerate(sizes) if s >= wanted), None)
    if at is None:
        return None
    above = listed[at].energy
    if sizes[at] == wanted:
        return above
    low = listed[at - 1].energy.low if at else above.low * (wanted / sizes[0]) ** power
    return Span(min(low, above.low), above.value, above.high)
