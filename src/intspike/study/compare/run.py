"""Runs both networks on the same samples and puts the numbers together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...data import Dataset
from ...errors import BadInput
from ...measure import Cost, Drift, Interval, drift, latencies, paired_interval, wilson
from ...measure.halves import same_shapes
from ...native import compiler
from ..samples import read_data
from ..trained_for import chosen
from ..watch import Watch
from .sides import Side, check_files, names_of, runner_of

AT_ONCE = 6250  # samples times timesteps of one batch
SHOWN = 64  # samples whose membranes are counted
TIMED = 20  # samples whose latency is measured


@dataclass(frozen=True)
class Options:
    """What a comparison is asked for.

    Attributes:
        a, b: stored programs or checkpoints.
        data: as `read_data` takes it; its test split is used.
        samples: how many of them; None: all.
        timesteps: T; None: the data set's, else that of a's training, else of b's, else 25.
        second: a and trained with another seed, for the noise floor.
        model: what network the checkpoints are of.
        repeats: of the timing; 0: none.
    """

    a: Path
    b: Path
    data: str
    samples: int | None = None
    timesteps: int | None = None
    second: Path | None = None
    model: str | None = None
    repeats: int = 5

    def __post_init__(self) -> None:
        if self.samples is not None and self.samples < 2:
            raise BadInput(
                f"--samples must be at least 2, so that halves show the noise floor, not {self.samples}"
            )
        if self.timesteps is not None and not 1 <= self.timesteps <= 10_000:
            raise BadInput(f"--timesteps must be in 1..10000, not {self.timesteps}")
        if not 0 <= self.repeats <= 1000:
            raise BadInput(f"--repeats must be in 0..1000, not {self.repeats}")


@dataclass(frozen=True)
class Comparison:
    """A finished comparison.

    Attributes:
        options, dataset, timesteps: what ran on what.
        a, b: both sides.
        drift: of b against a.
    """

    options: Options
    dataset: Dataset
    timesteps: int
    a: Side
    b: Side
    drift: Drift

    @property
    def accuracy(self) -> Mapping[str, Interval]:
        """Of both sides, with Wilson intervals."""
        return {s.name: wilson(sum(s.right), len(s.right)) for s in (self.a, self.b)}

    @property
    def difference(self) -> Interval:
        """Accuracy of b less that of a, paired by sample."""
        return paired_interval([float(x) for x in self.a.right], [float(x) for x in self.b.right])

    @property
    def alike(self) -> float:
        """Share of the samples that both take for the same class, right or wrong."""
        return float(np.mean(np.equal(self.a.classes, self.b.classes)))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for drift.json."""
        return {
            "a": {"name": self.a.name, "what": self.a.runner.words},
            "b": {"name": self.b.name, "what": self.b.runner.words},
            "data": self.dataset.source,
            "timesteps": self.timesteps,
            "accuracy": {name: x.to_dict() for name, x in self.accuracy.items()},
            "accuracy_difference": self.difference.to_dict(),
            "same_class": self.alike,
            "membrane_samples": self.a.membranes.samples,
            **self.drift.to_dict(),
        }


def compare(options: Options, watch: Watch | None = None) -> Comparison:
    """Run both networks, and the second seed where there is one, on the same test samples.

    Raises:
        BadInput, BadData, BadArtifact: files, data or options that cannot be used, or networks that differ in shape.
    """
    told = watch or Watch()
    paths = [options.a, options.b, *([options.second] if options.second else [])]
    check_files(paths, options.model)
    dataset = read_data(options.data)
    test = dataset.test
    count = len(test) if options.samples is None else min(options.samples, len(test))
    named = zip(names_of(paths), paths, strict=True)
    sides = [Side(name, runner_of(path, options.model, dataset)) for name, path in named]
    timesteps = chosen(options.timesteps, test.timesteps, *(s.runner.timesteps for s in sides))
    batch = max(1, AT_ONCE // timesteps)
    tell = told.start("compare", count)
    for at in range(0, count, batch):
        index = np.arange(at, min(at + batch, count))
        x = test.batch(index, timesteps)
        for side in sides:
            side.add(x, test.labels[index], timesteps, max(0, min(SHOWN - at, len(index))))
            same_shapes(sides[0].name, sides[0].counts.shapes, side.name, side.counts.shapes)
        tell(at + len(index), " and ".join(s.name for s in sides))
    a, b = sides[:2]
    costs = _costs(options, [a, b], test.batch(np.arange(min(TIMED, count)), timesteps), timesteps, told)
    found = drift(
        a.counts,
        b.counts,
        second=sides[2].counts if options.second else None,
        names=(a.name, b.name),
        spikes=a.runner.most,
        cost=(costs[0], costs[1]),
    )
    return Comparison(options, dataset, timesteps, a, b, found)


def _costs(options: Options, sides: list[Side], inputs: Any, timesteps: int, watch: Watch) -> list[Cost]:
    """Operations of both sides, and the latency of those that have a program."""
    programs = {s.name: s.runner.program for s in sides if s.runner.program is not None}
    timed: dict[str, Any] = {}
    if programs and options.repeats and compiler() is not None:
        tell = watch.start("latency", options.repeats)
        found = latencies(
            list(programs.values()), inputs, timesteps, options.repeats, lambda done, of: tell(done, "")
        )
        timed = dict(zip(programs, found, strict=True))
    return [Cost(s.synops, timed.get(s.name)) for s in sides]
