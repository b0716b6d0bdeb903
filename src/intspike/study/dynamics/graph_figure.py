"""The state graph of a small network as a picture: cycles in the middle, transients around them."""

from __future__ import annotations

import math

import numpy as np

from ...dynamics import StateGraph, state_of
from ..report.style import Figure, Panel, axis, colour, layout, text

MOST = 1 << 11  # states
_GAP = 1.5  # between two attractors


def places(graph: StateGraph) -> np.ndarray:
    """Where every state stands, [M, 2]: the cycle of an attractor on a circle, a state of transient t on the t-th ring
    around it, near its successor; attractors in rows of columns, the largest first.

    Each state shares its successor's angle out among what leads to it, by how many states hang there in the end.
    """
    size = len(graph.successors)
    after, steps = graph.successors.astype(np.int64), graph.transients.astype(np.int64)
    before: list[list[int]] = [[] for _ in range(size)]
    for v in np.flatnonzero(steps):
        before[after[v]].append(int(v))
    leaves = np.zeros(size)
    for v in np.argsort(-steps, kind="stable"):  # outermost first
        leaves[v] = max(1.0, sum(leaves[u] for u in before[v]))
    at = np.zeros((size, 2))
    spans: list[tuple[float, np.ndarray]] = []
    for k in range(graph.attractors):
        own = np.flatnonzero(graph.labels == k)
        ring = [int(graph.least[k])]
        while len(ring) < int(graph.periods[k]):
            ring.append(int(after[ring[-1]]))
        inner = 0.0 if len(ring) == 1 else max(0.6, len(ring) / (2 * math.pi))
        wedges = dict.fromkeys(ring, (0.0, 0.0))
        start, total = 0.0, float(leaves[ring].sum())
        for v in ring:
            wedges[v] = (start, start + 2 * math.pi * leaves[v] / total)
            start = wedges[v][1]
        for v in ring:
            angle = sum(wedges[v]) / 2
            at[v] = inner * math.cos(angle), inner * math.sin(angle)
        waiting = list(ring)
        while waiting:
            v = waiting.pop()
            low, high = wedges[v]
            share = (high - low) / max(1e-12, sum(leaves[u] for u in before[v]))
            for u in before[v]:
                wedges[u] = (low, low + share * leaves[u])
                low = wedges[u][1]
                angle, radius = sum(wedges[u]) / 2, inner + steps[u]
                at[u] = radius * math.cos(angle), radius * math.sin(angle)
                waiting.append(u)
        spans.append((inner + float(steps[own].max()) + 0.5, own))
    x = y = tallest = width = down = 0.0  # a row of columns, as high as its largest attractor
    most = max(10.0, 2 * math.sqrt(sum(4 * r * r for r, _ in spans)))
    for radius, own in sorted(spans, key=lambda s: (-len(s[1]), int(s[1][0]))):
        if down and down + 2 * radius > tallest:
            x, width, down = x + width + _GAP, 0.0, 0.0
        if x and x + 2 * radius > most:
            x, y, tallest, width, down = 0.0, y - tallest - _GAP, 0.0, 0.0, 0.0
        at[own] += x + radius, y - down - radius
        width, tallest = max(width, 2 * radius), max(tallest, 2 * radius)
        down += 2 * radius + _GAP
    return at


def state_graph(graph: StateGraph) -> Panel | None:
    """Every state as a point, every timestep as a line; one colour an observable attractor. None: too many states."""
    if len(graph.successors) > MOST:
        return None
    at = places(graph)
    lines = np.full((len(at), 3, 2), np.nan)
    lines[:, 0], lines[:, 1] = at, at[graph.successors]
    flat = lines.reshape(-1, 2)
    states, phases = state_of(graph.network, np.arange(len(at)))
    spikes = graph.network.spikes(states).sum(-1)
    observable = graph.observable[graph.labels]
    data: list[Figure] = [
        {
            "type": "scatter", "mode": "lines", "x": _gaps(flat[:, 0]), "y": _gaps(flat[:, 1]), "hoverinfo": "skip",
            "line": {"color": "$muted", "width": 0.75},
        }
    ]  # fmt: skip
    for k in range(graph.observable_attractors):
        own = np.flatnonzero(observable == k)
        words = [
            text(
                f"{','.join(map(str, states[v]))}" + (f" at {phases[v]}" if graph.network.phases > 1 else "")
            )
            for v in own
        ]
        data.append(
            {
                "type": "scatter", "mode": "markers", "x": _gaps(at[own, 0]), "y": _gaps(at[own, 1]), "text": words,
                "marker": {
                    "color": colour(k), "size": [9 if graph.transients[v] == 0 else 5 for v in own],
                    "symbol": ["circle" if spikes[v] else "circle-open" for v in own],
                },
                "hovertemplate": "%{text}<extra></extra>",
            }
        )  # fmt: skip
    bare: Figure = {"showgrid": False, "showticklabels": False}
    spread = np.ptp(at, axis=0) + 1
    height = int(min(900, max(260, 900 * spread[1] / spread[0])))
    shown = layout(axis() | bare, axis(scaleanchor="x") | bare, margin={"l": 8, "r": 8, "t": 8, "b": 8})
    return Panel("Every state and where it leads", data, shown, height)


def _gaps(values: np.ndarray) -> list[float | None]:
    return [round(float(x), 3) if np.isfinite(x) else None for x in values]
