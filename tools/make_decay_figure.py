"""Draw docs/figures/decay.svg: what every stored membrane becomes without input, in three ways of storing it.

    pip install kaleido        # beside a Chromium or Chrome; neither is a dependency of intspike
    python tools/make_decay_figure.py --out docs/figures/decay.svg

Rows are 2 and 4 bits; columns are intspike's threshold-centred levels with guaranteed decay, the same levels with
nearest rounding, and, as a comparison, the published levels of snnTorch 1.0. A rerun gives the same bytes with
the same versions of plotly and kaleido. `table` prints the numbers that docs/decay.md states.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intspike.ir import Edge
from intspike.ir import Neuron as Node
from intspike.measure.codes import decay
from intspike.neuron import LIF
from intspike.neuron.constants import constants
from intspike.ops import trace
from intspike.quant import ThresholdCentred, form_of

BETA = 0.9
STEPS = 16  # drawn
BITS = (2, 4)
REST, STUCK, INK, FAINT = "#2f6fab", "#d1622b", "#27303a", "#8b95a1"


@dataclass(frozen=True)
class Way:
    """One way of storing a membrane.

    Attributes:
        name: for people.
        levels: in units of the threshold.
        after: for each level, the index of the level of the next timestep, without input.
    """

    name: str
    levels: NDArray[np.float64]
    after: NDArray[np.int64]

    def paths(self, steps: int) -> NDArray[np.float64]:
        """The membrane from every level on: [levels, steps + 1]."""
        at = np.arange(len(self.levels))
        seen = [at]
        for _ in range(steps):
            at = self.after[at]
            seen.append(at)
        return self.levels[np.stack(seen, axis=1)]

    @property
    def ends(self) -> NDArray[np.float64]:
        """Where each level ends up."""
        return self.paths(1 << 10)[:, -1]

    @property
    def steps_to_rest(self) -> int | None:
        """Timesteps until every level is at rest (0); None where some never are."""
        paths = self.paths(1 << 10)
        return int((~at_rest(paths)).sum(1).max()) if at_rest(paths[:, -1]).all() else None


def at_rest(membrane: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a membrane is at rest: nearer to 0 than a hundredth of the threshold."""
    return np.abs(membrane) < 0.01


def ours(bits: int, rounding: str) -> Way:
    """intspike's threshold-centred levels, stored after reset; guaranteed decay or nearest rounding."""
    neuron = LIF(beta=BETA)
    state = ThresholdCentred(bits, decay=rounding)  # type: ignore[arg-type]
    form = form_of(state, None)
    one = np.ones(1, np.int64)
    theta = one << state.resolution
    made = constants(
        neuron, form, gain=one, bias=0 * one, theta=theta, beta=np.array([BETA]), fractions=state.fractions
    )
    _, after = decay(Node("neuron", Edge("input"), trace(neuron, form), made))
    levels = made["u.levels"][0] / theta[0]
    name = "intspike" if rounding == "guaranteed" else "same levels, nearest rounding"
    return Way(name, levels, after[:, 0])


def theirs(bits: int, centred: bool = True) -> Way:
    """A COMPARISON, not part of intspike: the static levels of snnTorch 1.0's `state_quant` at its defaults.

    Written from the published behaviour, with threshold 1: levels from -1 to 1.2, either evenly spaced, or
    (`centred`) around the threshold c = 1 with L = 2 below and R = 0.2 above it, n levels below, m above, base b:
        below  c - L (b^j - b^n) / (1 - b^n), j = 0..n-1      above  c + R (b^(m-k) - b^m) / (1 - b^m), k = 1..m
    A membrane is stored as the nearest level; next = nearest(beta * stored - [stored > threshold]).
    """
    count = 1 << bits
    low, high, c = -1.0, 1.2, 1.0
    if centred:
        base = {1: 0.05, 2: 0.1, 3: 0.3, 4: 0.5, 5: 0.7, 6: 0.9, 7: 0.925, 8: 0.95}[bits]
        n = int(count * (c - low) / (high - low))
        m = count - n
        j, k = np.arange(n), np.arange(1, m + 1)
        below = c - (c - low) * (base**j - base**n) / (1 - base**n)
        above = c + (high - c) * (base ** (m - k) - base**m) / (1 - base**m)
        levels = np.concatenate([below, above])
    else:
        levels = np.linspace(low, high, count)
    left = BETA * levels - (levels > c)
    after = np.abs(left[:, None] - levels[None, :]).argmin(1)
    return Way("comparison: snnTorch 1.0 levels", levels, after)


def frozen_at(way: Way, start: float) -> float:
    """Where a membrane ends that starts, as yet unquantized, at `start` thresholds."""
    first = int(np.abs(BETA * start - (start > 1) - way.levels).argmin())
    return float(way.ends[first])


def ways(bits: int) -> list[Way]:
    """The three columns of the figure."""
    return [ours(bits, "guaranteed"), ours(bits, "nearest"), theirs(bits)]


def verdict(way: Way) -> str:
    """What a panel shows, in a few words."""
    if way.steps_to_rest is not None:
        return f"all {len(way.levels)} codes at rest within {way.steps_to_rest} steps"
    return f"{int((~at_rest(way.ends)).sum())} of {len(way.levels)} codes never reach rest"


