"""Runs both networks through the timestep study and writes the report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..folder import clear_disk_errors, write_json
from ..grid import Outcome, Store, run_cells
from ..models import Where
from ..rows import rows_of
from ..timesteps.cells import TimestepCell
from ..timesteps.latency import measured
from ..timesteps.options import cells_of
from ..timesteps.work import compute, samples_of
from ..timesteps.written import summary_of
from ..watch import Watch
from .findings import MODELS, Findings, goals
from .options import Options


def run(
    options: Options,
    out: Path,
    *,
    tables: Path | None = None,
    jobs: int = 1,
    force: bool = False,
    wait: bool = False,
    watch: Watch | None = None,
) -> Findings:
    """Compute the networks that are not there yet, then write report.md, report.html and summary.json of all.

    The cells are those of `intspike study timesteps`: a folder that has them already is read.

    Args:
        out: the run's folder.
        tables: where report and summary are written, if not there.
        jobs: networks trained at once.
        force: compute everything anew.
        wait: wait for another study on this folder.

    Raises:
        BadInput, BadData: options, data or folder cannot be used.
    """
    from .report import write_reports

    told = watch or Watch()
    found = {m: cells_of(options.study(m)) for m in MODELS}
    cells = [c for made, _ in found.values() for c in made]
    work = partial(_compute, wheres={m: where for m, (_, where) in found.items()})
    with clear_disk_errors(out):
        store = Store(out)
        if force:
            for cell in cells:
                shutil.rmtree(store.folder(cell), ignore_errors=True)
        finished = run_cells(
            cells, work, out, jobs=jobs, wait=wait, record=options.study(MODELS[0]).to_dict(), watch=told
        )
        of_model = {
            m: [x for x in finished if isinstance(x.cell, TimestepCell) and x.cell.model == m] for m in MODELS
        }
        test = samples_of(found[MODELS[0]][0][0], found[MODELS[0]][1]).test
        latency = {m: measured(of_model[m], store, test, out / "latency" / m, told) for m in MODELS}
        made = Findings(options, finished, {m: rows_of(of_model[m], TimestepCell) for m in MODELS}, latency)
        write_reports(made, tables or out)
        write_json((tables or out) / "summary.json", _summary(made))
    return made


def _compute(cell: TimestepCell, files: Mapping[str, bytes], wheres: Mapping[str, Where]) -> Outcome:
    """One cell of either network."""
    return compute(cell, files, wheres[cell.model])


def _summary(f: Findings) -> list[dict[str, Any]]:
    """The summary of both studies, and the goals."""
    command = f.options.command()
    made: list[dict[str, Any]] = []
    for m in MODELS:
        for line in summary_of(f.rows[m], f.options.study(m)):
            made.append({**line, "name": f"{m}/{line['name']}", "command": command})  # noqa: PERF401
    for g in goals(f):
        if g.measured is not None:
            limit = f"{'>=' if g.least else '<='} {g.limit:g}"
            line = {"value": g.measured, "low": None, "high": None, "n": f.options.seeds, "goal": limit}
            made.append({"name": f"goals/{g.name}", **line, "command": command})
    return made
