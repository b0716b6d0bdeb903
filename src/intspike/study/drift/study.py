"""Runs the drift study and writes its tables and report."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, Unpack

from safetensors.numpy import load as load_arrays

from ...measure import FiringReport, firing_report
from ..grid import Finished, Store
from ..rows import rows_of
from ..runner import Computing, Study, Written, run_study
from ..watch import Watch
from .cells import DriftCell
from .options import Options, cells_of
from .work import FIRING, compute


def run(
    options: Options,
    out: Path,
    *,
    tables: Path | None = None,
    watch: Watch | None = None,
    **computing: Unpack[Computing],
) -> Study[Options]:
    """Compute the cells that are not there yet, then write tables, summary and report of all of them.

    Args:
        (those of `run_study` and `grid.run_cells`)

    Raises:
        BadInput, BadData: options, data, model or folder cannot be used.
    """
    cells, where = cells_of(options)
    work, write = partial(compute, where=where), partial(_write, options=options)
    return run_study(options, cells, work, write, out, tables, options.to_dict(), watch, **computing)


def _write(finished: Sequence[Finished], store: Store, folder: Path, options: Options) -> Written:
    from .report import write_study_report
    from .tables import tables, write_tables

    floors = floors_of(finished, store)
    summary = write_tables(finished, floors, options, folder)
    write_study_report(finished, floors, options, folder)
    return Written(tables(rows_of(finished, DriftCell), floors, options), summary)


def floors_of(finished: Sequence[Finished], store: Store) -> list[FiringReport]:
    """Firing of every two full-precision networks, which differ in their seed alone: the noise floor of the EMD."""
    full: dict[int, tuple[Any, int]] = {}
    for f in finished:
        if not isinstance(f.cell, DriftCell) or f.cell.scheme != "fp" or f.record is None:
            continue
        if store.has_files(f.cell):
            counts = load_arrays(store.files(f.cell)[FIRING])
            full[f.cell.seed] = counts, f.record["steps"]
    return [
        firing_report(full[a][0], full[b][0], full[a][1], full[b][1], names=(f"seed {a}", f"seed {b}"))
        for a, b in combinations(sorted(full), 2)
    ]
