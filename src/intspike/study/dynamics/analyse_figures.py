"""Pictures of an analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...dynamics import Cycle, Damage, Hysteresis
from ..report.style import Figure, Panel, axis, colour, layout, plain, rows, text
from .analyse import Analysis
from .stimuli import After

MOST_BARS, MOST_TIME, MOST_LINES = 15, 200, 120


def shares(found: Sequence[Mapping[str, Any]]) -> Panel:
    """A bar an observable attractor: its share of states, with its interval."""
    shown = found[:MOST_BARS]
    places = list(range(len(shown)))[::-1]
    error: Figure = {}
    if shown and shown[0]["low"] is not None:
        error = {
            "error_x": {
                "type": "data", "symmetric": False, "color": "$muted", "thickness": 1, "width": 0,
                "array": plain([100 * (r["high"] - r["share"]) for r in shown]),
                "arrayminus": plain([100 * (r["share"] - r["low"]) for r in shown]),
            }
        }  # fmt: skip
    data: list[Figure] = [
        {
            "type": "bar", "orientation": "h", "x": plain([100 * r["share"] for r in shown]), "y": places,
            "marker": {"color": colour(0, 0.8)}, "hovertemplate": "%{x:.3g} % of states<extra></extra>", **error,
        }
    ]  # fmt: skip
    more = f" ({len(found) - len(shown)} more below)" if len(found) > len(shown) else ""
    x = axis(f"share of states (%){more}", rangemode="tozero")
    return Panel("Basins", data, layout(x, rows([r["regime"] for r in shown])), 70 + 24 * len(shown))


def rasters(found: Sequence[tuple[str, Cycle]]) -> list[Panel]:
    """What cycles send, from their least state on; longer ones are shown in part."""
    made: list[Panel] = []
    for name, cycle in found:
        times = min(MOST_TIME, max(40, cycle.period))
        sent = cycle.spikes[np.arange(times) % cycle.period]
        neurons = np.flatnonzero(cycle.spikes.any(0))[:MOST_LINES]
        t, k = np.nonzero(sent[:, neurons])
        data: list[Figure] = [
            {
                "type": "scatter", "mode": "markers", "x": t.tolist(), "y": neurons[k].tolist(),
                "marker": {"color": colour(0), "size": 4, "symbol": "line-ns-open"},
                "hovertemplate": "neuron %{y} at %{x}<extra></extra>",
            }
        ]  # fmt: skip
        step: Figure = {} if np.ptp(neurons) > 8 else {"dtick": 1}  # neurons are whole
        shown = layout(axis("timestep"), axis("neuron", showgrid=False) | step)
        made.append(Panel(text(name), data, shown, 260 if len(neurons) > 8 else 120 + 14 * len(neurons)))
    return made


def transients(a: Analysis) -> Panel | None:
    """The share of states whose transient is at most so long."""
    if a.graph is not None:
        counts = a.graph.transient_counts
        x, y = np.arange(len(counts)) + 1, np.cumsum(counts) / counts.sum()
    elif (basins := a.basins) is not None and len(basins.transients):
        known = np.sort(basins.transients)
        x, y = known + 1, np.arange(1, len(known) + 1) / basins.samples
    else:
        return None
    data: list[Figure] = [
        {
            "type": "scatter", "mode": "lines", "x": plain(x), "y": plain(y),
            "line": {"color": colour(0), "width": 2, "shape": "hv"},
            "hovertemplate": "%{y:.1%} within %{x}<extra></extra>",
        }
    ]  # fmt: skip
    return Panel(
        "Transients", data, layout(axis("1 + timesteps", type="log"), axis("states", range=[0, 1.05])), 260
    )


def damages(found: Sequence[tuple[int, Damage]]) -> list[Panel]:
    """The share of neurons that send something else, and of copies that are not healed."""
    made: list[Panel] = []
    for title in ("Neurons that send something else", "Copies that are not healed"):
        data: list[Figure] = []
        for k, (kick, d) in enumerate(found):
            times = np.arange(len(d.spikes))
            apart = 1 - np.array([((d.merged >= 0) & (d.merged <= t)).mean() for t in times])
            data.append(
                {
                    "type": "scatter", "mode": "lines", "x": times.tolist(),
                    "y": plain(d.spikes if title.startswith("Neurons") else apart),
                    "line": {"color": colour(k), "width": 1.75}, "name": f"kick of {kick}",
                    "hovertemplate": f"kick of {kick}: %{{y:.3f}} after %{{x}}<extra></extra>",
                }
            )  # fmt: skip
        shown = layout(axis("timesteps after the kick"), axis("share", rangemode="tozero"))
        made.append(Panel(title, data, shown, 240))
    return made


def forgetting(a: After) -> list[Panel]:
    """How two states become one under a stimulus, and how activity ends after it."""
    times = np.arange(1, a.timesteps + 1)
    left = [float(((a.merged < 0) | (a.merged > t)).mean()) for t in times]
    lines = [
        ("states not merged", times, left, 0), ("neurons that send something else", times, a.apart, 1)
    ]  # fmt: skip
    first: list[Figure] = [
        {
            "type": "scatter", "mode": "lines", "x": plain(t), "y": plain(y), "name": name,
            "line": {"color": colour(k), "width": 1.75},
            "hovertemplate": f"{name}: %{{y:.3f}} at %{{x}}<extra></extra>",
        }
        for name, t, y, k in lines
    ]  # fmt: skip
    second: list[Figure] = [
        {
            "type": "scatter", "mode": "lines", "x": list(range(len(a.rates))), "y": plain(a.rates),
            "line": {"color": colour(0), "width": 1.75}, "hovertemplate": "%{y:.4f} after %{x}<extra></extra>",
        }
    ]  # fmt: skip
    share = layout(axis("timesteps of the stimulus"), axis("share", rangemode="tozero"))
    rate = layout(
        axis("timesteps after the stimulus"), axis("spikes per neuron and timestep", rangemode="tozero")
    )
    return [
        Panel("Two states under one stimulus", first, share, 240),
        Panel("After the stimulus", second, rate, 240),
    ]


def loop(r: Hysteresis) -> Panel:
    """The rate in the long run at every drive, rising and falling."""
    data: list[Figure] = [
        {
            "type": "scatter", "mode": "lines+markers", "x": list(r.drives),
            "y": plain([float("nan") if y is None else y for y in own]),
            "line": {"color": colour(k), "width": 1.75, "dash": "solid" if k == 0 else "dot"}, "name": name,
            "hovertemplate": f"{name}: %{{y:.3f}} at %{{x}}<extra></extra>",
        }
        for k, (name, own) in enumerate(zip(("rising", "falling"), r.rates(), strict=True))
    ]  # fmt: skip
    shown = layout(axis("drive (input code)"), axis("spikes per neuron and timestep", rangemode="tozero"))
    return Panel("Rising (solid) and falling (dotted)", data, shown, 260)
