"""How figures look: colours as names that the page resolves for light or dark, quiet axes, numbers in words.

A figure is a plain dictionary for plotly. A colour in it is "$ink", "$muted", "$grid" or "$0", "$1", ... for the
variants, with an optional opacity as in "$1/0.3"; the page's script replaces it, so one file suits both themes.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

LABEL = 32  # characters of a label inside a picture
COLOURS = 6  # the page defines as many; more variants start over

Figure = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """One picture: its title, plotly's data and layout, and its height in pixels."""

    title: str
    data: list[Figure]
    layout: Figure
    height: int


def colour(index: int, opacity: float = 1.0) -> str:
    """The colour of a variant."""
    return f"${index % COLOURS}" + ("" if opacity == 1 else f"/{opacity:g}")


def text(label: object) -> str:
    """A label as plotly shows it literally, not too long: it would read tags, and the page reads a leading $."""
    whole = str(label)
    shown = html.escape(whole if len(whole) <= LABEL else f"{whole[: LABEL - 1]}…", quote=False)
    return f"\u200b{shown}" if shown.startswith("$") else shown


def plain(values: ArrayLike) -> list[float | None]:
    """Numbers for JSON with six digits; what is not finite becomes a gap."""
    flat = np.asarray(values, np.float64).reshape(-1).tolist()
    return [float(f"{x:.6g}") if np.isfinite(x) else None for x in flat]


def axis(title: str = "", **more: Any) -> Figure:
    """A quiet axis: a faint grid, no box, no ticks."""
    return {
        "title": {"text": title, "font": {"size": 12}, "standoff": 8},
        "gridcolor": "$grid",
        "gridwidth": 1,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "tickfont": {"size": 11},
        "ticklabelstandoff": 5,
        "automargin": True,
    } | more


def layout(x: Figure, y: Figure, **more: Any) -> Figure:
    """What all figures share."""
    return {
        "xaxis": x,
        "yaxis": y,
        "font": {"color": "$muted", "size": 12, "family": "system-ui, sans-serif"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 48, "r": 16, "t": 8, "b": 42},
        "showlegend": False,
        "hovermode": "closest",
        "hoverlabel": {"font": {"size": 12}},
        "dragmode": "zoom",
    } | more


def line(x0: float, x1: float, y0: float, y1: float, **more: Any) -> Figure:
    """A straight line; give xref or yref "paper" for one across the whole panel."""
    shape = {"type": "line", "x0": x0, "x1": x1, "y0": y0, "y1": y1, "layer": "below"}
    return shape | {"line": {"color": "$muted", "width": 1}} | more


def note(label: str, x: float, y: float, **more: Any) -> Figure:
    """A word inside a picture."""
    return {"text": label, "x": x, "y": y, "showarrow": False, "font": {"size": 11, "color": "$muted"}} | more


def apart(values: Sequence[float], gap: float) -> list[float]:
    """The values moved as little as a simple sweep can so that neighbours keep a gap: for labels."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    placed = [values[i] for i in order]
    for _ in range(50):
        for i in range(1, len(placed)):
            push = gap - (placed[i] - placed[i - 1])
            if push > 1e-12:
                placed[i - 1] -= push / 2
                placed[i] += push / 2
    out = [0.0] * len(values)
    for i, value in zip(order, placed, strict=True):
        out[i] = value
    return out


def rows(labels: Sequence[object]) -> Figure:
    """The vertical axis of a chart with one named row a label, the first on top."""
    shown = [text(x) for x in labels]
    places = list(range(len(labels)))[::-1]
    limits = [-0.55, len(labels) - 0.45]
    large = {"size": 12, "color": "$ink"}
    return axis(range=limits, showgrid=False, tickvals=places, ticktext=shown, tickfont=large)


def short(x: float) -> str:
    """A number in three digits with a unit prefix: 950, 12.3 k, 4.35 M."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(x) >= 0.9995 * size:
            return f"{x / size:#.3g}".rstrip(".") + unit
    return f"{x:.3g}"


def size(bits: float) -> str:
    """A size in words: bits, KiB or MiB."""
    if bits < 8 * 1024:
        return f"{bits / 8:.0f} B"
    return f"{bits / 8192:.1f} KiB" if bits < 8 * 1024 * 1024 else f"{bits / 8388608:.2f} MiB"


def percent(x: float | None, digits: int = 1) -> str:
    """A share in per cent, without the sign."""
    return "–" if x is None else f"{100 * x:.{digits}f}"
