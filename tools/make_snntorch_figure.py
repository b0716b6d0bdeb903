"""Draw docs/figures/snntorch.svg: what a stored membrane becomes, snnTorch's levels beside intspike's.

    python -m pip install kaleido
    python tools/make_snntorch_figure.py --out docs/figures/snntorch.svg

A rerun gives the same bytes with the same versions of plotly and kaleido.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np

from intspike.quant import ThresholdCentred
from intspike.quant.snntorch_compat import SnnTorchState
from intspike.study.quantizer import CodeTable, code_table

OURS, THEIRS, INK, FAINT = "#2f6fab", "#d1622b", "#27303a", "#8b95a1"
LOW, HIGH = -1.3, 1.5
BITS = (2, 4)


def columns(bits: int) -> list[tuple[str, str, CodeTable]]:
    """Name, colour and codes of each panel of a row."""
    return [
        ("comparison: snnTorch 1.0, uniform", THEIRS, code_table(SnnTorchState(bits))),
        ("comparison: snnTorch 1.0, threshold-centred", THEIRS, code_table(SnnTorchState(bits, uniform=False))),
        ("intspike, stored before reset", OURS, code_table(ThresholdCentred(bits, stores="before reset"))),
    ]  # fmt: skip


def figure() -> Any:
    """The picture, as a plotly figure."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    made = make_subplots(
        2, 3, shared_xaxes=True, shared_yaxes=True, horizontal_spacing=0.03, vertical_spacing=0.13
    )
    number = 0
    for r, bits in enumerate(BITS, 1):
        for c, (name, colour, t) in enumerate(columns(bits), 1):
            x = np.repeat([LOW, *t.boundaries, HIGH], 2)[1:-1]
            fires = t.levels > 1 if colour == THEIRS else t.levels >= 1
            first = float(t.boundaries[fires.argmax() - 1])
            rest = float(t.levels[np.searchsorted(t.boundaries, 0.0, side="right")])
            lines: list[dict[str, Any]] = [
                {"x": [LOW, HIGH], "y": [LOW, HIGH], "line": {"color": FAINT, "width": 1, "dash": "dot"}},
                {"x": [1, 1], "y": [LOW, HIGH], "line": {"color": INK, "width": 1, "dash": "dash"}},
                {"x": x, "y": np.repeat(t.levels, 2), "line": {"color": colour, "width": 2}},
            ]
            for line in lines:
                number += 1
                made.add_trace(go.Scatter(line | {"mode": "lines"}, uid=f"{number:06d}"), r, c)
            words = f"rest is stored as {rest:.2f}; fires from {first:.2f}"
            for y, text in ((1.24, f"<b>{name}</b>" if r == 1 else ""), (1.1, words)):
                made.add_annotation(
                    text=text, showarrow=False, font={"size": 13, "color": INK if y > 1.2 else colour}, row=r, col=c,
                    x=0.5, xref="x domain", y=y, yref="y domain",
                )  # fmt: skip
        title = {"text": f"<b>{bits} bits</b><br>stored / threshold", "font": {"size": 13}}
        made.update_yaxes(title=title, row=r, col=1)
    ticks: dict[str, Any] = {"zeroline": False, "gridcolor": "#eceff2", "dtick": 0.5}
    made.update_xaxes(range=[LOW, HIGH], **ticks)
    made.update_xaxes(title={"text": "membrane / threshold", "font": {"size": 13}}, row=2)
    made.update_yaxes(range=[LOW, HIGH], **ticks)
    font = {"family": "Helvetica, Arial, sans-serif", "size": 12, "color": INK}
    return made.update_layout(
        width=980, height=640, showlegend=False, margin={"l": 78, "r": 18, "t": 84, "b": 56},
        plot_bgcolor="white", paper_bgcolor="white", font=font,
    )  # fmt: skip


def main() -> None:
    """Write the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/figures/snntorch.svg"))
    out = parser.parse_args().out
    drawn = figure().to_image("svg").decode()
    (chosen,) = set(re.findall(r'<defs id="defs-(\w+)">', drawn))  # plotly's random name for the picture
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(drawn.replace(chosen, "snntorch") + "\n")


if __name__ == "__main__":
    main()
