"""Runs the networks that travel with intspike on the images that do, and compares their C with the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import pretrained
from ...data import Dataset
from ...engine import exported, native, reference
from ...engine.compare import Comparison, compare
from ...engine.trace import Trace
from ...export.c import export_c
from ...ir import Program
from ...ir.artifact import save
from ...measure import (
    Interval,
    Latency,
    SizeReport,
    latencies,
    size_bits,
    synops,
    wilson,
)
from ...native import compiler
from ...pretrained import Pretrained
from ..folder import write_text
from ..samples import read_data
from ..watch import Watch

COMPARED = 20  # images whose every spike and stored code is compared with the exported C
REPEATS = 5
COUNTED = 250  # images whose synaptic operations are counted


@dataclass(frozen=True)
class Shown:
    """One network, run.

    Attributes:
        network, program: which.
        right: [N], which test images it classified rightly.
        size: of everything that it keeps, packed.
        synops: synaptic operations per image, a mean over `COUNTED` images.
        latency: of one image on the native engine; None without a compiler.
        exact: what was compared, without a difference.
        trace: of the first `COMPARED` images.
    """

    network: Pretrained
    program: Program
    right: NDArray[np.bool_]
    size: SizeReport
    synops: float
    latency: Latency | None
    exact: Comparison
    trace: Trace

    @property
    def accuracy(self) -> Interval:
        """On the images that travel with intspike."""
        return wilson(int(self.right.sum()), len(self.right))


@dataclass(frozen=True)
class Demo:
    """All that was run.

    Attributes:
        dataset: the images.
        networks: one entry a network.
    """

    dataset: Dataset
    networks: Sequence[Shown]

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for a file."""
        return {
            "data": self.dataset.source,
            "networks": {
                s.network.name: {
                    "accuracy": asdict(s.accuracy),
                    "published_test_set": {"correct": s.network.correct, "n": s.network.test},
                    "training": s.network.training,
                    "timesteps": s.network.timesteps,
                    "size_bits": s.size.total,
                    "synops_per_image": s.synops,
                    "latency": None if s.latency is None else s.latency.to_dict(),
                    "exact": asdict(s.exact),
                }
                for s in self.networks
            },
        }


def run(out: Path, watch: Watch | None = None) -> Demo:
    """Run every network on all images that travel with intspike; write it, its listing and its C into a folder.

    Raises:
        Divergence: the exported C disagrees with the engine in any spike or stored code.
        BadInput: the folder cannot be written.
    """
    told = watch or Watch()
    known = list(pretrained.networks().values())
    made: list[Shown] = []
    dataset = read_data(known[0].dataset)
    progress = told.start("networks", len(known))
    for k, network in enumerate(known):
        made.append(_shown(network, dataset, out / network.name))
        progress(k + 1, network.name)
    if compiler() is not None:
        tell = told.start("timing", REPEATS)
        frames = dataset.test.batch(np.arange(COMPARED), known[0].timesteps)
        programs = [s.program for s in made]
        timed = latencies(programs, frames, known[0].timesteps, REPEATS, lambda done, of: tell(done, ""))
        made = [replace(s, latency=t) for s, t in zip(made, timed, strict=True)]
    return Demo(dataset, made)


def _shown(network: Pretrained, dataset: Dataset, folder: Path) -> Shown:
    """Everything of one network but its latency."""
    program, test, steps = pretrained.load(network.name), dataset.test, network.timesteps
    right = (
        native.run(program, test.batch(np.arange(len(test)), steps), steps, record=False).classes
        == test.labels
    )
    few = test.batch(np.arange(COUNTED), steps)
    counted = synops(program, native.run(program, few, steps), few)
    folder.mkdir(parents=True, exist_ok=True)
    save(program, folder / "model.intspike")
    write_text(folder / "program.txt", str(program))
    export_c(program, folder / "c", timesteps=steps, force=True)
    frames = test.batch(np.arange(COMPARED), steps)
    trace = native.run(program, frames, steps)
    if compiler() is None:
        found = compare(trace, reference.run(program, frames, steps), ("numpy", "reference"))
    else:
        found = compare(
            trace, exported.run(program, frames, steps, folder / "c"), ("native engine", "exported C")
        )
    return Shown(network, program, right, size_bits(program), counted.per_inference, None, found, trace)
