"""Draw docs/figures/cochlea.svg: a spoken digit, its spikes at every millisecond, and the frames a network is given.

    pip install kaleido        # beside a Chromium or Chrome; neither is a dependency of intspike
    python tools/make_cochlea_figure.py DIR --out docs/figures/cochlea.svg

DIR is a folder of the Free Spoken Digit Dataset or an npz file of it, as `data.spoken_digits` takes it. The recording
is the first of a digit and a speaker. A rerun gives the same bytes with the same versions of plotly and kaleido.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intspike.data.spoken_digits import from_folder, from_npz
from intspike.encode import Bins, Cochlea
from intspike.encode.cochlea import centres

BLUE, INK, FAINT = "#2f6fab", "#27303a", "#8b95a1"
DIGIT, SPEAKER = 7, "jackson"
COCHLEA, BINS = Cochlea(), Bins(20_000, 25)
MARKS = (100, 200, 500, 1000, 2000, 3500)  # Hz, on the axis of channels


def recording(path: Path) -> tuple[NDArray[np.int16], int]:
    """The first training recording of the digit and the speaker, and its rate."""
    train, _ = from_folder(path) if path.is_dir() else from_npz(path)
    return next(
        (audio, rate) for audio, rate, digit, speaker in train if (digit, speaker) == (DIGIT, SPEAKER)
    )


def figure(audio: NDArray[np.int16], rate: int) -> Any:
    """The picture, as a plotly figure."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    spikes, frames = COCHLEA.spikes(audio, rate), COCHLEA.frames(audio, rate, BINS)
    bin_ms = BINS.dt / 1000
    titles = (
        f"a spoken “{DIGIT}”, {len(audio) / rate * 1000:.0f} ms",
        f"{int(spikes.sum()):,} spikes of {COCHLEA.channels} channels, one column a millisecond",
        f"what a network is given: one frame of 0 and 1 every {bin_ms:g} ms",
    )
    made = make_subplots(
        3, 1, shared_xaxes=True, vertical_spacing=0.07, row_heights=[0.2, 0.4, 0.4], subplot_titles=titles
    )
    line = {"color": BLUE, "width": 1}
    made.add_trace(go.Scatter(x=np.arange(len(audio)) * 1000 / rate, y=audio, line=line, uid="000001"), 1, 1)
    colours = [[0, "white"], [1, BLUE]]
    channels = np.arange(COCHLEA.channels)
    for row, (image, step) in enumerate(((spikes, 1.0), (frames, bin_ms)), 2):
        x = (np.arange(len(image)) + 0.5) * step
        heat = go.Heatmap(
            x=x, y=channels, z=np.minimum(image, 1).T, colorscale=colours, showscale=False, uid=f"{row:06}"
        )
        made.add_trace(heat, row, 1)
        f = centres(COCHLEA)
        at = [int(np.abs(f - mark).argmin()) for mark in MARKS]
        made.update_yaxes(
            title={"text": "channel, by centre in Hz", "font": {"size": 12}},
            tickvals=at, ticktext=[f"{mark:,}" for mark in MARKS], range=[0, COCHLEA.channels], row=row, col=1,
        )  # fmt: skip
    last = BINS.timesteps * bin_ms
    made.update_xaxes(range=[0, last], showgrid=False, zeroline=False, showline=True, linecolor=FAINT)
    made.update_xaxes(title={"text": "milliseconds", "font": {"size": 12}}, row=3, col=1)
    made.update_yaxes(showgrid=False, zeroline=False, showline=True, linecolor=FAINT)
    made.update_yaxes(showticklabels=False, row=1, col=1)
    made.update_annotations(font={"size": 13, "color": INK}, xanchor="left", x=0)
    font = {"family": "Helvetica, Arial, sans-serif", "size": 12, "color": INK}
    return made.update_layout(
        width=920, height=760, showlegend=False, margin={"l": 78, "r": 18, "t": 36, "b": 52},
        plot_bgcolor="white", paper_bgcolor="white", font=font,
    )  # fmt: skip


def main() -> None:
    """Write the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder or npz file of the Free Spoken Digit Dataset")
    parser.add_argument("--out", type=Path, default=Path("docs/figures/cochlea.svg"))
    given = parser.parse_args()
    drawn = figure(*recording(given.data)).to_image("svg").decode()
    (chosen,) = set(re.findall(r'<defs id="defs-(\w+)">', drawn))  # plotly's random name for the picture
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(drawn.replace(chosen, "cochlea") + "\n")


if __name__ == "__main__":
    main()
