"""The order of a report: what each part is called, what to look at, and which pictures and tables it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import bars, charts, figures, tables
from .content import ReportContent, Table
from .style import Panel


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Attributes:
        key: its anchor.
        title, look: its heading and one line on what to look at; empty for none.
        panels: pictures.
        wide: whether each picture takes the full width.
        tables: below the pictures.
        legend: whether the variants' colours are named above the pictures.
        folded: (title, text) shown on demand.
        prose: paragraphs above the pictures.
    """

    key: str
    title: str
    look: str
    panels: Sequence[Panel] = ()
    wide: bool = False
    tables: Sequence[Table] = ()
    legend: bool = False
    folded: Sequence[tuple[str, str]] = ()
    prose: Sequence[str] = ()


def sections(content: ReportContent) -> list[Section]:
    """Every part of the report that has something to show."""
    variants = content.variants
    trained = charts.training(variants)
    made = [
        Section(
            "accuracy",
            "Results",
            "Intervals that overlap much are not told apart by this test set.",
            [charts.accuracy(variants)],
            wide=True,
            tables=[tables.results(variants)],
        ),
        Section(
            "training",
            "Training",
            "Each line ends at the last epoch; the model kept is the best on validation.",
            trained,
        ),
    ]
    if content.membranes:
        panels: list[Panel] = []
        for m in content.membranes:
            panels += figures.membranes(m, (content.index(m.names[0]), content.index(m.names[1])))
        look = (
            f"Sample {content.membranes[0].sample}: the quantized membrane moves only between its levels (grey lines), "
            "and the threshold is one of its boundaries; compare the spikes above."
        )
        made.append(
            Section(
                "membrane", "Single neurons" if len(content.membranes) > 1 else "One neuron", look, panels
            )
        )
    if content.rasters:
        panels = []
        for r in content.rasters:
            panels += figures.rasters(r, (content.index(r.names[0]), content.index(r.names[1])))
        look = f"Sample {content.rasters[0].sample}, the same neurons left and right: look for rows that fell silent."
        made.append(Section("rasters", "Spikes", look, panels))
    made += [
        Section(
            "rates",
            "Firing rates",
            "The filled outline is the reference; a peak at zero that it lacks means neurons died. "
            "Small layers show each neuron.",
            charts.rates(variants),
            tables=tables.firing(variants),
            legend=True,
        ),
        Section(
            "drift",
            "Drift",
            "A paired distance far above the EMD means neurons swapped rates, which the EMD cannot see. The bar of the "
            "reference is the noise floor: one half of the images against the other. Numbers: EMD · paired distance.",
            bars.drift(variants),
            wide=True,
            legend=True,
        ),
        Section(
            "synops",
            "Operations",
            "Synaptic operations of one inference, a mean over images: padding is not counted, zero weights are.",
            bars.synops(variants),
            wide=True,
            tables=tables.costs(variants),
            legend=True,
        ),
        Section(
            "size",
            "Packed size",
            "From solid to pale: weights; thresholds, biases and tables; states.",
            bars.sizes(variants),
            wide=True,
            tables=tables.packed(variants),
        ),
    ]
    if content.quantizers:
        panels = [p for q in content.quantizers for p in figures.quantizer(q, content.index(q.variant))]
        look = "Quantizing alone never makes a spike: the stair crosses one exactly where the diagonal does."
        made.append(Section("quantizer", "Membrane codes", look, panels))
    made += [
        Section(
            "lowering",
            "Lowering",
            "Every number of the integer program: exact, snapped, or refused.",
            tables=content.lowering,
        ),
        Section(
            "exactness",
            "Exactness",
            "Every spike and stored code compared with ==, without a tolerance.",
            tables=tables.exactness(content.exact),
        ),
        Section(
            "program",
            "Program",
            "What the engines, the C export and the proofs read.",
            folded=tables.listings(content.listings),
        ),
        Section("run", "This run", "How to get this page again.", tables=tables.environment(content)),
    ]
    return [s for s in made if s.panels or s.tables or s.folded]
