"""Pictures of the timestep study: accuracy over T, what it costs, and when samples may stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..report.style import Figure, Panel, axis, colour, layout, plain, text
from ..rows import Row
from .cells import TimestepCell
from .saturation import Rows, curves, one_training
from .tables import Latencies, accuracy_at, ann_energy, mean_at

Place = Callable[[Row[TimestepCell], int], float | None]


def kinds(rows: Rows) -> tuple[str, ...]:
    """Each number of bits has its colour."""
    return tuple(dict.fromkeys(_kind(r) for r in rows.values()))


def _kind(r: Row[TimestepCell]) -> str:
    return f"{r.cell.bits}/{r.cell.bits} bits" if r.cell.bits else "full precision"


def accuracies(rows: Rows) -> list[Panel]:
    """Accuracy over T, a line a curve."""
    times = next(iter(rows.values())).cell.tested
    x = axis("timesteps T", type="log", tickvals=list(times), ticktext=[str(t) for t in times])
    return [_lines("Accuracy and timesteps", rows, lambda r, t: float(t), x)]


def frontiers(rows: Rows, latency: Latencies) -> list[Panel]:
    """Accuracy against what an inference costs, a point a T: to the left and above is better; crosses have no T."""

    def milliseconds(r: Row[TimestepCell], t: int) -> float | None:
        timed = latency.get(r.name, {}).get(str(t))
        return None if timed is None else float(timed["one"][0])

    def nanojoules(r: Row[TimestepCell], t: int) -> float | None:
        found = mean_at(r, "energy", t)
        return None if found is None else found / 1e3

    made = [
        _lines(
            "Accuracy and energy",
            rows,
            nanojoules,
            axis("energy of an inference (nJ)", type="log", dtick="D1"),
        ),
        _lines(
            "Accuracy and latency",
            rows,
            milliseconds,
            axis("latency of one sample (ms)", rangemode="tozero"),
        ),
    ]
    made[0].data.extend(_rivals(rows))
    return [p for p in made if p.data]


def _rivals(rows: Rows) -> list[Figure]:
    """Artificial networks as crosses."""
    names = kinds(rows)
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": plain([e / 1e3]),
            "y": plain([r.interval.value]),
            "marker": {"symbol": "x", "size": 9, "color": colour(names.index(_kind(r)))},
            "hovertemplate": f"artificial, {text(_kind(r))}: %{{y:.2f}} %, %{{x:.3g}}<extra></extra>",
        }
        for r in rows.values()
        if not r.cell.trained and r.interval is not None and (e := ann_energy(r)) is not None
    ]


def _lines(title: str, rows: Rows, place: Place, x_axis: Figure) -> Panel:
    data: list[Figure] = []
    names = kinds(rows)
    for name, by_t in curves(rows).items():
        points = [(place(r, t), accuracy_at(r, t).value, t) for t, r in sorted(by_t.items()) if r.done]
        known = [(x, y, t) for x, y, t in points if x is not None]
        if not known:
            continue
        some = next(iter(by_t.values()))
        dash = (
            "solid" if name.startswith("trained per T") else "dash" if len(some.cell.trained) > 1 else "dot"
        )
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": plain([x for x, _, _ in known]),
                "y": plain([y for _, y, _ in known]),
                "line": {"color": colour(names.index(_kind(some))), "width": 1.75, "dash": dash},
                "marker": {"size": 6},
                "customdata": [t for _, _, t in known],
                "hovertemplate": f"{text(name)}, T = %{{customdata}}: %{{y:.2f}} %, %{{x:.3g}}<extra></extra>",
            }
        )
    made = layout(x_axis, axis("test accuracy (%)"))
    return Panel(f"{title} (solid: trained per T; dashed: random T; dotted: the largest T)", data, made, 360)


def exits(rows: Rows) -> list[Panel]:
    """Accuracy against the mean number of timesteps that samples ran, a point a margin."""
    data: list[Figure] = []
    names = kinds(rows)
    for r in one_training(rows):
        first = r.record(min(r.done))["early_exit"]  # each seed has margins of its own
        if first is None:
            continue
        steps, right = (np.array([e[k] for e in first["test"]]) for k in ("timesteps", "accuracy"))
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": plain(steps),
                "y": plain(100 * right),
                "line": {"color": colour(names.index(_kind(r))), "width": 1.75},
                "marker": {"size": 5},
                "hovertemplate": f"{text(_kind(r))}: %{{y:.2f}} % at %{{x:.2f}} timesteps<extra></extra>",
            }
        )
    if not data:
        return []
    made = layout(axis("mean timesteps of a sample", rangemode="tozero"), axis("test accuracy (%)"))
    return [Panel("Early exit, first seed", data, made, 320)]


def transients(rows: Rows) -> list[Panel]:
    """Spikes of a sample at each timestep, by layer, of one network: flat behind the start-up means linear in T."""
    chosen = one_training(rows)
    return [_transient(r) for r in chosen[:1] + chosen[-1:] if len(chosen) > 1 or r is chosen[0]]


def _transient(r: Row[TimestepCell]) -> Panel:
    per_step = r.record(min(r.done))["spikes_per_step"]
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": list(range(1, len(values) + 1)),
            "y": plain(values),
            "line": {"color": colour(k), "width": 1.75},
            "hovertemplate": f"{text(layer)}, t = %{{x}}: %{{y:.1f}} spikes<extra></extra>",
        }
        for k, (layer, values) in enumerate(_chosen(per_step))
    ]
    words = ", ".join(layer for layer, _ in _chosen(per_step))
    made = layout(axis("timestep t"), axis("spikes of a sample", rangemode="tozero"))
    return Panel(f"Spikes at each timestep, {_kind(r)} ({words})", data, made, 280)


def _chosen(per_step: dict[str, Sequence[float]]) -> list[tuple[str, Sequence[float]]]:
    """At most six layers: as many as there are colours."""
    names = list(per_step)
    at = sorted({round(k * (len(names) - 1) / 5) for k in range(6)}) if len(names) > 6 else range(len(names))
    return [(names[k], per_step[names[k]]) for k in at]
