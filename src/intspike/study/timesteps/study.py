"""Runs the timestep study and writes its tables and report."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

from ...data import Split
from ..grid import Finished, Store
from ..rows import rows_of
from ..runner import Computing, Study, Written, run_study
from ..watch import Watch
from .cells import TimestepCell
from .options import Options, cells_of
from .work import compute, samples_of


def run(
    options: Options,
    out: Path,
    *,
    tables: Path | None = None,
    watch: Watch | None = None,
    **computing: Unpack[Computing],
) -> Study[Options]:
    """Compute the cells that are not there yet, time their programs, then write tables, summary and report of all.

    Args:
        (those of `run_study` and `grid.run_cells`)

    Raises:
        BadInput, BadData: options, data, model or folder cannot be used.
    """
    cells, where = cells_of(options)
    told = watch or Watch()
    write = partial(_write, options=options, test=samples_of(cells[0], where).test, watch=told)
    work = partial(compute, where=where)
    return run_study(options, cells, work, write, out, tables, options.to_dict(), told, **computing)


def _write(
    finished: Sequence[Finished], store: Store, folder: Path, options: Options, test: Split, watch: Watch
) -> Written:
    from .latency import measured
    from .report import write_study_report
    from .tables import tables
    from .written import write_tables

    latency = measured(finished, store, test, store.path, watch)
    summary = write_tables(finished, latency, options, folder)
    write_study_report(finished, latency, options, folder)
    return Written(tables(rows_of(finished, TimestepCell), latency, options)[:2], summary)
