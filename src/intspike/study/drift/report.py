"""The drift study's report: one page that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...measure import FiringReport
from ..claims import verdicts
from ..environment import this_study
from ..grid import Finished
from ..report import Page, Section, write_report
from ..rows import rows_of
from ..written import failed_section
from . import figures, tables
from .cells import DriftCell
from .claims import CLAIMS, trends
from .diagnostic import Diagnostic, diagnostics
from .options import Options


def write_study_report(
    finished: Sequence[Finished], floors: Sequence[FiringReport], options: Options, out: Path
) -> Path:
    """report.html of the cells asked for."""
    return write_report(out / "report.html", page_of(finished, floors, options))


def page_of(finished: Sequence[Finished], floors: Sequence[FiringReport], options: Options) -> Page:
    """What accuracy hides, tables, claims, which measure tells, every network."""
    rows = rows_of(finished, DriftCell)
    found, told = trends(rows), diagnostics(rows)
    shown = tables.tables(rows, floors, options)
    made = [
        Section(
            "hidden",
            "What accuracy hides",
            "Networks of equal height are equally accurate; those further right fire more differently. Diamonds: "
            "signed states. Stars: trained near full precision.",
            figures.hidden(rows, floors),
            legend=True,
        ),
        Section(
            "bits",
            "Drift and bits",
            "A dotted line is uniform signed states.",
            figures.by_bits(rows),
            legend=True,
        ),
        Section("tables", "Tables", "Means over seeds.", tables=shown),
    ]
    if told:
        made.append(
            Section(
                "diagnostic",
                "Which measure tells",
                "A measure that ranks networks as the lost accuracy does can stand for it in a gate.",
                tables=[tables.diagnostic_table(told)],
            )
        )
    made += [
        Section(
            claim,
            claim.replace("-", " ").capitalize(),
            f"{words[0].upper()}{words[1:]}: {verdicts(found, claim)}.",
            tables=[tables.claim_table(found, claim)],
        )
        for claim, words in CLAIMS.items()
        if any(t.claim == claim for t in found)
    ]
    made.append(
        Section("networks", "Every network", "Pooled over all neurons.", tables=[tables.details(rows)])
    )
    made += failed_section(rows)
    made.append(this_study(options.command(), finished))
    cell = next(iter(rows.values())).cell
    return Page(
        f"Firing drift of {cell.model} on {cell.dataset}",
        _summary(told),
        made,
        figures.KINDS,
        tables.notes(rows, options),
    )


def _summary(told: Sequence[Diagnostic]) -> str:
    """Which measure follows the lost accuracy, in a sentence."""
    every = next((d for d in told if d.group == "all"), None)
    if every is None or every.better.low is None or every.better.high is None:
        return (
            "Too few networks are finished to say which measure of drift follows the accuracy that was lost."
        )
    emd, paired = (every.correlation[m].value for m in ("emd", "paired_distance"))
    numbers = f"rank correlations {paired:.2f} (paired) and {emd:.2f} (EMD)"
    if every.better.low > 0:
        return f"The paired distance follows the accuracy that was lost better than the EMD: {numbers}."
    if every.better.high < 0:
        return f"The EMD follows the accuracy that was lost better than the paired distance: {numbers}."
    return (
        f"The paired distance and the EMD follow the accuracy that was lost alike, within noise: {numbers}."
    )
