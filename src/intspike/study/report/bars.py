"""Bars that compare the variants layer by layer: drift, operations, size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .content import Variant
from .style import Figure, Panel, axis, colour, layout, note, plain, rows, short, size, text

# Opacity of a bar's parts; all other parts lie between
OPACITY = {"float32": 1.0, "weights": 1.0, "states": 0.3}


def drift(variants: Sequence[Variant]) -> list[Panel]:
    """EMD (solid) inside the paired distance (light), which is never shorter, by layer and variant.

    The bar of the reference is its noise floor.
    """
    if not any(v.firing for v in variants):
        return []
    shown = [(i, v.name, v.firing or v.floor) for i, v in enumerate(variants)]
    known = [(i, name, report) for i, name, report in shown if report is not None]
    groups = list(dict.fromkeys(x.layer for _, _, f in known for x in (*f.layers, f.pooled)))
    found: list[tuple[int, str, float, float]] = []
    for i, _, report in known:
        found += [(i, x.layer, x.emd, x.paired_distance) for x in (*report.layers, report.pooled)]
    longest = max([row[3] for row in found] + [1e-6])
    bars = [(i, layer, paired, 0.3, f"{e:.3f} · {paired:.3f}") for i, layer, e, paired in found]
    bars += [(i, layer, e, 1.0, "") for i, layer, e, _ in found]
    unit = "distance of firing rates (spikes per timestep)"
    words = "EMD (solid) and paired distance (light)"
    return [_bars(words, unit, groups, bars, [i for i, _, _ in known], 1.25 * longest)]


def synops(variants: Sequence[Variant]) -> list[Panel]:
    """Synaptic operations per inference by layer."""
    known = [(i, v) for i, v in enumerate(variants) if v.synops]
    if not known:
        return []
    multiplies = {name for _, v in known for name in v.multiplies}
    groups = list(dict.fromkeys(name for _, v in known for name in v.synops))
    bars = [(i, name, float(n), 1.0, short(float(n))) for i, v in known for name, n in v.synops.items()]
    longest = max([n for _, _, n, _, _ in bars] + [1.0])
    names = {g: f"{g}, multiplies" if g in multiplies else g for g in groups}
    title = "Operations per inference"
    return [_bars(title, "synaptic operations", groups, bars, [i for i, _ in known], 1.15 * longest, names)]


def _bars(
    title: str,
    unit: str,
    groups: list[str],
    bars: list[tuple[int, str, float, float, str]],
    variants: list[int],
    longest: float,
    names: dict[str, str] | None = None,
) -> Panel:
    """Horizontal bars (variant, group, length, opacity, label), a group a row, one bar a variant in it."""
    order = {v: k for k, v in enumerate(sorted(set(variants)))}
    thick = 0.8 / len(order)
    place = {g: len(groups) - 1 - k for k, g in enumerate(groups)}
    data: list[Figure] = []
    words: list[Figure] = []
    for i, group, length, opacity, label in bars:
        at = place[group] + 0.4 - (order[i] + 0.5) * thick
        data.append(bar(length, at, 0.86 * thick, colour(i, opacity)))
        if label:
            words.append(note(label, length, at, xanchor="left", xshift=4, bgcolor="$paper", borderpad=1))
    y = rows([(names or {}).get(g, g) for g in groups])
    x = axis(unit, range=[0, longest], nticks=6)
    height = 70 + max(26, 17 * len(order)) * len(groups)
    return Panel(title, data, layout(x, y, annotations=words, barmode="overlay"), height)


def bar(length: float, at: float, thick: float, shade: str, base: float = 0.0, **more: Any) -> Figure:
    """One horizontal bar, centred at a height of the vertical axis."""
    return {
        "type": "bar",
        "orientation": "h",
        "x": plain([length]),
        "y": plain([at]),
        "base": plain([base]),
        "width": plain([thick]),
        "marker": {"color": shade, "line": {"width": 0}},
        "hovertemplate": "%{x:.4g}<extra></extra>",
    } | more


def sizes(variants: Sequence[Variant]) -> list[Panel]:
    """Packed size, stacked by part: weights solid, tables and other constants paler, states palest."""
    known = [(i, v) for i, v in enumerate(variants) if v.size]
    if not known:
        return []
    totals = [sum(v.size.values()) for _, v in known]
    longest, first = max([*totals, 1]), totals[0]
    data: list[Figure] = []
    words: list[Figure] = []
    for row, ((i, v), total) in enumerate(zip(known, totals, strict=True)):
        base = 0.0
        for part, bits in v.size.items():
            if bits:
                hover = {"hovertemplate": f"{text(part)}: {size(bits)}<extra></extra>"}
                shade = colour(i, OPACITY.get(part, 0.6))
                data.append(bar(bits / 8192, len(known) - 1 - row, 0.6, shade, base / 8192, **hover))
            base += bits
        ratio = "" if not row or not total else f", {first / total:.1f} times smaller"
        words.append(
            note(
                f"{size(total)}{ratio}",
                total / 8192,
                len(known) - 1 - row,
                xanchor="left",
                xshift=5,
                bgcolor="$paper",
                borderpad=1,
            )
        )
    y = rows([v.name for _, v in known])
    x = axis("packed size (KiB)", range=[0, 1.2 * longest / 8192], nticks=8)
    return [
        Panel(
            "In KiB, against the reference in float32",
            data,
            layout(x, y, annotations=words, barmode="overlay"),
            70 + 34 * len(known),
        )
    ]
