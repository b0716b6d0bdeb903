"""Runs a stored program on test samples, counts what it does and prices it. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from ... import pretrained
from ...engine import native
from ...errors import BadInput
from ...ir import Conv, Dense, Program
from ...ir.artifact import load
from ...measure import SynOps, synops
from ...measure.energy import (
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
from ..samples import check_fits, read_data
from ..trained_for import chosen, trained_timesteps
from ..watch import Watch
from .costs import Costs, Options, Rival

AT_ONCE = 6250  # samples times timesteps of one batch
FLOATING = "floating point"


def measure(options: Options, watch: Watch | None = None) -> Costs:
    """Run, count and price.

    Raises:
        BadInput, BadData, BadArtifact: files, data, options or coefficients that cannot be used.
    """
    told = watch or Watch()
    table = load_table(options.table)
    program = load(options.artifact)
    dataset = read_data(options.data)
    check_fits(pretrained.typed(options.artifact), program, dataset)
    test = dataset.test
    count = min(options.samples or 200, len(test))
    if not count:
        raise BadInput(f"there must be samples to run, but the test split of {dataset.name} is empty")
    timesteps = chosen(options.timesteps, test.timesteps, trained_timesteps(program.notes))
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
