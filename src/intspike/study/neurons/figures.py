"""Pictures of the neuron study: accuracy against what it costs, and what neurons learned of themselves."""

from __future__ import annotations

from collections.abc import Callable

from ..report.style import Figure, Panel, axis, colour, layout, plain, text
from ..rows import Row
from .cells import NeuronCell
from .scores import interval, score_of
from .tables import Rows, bits_of, mean_of_record

MARKERS = ("circle", "diamond", "square", "x", "triangle-up", "cross")


def kinds(rows: Rows) -> tuple[str, ...]:
    """Each neuron has its colour."""
    return tuple(dict.fromkeys(r.cell.neuron for r in rows.values()))


def frontiers(rows: Rows) -> list[Panel]:
    """What networks are judged by against spikes and operations, a point a network."""
    made = [
        _points("spikes", rows, lambda r: mean_of_record(r, "spikes"), "spikes of an inference"),
        _points("operations", rows, lambda r: mean_of_record(r, "synops"), "SynOps of an inference"),
    ]
    return [p for p in made if p.data]


def _points(what: str, rows: Rows, place: Callable[[Row[NeuronCell]], float | None], unit: str) -> Panel:
    names, widths = kinds(rows), list(dict.fromkeys(bits_of(r.cell) for r in rows.values()))
    score = score_of(next(iter(rows.values())).cell)
    data: list[Figure] = []
    for r in rows.values():
        x, y = (place(r) if r.done else None), interval(r)
        if x is None or y is None:
            continue
        shown = f"{r.cell.neuron}, {bits_of(r.cell)}"
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": plain([x]),
                "y": plain([y.value]),
                "marker": {
                    "color": colour(names.index(r.cell.neuron)),
                    "size": 9,
                    "symbol": MARKERS[widths.index(bits_of(r.cell)) % len(MARKERS)],
                },
                "hovertemplate": f"{text(shown)}: %{{y:.{score.digits}f}} {score.unit}, %{{x:.3g}}<extra></extra>",
            }
        )
    made = layout(axis(unit, rangemode="tozero"), axis(score.name))
    title = "Accuracy" if score.sign > 0 else "Bits per character"
    return Panel(
        f"{title} and {what} ({', '.join(widths)}: {', '.join(MARKERS[: len(widths)])})", data, made, 320
    )


def trajectories(rows: Rows) -> list[Panel]:
    """Shifts, thresholds and leaks over the epochs of full precision, first seed, a line a layer."""
    made: list[Panel] = []
    for what in ("shift", "theta", "beta"):
        data: list[Figure] = []
        for r in rows.values():
            if r.cell.bits is not None or not r.done:
                continue
            history = r.record(min(r.done))["history"]
            names = [n for n in (history[0]["learned"] if history else ()) if n.endswith(f".{what}")]
            for name in names:
                shown = f"{r.cell.neuron}, {name.removesuffix(f'.{what}')}"
                data.append(
                    {
                        "type": "scatter",
                        "mode": "lines+markers",
                        "x": [e["epoch"] for e in history],
                        "y": plain([e["learned"][name] for e in history]),
                        "line": {"color": colour(kinds(rows).index(r.cell.neuron)), "width": 1.75},
                        "marker": {"size": 4},
                        "hovertemplate": f"{text(shown)}, epoch %{{x}}: %{{y:.3f}}<extra></extra>",
                    }
                )
        if data:
            shown = layout(axis("epoch"), axis(what))
            made.append(Panel(f"Learned {what} over the epochs, a line a layer", data, shown, 280))
    return made
