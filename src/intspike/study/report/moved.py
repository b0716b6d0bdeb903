"""Pictures of firing drift between two networks: distributions, single neurons, and where they lie in a layer.

The first network has the first colour, the second the second one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...measure.membranes import bin_edges
from .style import Figure, Panel, axis, colour, layout, line, note, plain, text

POINTS = 400  # of a distribution curve
NEURONS = 2000  # dots of a scatter plot, chosen at even distances
FAINTEST = 0.01  # per cent of all membranes: what is rarer lies on the lower edge
CELLS = 40_000  # neurons of a map
ROW = 32  # neurons of a layer without an image that are drawn in one row
MAP_WIDTH, MAP_HEIGHT = 480, 560  # pixels

Names = tuple[str, str]
Rates = NDArray[np.float64]


def distribution(layer: str, names: Names, a: Rates, b: Rates, emd: float, floor: float) -> Panel:
    """Share of neurons with a rate of at most r, for both networks; the area between the curves is the EMD."""
    top = max(float(a.max()), float(b.max()), 1e-3)
    ends = np.unique(np.concatenate([[0.0], a, b, [top]]))
    r = ends if ends.size <= POINTS else np.linspace(0, top, POINTS)
    data: list[Figure] = []
    for k, (name, rates) in enumerate(zip(names, (a, b), strict=True)):
        share = 100 * np.searchsorted(np.sort(rates), r, side="right") / rates.size
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": plain(r),
                "y": plain(share),
                "line": {"color": colour(k), "width": 1.75, "shape": "hv"},
                **({"fill": "tonexty", "fillcolor": colour(1, 0.2)} if k else {}),
                "hovertemplate": f"{text(name)}: %{{y:.1f}} % of neurons fire at most at %{{x:.4f}}<extra></extra>",
            }
        )
    x = axis("firing rate (spikes per timestep)", range=[0, top], showgrid=False)
    y = axis("neurons up to this rate (%)", range=[0, 101])
    return Panel(f"{layer}: EMD {emd:.4f}, noise floor {floor:.4f}", data, layout(x, y), 250)


def neurons(layer: str, names: Names, a: Rates, b: Rates) -> Panel:
    """The rate of each neuron in one network against its rate in the other; newly dead ones are × on the axis."""
    size, silent = a.size, np.flatnonzero((a > 0) & (b == 0))
    chosen = np.unique(np.linspace(0, size - 1, min(size, NEURONS)).astype(int))
    fell = silent[np.unique(np.linspace(0, max(silent.size - 1, 0), min(silent.size, NEURONS)).astype(int))]
    top = 1.04 * max(float(a.max()), float(b.max()), 1e-3)
    data: list[Figure] = []
    for index, shade, symbol in (
        (np.setdiff1d(chosen, silent), colour(1, 0.6), "circle"),
        (fell, "$bad", "x"),
    ):
        if index.size:
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": plain(a[index]),
                    "y": plain(b[index]),
                    "customdata": index.tolist(),
                    "marker": {"color": shade, "size": 4 if size > 100 else 7, "symbol": symbol},
                    "hovertemplate": "neuron %{customdata}: %{x:.4f} → %{y:.4f}<extra></extra>",
                }
            )
    shapes = [line(0, top, 0, top, line={"color": "$muted", "width": 1, "dash": "dot"})]
    x = axis(f"rate in {text(names[0])}", range=[-0.03 * top, top])
    y = axis(f"rate in {text(names[1])}", range=[-0.03 * top, top])
    drawn = "" if chosen.size == size else f", {chosen.size:,} of {size:,} drawn"
    return Panel(f"{layer}: {silent.size:,} newly dead{drawn}", data, layout(x, y, shapes=shapes), 320)


def dead_map(layer: str, shape: tuple[int, ...], a: NDArray[np.bool_], b: NDArray[np.bool_]) -> Panel:
    """Every neuron of a layer at its place, one tile a channel: dead in both networks, in the second, in the first.

    Args:
        shape: (C, H, W) or (N,); (N,) is wrapped into rows.
        a, b: which neurons are dead, [N].
    """
    kind = a * 1 + b * 2  # 0 alive in both, 1 only a is dead, 2 only b is dead, 3 both
    z, left = _tiles(kind, shape)
    shades = ("$muted/0.16", "$1", "$bad", "$ink/0.75")
    words = ("alive in both", "dead only in the first", "newly dead", "dead in both")
    steps = [[(k + side) / 4, shade] for k, shade in enumerate(shades) for side in (0, 1)]
    data: list[Figure] = [
        {
            "type": "heatmap",
            "z": [[None if v < 0 else int(v) for v in row] for row in z],
            "text": [["" if v < 0 else words[v] for v in row] for row in z],
            "zmin": -0.5,
            "zmax": 3.5,
            "colorscale": steps,
            "showscale": False,
            **({"xgap": 1, "ygap": 1} if len(shape) != 3 else {}),
            "hoverongaps": False,
            "hovertemplate": "%{text}<extra></extra>",
        }
    ]
    hidden = {"showgrid": False, "showticklabels": False}
    x = axis("", range=[-0.5, z.shape[1] - 0.5], constrain="domain", **hidden)
    y = axis("", range=[z.shape[0] - 0.5, -0.5], scaleanchor="x", constrain="domain", **hidden)
    counted = [
        (int((kind == k).sum()), words)
        for k, words in ((2, "newly dead"), (1, "fire again"), (3, "dead in both"))
    ]
    said = [f"{n:,} {words}" for n, words in counted if n or words == "newly dead"]
    title = f"{layer}, {' × '.join(map(str, shape))}: {', '.join(said)}" + (f" ({left})" if left else "")
    height = 24 + int(min(MAP_HEIGHT, max(24, MAP_WIDTH * z.shape[0] / z.shape[1])))
    return Panel(title, data, layout(x, y, margin={"l": 8, "r": 8, "t": 8, "b": 8}), height)


def _tiles(kind: NDArray[np.int64], shape: tuple[int, ...]) -> tuple[NDArray[np.int64], str]:
    """Neurons as one picture, -1 between tiles, and what was left out of it."""
    if len(shape) != 3:
        few = kind[:CELLS]
        columns = few.size if few.size <= ROW else math.ceil(math.sqrt(4 * few.size))
        made = np.full(math.ceil(few.size / columns) * columns, -1, np.int64)
        made[: few.size] = few
        left = "" if few.size == kind.size else f"the first {few.size:,} are drawn"
        return made.reshape(-1, columns), left
    channels, h, w = shape
    drawn = min(channels, max(1, CELLS // (h * w)))
    columns = max(1, min(drawn, math.ceil(math.sqrt(1.6 * drawn * h / w))))
    rows = math.ceil(drawn / columns)
    made = np.full((rows * columns, h + 1, w + 1), -1, np.int64)
    made[:drawn, :h, :w] = kind.reshape(shape)[:drawn]
    picture = (
        made.reshape(rows, columns, h + 1, w + 1).swapaxes(1, 2).reshape(rows * (h + 1), columns * (w + 1))
    )
    return picture[:-1, :-1], "" if drawn == channels else f"the first {drawn:,} channels are drawn"


def membranes(layer: str, names: Names, a: ArrayLike, b: ArrayLike) -> Panel:
    """How often membranes lie where, in both networks; a stored code shows as a peak at its level.

    Args:
        a, b: membranes in each of the bins of `bin_edges`.
    """
    edges = bin_edges()
    found = [np.asarray(x, np.float64) for x in (a, b)]
    used = np.flatnonzero(found[0] + found[1])
    first = min(int(used[0]) if used.size else 0, int(np.searchsorted(edges, -0.5)))
    last = max(int(used[-1]) + 1 if used.size else 0, int(np.searchsorted(edges, 1.5)))
    data: list[Figure] = []
    for k, (name, counts) in enumerate(zip(names, found, strict=True)):
        share = np.maximum(100 * counts / max(counts.sum(), 1), FAINTEST)[first:last]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": plain(np.repeat(edges[first : last + 1], 2)),
                "y": plain(np.concatenate([[FAINTEST], np.repeat(share, 2), [FAINTEST]])),
                "line": {"color": colour(k), "width": 1.0 if k == 0 else 1.75},
                **({"fill": "tozeroy", "fillcolor": colour(k, 0.25)} if k == 0 else {}),
                "hovertemplate": f"{text(name)}: %{{y:.2f}} % at %{{x:.2f}} θ<extra></extra>",
            }
        )
    shapes = [line(1, 1, 0, 1, yref="paper", line={"color": "$ink", "width": 1.25, "dash": "dash"})]
    words = [
        note("threshold", 1, 1, yref="paper", xanchor="left", yanchor="top", xshift=4, font={"color": "$ink"})
    ]
    x = axis("membrane potential (θ)", range=[float(edges[first]), float(edges[last])], showgrid=False)
    low, high = math.log10(FAINTEST), 2.02
    y = axis("share of all membranes (%)", type="log", range=[low, high], tickvals=[0.01, 0.1, 1, 10, 100])
    return Panel(layer, data, layout(x, y, shapes=shapes, annotations=words), 250)
