"""Pictures of one neuron, one sample or one codec: membrane traces, rasters, quantizers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .content import MembraneTrace, QuantizerPicture, Raster
from .style import Figure, Panel, axis, colour, layout, line, note, plain

NEURONS = 64  # rows of a raster
TIMESTEPS = 400  # of a raster or a trace
LEVELS = 64  # drawn as lines; with more of them, lines say nothing
CODES = 512  # of a quantizer

Colours = tuple[int, int]


def membranes(trace: MembraneTrace, colours: Colours) -> list[Panel]:
    """The membrane in full precision beside its quantized self, on one scale, spikes as ticks above."""
    sides = [
        (trace.names[0], trace.reference, trace.reference_spikes, colours[0], False),
        (trace.names[1], trace.quantized, trace.quantized_spikes, colours[1], True),
    ]
    values = np.concatenate(
        [np.asarray(trace.reference, float), np.asarray(trace.quantized, float), [0.0, 1.0]]
    )
    values = np.concatenate([values, np.asarray(trace.levels, float).reshape(-1)])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    top = high + 0.16 * (high - low)
    limits = low - 0.06 * (high - low), top + 0.04 * (high - low)
    return [_membrane(trace, name, u, s, c, top, limits, with_levels) for name, u, s, c, with_levels in sides]


def _membrane(
    trace: MembraneTrace,
    name: str,
    membrane: ArrayLike,
    spikes: ArrayLike,
    c: int,
    top: float,
    limits: tuple[float, float],
    with_levels: bool,
) -> Panel:
    u = np.asarray(membrane, float)[:TIMESTEPS]
    s = np.asarray(spikes).reshape(-1)[:TIMESTEPS]
    t = np.flatnonzero(s)
    shapes = [line(0, 1, 1, 1, xref="paper", line={"color": "$ink", "width": 1.25, "dash": "dash"})]
    stored, fired = (np.asarray(x, float).reshape(-1) for x in (trace.levels, trace.fired_levels))
    if with_levels:
        fired = fired[fired >= 1]  # a membrane that fired cannot be lower
        for levels, width, style in ((stored, 0.45, "solid"), (fired, 0.25, "dot")):
            if levels.size <= LEVELS:
                look = {"color": f"$muted/{width}", "width": 1, "dash": style}
                shapes += [line(0, 1, v, v, xref="paper", line=look) for v in plain(levels) if v is not None]
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers" if len(u) <= 120 else "lines",
            "x": list(range(len(u))),
            "y": plain(u),
            "line": {"color": colour(c), "width": 1.5},
            "marker": {"color": colour(c), "size": 4.5},
            "hovertemplate": "t = %{x}: %{y:.3f} θ<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": t.tolist(),
            "y": [top] * len(t),
            "marker": {"symbol": "line-ns", "size": 12, "line": {"color": colour(c), "width": 2}},
            "hovertemplate": "spike at t = %{x}<extra></extra>",
        },
    ]
    words = [
        note("threshold", 1, 1, xref="paper", xanchor="left", xshift=4, font={"size": 11, "color": "$ink"}),
        note("spikes", 1, top, xref="paper", xanchor="left", xshift=4),
        note("rest", 1, 0, xref="paper", xanchor="left", xshift=4),
    ]
    if with_levels:
        words.append(
            note(
                f"{stored.size} levels",
                1,
                limits[0],
                xref="paper",
                xanchor="left",
                yanchor="bottom",
                xshift=4,
            )
        )
    else:
        shapes.append(line(0, 1, 0, 0, xref="paper", line={"color": "$muted/0.45", "width": 1}))
    x = _time(np.size(trace.reference))
    y = axis("membrane potential (θ)", range=list(limits), showgrid=False)
    margin = {"l": 48, "r": 66, "t": 8, "b": 42}
    where = f"{trace.layer} neuron {', '.join(map(str, trace.neuron))}"
    title = f"{where}, {name}: {int(s.astype(np.int64).sum())} spikes"
    return Panel(title, data, layout(x, y, shapes=shapes, annotations=words, margin=margin), 300)


def _time(timesteps: int) -> Figure:
    shown = min(timesteps, TIMESTEPS)
    title = "timestep" if shown == timesteps else f"timestep (the first {shown} of {timesteps:,})"
    return axis(title, range=[-0.6, shown - 0.4], showgrid=False)


def rasters(raster: Raster, colours: Colours) -> list[Panel]:
    """The same neurons of a layer in both variants, one tick a spike."""
    made: list[Panel] = []
    for name, spikes, c in zip(raster.names, (raster.reference, raster.quantized), colours, strict=True):
        s = np.asarray(spikes)
        s = s.reshape(len(s), -1)
        chosen = np.unique(np.linspace(0, s.shape[1] - 1, min(NEURONS, s.shape[1])).astype(int))
        t, row = np.nonzero(s[:TIMESTEPS, chosen])
        height = 64 + max(4 * len(chosen), 90)
        tick = max(2.5, min(9.0, 0.8 * (height - 60) / len(chosen)))
        data = [
            {
                "type": "scatter",
                "mode": "markers",
                "x": t.tolist(),
                "y": row.tolist(),
                "customdata": chosen[row].tolist(),
                "marker": {"symbol": "line-ns", "size": tick, "line": {"color": colour(c), "width": 1.5}},
                "hovertemplate": "t = %{x}, neuron %{customdata}<extra></extra>",
            }
        ]
        all_of = "" if len(chosen) == s.shape[1] else f" of {s.shape[1]:,}"
        x = _time(len(s))
        y = axis(
            f"{len(chosen)}{all_of} neurons", range=[-1, len(chosen)], showticklabels=False, showgrid=False
        )
        rate = float(s.mean()) if s.size else 0.0
        title = f"{raster.layer}, {name}: {rate:.3f} spikes per timestep"
        made.append(Panel(title, data, layout(x, y, margin={"l": 32, "r": 12, "t": 6, "b": 42}), height))
    return made


def quantizer(picture: QuantizerPicture, c: int) -> list[Panel]:
    """What is stored for each membrane, and where each code goes without input."""
    levels, edges = (np.asarray(x, float).reshape(-1) for x in (picture.levels, picture.boundaries))
    after = picture.stores == "after reset"
    if after:  # a uniform code may have more codes than a channel can reach
        levels = levels[levels < 1]
        edges = edges[: len(levels) - 1]
    low = min(float(levels[0]), 0.0) - 0.25
    high = 1 + max(0.5, float(levels[-1])) if after else max(float(levels[-1]), 1.0) + 0.25
    x, y = _staircase(levels, edges, low, 1.0 if after else high)
    made = {"type": "scatter", "mode": "lines", "line": {"color": colour(c), "width": 1.75}}
    where = {"hovertemplate": "membrane %{x:.3f} θ is stored as %{y:.3f} θ<extra></extra>"}
    data = [made | where | {"x": plain(x), "y": plain(y)}]
    if after:  # a membrane at or above threshold keeps its spike beside the code of what is left of it
        left = _staircase(levels, edges, 0.0, high - 1)
        data.append(made | where | {"x": plain(left[0] + 1), "y": plain(left[1] + 1)})
    firing = {"x1": high, "type": "rect", "fillcolor": "$ink/0.05", "line": {"width": 0}}
    shapes = [
        line(1, high, 0, 1, yref="paper") | firing,
        line(low, high, low, high, line={"color": "$muted", "width": 1, "dash": "dot"}),
        line(1, 1, 0, 1, yref="paper", line={"color": "$ink", "width": 1.25, "dash": "dash"}),
    ]
    words = [
        note(
            "threshold",
            1,
            1,
            yref="paper",
            xanchor="right",
            yanchor="top",
            xshift=-5,
            font={"size": 11, "color": "$ink"},
        ),
        note("fires", 1, 1, yref="paper", xanchor="left", yanchor="top", xshift=5),
    ]
    edge = axis("membrane before it is stored (θ)", range=[low, high], showgrid=False)
    name = f"{picture.variant}, {picture.layer}, channel {picture.channel}"
    side = axis("membrane stored (θ)", range=[low, high], showgrid=False)
    panels = [
        Panel(
            f"{name}: {len(levels)} levels", data, layout(edge, side, shapes=shapes, annotations=words), 320
        )
    ]
    return panels + ([_decay(picture, levels, c)] if len(picture.silent) else [])


def _staircase(
    levels: NDArray[np.float64], edges: NDArray[np.float64], low: float, high: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of the function that maps low..high to levels."""
    first, last = int((edges <= low).sum()), int((edges < high).sum())
    steps = np.arange(first, last)[:: max(1, (last - first) // CODES)]  # finer ones cannot be seen
    x = np.repeat(np.concatenate([[low], edges[steps], [high]]), 2)[1:-1]
    return x, np.repeat(levels[np.concatenate([[first], steps + 1])], 2)


def _decay(picture: QuantizerPicture, levels: NDArray[np.float64], c: int) -> Panel:
    after = levels[np.minimum(picture.silent[: len(levels)], len(levels) - 1)]
    stuck = [c for c in picture.stuck if c < len(levels)]
    drawn = np.arange(len(levels))[:: max(1, len(levels) // CODES)]
    ringed = stuck[:: max(1, len(stuck) // CODES)]
    low, high = min(float(levels[0]), 0.0) - 0.15, max(float(levels[-1]), 1.0) + 0.15
    dots = {
        "type": "scatter",
        "mode": "markers",
        "hovertemplate": "code %{customdata}: %{x:.3f} θ to %{y:.3f} θ<extra></extra>",
    }
    data = [
        dots
        | {
            "x": plain(levels[drawn]),
            "y": plain(after[drawn]),
            "customdata": drawn.tolist(),
            "marker": {"color": colour(c), "size": 7 if len(levels) <= 32 else 4},
        },
        dots
        | {
            "x": plain(levels[ringed]),
            "y": plain(after[ringed]),
            "customdata": ringed,
            "marker": {"symbol": "circle-open", "size": 14, "color": "$ink", "line": {"width": 1.5}},
        },
    ]
    shapes = [line(low, high, low, high, line={"color": "$muted", "width": 1, "dash": "dot"})]
    shown = ", ".join(map(str, stuck[:12])) + (", …" if len(stuck) > 12 else "")
    said = f"stuck codes (ringed): {shown}" if stuck else "no stuck codes: every code returns to rest"
    words = [
        note(
            said,
            0.02,
            0.98,
            xref="paper",
            yref="paper",
            xanchor="left",
            yanchor="top",
            font={"size": 11, "color": "$ink"},
        ),
        note("stays", high, high, xanchor="right", yanchor="bottom", xshift=-14, yshift=-22),
    ]
    x = axis("membrane now (θ)", range=[low, high], showgrid=False)
    y = axis("one timestep later, no input (θ)", range=[low, high], showgrid=False)
    return Panel("Decay without input", data, layout(x, y, shapes=shapes, annotations=words), 320)
