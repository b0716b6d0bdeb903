"""Charts that compare the variants: accuracy, training, firing rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .content import Variant
from .style import LABEL, Figure, Panel, apart, axis, colour, layout, note, percent, plain, rows, text

MOST_BINS = 40
FEW = 32  # neurons are shown one by one up to here


def accuracy(variants: Sequence[Variant]) -> Panel:
    """Test accuracy and its interval, one row a variant."""
    data: list[Figure] = []
    words: list[Figure] = []
    for i, v in enumerate(variants):
        row = len(variants) - 1 - i
        ends = [x for x in (v.low, v.high) if x is not None]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": plain([100 * v.accuracy]),
                "y": [row],
                "marker": {"color": colour(i), "size": 9},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": plain([100 * (max(ends, default=v.accuracy) - v.accuracy)]),
                    "arrayminus": plain([100 * (v.accuracy - min(ends, default=v.accuracy))]),
                    "color": colour(i),
                    "thickness": 1.75,
                    "width": 5,
                },
                "hovertemplate": f"{text(v.name)}: %{{x:.2f}} %<extra></extra>",
            }
        )
        words.append(
            note(percent(v.accuracy), 100 * v.accuracy, row, yshift=15, font={"size": 11, "color": colour(i)})
        )
    y = rows([v.name for v in variants]) | {"range": [-0.6, len(variants) - 0.3]}
    shown = layout(axis("test accuracy (%)"), y, annotations=words)
    return Panel("Test accuracy with its 95 % interval", data, shown, 74 + 40 * len(variants))


def training(variants: Sequence[Variant]) -> list[Panel]:
    """Loss and validation accuracy by epoch, each line labelled at its end."""
    loss = [(i, v.name, np.asarray(v.train_loss, float)) for i, v in enumerate(variants) if len(v.train_loss)]
    right = [
        (i, v.name, 100 * np.asarray(v.validation_accuracy, float))
        for i, v in enumerate(variants)
        if len(v.validation_accuracy)
    ]
    made: list[Panel] = []
    if loss:
        made.append(_curves("Training loss", "loss (cross entropy)", loss))
    if right:
        made.append(_curves("Validation accuracy", "accuracy (%)", right))
    return made


def _curves(title: str, unit: str, curves: list[tuple[int, str, NDArray[np.float64]]]) -> Panel:
    data: list[Figure] = []
    ends: list[float] = []
    longest = max(len(y) for _, _, y in curves)
    finite = np.concatenate([y[np.isfinite(y)] for _, _, y in curves] or [np.zeros(1)])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    room = max(high - low, 1e-9)
    for i, name, y in curves:
        known = y[np.isfinite(y)]
        ends.append(float(known[-1]) if known.size else low)
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(y) < 30 else "lines",
                "x": list(range(1, len(y) + 1)),
                "y": plain(y),
                "line": {"color": colour(i), "width": 1.75},
                "marker": {"color": colour(i), "size": 4},
                "name": text(name),
                "hovertemplate": f"{text(name)}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
            }
        )
    labels = [
        note(text(name), len(y), at, xanchor="left", xshift=8, font={"size": 11, "color": colour(i)})
        for (i, name, y), at in zip(curves, apart(ends, 0.075 * room), strict=True)
    ]
    widest = min(max(len(name) for _, name, _ in curves), LABEL)
    ticks = {"dtick": 1} if longest <= 12 else {"nticks": 10}
    x = axis("epoch", range=[0.75, longest + 0.25], showgrid=False, **ticks)
    y_axis = axis(unit, range=[low - 0.08 * room, high + 0.08 * room])
    margin = {"l": 48, "r": 20 + 7 * widest, "t": 8, "b": 42}
    return Panel(title, data, layout(x, y_axis, annotations=labels, margin=margin), 260)


def rates(variants: Sequence[Variant]) -> list[Panel]:
    """One histogram a layer: how many neurons fire at which rate, all variants over one another."""
    made: list[Panel] = []
    for layer in dict.fromkeys(name for v in variants for name in v.rates):
        own = [
            (i, v.name, np.asarray(v.rates[layer], float).reshape(-1))
            for i, v in enumerate(variants)
            if layer in v.rates
        ]
        own = [(i, name, r[np.isfinite(r)]) for i, name, r in own]
        own = [entry for entry in own if entry[2].size]
        if not own:
            continue
        top = max([float(r.max()) for _, _, r in own] + [1e-3])
        neurons = max(r.size for _, _, r in own)
        x = axis("firing rate (spikes per timestep)", range=[0, top], showgrid=False)
        if neurons <= FEW:
            y, x["range"] = rows([name for _, name, _ in own]), [-0.04 * top, 1.04 * top]
            data = [_dots(i, name, len(own) - 1 - k, r) for k, (i, name, r) in enumerate(own)]
        else:
            y = axis("share of neurons (%)", rangemode="tozero")
            bins = min(int(2 * neurons ** (1 / 3)), MOST_BINS)  # Rice's rule
            data = [_outline(i, name, np.linspace(0, top, bins + 1), r) for i, name, r in own]
        made.append(Panel(f"{layer}: {neurons:,} neurons", data, layout(x, y), 230))
    return made


def _dots(i: int, name: str, row: int, r: NDArray[np.float64]) -> Figure:
    """Each neuron of a small layer."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": plain(r),
        "y": [row] * r.size,
        "marker": {"symbol": "circle-open", "size": 8, "color": colour(i), "line": {"width": 1.5}},
        "hovertemplate": f"{text(name)}: %{{x:.3f}}<extra></extra>",
    }


def _outline(i: int, name: str, edges: NDArray[np.float64], r: NDArray[np.float64]) -> Figure:
    share = 100 * np.histogram(r, edges)[0] / r.size
    reference = i == 0
    return {
        "type": "scatter",
        "mode": "lines",
        "x": plain(np.repeat(edges, 2)),
        "y": plain(np.concatenate([[0], np.repeat(share, 2), [0]])),
        "line": {"color": colour(i), "width": 1.0 if reference else 1.75},
        **({"fill": "tozeroy", "fillcolor": colour(i, 0.25)} if reference else {}),
        "hovertemplate": f"{text(name)}: %{{y:.1f}} % of neurons at %{{x:.3f}}<extra></extra>",
    }
