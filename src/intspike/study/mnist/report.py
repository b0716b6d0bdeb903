"""The research report: report.md and report.html, four to five pages in print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..environment import this_study
from ..folder import write_text
from ..report import Page, Section, Variant, bars, write_report
from ..report.markdown import page_markdown
from ..report.style import Panel
from ..timesteps import figures
from ..timesteps.saturation import one_training
from . import prose, results, tables
from .findings import MODELS, NAMES, Findings
from .options import README

LOW = 250  # pixels of a picture, so that the report prints on few pages


def write_reports(f: Findings, out: Path) -> Path:
    """Both forms of the report; returns the page's path."""
    page = page_of(f)
    write_text(out / "report.md", page_markdown(page))
    return write_report(out / "report.html", page)


def page_of(f: Findings) -> Page:
    """Question, method, results, comparisons, limits."""
    readme = f.rows[README]
    whole = [
        replace(p, title=f"{NAMES[m]}: accuracy and timesteps", height=LOW)
        for m in MODELS
        for p in figures.accuracies(f.rows[m])
    ]
    made = [
        Section("question", "Question", "", prose=prose.question()),
        Section("method", "Method", "", prose=prose.method(f)),
        Section(
            "timesteps",
            "Accuracy and timesteps",
            "",
            whole,
            tables=[tables.accuracies(f)],
            legend=True,
            prose=_paragraph(results.accuracy(f)),
        ),
        Section(
            "study", "Beside the study", "", tables=tables.beside(f), prose=_paragraph(results.beside(f))
        ),
        Section(
            "bits",
            "Fewer bits",
            "",
            _sizes(f),
            wide=True,
            tables=[tables.sizes(f)],
            prose=_paragraph(results.bits(f)),
        ),
        Section(
            "spikes",
            "Spikes",
            "",
            _transients(f),
            tables=[tables.lines_of_spikes(f)],
            prose=_paragraph(results.growing(f)),
        ),
        Section(
            "costs",
            "Energy and latency",
            "",
            [replace(p, height=LOW) for p in figures.frontiers(readme, f.latency[README])],
            tables=[tables.costs(f), *tables.rival_times(f)],
            legend=True,
            prose=_paragraph(results.costs(f)),
        ),
        Section(
            "exit",
            "Early exit",
            "",
            [replace(p, height=LOW) for p in figures.exits(readme)],
            wide=True,
            tables=[tables.exits(f)],
            prose=_paragraph(results.exits(f)),
        ),
        Section("goals", "Comparisons", "", tables=[tables.goal_table(f)], prose=prose.comparisons(f)),
        Section("limits", "Limits", "", prose=_paragraph(prose.limits(f))),
        this_study(f.options.command(), f.finished),
    ]
    return Page(
        "Timesteps and bits of a spiking network on MNIST",
        prose.summary(f),
        [s for s in made if s.panels or s.tables or s.prose],
        figures.kinds(readme),
        article=True,
    )


def _paragraph(sentences: Sequence[str]) -> list[str]:
    return [" ".join(sentences)] if sentences else []


def _sizes(f: Findings) -> list[Panel]:
    """Packed sizes of the described network, in the colours of its bits."""
    full = next(
        (r.record(min(r.done))["size_bits"] for r in one_training(f.rows[README]) if r.cell.integer), None
    )
    shown: list[Variant] = []
    for b in tables.KINDS:
        r = f.row(b)
        if r is None or full is None:
            continue
        own = r.record(min(r.done))["size_bits"]
        parts = {k: v for k, v in (own or {}).items() if k not in ("total", "float32")}
        shown.append(Variant(tables.kind(b), 0.0, size=parts if own else {"float32": full["float32"]}))
    return bars.sizes(shown)


def _transients(f: Findings) -> Sequence[Panel]:
    """One quantized network of each, where there is one."""
    made: list[Panel] = []
    for m in MODELS:
        found = figures.transients(f.rows[m])
        made += [
            replace(p, title=f"{NAMES[m]}: {p.title[0].lower()}{p.title[1:]}", height=LOW - 40)
            for p in found[-1:]
        ]
    return made
