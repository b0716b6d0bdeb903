"""The two sides of a comparison: what runs, and what is counted while it runs. Stored programs need no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ... import pretrained
from ...data import Dataset
from ...engine.trace import Trace
from ...errors import BadInput
from ...ir.artifact import load
from ...measure import HalvedCounts, SynOps, synops
from ...measure.membranes import MembraneCounts
from ..samples import check_fits
from .runner import Inputs, ProgramRunner, Runner

ARTIFACT = ".intspike"


class Side:
    """One network, and everything that is counted while it runs.

    Attributes:
        name, runner: which one.
        counts: spikes.
        synops: operations, where its connections are known.
        membranes: of the first samples.
        right: whether each sample was classified rightly.
        classes: what each sample was taken for.
    """

    def __init__(self, name: str, runner: Runner):
        self.name, self.runner = name, runner
        self.counts, self.membranes = HalvedCounts(), MembraneCounts()
        self.synops: SynOps | None = None
        self.right: list[bool] = []
        self.classes: list[int] = []

    def add(self, inputs: Inputs, labels: NDArray[np.int64], timesteps: int, membranes: int) -> None:
        """Run a batch; of so many of its first samples the membranes are counted too."""
        trace = self.runner.run(inputs, timesteps)
        self.counts.add(trace)
        self.classes += trace.classes.tolist()
        self.right += (trace.classes == labels).tolist()
        if self.runner.connections is not None:
            part = synops(self.runner.connections, trace, inputs)
            self.synops = part if self.synops is None else self.synops + part
        if membranes:
            few = Trace(
                {name: s[:, :membranes] for name, s in trace.spikes.items()},
                {n: {k: c[:, :membranes] for k, c in codes.items()} for n, codes in trace.codes.items()},
                trace.readout[:membranes],
                timesteps,
            )
            self.runner.count_membranes(self.membranes, inputs[:, :membranes], few)


def check_files(
    paths: Sequence[Path], model: str | None, bits: str | None = None, codec: str | None = None
) -> None:
    """Look at files before any data are read.

    Raises:
        BadInput: one is missing, or options of checkpoints are given and none of them is one.
    """
    for path in paths:
        if not path.is_file():
            raise BadInput(
                f"{path} must be a file that exists: a stored program ({ARTIFACT}) or a checkpoint (.safetensors)"
            )
    given = {"--model": model, "--bits": bits, "--codec": codec}
    names = " and ".join(name for name, value in given.items() if value is not None)
    if names and all(path.suffix == ARTIFACT for path in paths):
        raise BadInput(
            f"{names} must come with a checkpoint, but {pretrained.typed(paths[0])} is a stored program, which says "
            f"all of that itself; leave {names} out"
        )


def runner_of(
    path: Path, model: str | None, dataset: Dataset, bits: str | None = None, codec: str | None = None
) -> Runner:
    """What a file holds: a stored program, or a network's parameters, for which `model` says what network it is.

    `bits` and `codec` are those a checkpoint was quantized to, where its model does not say.

    Raises:
        BadInput, BadArtifact, BadData: the file cannot be used, or does not fit the data.
    """
    if path.suffix == ARTIFACT:
        program = load(path)
        check_fits(pretrained.typed(path), program, dataset)
        return ProgramRunner(program)
    if model is None:
        raise BadInput(
            f"{path} is no {ARTIFACT} file, and a checkpoint does not say what network it is of; give --model, a name "
            "such as squat_fmnist or your module:function"
        )
    from ..terminal import need_torch

    need_torch()
    from ..bits import AFTER
    from .network import network_runner

    return network_runner(path, model, dataset, bits, codec or AFTER)


def names_of(paths: Sequence[Path]) -> list[str]:
    """A short name for each file: its stem, with as many folders before it as tell them apart; A, B, ... at worst."""
    for depth in range(1, 4):
        names = ["/".join((*p.absolute().parts[-depth:-1], p.stem)) for p in paths]
        if len(set(names)) == len(names):
            return names
    return [chr(ord("A") + k) for k in range(len(paths))]
