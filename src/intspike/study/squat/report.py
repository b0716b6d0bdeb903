"""The study's report: one page that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import drifted
from ..claims import verdicts
from ..environment import this_study
from ..grid import Finished
from ..report import Page, Section, write_report
from ..rows import interval_text
from ..written import failed_section
from . import clipping, figures, pairs, tables
from .notes import notes
from .options import Options
from .rows import full_precision, rows_of
from .trends import CLAIMS, trends


def write_study_report(finished: Sequence[Finished], options: Options, out: Path) -> Path:
    """report.html of the cells asked for."""
    return write_report(out / "report.html", page_of(finished, options))


def page_of(finished: Sequence[Finished], options: Options) -> Page:
    """Tables in the paper's layout, pictures, the claims, every network."""
    rows = rows_of(finished)
    found = trends(rows)
    full = full_precision(rows)
    compared = sum(r.compared for r in rows.values())
    reached = interval_text(full.interval if full is not None else None)
    summary = (
        f"Full precision reaches {reached} %. {compared:,} spikes and stored codes of lowered networks were compared, "
        "and none differs."
    )
    made = [
        Section(
            "tables",
            "Tables",
            "As in the paper: what is quantized by how many bits; beside each number the paper's, where it prints one.",
            tables=tables.tables(rows, options),
        ),
        Section(
            "accuracy",
            "Accuracy",
            "Where the memoryless bar is as long as the others, the membrane potential adds nothing.",
            figures.accuracies(rows, options.bits),
            legend=True,
        )
        if not options.pairs and not options.ranges
        else Section(
            "clipping",
            "Accuracy and range",
            "Wide levels cover every membrane and are far apart; narrow ones are fine near the threshold.",
            clipping.clipping(rows),
            wide=True,
        )
        if options.ranges
        else Section(
            "pareto",
            "Accuracy and size",
            "The line joins what nothing smaller beats; the horizontal line is full precision.",
            pairs.pareto(rows, figures.KINDS),
            wide=True,
        ),
        *(
            Section(
                claim,
                "Claim: QAT over PTQ" if claim == "qat-over-ptq" else "Claim: levels around the threshold",
                f"{CLAIMS[claim].capitalize()}: {verdicts(found, claim)}.",
                figures.differences(found, claim),
                wide=True,
                tables=[tables.trend_table(found, claim)],
            )
            for claim in CLAIMS
            if any(t.claim == claim for t in found)
        ),
        Section(
            "networks",
            "Every network",
            "Dead neurons never fired on the test samples; the packed size holds weights, constants and states.",
            tables=[tables.details(rows)],
        ),
    ]
    if drift := drifted.table(rows):
        made.append(
            Section(
                "drift",
                "Firing drift",
                f"{drifted.LOOK} {figures.LOOK}",
                figures.drift(rows),
                tables=drift,
                legend=True,
            )
        )
    made += failed_section(rows)
    made.append(this_study(options.command(), finished))
    name = next(iter(rows.values())).cell.dataset
    return Page(f"SQUAT on {name}", summary, made, figures.KINDS, notes(finished, rows, options))
