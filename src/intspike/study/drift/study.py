"""Runs the drift study and writes its tables and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from safetensors.numpy import load as load_arrays

from ...measure import FiringReport, firing_report
from ..folder import clear_disk_errors
from ..grid import Finished, Store, run_cells
from ..watch import Watch
from .cells import DriftCell
from .options import Options, cells_of
from .work import FIRING, compute


@dataclass(frozen=True)
class Study:
    """A finished study.

    Attributes:
        options: what was asked for.
        cells: one entry a cell of the grid.
        floors: firing of full-precision networks of two seeds, for every pair: the noise floor of the EMD.
        summary: as in summary.json.
    """

    options: Options
    cells: Sequence[Finished]
    floors: Sequence[FiringReport]
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
    """Compute the cells that are not there yet, then write tables, summary and report of all of them.

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
            retry_failed=retry_failed, wait=wait, record=options.to_dict(), watch=watch,
        )  # fmt: skip
        floors = floors_of(finished, Store(out))
        summary = write_tables(finished, floors, options, tables or out)
        write_study_report(finished, floors, options, tables or out)
    return Study(options, finished, floors, summary)


def floors_of(finished: Sequence[Finished], store: Store) -> list[FiringReport]:
    """Firing of every two full-precision networks, which differ in their seed alone."""
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
