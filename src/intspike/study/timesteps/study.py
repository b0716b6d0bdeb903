"""Runs the timestep study and writes its tables and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..folder import clear_disk_errors
from ..grid import Finished, Store, run_cells
from ..watch import Watch
from .options import Options, cells_of
from .work import compute, samples_of


@dataclass(frozen=True)
class Study:
    """A finished study.

    Attributes:
        options: what was asked for.
        cells: one entry a cell of the grid.
        latency: milliseconds by row and T, of the native engine.
        summary: as in summary.json.
    """

    options: Options
    cells: Sequence[Finished]
    latency: Mapping[str, Mapping[str, Any]]
    summary: Sequence[Mapping[str, Any]]

    @property
    def failed(self) -> list[Finished]:
        return [c for c in self.cells if c.status == "failed"]


def run(
    options: Options,
    out: Path,
    *,
    tables: Path | None = None,
    backend: str = "loky",
    jobs: int = 1,
    address: str | None = None,
    retry_failed: bool = False,
    wait: bool = False,
    watch: Watch | None = None,
) -> Study:
    """Compute the cells that are not there yet, time their programs, then write tables, summary and report of all.

    Args:
        out: the study's folder.
        tables: where tables, summary and report are written, if not there.
        (the others are those of `grid.run_cells`)

    Raises:
        BadInput, BadData: options, data, model or folder cannot be used.
    """
    from .latency import measured
    from .report import write_study_report
    from .written import write_tables

    cells, where = cells_of(options)
    told = watch or Watch()
    with clear_disk_errors(out):
        finished = run_cells(
            cells, partial(compute, where=where), out, backend=backend, jobs=jobs, address=address,
            retry_failed=retry_failed, wait=wait, record=options.to_dict(), watch=told,
        )  # fmt: skip
        latency = measured(finished, Store(out), samples_of(cells[0], where).test, out, told)
        summary = write_tables(finished, latency, options, tables or out)
        write_study_report(finished, latency, options, tables or out)
    return Study(options, finished, latency, summary)
