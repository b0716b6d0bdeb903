"""Runs the neuron study and writes its tables and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..folder import clear_disk_errors
from ..grid import Finished, run_cells
from ..watch import Watch
from .options import Options, cells_of
from .work import compute


@dataclass(frozen=True)
class Study:
    """A finished study.

    Attributes:
        options: what was asked for.
        cells: one entry a cell of the grid.
        summary: as in summary.json.
    """

    options: Options
    cells: Sequence[Finished]
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
    """Compute the cells that are not there yet, then write tables, summary and report of all.

    Args:
        out: the study's folder.
        tables: where tables, summary and report are written, if not there.
        (the others are those of `grid.run_cells`)

    Raises:
        BadInput, BadData: options, data, model or folder cannot be used.
    """
    from .report import write_study_report
    from .tables import write_tables

    cells, where = cells_of(options)
    with clear_disk_errors(out):
        finished = run_cells(
            cells, partial(compute, where=where), out, backend=backend, jobs=jobs, address=address,
            retry_failed=retry_failed, wait=wait, record=options.to_dict(), watch=watch or Watch(),
        )  # fmt: skip
        summary = write_tables(finished, options, tables or out)
        write_study_report(finished, options, tables or out)
    return Study(options, finished, summary)
