"""What a measurement of energy is asked for, and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...data import Dataset
from ...errors import BadInput
from ...ir import Program
from ...measure import Interval, SynOps, mean_interval, wilson
from ...measure.energy import Activity, BreakEven, Coefficients, Counts, Energy


@dataclass(frozen=True)
class Options:
    """What is asked for.

    Attributes:
        artifact: a stored program.
        data: as `read_data` takes it; the test split is used.
        table: name or file of the coefficients.
        samples: how many, from the first; None: 200, or all where there are fewer.
        timesteps: T; None: the data set's, else that of its training, else 25.
    """

    artifact: Path
    data: str
    table: str = "horowitz-45nm"
    samples: int | None = None
    timesteps: int | None = None

    def __post_init__(self) -> None:
        for name, value, most in (
            ("--samples", self.samples, 10**9),
            ("--timesteps", self.timesteps, 10_000),
        ):
            if value is not None and not 1 <= value <= most:
                raise BadInput(f"{name} must be in 1..{most}, not {value}")


@dataclass(frozen=True)
class Rival:
    """Another network on the same hardware.

    Attributes:
        name, says: what it is.
        energy: what it costs; None where the table or the program does not say.
        refused: why not.
        meets: for a network without spikes, where the spiking one costs as much.
    """

    name: str
    says: str
    energy: Energy | None
    refused: str = ""
    meets: BreakEven | None = None


@dataclass(frozen=True)
class Costs:
    """A finished measurement.

    Attributes:
        options, dataset, table, program, timesteps: what ran on what.
        samples: how many samples.
        right: whether each was classified correctly.
        counts: what the machine of the table did.
        operations, active: synaptic operations and firing.
        energy: what it costs; None where the table prices nothing.
        refused: why not.
        rivals: what others would cost; for event-driven tables.
        converters: lossless bits of each layer's converters; for crossbars.
    """

    options: Options
    dataset: Dataset
    table: Coefficients
    program: Program
    timesteps: int
    right: tuple[bool, ...]
    counts: Counts
    operations: SynOps
    active: Activity
    energy: Energy | None
    refused: str = ""
    rivals: tuple[Rival, ...] = ()
    converters: Mapping[str, int] | None = None

    @property
    def samples(self) -> int:
        return self.counts.samples

    @property
    def accuracy(self) -> Interval:
        """Of the samples, with its Wilson interval."""
        return wilson(sum(self.right), len(self.right))

    @property
    def spread(self) -> Interval | None:
        """Mean energy of an inference over the samples, in picojoules, with its 95 % interval."""
        if self.energy is None:
            return None
        found = mean_interval(self.energy.each.tolist())
        return (
            found if found.low is None else replace(found, low=max(found.low, 0.0))
        )  # no energy is negative

    @property
    def seed_score(self) -> float | None:
        """The score of the MNIST timestep study, accuracy in per cent / spikes of an image: no energy."""
        return 100 * self.accuracy.value / self.active.spikes if self.active.spikes else None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for energy.json."""
        return {
            "artifact": self.options.artifact.name,
            "data": self.dataset.source,
            "table": {"name": self.table.name, "title": self.table.title, "machine": self.table.machine},
            "samples": self.samples,
            "timesteps": self.timesteps,
            "accuracy": self.accuracy.to_dict(),
            "energy": None if self.energy is None else self.energy.to_dict(),
            "refused": self.refused,
            "over_samples_pJ": None if self.spread is None else self.spread.to_dict(),
            "rivals": [
                {
                    "name": r.name,
                    "says": r.says,
                    "energy": None if r.energy is None else r.energy.to_dict(),
                    "refused": r.refused,
                    "break_even_factor": {} if r.meets is None else r.meets.to_dict(),
                }
                for r in self.rivals
            ],
            "activity": {
                "spikes_per_neuron_and_timestep": self.active.per_neuron,
                "spikes_per_synapse": self.active.per_synapse,
                "spikes_per_inference": self.active.spikes,
            },
            "synops": self.operations.to_dict(),
            "lossless_converter_bits": dict(self.converters) if self.converters is not None else None,
            "cycles_per_inference": self.cycles,
            "seed_score": self.seed_score,
        }

    @property
    def cycles(self) -> dict[str, float] | None:
        """Mean clock cycles of an inference, by layer; for the machine that has a clock."""
        if self.table.machine != "cycles":
            return None
        return {c.layer: c.total / self.samples for c in self.counts.entries}
