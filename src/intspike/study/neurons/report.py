"""The neuron study's report: one page that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..claims import verdicts
from ..environment import this_study
from ..grid import Finished
from ..report import Page, Section, write_report
from ..rows import rows_of
from ..written import failed_section
from . import figures, tables
from .cells import NeuronCell
from .notes import notes
from .options import Options
from .scores import score_of


def write_study_report(finished: Sequence[Finished], options: Options, out: Path) -> Path:
    """report.html of the cells asked for."""
    return write_report(out / "report.html", page_of(finished, options))


def page_of(finished: Sequence[Finished], options: Options) -> Page:
    """Score and cost, the paper's order, drift, what was learned."""
    rows = rows_of(finished, NeuronCell)
    cell = next(iter(rows.values())).cell
    made = [
        Section(
            "neurons",
            "Neurons side by side",
            f"Left and {score_of(cell).better} is better; each point is a network.",
            figures.frontiers(rows),
            wide=True,
            tables=[tables.costs(rows), *tables.order_table(rows)],
            legend=True,
        ),
        Section(
            "learned",
            "What neurons learned of themselves",
            "A shift moves the window of outputs and is rounded to an integer in every forward pass.",
            figures.trajectories(rows),
            wide=True,
            tables=tables.statistics(rows),
            legend=True,
        ),
    ]
    drifts = tables.drifts(rows)
    if drifts:
        look = "Each quantized network against the one in full precision that it starts from."
        made.append(Section("drift", "Drift after quantization", look, tables=drifts))
    made += failed_section(rows)
    made.append(this_study(options.command(), finished))
    found = tables.order(rows)
    said = f"The paper's order of neurons {verdicts(found, 'order')}." if found else "No pair is finished."
    return Page(
        f"Neurons of {cell.model} on {cell.dataset}",
        said,
        made,
        figures.kinds(rows),
        notes(rows),
    )
