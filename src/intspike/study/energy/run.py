"""Runs a stored program on test samples, counts what it does and prices it. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from ...data import Dataset
from ...engine import native
from ...errors import BadInput
from ...ir import Conv, Dense, Program
from ...ir.artifact import load
from ...measure import Interval, SynOps, mean_interval, synops, wilson
from ...measure.energy import (
    Activity,
    BreakEven,
    Coefficients,
    Counts,
    Energy,
    Precision,
    activity,
    ann_counts,
    break_even,
    crossbar_counts,
    cycle_counts,
    energy,
    equal_information,
    event_counts,
    lossless_bits,
)
from ...measure.energy import load as load_table
from ..samples import read_data
from ..watch import Watch

AT_ONCE = 6250  # samples times timesteps of one batch
FLOATING = "floating point"


@dataclass(frozen=True)
class Options:
    """What is asked for.

    Attributes:
        artifact: a stored program.
        data: as `read_data` takes it; the test split is used.
        table: name or file of the coefficients.
        samples: how many, from the first; None: 200, or all where there are fewer.
        timesteps: T; None: the data set's, 25 where it is static.
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
        return None if self.energy is None else mean_interval(self.energy.each.tolist())

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


def measure(options: Options, watch: Watch | None = None) -> Costs:
    """Run, count and price.

    Raises:
        BadInput, BadData, BadArtifact: files, data, options or coefficients that cannot be used.
    """
    told = watch or Watch()
    table = load_table(options.table)
    program = load(options.artifact)
    dataset = read_data(options.data)
    test = dataset.test
    count = min(options.samples or 200, len(test))
    if not count:
        raise BadInput(f"there must be samples to run, but the test split of {dataset.name} is empty")
    timesteps = options.timesteps or test.timesteps or 25
    step = max(1, AT_ONCE // timesteps)
    progress = told.start(f"{options.artifact.name}: samples", count)
    found: list[_Batch] = []
    for first in range(0, count, step):
        index = np.arange(first, min(first + step, count))
        found.append(_batch(program, test.batch(index, timesteps), test.labels[index], timesteps, table))
        progress(int(index[-1]) + 1, "")
    counts = reduce(add, (b.counts for b in found))
    operations = reduce(add, (b.operations for b in found))
    active = activity(program, sum(b.spikes for b in found), operations)
    priced, refused = _priced(lambda: energy(counts, table))
    right = tuple(bool(x) for b in found for x in b.right)
    made = Costs(
        options, dataset, table, program, timesteps, right, counts, operations, active, priced, refused
    )
    if table.machine == "crossbar":
        return replace(made, converters=lossless_bits(program, table.settings["rows"]))
    if table.machine == "events" and priced is not None:
        real = reduce(add, (b.real for b in found if b.real is not None))
        frames = timesteps if test.timed else 1
        return replace(made, rivals=_rivals(program, timesteps, frames, priced, real, table))
    return made


@dataclass(frozen=True)
class _Batch:
    counts: Counts
    real: Counts | None
    operations: SynOps
    spikes: int
    right: Any


def _batch(program: Program, x: Any, labels: Any, timesteps: int, table: Coefficients) -> _Batch:
    trace = native.run(program, x, timesteps)
    real = None
    if table.machine == "crossbar":
        static = x.shape[0] == 1 or x.strides[0] == 0
        counts = crossbar_counts(program, x.shape[1], timesteps, static, table)
    elif table.machine == "cycles":
        counts = cycle_counts(program, trace, x, table)
    else:
        counts, real = event_counts(program, trace, x), event_counts(program, trace, x, real=True)
    spikes = sum(int(s.sum()) for s in trace.spikes.values())
    return _Batch(counts, real, synops(program, trace, x), spikes, trace.classes == labels)


def _priced(make: Callable[[], Energy]) -> tuple[Energy | None, str]:
    try:
        return make(), ""
    except BadInput as e:  # a coefficient that the table does not have, or no rival: said, not invented
        return None, str(e)


def _rivals(
    program: Program, timesteps: int, frames: int, own: Energy, real: Counts, table: Coefficients
) -> tuple[Rival, ...]:
    float_row, refused = _priced(lambda: energy(real, table))
    made = [Rival(FLOATING, "the same spikes; float32 weights, sums and states", float_row, refused)]
    if not any(isinstance(n, (Dense, Conv)) for n in program):
        return tuple(made)
    equal = equal_information(program, timesteps)
    for name, says, precision in (
        (
            "ANN, equal information",
            f"{equal.weights}-bit weights, {equal.activations}-bit activations: ceil(log2(T + 1))",
            equal,
        ),
        ("ANN, int8", "8-bit weights and activations", Precision(8, 8)),
        ("ANN, float32", "float32", Precision(32, 32, real=True)),
    ):
        priced, refused = _priced(lambda p=precision: energy(ann_counts(program, p, 1, frames), table))
        meets = None if priced is None else break_even(own, priced)
        made.append(Rival(name, says, priced, refused, meets))
    return tuple(made)


def ratio(of: Energy, to: Energy) -> Fraction:
    """How many times as much `of` costs an inference as `to`, by their values."""
    return of.per_inference.value / to.per_inference.value
