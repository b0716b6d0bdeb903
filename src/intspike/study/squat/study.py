"""Runs the SQUAT study and writes its tables and report."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

from ..grid import Finished, Store
from ..runner import Computing, Study, Written, run_study
from ..watch import Watch
from .options import Options, cells_of
from .work import compute


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
    from .rows import rows_of
    from .tables import tables, write_tables

    summary = write_tables(finished, options, folder)
    write_study_report(finished, options, folder)
    return Written(tables(rows_of(finished), options), summary)
