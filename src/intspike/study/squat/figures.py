"""Pictures of the study: accuracies as bars with their intervals, differences behind the claims as points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..claims import Trend
from ..report.bars import bar
from ..report.style import Figure, Panel, axis, colour, layout, line, note, percent, plain, rows, text
from ..rows import mean_of
from .rows import Row, what_of
from .tables import SCHEMES

KINDS = (
    "full precision",
    "threshold-centred",
    "uniform",
    "weights alone",
    "memoryless",
)  # each has its colour

LOOK = "Networks left of the line have not drifted further than a choice of samples does."


def kind_of(row: Row) -> str:
    """Which of KINDS a row is drawn as."""
    c = row.cell
    if c.scheme == "fp" and c.memory:
        return KINDS[0]
    if not c.memory:
        return KINDS[4]
    return c.spacing or KINDS[3]


def accuracies(found: Mapping[str, Row], bits: Sequence[int]) -> list[Panel]:
    """One picture a scheme and quantized set: a group of bars for each number of bits."""
    made: list[Panel] = []
    reference = next((r for r in found.values() if kind_of(r) == KINDS[0]), None)
    for scheme, words in SCHEMES.items():
        of_scheme = [r for r in found.values() if r.cell.scheme == scheme and r.done]
        for title, chosen in (
            ("weights", [r for r in of_scheme if what_of(r.cell) == "weights"]),
            ("states", [r for r in of_scheme if what_of(r.cell) == "states"]),
            ("both", [r for r in of_scheme if what_of(r.cell) == "both"]),
        ):
            if chosen:
                made.append(_bars(f"{title}, quantized {words}", chosen, bits, reference))
    return made


def _bars(title: str, chosen: Sequence[Row], bits: Sequence[int], reference: Row | None) -> Panel:
    kinds = [k for k in KINDS if any(kind_of(r) == k for r in chosen)]
    thick = 0.8 / len(kinds)
    data: list[Figure] = []
    words: list[Figure] = []
    for r in chosen:
        i = r.interval
        assert i is not None
        group = len(bits) - 1 - list(bits).index(r.cell.weight_bits or r.cell.state_bits or 0)
        at = group + 0.4 - (kinds.index(kind_of(r)) + 0.5) * thick
        low, high = i.value if i.low is None else i.low, i.value if i.high is None else i.high
        ends = {
            "type": "data",
            "symmetric": False,
            "array": plain([high - i.value]),
            "arrayminus": plain([i.value - low]),
            "color": "$ink",
            "thickness": 1,
            "width": 3,
        }
        shade = colour(KINDS.index(kind_of(r)))
        data.append(bar(i.value, at, 0.86 * thick, shade, error_x=ends))
        words.append(note(percent(i.value / 100), min(high, 100), at, xanchor="left", xshift=4))
    known = reference.interval if reference is not None else None
    lines = [] if known is None else [line(known.value, known.value, 0, 1, yref="paper")]
    x = axis(
        "test accuracy (%); the line is full precision", range=[0, 110], tickvals=[0, 20, 40, 60, 80, 100]
    )
    made = layout(x, rows([f"{b} bits" for b in bits]), annotations=words, shapes=lines, barmode="overlay")
    return Panel(title, data, made, 70 + max(30, 18 * len(kinds)) * len(bits))


def differences(found: Sequence[Trend], claim: str) -> list[Panel]:
    """Each comparison of a claim with its interval; right of the line the claim holds."""
    own = [t for t in found if t.claim == claim]
    if not own:
        return []
    data: list[Figure] = []
    for k, t in enumerate(own):
        d = t.difference
        low, high = d.value if d.low is None else d.low, d.value if d.high is None else d.high
        shade = {"holds": colour(1), "does not hold": colour(2)}.get(t.verdict, colour(0))
        ends = {
            "type": "data",
            "symmetric": False,
            "array": plain([high - d.value]),
            "arrayminus": plain([d.value - low]),
            "color": shade,
            "thickness": 1.75,
            "width": 5,
        }
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": plain([d.value]),
                "y": [len(own) - 1 - k],
                "marker": {"color": shade, "size": 9},
                "error_x": ends,
                "hovertemplate": f"{text(t.verdict)}: %{{x:.2f}} points<extra></extra>",
            }
        )
    x = axis("difference of accuracies (points)")
    y = rows([f"{t.name}, {t.bits} bits" for t in own])
    return [
        Panel(
            "Paired differences",
            data,
            layout(x, y, shapes=[line(0, 0, 0, 1, yref="paper")]),
            90 + 30 * len(own),
        )
    ]


def drift(rows: Mapping[str, Row]) -> list[Panel]:
    """Accuracy against the EMD and against the paired distance, a point a network."""
    return [
        _against(rows, "emd", "EMD of firing rates"),
        _against(rows, "paired_distance", "paired distance of firing rates"),
    ]


def _against(rows: Mapping[str, Row], name: str, words: str) -> Panel:
    data: list[Figure] = []
    shown = [r for r in rows.values() if r.drifts and r.interval is not None]
    for r in shown:
        kind = KINDS[0] if r.cell.scheme == "continued" else kind_of(r)
        shade = colour(KINDS.index(kind)) if kind in KINDS else "$muted"
        trained = r.cell.scheme != "ptq"
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": plain([_known(r.drift(name))]),
                "y": plain([_known(None if r.interval is None else r.interval.value)]),
                "marker": {
                    "color": shade,
                    "size": 8,
                    "symbol": "circle" if trained else "circle-open",
                },
                "hovertemplate": f"{text(r.name)}: %{{y:.2f}} %, %{{x:.4f}}<extra></extra>",
            }
        )
    floor = mean_of([r.drift_floor(name) for r in shown])
    lines = [] if floor is None else [line(floor, floor, 0, 1, yref="paper")]
    x = axis(f"{words} (spikes per timestep); line: noise floor", rangemode="tozero")
    made = layout(x, axis("test accuracy (%)"), shapes=lines)
    return Panel(f"Accuracy and {words} (trained: filled; calibrated: open)", data, made, 340)


def _known(x: float | None) -> float:
    return float("nan") if x is None else x
