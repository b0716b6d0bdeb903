"""Pictures of a sweep of random integer networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..report.style import Figure, Panel, axis, colour, layout, note, plain, text

Network = Mapping[str, Any]


def _values(networks: Sequence[Network], name: str) -> list[Any]:
    return sorted({n[name] for n in networks})


def shares(name: str, networks: Sequence[Network], labels: Sequence[str]) -> Panel:
    """Stacked bars: the share of every regime at every width."""
    bits = _values(networks, "bits")
    own = [[n["regime"] for n in networks if n["bits"] == b] for b in bits]
    data: list[Figure] = [
        {
            "type": "bar", "x": [str(b) for b in bits],
            "y": plain([100 * regimes.count(label) / len(regimes) for regimes in own]),
            "marker": {"color": colour(k)}, "name": text(label),
            "hovertemplate": f"{text(label)}: %{{y:.0f}} % at %{{x}} bits<extra></extra>",
        }
        for k, label in enumerate(labels)
    ]  # fmt: skip
    shown = layout(
        axis("bits", type="category", showgrid=False), axis("networks (%)", range=[0, 100]), barmode="stack"
    )
    return Panel(name, data, shown, 260)


def maps(name: str, networks: Sequence[Network], labels: Sequence[str]) -> list[Panel]:
    """One map a width: the most frequent regime over density and size."""
    made: list[Panel] = []
    for b in _values(networks, "bits"):
        at: dict[tuple[float, int], list[str]] = {}
        for n in networks:
            if n["bits"] == b:
                at.setdefault((n["density"], n["neurons"]), []).append(n["regime"])
        data: list[Figure] = []
        for k, label in enumerate(labels):
            places = [p for p, found in at.items() if _most(found, labels) == label]
            if places:
                words = [_counts(at[p], labels) for p in places]
                data.append(
                    {
                        "type": "scatter", "mode": "markers", "x": plain([d for d, _ in places]),
                        "y": plain([n for _, n in places]), "text": words, "name": text(label),
                        "marker": {"color": colour(k), "symbol": "square", "size": 22},
                        "hovertemplate": "N = %{y}, density %{x}<br>%{text}<extra></extra>",
                    }
                )  # fmt: skip
        shown = layout(axis("density", showgrid=False), axis("neurons"))
        made.append(Panel(f"{b} bits: {name}", data, shown, 260))
    return made


def _most(found: Sequence[str], labels: Sequence[str]) -> str:
    return max(labels, key=found.count)


def _counts(found: Sequence[str], labels: Sequence[str]) -> str:
    return "<br>".join(f"{text(x)}: {found.count(x)}" for x in labels if x in found)


def rates(name: str, networks: Sequence[Network]) -> Panel:
    """Firing rate by width: every network, and the mean."""
    bits = _values(networks, "bits")
    own = [[n["rate"] for n in networks if n["bits"] == b] for b in bits]
    data: list[Figure] = [
        {
            "type": "box", "x": [str(b)] * len(r), "y": plain(r), "boxpoints": "all", "jitter": 0.6, "pointpos": 0,
            "marker": {"color": colour(0, 0.5), "size": 3}, "line": {"color": "$muted", "width": 1}, "fillcolor":
            "rgba(0,0,0,0)", "hovertemplate": "%{y:.3f}<extra></extra>",
        }
        for b, r in zip(bits, own, strict=True)
    ]  # fmt: skip
    data.append(
        {
            "type": "scatter", "mode": "lines+markers", "x": [str(b) for b in bits],
            "y": plain([sum(r) / len(r) for r in own]), "line": {"color": colour(1), "width": 2},
            "hovertemplate": "mean %{y:.3f} at %{x} bits<extra></extra>",
        }
    )  # fmt: skip
    shown = layout(
        axis("bits", type="category", showgrid=False),
        axis("firing rate (spikes per neuron and timestep)", range=[-0.03, 1.03]),
    )
    return Panel(name, data, shown, 300)


def distributions(name: str, networks: Sequence[Network]) -> list[Panel]:
    """The share of networks whose transient, and spike period, is at most so long; a line a width."""
    made: list[Panel] = []
    for what, title in (("transient", "transient (timesteps)"), ("spike_period", "spike period (timesteps)")):
        data: list[Figure] = []
        ends: list[Figure] = []
        for k, b in enumerate(_values(networks, "bits")):
            own = [n for n in networks if n["bits"] == b]
            known = sorted(n[what] for n in own if n[what] is not None)
            if not known:
                continue
            # a logarithmic axis has no 0: timesteps are counted from 1
            shift = 1 if what == "transient" else 0
            y = [(i + 1) / len(own) for i in range(len(known))]
            data.append(
                {
                    "type": "scatter", "mode": "lines", "x": plain([x + shift for x in known]), "y": plain(y),
                    "line": {"color": colour(k), "width": 1.75, "shape": "hv"},
                    "hovertemplate": f"{b} bits: %{{y:.0%}} within %{{x}}<extra></extra>",
                }
            )  # fmt: skip
            last = {"size": 11, "color": colour(k)}
            ends.append(note(f"{b}", _log(known[-1] + shift), y[-1], xanchor="left", xshift=6, font=last))
        label = f"1 + {title}" if what == "transient" else title
        shown = layout(
            axis(label, type="log"), axis("share of networks", range=[0, 1.05]), annotations=ends,
            margin={"l": 48, "r": 40, "t": 8, "b": 42},
        )  # fmt: skip
        made.append(Panel(f"{title[0].upper()}{title[1:]} at each width in bits: {name}", data, shown, 280))
    return made


def _log(x: float) -> float:
    """Where an annotation stands on a logarithmic axis."""
    return math.log10(x)
