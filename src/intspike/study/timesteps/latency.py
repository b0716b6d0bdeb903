"""How long inference takes at each T on the native engine, one sample and 128 at once; kept, because it is measured."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...data import Split
from ...engine import native
from ...ir import Program
from ...ir.artifact import load
from ...measure import latencies
from ...native import compiler
from ..folder import write_json
from ..grid import Finished, Store
from ..networks import PROGRAM
from ..watch import Watch
from .cells import TimestepCell

KEPT = "latency.json"
SAMPLES, MANY, REPEATS = 5, 128, 5


def measured(
    finished: Sequence[Finished], store: Store, test: Split, out: Path, watch: Watch
) -> dict[str, dict[str, Any]]:
    """Milliseconds by row and T: {"one": [median, quartiles], "many": a sample of 128}; of the first seed's programs.

    What an earlier run measured is not measured again.
    """
    try:
        kept: dict[str, dict[str, Any]] = json.loads((out / KEPT).read_text("utf-8"))
    except (OSError, ValueError):
        kept = {}
    waiting = [
        f
        for f in finished
        if isinstance(f.cell, TimestepCell) and f.cell.integer and not f.cell.seed and f.record is not None
        and f.cell.row not in kept and store.has_files(f.cell)
    ]  # fmt: skip
    if not waiting or compiler() is None:
        return kept
    tell = watch.start("latency", len(waiting))
    for k, f in enumerate(waiting):
        assert isinstance(f.cell, TimestepCell)
        program = _program(store.files(f.cell)[PROGRAM])
        times = (
            f.cell.tested
            if len(f.cell.trained) > 1 or f.cell.trained == f.cell.tested[-1:]
            else f.cell.trained
        )
        kept[f.cell.row] = {str(t): _at(program, test, t) for t in times}
        tell(k + 1, f.cell.row)
    write_json(out / KEPT, kept)
    return kept


def _at(program: Program, test: Split, timesteps: int) -> dict[str, Any]:
    few = test.batch(np.arange(min(SAMPLES, len(test))), timesteps)
    (one,) = latencies([program], few, timesteps, REPEATS)
    many = test.batch(np.arange(MANY) % len(test), timesteps)
    seconds: list[float] = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        native.run(program, many, timesteps, record=False, threads=1)
        seconds.append(time.perf_counter() - began)
    return {
        "one": [1e3 * x for x in (one.median, one.low, one.high)],
        "many": 1e3 * float(np.median(seconds[1:])) / MANY,
    }


def _program(content: bytes) -> Program:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / PROGRAM
        path.write_bytes(content)
        return load(path)
