"""The timestep study's report: one page that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import drifted
from ..environment import this_study
from ..grid import Finished
from ..report import Page, Section, write_report
from ..rows import rows_of
from ..written import failed_section
from . import figures, tables
from .cells import TimestepCell
from .options import Options
from .rivals import rival_table
from .saturation import chosen_exits, saturations
from .tables import Latencies


def write_study_report(finished: Sequence[Finished], latency: Latencies, options: Options, out: Path) -> Path:
    """report.html of the cells asked for."""
    return write_report(out / "report.html", page_of(finished, latency, options))


def page_of(finished: Sequence[Finished], latency: Latencies, options: Options) -> Page:
    """Accuracy over T, saturation, frontiers, early exit, start-up."""
    rows = rows_of(finished, TimestepCell)
    found = saturations(rows, options.within)
    made = [
        Section(
            "timesteps",
            "Accuracy and timesteps",
            "Where a line is flat, more timesteps do not pay.",
            figures.accuracies(rows),
            wide=True,
            tables=[tables.saturation_table(found, options), tables.crossed(rows, options)],
            legend=True,
        ),
        Section(
            "costs",
            "What accuracy costs",
            "Left and above is better; each point of a line is one T. Crosses are artificial networks.",
            figures.frontiers(rows, latency),
            tables=[tables.costs(rows, latency), *tables.artificial(rows), *rival_table(rows)],
            legend=True,
        ),
        Section(
            "exit",
            "Early exit",
            "A sample stops as soon as the winner leads by enough spikes; easy ones take few timesteps.",
            figures.exits(rows),
            wide=True,
            tables=[tables.exit_table(chosen_exits(rows, options.exit), options)],
            legend=True,
        ),
        Section(
            "start",
            "Start-up",
            "Behind the first timesteps lines are flat: spikes, and what they cost, grow in proportion to T.",
            figures.transients(rows),
            tables=[tables.growth_table(rows)],
        ),
    ]
    if drift := drifted.table(rows):
        made.append(Section("drift", "Firing drift", drifted.LOOK, tables=drift))
    made += failed_section(rows)
    made.append(this_study(options.command(), finished))
    cell = next(iter(rows.values())).cell
    said = tables.recommendations(found, options.within)
    return Page(
        f"Timesteps of {cell.model} on {cell.dataset}",
        said[0] if said else "No curve is finished.",
        made,
        figures.kinds(rows),
        [*said[1:], *tables.notes(rows, options)],
    )
