"""The sweep of random integer networks: cells of a grid, each a block of seeds, computed exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...dynamics import classify, orbit, raster
from ..folder import clear_disk_errors
from ..grid import Finished, Outcome, Store, run_cells
from ..watch import Watch
from .sweep_options import Options, RandomCell, cells_of
from .sweep_report import write


def compute(cell: RandomCell, files: Mapping[str, bytes]) -> Outcome:
    """Every network of a cell: its regime, transient and periods, and its spikes of the first timesteps."""
    made: list[dict[str, Any]] = []
    for seed in range(cell.first, cell.first + cell.count):
        network, start = cell.ensemble.network(seed), cell.ensemble.start(seed)
        found = orbit(network, start, cell.budget)
        regime = classify(network, found)
        sent = raster(network, start, cell.steps)
        cycle = found.cycle
        made.append(
            {
                "seed": seed,
                "regime": regime.label,
                "long_transient": regime.long_transient,
                "transient": found.transient,
                "state_period": None if cycle is None else cycle.period,
                "spike_period": None if cycle is None else cycle.spike_period,
                "cycle_rate": None if cycle is None else cycle.rate,
                "at_ends": None if cycle is None else cycle.rails,
                "rate": float(sent.mean()),
                "active": int(sent.any(0).sum()),
            }
        )
    return Outcome({"theta": cell.ensemble.theta, "networks": made})


def run(options: Options, out: Path, *, jobs: int = 1, watch: Watch | None = None) -> Sequence[Finished]:
    """Compute the cells that are not there yet and write table.csv, table.md, summary.json and report.html.

    Raises:
        BadInput: options or a folder that cannot be used.
        KeyboardInterrupt: Ctrl-C, after the tables and the report of what is finished are written.
    """
    cells = cells_of(options)
    with clear_disk_errors(out):
        try:
            finished: Sequence[Finished] = run_cells(
                cells, compute, out, jobs=jobs, record=asdict(options), watch=watch
            )
        except KeyboardInterrupt:
            kept = [f for c in cells if (f := Store(out).read(c)) is not None]
            if any(f.status == "done" for f in kept):
                write(kept, options, out, of=len(cells))
            raise
        write(finished, options, out, of=len(cells))
    return finished