def table() -> str:
    """The numbers of the page, one line a way."""
    lines: list[str] = []
    for bits in BITS:
        for w in ways(bits):
            ends = ", ".join(f"{x:.3f}" for x in sorted({round(float(x), 3) + 0.0 for x in w.ends}))
            lines.append(f"{bits} bits, {w.name}: {verdict(w)}; ends {ends}")
    for centred in (False, True):
        ends = ", ".join(f"{b} bits {frozen_at(theirs(b, centred), 0.9):.3f}" for b in (2, 4, 8))
        lines.append(f"snnTorch 1.0, {'threshold-centred' if centred else 'uniform'}, from 0.9: {ends}")
    return "\n".join(lines)


def traces(way: Way) -> list[dict[str, Any]]:
    """The lines of a panel, and a dot for every timestep in which a membrane still moves."""
    made: list[dict[str, Any]] = []
    for path, rests in zip(way.paths(STEPS), at_rest(way.ends), strict=True):
        colour = REST if rests else STUCK
        moving = int((path != path[-1]).sum()) + 1
        line = {"color": colour, "width": 1.8}
        made.append({"x": list(range(STEPS + 1)), "y": path, "mode": "lines", "line": line})
        dots = {"color": colour, "size": 5}
        made.append({"x": list(range(moving)), "y": path[:moving], "mode": "markers", "marker": dots})
    return made


def figure() -> Any:
    """The picture, as a plotly figure."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    columns = len(ways(BITS[0]))
    made = make_subplots(
        len(BITS),
        columns,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        vertical_spacing=0.15,
    )
    real = {"x": list(range(STEPS + 1)), "y": 0.9 * BETA ** np.arange(STEPS + 1), "mode": "lines"}
    number = 0

    def note(r: int, c: int, text: str, colour: str, size: int = 13, **where: Any) -> None:
        font = {"size": size, "color": colour}
        made.add_annotation(text=text, showarrow=False, font=font, row=r, col=c, **where)

    for r, bits in enumerate(BITS, 1):
        for c, way in enumerate(ways(bits), 1):
            ends = {"x": [-0.5, STEPS + 0.5], "mode": "lines"}
            threshold = ends | {"y": [1, 1], "line": {"color": INK, "width": 1, "dash": "dash"}}
            rest = ends | {"y": [0, 0], "line": {"color": FAINT, "width": 1}}
            dotted = {"line": {"color": FAINT, "width": 1.5, "dash": "dot"}}
            for trace_ in (threshold, rest, real | dotted, *traces(way)):
                number += 1  # plotly would name it at random
                made.add_trace(go.Scatter(trace_, uid=f"{number:06d}"), r, c)
            head = {"x": 0.5, "xref": "x domain", "yref": "y domain"}
            if r == 1:
                note(r, c, f"<b>{way.name}</b>", INK, 14, y=1.28, **head)
            note(r, c, verdict(way), STUCK if way.steps_to_rest is None else REST, y=1.12, **head)
            away = sorted({round(float(x), 2) for x in way.ends[~at_rest(way.ends)]})
            for end in away if len(away) <= 4 else []:
                side = "top" if 0 < end < 1 else "bottom"  # clear of the threshold
                note(r, c, f"<b>{end:.2f}</b>", STUCK, 12, x=STEPS, y=end, xanchor="right", yanchor=side)
        title = {"text": f"<b>{bits} bits</b><br>membrane / threshold", "font": {"size": 13}}
        made.update_yaxes(title=title, row=r, col=1)
    note(1, 1, "threshold", INK, 12, x=STEPS, y=1, xanchor="right", yanchor="bottom")
    note(1, 1, "rest", FAINT, 12, x=STEPS, y=0, xanchor="right", yanchor="top")
    note(1, 1, "unquantized", FAINT, 12, x=6.3, y=0.53, xanchor="left", yanchor="bottom")
    ticks = {"zeroline": False, "gridcolor": "#eceff2", "ticks": "", "showline": False}
    made.update_xaxes(range=[-0.5, STEPS + 0.5], dtick=4, **ticks)
    made.update_xaxes(
        title={"text": f"timesteps without input, beta = {BETA}", "font": {"size": 13}}, row=len(BITS)
    )
    made.update_yaxes(range=[-1.15, 1.32], dtick=0.5, **ticks)
    font = {"family": "Helvetica, Arial, sans-serif", "size": 12, "color": INK}
    return made.update_layout(
        width=920, height=620, showlegend=False, margin={"l": 78, "r": 18, "t": 84, "b": 56},
        plot_bgcolor="white", paper_bgcolor="white", font=font,
    )  # fmt: skip


def main() -> None:
    """Write the figure and print its numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/figures/decay.svg"))
    out = parser.parse_args().out
    print(table())
    drawn = figure().to_image("svg").decode()
    (chosen,) = set(re.findall(r'<defs id="defs-(\w+)">', drawn))  # plotly's random name for the picture
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(drawn.replace(chosen, "decay") + "\n")


if __name__ == "__main__":
    main()
