"""Results of all seeds of a study, put together row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from ..measure import Interval, mean_interval, wilson
from .grid import Cell, Finished


class NetworkCell(Cell, Protocol):
    """A cell that is a network: cells of one row differ in their seed alone.

    Attributes:
        row: the configuration, in words that a summary uses as a name.
        seed: of weights, sample order and splits.
        integer: whether all of it is quantized, so that it has an integer program.
    """

    @property
    def row(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def integer(self) -> bool: ...


C = TypeVar("C", bound=NetworkCell)


@dataclass(frozen=True)
class Row(Generic[C]):
    """One configuration over its seeds.

    Attributes:
        cell: of one of the seeds.
        done: the finished cells by seed.
        failed: reasons by seed.
    """

    cell: C
    done: dict[int, Finished]
    failed: dict[int, str]

    @property
    def name(self) -> str:
        return self.cell.row

    @property
    def accuracies(self) -> list[float]:
        """Per cent, in the order of the seeds."""
        return [100 * self.record(s)["accuracy"] for s in sorted(self.done)]

    @property
    def interval(self) -> Interval | None:
        """Mean and 95 % interval over seeds, in per cent; of one seed, the Wilson interval of its test samples."""
        if not self.done:
            return None
        if len(self.done) > 1:
            return mean_interval(self.accuracies).within(0, 100)
        (only,) = self.done
        one = wilson(self.record(only)["correct"], self.record(only)["n"])
        assert one.low is not None
        assert one.high is not None
        return Interval(100 * one.value, 100 * one.low, 100 * one.high, 1)

    @property
    def compared(self) -> int:
        """Spikes and stored codes that were compared, of all seeds."""
        return sum(c["compared"] for s in self.done for c in self.record(s)["exact"] or ())

    @property
    def exact(self) -> str:
        """What can be said of its integers. A difference would have failed the cell."""
        if not self.cell.integer:
            return "float part"
        return f"exact, {self.compared:,} integers compared" if self.done else "–"

    @property
    def bits(self) -> int | None:
        """Packed size of the first seed, in bits."""
        size = self.record(min(self.done))["size_bits"] if self.done else None
        return None if size is None else size["total"]

    @property
    def tested(self) -> int:
        """Test samples a seed."""
        return int(self.record(min(self.done))["n"]) if self.done else 0

    @property
    def rate(self) -> float | None:
        """Mean firing rate of all neurons, spikes per timestep."""
        return self._neurons("rate", weighted=True)

    @property
    def dead(self) -> float | None:
        """Share of neurons that never fired on the test samples."""
        return self._neurons("dead", weighted=False)

    def _neurons(self, what: str, *, weighted: bool) -> float | None:
        layers = [x for s in self.done for x in self.record(s)["layers"].values()]
        neurons = sum(x["neurons"] for x in layers)
        total = sum(x[what] * (x["neurons"] if weighted else 1) for x in layers)
        return total / neurons if neurons else None

    @property
    def drifts(self) -> list[Mapping[str, Any]]:
        """Drift against full precision as each seed records it; cells of earlier versions have none."""
        return [d for s in sorted(self.done) if (d := self.record(s).get("drift")) is not None]

    def drift(self, name: str) -> float | None:
        """A pooled measure of drift, its mean over seeds; None where no seed knows it."""
        return mean_of([d["pooled"][name] for d in self.drifts])

    def drift_floor(self, name: str) -> float | None:
        """The same measure between the two halves of the test samples in full precision."""
        return mean_of([d["noise_floor"]["halves"]["pooled"][name] for d in self.drifts])

    @property
    def synops_change(self) -> float | None:
        """Relative change in synaptic operations, its mean over seeds."""
        costs = [[d["cost"][k]["synops_per_inference"] for k in ("before", "after")] for d in self.drifts]
        return mean_of([b / a - 1 if a and b is not None else None for a, b in costs])

    def record(self, seed: int) -> dict[str, Any]:
        """What the cell of a seed recorded."""
        record = self.done[seed].record
        assert record is not None
        return dict(record)


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of what is known."""
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def interval_text(i: Interval | None) -> str:
    """A mean and its interval, in per cent."""
    if i is None:
        return "–"
    return (
        f"{i.value:.2f}" if i.low is None or i.high is None else f"{i.value:.2f} [{i.low:.2f}, {i.high:.2f}]"
    )


def rows_of(finished: Sequence[Finished], kind: type[C]) -> dict[str, Row[C]]:
    """Rows by name, in the order of the grid.

    Args:
        kind: of the cells; others are left out.
    """
    made: dict[str, Row[C]] = {}
    for f in finished:
        if not isinstance(f.cell, kind):
            continue
        cell = f.cell
        row = made.setdefault(cell.row, Row(cell, {}, {}))
        if f.status == "done":
            row.done[cell.seed] = f
        else:
            row.failed[cell.seed] = f.reason
    return made
