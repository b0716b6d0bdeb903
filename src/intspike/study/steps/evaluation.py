"""Runs one network on test samples: accuracy, firing, operations, and where samples may stop early."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...data import Dataset
from ...engine import early_exit
from ...errors import BadInput
from ...measure import Interval, dead, wilson
from ..bits import parse_bits
from ..compare.sides import Side, check_files, runner_of
from ..report.content import Table
from ..report.style import short
from ..samples import read_data
from ..trained_for import chosen
from ..watch import Watch

AT_ONCE = 6250  # samples times timesteps of one batch


@dataclass(frozen=True)
class Options:
    """What is asked for.

    Attributes:
        path: a stored program or a checkpoint.
        data: as `read_data` takes it; its test split runs.
        model, bits: of a checkpoint: what network it is, and what it was quantized to.
        samples: how many; None: all.
        timesteps: T; None: the data set's, else that of its training, else 25.
        exit: points of accuracy that early exit may lose on validation samples; None: no early exit.
        codec: of a checkpoint, too; None is after-reset.
    """

    path: Path
    data: str
    model: str | None = None
    bits: str | None = None
    samples: int | None = None
    timesteps: int | None = None
    exit: float | None = None
    codec: str | None = None

    def __post_init__(self) -> None:
        for name, value, high in (("samples", self.samples, 10**9), ("timesteps", self.timesteps, 10_000)):
            if value is not None and not 1 <= value <= high:
                raise BadInput(f"--{name} must be in 1..{high}, not {value}")
        if self.bits is not None:
            parse_bits(self.bits)  # its own check
        if self.exit is not None and not 0 <= self.exit <= 100:
            raise BadInput(f"--exit must be points of accuracy in 0..100, not {self.exit:g}")


@dataclass(frozen=True)
class Evaluation:
    """What a network did.

    Attributes:
        name, words: which one, and what ran it.
        timesteps, data: T, and where the samples are from.
        accuracy: with its Wilson interval, in 0..1.
        layers: neurons, mean rate and dead neurons of each.
        synops: synaptic operations of an inference; None where the connections are not known.
        exit: margin, mean timesteps and accuracy with early exit; None where it was not asked for.
    """

    name: str
    words: str
    timesteps: int
    data: str
    accuracy: Interval
    layers: dict[str, dict[str, Any]]
    synops: float | None
    exit: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "name": self.name, "what": self.words, "timesteps": self.timesteps, "data": self.data,
            "accuracy": self.accuracy.to_dict(), "layers": self.layers, "synops_per_inference": self.synops,
            "early_exit": self.exit,
        }  # fmt: skip


def evaluate(options: Options, watch: Watch | None = None) -> Evaluation:
    """Run the test samples.

    Raises:
        BadInput, BadData, BadArtifact: files, data or options that cannot be used.
    """
    told = watch or Watch()
    check_files([options.path], options.model, options.bits, options.codec)
    dataset = read_data(options.data)
    test = dataset.test
    count = len(test) if options.samples is None else min(options.samples, len(test))
    if not count:
        raise BadInput(f"an evaluation must have test samples, but {dataset.name} has none")
    runner = runner_of(options.path, options.model, dataset, options.bits, options.codec)
    side, timesteps = (
        Side(options.path.stem, runner),
        chosen(options.timesteps, test.timesteps, runner.timesteps),
    )
    tell = told.start("evaluate", count)
    batch = max(1, AT_ONCE // timesteps)
    for at in range(0, count, batch):
        index = np.arange(at, min(at + batch, count))
        side.add(test.batch(index, timesteps), test.labels[index], timesteps, 0)
        tell(at + len(index), side.name)
    firing = side.counts.whole
    layers = {
        name: {"neurons": int(c.size), "rate": float(firing.rates[name].mean()), "dead": int(dead(c).sum())}
        for name, c in firing.counts.items()
    }
    return Evaluation(
        side.name, side.runner.words, timesteps, dataset.source, wilson(sum(side.right), count), layers,
        None if side.synops is None else side.synops.per_inference,
        None if options.exit is None else _exit(options.exit, side, dataset, timesteps, count),
    )  # fmt: skip


def _exit(lose: float, side: Side, dataset: Dataset, timesteps: int, count: int) -> dict[str, Any]:
    """Early exit on the test samples, its margin chosen on the validation samples."""
    program = side.runner.program
    if program is None:
        raise BadInput(
            "--exit reads integer margins, but this network is in full precision; give a quantized one"
        )
    validation, index = dataset.validation, np.arange(count)
    if len(validation) < 2:
        raise BadInput(
            f"--exit must choose its margin on validation samples, but {dataset.name} has {len(validation)}; give data "
            "with a validation split"
        )
    known = validation.batch(np.arange(len(validation)), timesteps)
    margin = early_exit.choose(program, known, validation.labels, timesteps, lose)
    found = early_exit.run(program, dataset.test.batch(index, timesteps), timesteps, margin)
    right = int((found.classes == dataset.test.labels[index]).sum())
    return {
        "margin": margin,
        "timesteps": float(found.timesteps.mean()),
        "accuracy": wilson(right, count).to_dict(),
        "validation_samples": len(validation),
    }


def table(e: Evaluation) -> Table:
    """For the terminal."""
    a = e.accuracy
    assert a.low is not None
    assert a.high is not None
    lines = [
        ["accuracy", f"{100 * a.value:.2f} % [{100 * a.low:.2f}, {100 * a.high:.2f}] of {a.n:,} samples"],
        ["timesteps", str(e.timesteps)],
        *(
            [name, f"{x['rate']:.4f} spikes per timestep, {x['dead']:,} of {x['neurons']:,} neurons dead"]
            for name, x in e.layers.items()
        ),
    ]
    if e.synops is not None:
        lines.append(["SynOps", f"{short(e.synops)} an inference"])
    if e.exit is not None:
        found = e.exit["accuracy"]
        lines.append(
            [
                "early exit",
                f"{100 * found['value']:.2f} % at {e.exit['timesteps']:.2f} timesteps on average, margin "
                f"{e.exit['margin']}",
            ]
        )
    return Table(f"{e.name}: {e.words}", ("", ""), lines)
