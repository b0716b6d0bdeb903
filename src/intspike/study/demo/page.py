"""report.html and summary.json of the demo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..folder import clear_disk_errors, write_json
from ..report import Page, Section, Table, write_report
from ..report.style import Figure, Panel, apart, axis, colour, layout, note, plain, short, size, text
from .run import Demo, Shown

DRAWN = 6  # images that the page shows
LINE = 0.1  # height of a label, as a share of the largest count


def write(demo: Demo, out: Path) -> None:
    """Both files, each whole or not at all."""
    with clear_disk_errors(out, keeps=False):
        write_json(out / "summary.json", demo.to_dict())
        write_report(out / "report.html", page(demo))


def table(demo: Demo) -> Table:
    """One column a network."""
    n = len(demo.dataset.test)

    def inside(s: Shown) -> str:
        a = s.accuracy
        return f"{100 * a.value:.1f} [{100 * (a.low or 0):.1f}, {100 * (a.high or 0):.1f}]"

    lines: dict[str, Callable[[Shown], str]] = {
        f"right of {n:,} images, % [95 % interval]": inside,
        "right of the published 10,000, %": lambda s: f"{100 * s.network.correct / s.network.test:.2f}",
        "packed": lambda s: size(s.size.total),
        "the same in float32": lambda s: size(s.size.float32),
        "synaptic operations an image": lambda s: short(s.synops),
        "time an image, one thread": lambda s: (
            "–" if s.latency is None else f"{1e3 * s.latency.median:.2f} ms"
        ),
        "integers compared with its C": lambda s: short(s.exact.compared),
        "of them different": lambda s: str(s.exact.mismatches),
    }
    rows = [[name, *(shown(s) for s in demo.networks)] for name, shown in lines.items()]
    return Table("Networks that travel with intspike", ("", *(s.network.name for s in demo.networks)), rows)


def page(demo: Demo) -> Page:
    """The report."""
    words = [f"{s.network.name}: {s.network.title}. Trained in {s.network.training}." for s in demo.networks]
    steps = demo.networks[0].network.timesteps
    made = [
        Section(
            "networks",
            "Networks",
            "Everything is integers, and nothing was trained here.",
            tables=[table(demo)],
        ),
        Section(
            "images",
            "Images, step by step",
            f"Output spikes so far, over {steps} timesteps. Solid: the class that is right. Dotted: the strongest "
            "other. The class with the most spikes at the end is the answer.",
            [_image(demo, k) for k in range(DRAWN)],
            legend=True,
        ),
    ]
    told = (
        f"{len(demo.dataset.test):,} images through {len(demo.networks)} integer networks, and the first "
        f"{demo.networks[0].exact.samples} through their C: equal in every spike and stored code."
    )
    return Page(
        "Integer spiking networks on Fashion-MNIST",
        told,
        made,
        [s.network.name for s in demo.networks],
        words,
    )


def _image(demo: Demo, k: int) -> Panel:
    """An image, and the output spikes of its class and of the strongest other one, network by network."""
    test, classes = demo.dataset.test, demo.dataset.classes
    label = int(test.labels[k])
    data: list[Figure] = [
        {
            "type": "heatmap", "z": test.inputs[k].reshape(demo.dataset.frame[1:])[::-1].tolist(), "xaxis": "x2",
            "yaxis": "y2", "showscale": False, "hoverinfo": "skip", "colorscale": [[0, "$muted/0.08"], [1, "$ink"]],
        }
    ]  # fmt: skip
    said: list[str] = []
    ends: list[float] = []
    most = 1.0
    rivals: list[str] = []
    for shade, s in enumerate(demo.networks):
        counts = (
            s.trace.spikes[s.program.readout.source.source][:, k].reshape(s.trace.timesteps, -1).cumsum(0)
        )
        most = max(most, float(counts[-1].max()))
        rival = max((c for c in range(len(classes)) if c != label), key=lambda c: counts[-1, c])
        said.append(classes[int(s.trace.classes[k])])
        for c, dash in ((label, "solid"), (rival, "dot")):
            data.append(
                {
                    "type": "scatter", "mode": "lines", "x": list(range(1, len(counts) + 1)), "y": plain(counts[:, c]),
                    "line": {"color": colour(shade), "width": 2, "dash": dash, "shape": "hv"},
                    "hovertemplate": f"{text(s.network.name)}, {text(classes[c])}: %{{y}}<extra></extra>",
                }
            )  # fmt: skip
        ends.append(float(counts[-1, rival]))
        rivals.append(classes[rival])
    places = apart(ends, LINE * most)
    lowest = min(0.0, *places)  # no label lies below the axis, where it would not be drawn
    words = [
        note(
            text(name),
            1.0,
            at - lowest,
            xref="paper",
            xanchor="left",
            xshift=6,
            font={"size": 11, "color": colour(shade)},
        )
        for shade, (name, at) in enumerate(zip(rivals, places, strict=True))
    ]
    hidden = {"showgrid": False, "showticklabels": False}
    made = layout(
        axis("timestep", domain=[0.4, 1.0]), axis("spikes", range=[0, 1.1 * most], anchor="x"), annotations=words,
        xaxis2=axis("", domain=[0.0, 0.26], anchor="y2", constrain="domain", **hidden),
        yaxis2=axis("", anchor="x2", scaleanchor="x2", constrain="domain", **hidden),
        margin={"l": 8, "r": 84, "t": 8, "b": 42},
    )  # fmt: skip
    return Panel(f"{classes[label]}, seen as {' and '.join(dict.fromkeys(said))}", data, made, 200)
