"""The files of `intspike dynamics trained`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ...measure import Interval, mean_interval
from ..folder import write_csv, write_json, write_text
from ..report import Page, Section, Table, write_report
from ..report.style import Figure, Panel, axis, colour, layout, plain
from ..report.tables import markdown
from .trained_network import Options, Trained, of

# what is told of each kind: its words, and the number
NUMBERS: dict[str, Callable[[Trained], float | None]] = {
    "accuracy": lambda r: r.accuracy,
    "rate": lambda r: r.rate,
    "two states merge under a stream, share": lambda r: r.merged,
    "until they merge, timesteps": lambda r: r.washout,
    "silent after a stream, share": lambda r: r.silent,
    "until the last spike, timesteps": lambda r: r.quiet_after,
    "spikes go on after a stream, share": lambda r: r.goes_on,
    "silence is proved, share": lambda r: float(r.proved),
    "damage slope": lambda r: r.slope,
    "damage healed, share": lambda r: r.healed,
    "damage plateau": lambda r: r.plateau,
}

_SHARES = [
    number for name, number in NUMBERS.items() if name in ("accuracy", "rate") or name.endswith("share")
]


def write(rows: Sequence[Trained], options: Options, out: Path) -> None:
    """table.csv, table.md, summary.json and report.html."""
    write_csv(out / "table.csv", [asdict(r) for r in rows])
    write_text(out / "table.md", f"`{options.command}`\n\n{markdown(table(rows, options))}\n")
    write_json(out / "summary.json", summary(rows, options))
    write_report(out / "report.html", page(rows, options))


def kinds(rows: Sequence[Trained], options: Options) -> list[tuple[str, int]]:
    """What there are networks of."""
    return [(n, b) for n in options.neurons for b in options.bits if of(rows, n, b)]


def interval(rows: Sequence[Trained], number: Callable[[Trained], float | None]) -> Interval | None:
    """Mean over seeds; None where no seed has the number."""
    known = [x for x in map(number, rows) if x is not None]
    if not known:
        return None
    x = mean_interval(known)
    if x.low is None or x.high is None or number not in _SHARES:
        return x
    return replace(
        x, low=max(0.0, x.low), high=min(1.0, x.high)
    )  # the interval of a mean may leave what shares can be


def table(rows: Sequence[Trained], options: Options) -> Table:
    """A line a number, a column a kind."""
    made = kinds(rows, options)
    lines = [
        [name, *(_words(interval(of(rows, *kind), number)) for kind in made)]
        for name, number in NUMBERS.items()
    ]
    heads = ("", *(f"{neuron}, {bits} bits" for neuron, bits in made))
    return Table("trained recurrent networks", heads, lines)


def _words(x: Interval | None) -> str:
    if x is None:
        return "–"
    ends = "" if x.low is None or x.high is None else f" [{x.low:.3g}, {x.high:.3g}]"
    return f"{x.value:.3g}{ends}"


def summary(rows: Sequence[Trained], options: Options) -> list[dict[str, Any]]:
    """Every number of every kind, with its interval over seeds."""
    made: list[dict[str, Any]] = []
    for neuron, bits in kinds(rows, options):
        for name, number in NUMBERS.items():
            x = interval(of(rows, neuron, bits), number)
            if x is not None:
                made.append(
                    {
                        "name": f"{neuron}, {bits} bits: {name}", "value": x.value, "low": x.low, "high": x.high,
                        "n": x.n, "goal": None, "command": options.command,
                    }
                )  # fmt: skip
    return made


NOTES = (
    "Delayed match: two symbols with silence between them, and whether they are the same. Streams are test samples, "
    "one behind the other.",
    "Rest and a random state under the same stream: once they are one, everything before it is forgotten, exactly.",
    "A kick is +1 LSB of one stored membrane, under a stream that repeats. Slope: neurons that differ then.",
    "Intervals are over seeds, 95 %. A share of networks is a mean of 0 and 1.",
)


def page(rows: Sequence[Trained], options: Options) -> Page:
    """The report."""
    look = "Means over seeds."
    shown = (
        "two states merge under a stream, share",
        "until they merge, timesteps",
        "spikes go on after a stream, share",
        "damage healed, share",
    )
    parts = [
        Section(
            "numbers", "What training made", look, [_panel(n, rows, options) for n in shown],
            tables=[table(rows, options)], legend=True,
        ),
        Section("run", "This run", "How to get this page again.",
                tables=[Table("", ("", ""), [["command", options.command]])]),
    ]  # fmt: skip
    silent = [r for r in rows if r.silent == 1.0]
    words = (
        f"Of {len(rows)} trained networks {len(silent)} are silent again after every stream; it is proved of "
        f"{sum(r.proved for r in rows)} that silence then lasts."
    )
    return Page("Trained recurrent networks as maps", words, parts, tuple(options.neurons), NOTES)


def _panel(name: str, rows: Sequence[Trained], options: Options) -> Panel:
    data: list[Figure] = []
    for k, neuron in enumerate(options.neurons):
        found = [(b, interval(of(rows, neuron, b), NUMBERS[name])) for b in options.bits]
        known = [(b, x) for b, x in found if x is not None]
        data.append(
            {
                "type": "scatter", "mode": "lines+markers", "x": [str(b) for b, _ in known],
                "y": plain([x.value for _, x in known]), "name": neuron,
                "line": {"color": colour(k), "width": 1.75},
                "hovertemplate": f"{neuron}: %{{y:.3g}} at %{{x}} bits<extra></extra>",
            }
        )  # fmt: skip
    shown = layout(axis("bits", type="category"), axis("", rangemode="tozero"))
    return Panel(name, data, shown, 240)
