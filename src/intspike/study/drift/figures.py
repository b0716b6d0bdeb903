"""Pictures of the drift study: what accuracy hides, and how drift grows as bits go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...measure import FiringReport
from ..report.style import Figure, Panel, axis, colour, layout, line, plain, text
from ..rows import Row, mean_of
from .cells import DriftCell
from .claims import Rows

KINDS = ("uniform weights", "LSQ", "LQ-Net", "uniform states", "threshold-centred", "learned")
_KIND = {
    "uniform": 0, "lsq": 1, "lq-net": 2, "uniform-signed": 3, "uniform-unsigned": 3, "threshold-centred": 4,
    "learned": 5,
}  # fmt: skip
MEASURES = {"emd": "EMD", "paired_distance": "paired distance"}


def hidden(rows: Rows, floors: Sequence[FiringReport]) -> list[Panel]:
    """Accuracy against each measure of drift, a point a network: what lies right at full height is hidden."""
    return [_against(rows, measure, words, floors) for measure, words in MEASURES.items()]


def _against(rows: Rows, measure: str, words: str, floors: Sequence[FiringReport]) -> Panel:
    shown = [
        r for r in rows.values() if r.drifts and r.interval is not None and r.cell.scheme in ("ptq", "qat")
    ]
    data: list[Figure] = []
    for r in shown:
        assert r.interval is not None
        c, x = r.cell, r.drift(measure)
        if x is None:
            continue
        form = "star" if c.teacher else "diamond" if c.state == "uniform-signed" else "circle"
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": plain([x]),
                "y": plain([r.interval.value]),
                "marker": {
                    "color": colour(_KIND[c.state or c.weight]),
                    "size": 8,
                    "symbol": form if c.scheme == "qat" else f"{form}-open",
                },
                "hovertemplate": f"{text(r.name)}: %{{y:.2f}} %, %{{x:.4f}}<extra></extra>",
            }
        )
    floor = mean_of([f.pooled.emd for f in floors]) if measure == "emd" and floors else None
    if floor is None:
        floor = mean_of([r.drift_floor(measure) for r in shown])
    lines = [] if floor is None else [line(floor, floor, 0, 1, yref="paper")]
    x_axis = axis(f"{words} (spikes per timestep); line: noise floor", rangemode="tozero")
    made = layout(x_axis, axis("test accuracy (%)"), shapes=lines)
    return Panel(f"Accuracy and {words} (trained: filled; calibrated: open)", data, made, 360)


def by_bits(rows: Rows) -> list[Panel]:
    """EMD against bits: trained states, and trained weights at their own range."""
    states = [r for r in rows.values() if r.cell.scheme == "qat" and r.cell.state and not r.cell.weight]
    weights = [
        r for r in rows.values()
        if r.cell.scheme == "qat" and r.cell.weight and not r.cell.state and r.cell.clip is None
    ]  # fmt: skip
    return [
        *_curves("Trained membrane potentials", states, lambda c: (c.state, c.state_bits or 0)),
        *_curves("Trained weights, each at its own range", weights, lambda c: (c.weight, c.weight_bits or 0)),
    ]


def _curves(
    title: str, chosen: Sequence[Row[DriftCell]], place: Callable[[DriftCell], tuple[str, int]]
) -> list[Panel]:
    curves: dict[str, list[tuple[int, float]]] = {}
    for r in chosen:
        kind, bits = place(r.cell)
        if (emd := r.drift("emd")) is not None:
            curves.setdefault(kind, []).append((bits, emd))
    data: list[Figure] = []
    for kind, points in curves.items():
        points.sort()
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": plain([b for b, _ in points]),
                "y": plain([e for _, e in points]),
                "line": {
                    "color": colour(_KIND[kind]),
                    "width": 1.75,
                    "dash": "dot" if kind == "uniform-signed" else "solid",
                },
                "marker": {"size": 7},
                "hovertemplate": f"{text(kind)}, %{{x}} bits: %{{y:.4f}}<extra></extra>",
            }
        )
    if not data:
        return []
    made = layout(
        axis("bits", dtick=1), axis("EMD to full precision (spikes per timestep)", rangemode="tozero")
    )
    return [Panel(title, data, made, 300)]
