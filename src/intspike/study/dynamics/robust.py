"""`intspike dynamics robust`: are integer networks less sensitive than the real ones that they were rounded from?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...dynamics import Ensemble, Robustness, robustness
from ...dynamics.network import Reset
from ...dynamics.random_networks import Threshold
from ...dynamics.robust import CHANGES
from ...errors import BadInput
from ...measure import Interval, mean_interval, paired_interval, wilson
from ..folder import clear_disk_errors, write_csv, write_json, write_text
from ..report import Page, Section, Table, write_report
from ..report.style import Figure, Panel, axis, colour, layout, plain, text
from ..report.tables import markdown
from ..watch import Watch
from .sweep_options import check_shares


@dataclass(frozen=True)
class Options:
    """Options of the comparison; fields as those of `Ensemble` and `robustness`.

    Attributes:
        seeds: networks, from seed 0, the same at every width.
    """

    neurons: int = 60
    density: float = 0.3
    bits: tuple[int, ...] = (4, 6, 8, 12, 16)
    reset: Reset = "subtract"
    signed: bool = True
    leak_shift: int = 3
    threshold: Threshold = "scaled"
    gain: float = 0.5
    inhibition: float = 0.5
    drive: float = 0.15
    steps: int = 300
    budget: int = 5000
    seeds: int = 20

    def __post_init__(self) -> None:
        if not self.bits or len(set(self.bits)) < len(self.bits):
            raise BadInput(
                f"--bits must be different widths, at least one, not {','.join(map(str, self.bits)) or 'none'}"
            )
        for name, least in (("steps", 4), ("budget", 1), ("seeds", 2)):
            if not least <= getattr(self, name) <= 10**6:
                raise BadInput(f"--{name} must be in {least}..1,000,000, not {getattr(self, name)}")
        check_shares((self.density,), self.inhibition, self.gain)
        assert [self.ensemble(b) for b in self.bits]  # which checks the others

    def ensemble(self, bits: int) -> Ensemble:
        """The networks of a width."""
        return Ensemble(
            self.neurons, self.density, bits, "saturate", self.reset, self.signed, self.leak_shift, self.threshold,
            self.gain, self.inhibition,
        )  # fmt: skip

    @property
    def command(self) -> str:
        """The command line that asks for the same."""
        words = ["intspike dynamics robust"]
        for name, value in asdict(self).items():
            if value != type(self).__dataclass_fields__[name].default:
                flag = name.replace("_", "-")
                if name == "signed":
                    words.append("--signed" if value else "--unsigned")
                else:
                    words.append(
                        f"--{flag} {','.join(map(str, value)) if isinstance(value, tuple) else value}"
                    )
        return " ".join(words)


Row = tuple[int, Robustness]


def run(options: Options, out: Path, watch: Watch | None = None) -> list[Row]:
    """Every network, change and width; table.csv, table.md, summary.json and report.html. After Ctrl-C of what is done.

    Raises:
        BadInput: a folder that cannot be used.
        KeyboardInterrupt: Ctrl-C, after what there is was written.
    """
    told = watch or Watch()
    rows: list[Row] = []
    progress = told.start("networks", options.seeds)
    with clear_disk_errors(out, keeps=False):
        try:
            for seed in range(options.seeds):  # outermost: whatever stops it, widths are compared in pairs
                for bits in options.bits:
                    for change in CHANGES:
                        found = robustness(
                            options.ensemble(bits), seed, change, drive=options.drive, steps=options.steps,
                            budget=options.budget,
                        )  # fmt: skip
                        rows.append((bits, found))
                progress(seed + 1, "")
        finally:
            if len({r.seed for _, r in rows}) > 1:
                write(rows, options, out)
    return rows


def write(rows: Sequence[Row], options: Options, out: Path) -> None:
    """All files of what was compared."""
    write_csv(out / "table.csv", [_line(bits, r) for bits, r in rows])
    made = tables(rows, options)
    write_text(out / "table.md", f"`{options.command}`\n\n" + "\n\n".join(map(markdown, made)) + "\n")
    write_json(out / "summary.json", summary(rows, options))
    write_report(out / "report.html", page(rows, options))


def _line(bits: int, r: Robustness) -> dict[str, Any]:
    return {
        "bits": bits, "seed": r.seed, "change": r.change, "distance": r.distance[0], "distance_real": r.distance[1],
        "chance": r.chance[0], "chance_real": r.chance[1], "rate": r.rates[0], "rate_changed": r.rates[1],
        "rate_real": r.rates[2], "rate_real_changed": r.rates[3], "silenced": r.silenced[0],
        "silenced_real": r.silenced[1], "other_attractor": r.attractor, "other_regime": r.regime,
    }  # fmt: skip


def _of(rows: Sequence[Row], bits: int, change: str) -> list[Robustness]:
    return [r for b, r in rows if b == bits and r.change == change]


def tables(rows: Sequence[Row], options: Options) -> list[Table]:
    """A table a change, a line a width."""
    made: list[Table] = []
    for change in CHANGES:
        lines: list[list[str]] = []
        for bits in options.bits:
            own = _of(rows, bits, change)
            known = [r.attractor for r in own if r.attractor is not None]
            others = wilson(sum(known), len(known)) if known else None
            lines.append(
                [
                    str(bits), _words(mean_interval([r.distance[0] for r in own])),
                    _words(mean_interval([r.distance[1] for r in own])), _words(_difference(own)),
                    f"{np.mean([r.rates[0] for r in own]):.3f}", f"{np.mean([r.rates[2] for r in own]):.3f}",
                    "–" if others is None else f"{_words(others)} of {others.n}",
                ]
            )  # fmt: skip
        heads = (
            "bits",
            "integers",
            "floating point",
            "integers - floating point",
            "rate",
            "rate in reals",
            "another attractor",
        )
        made.append(Table(f"{change}: share of outputs that differ", heads, lines))
    return made


def _difference(own: Sequence[Robustness]) -> Interval:
    return paired_interval([r.distance[1] for r in own], [r.distance[0] for r in own])


def _words(x: Interval) -> str:
    return f"{x.value:.3f} [{x.low or 0:.3f}, {x.high or 0:.3f}]"


def summary(rows: Sequence[Row], options: Options) -> list[dict[str, Any]]:
    """The paired difference of every change and width: negative where integers are less sensitive."""
    made: list[dict[str, Any]] = []
    for change in CHANGES:
        for bits in options.bits:
            x = _difference(_of(rows, bits, change))
            made.append(
                {
                    "name": f"outputs that differ after {change}, integers less floating point, {bits} bits",
                    "value": x.value, "low": x.low, "high": x.high, "n": x.n, "goal": None, "command": options.command,
                }
            )  # fmt: skip
    return made


def page(rows: Sequence[Row], options: Options) -> Page:
    """The report."""
    made = tables(rows, options)
    names = ("integers", "floating point")
    parts = [
        Section(
            f"change{k}", change, "Share of outputs that differ from the unchanged network, with 95 % intervals.",
            [_panel(change, rows, options)], wide=True, tables=[made[k]], legend=True,
        )
        for k, change in enumerate(CHANGES)
    ]  # fmt: skip
    again = Table("", ("", ""), [["command", options.command]])
    parts.append(Section("run", "This run", "How to get this page again.", tables=[again]))
    less = [x for x in summary(rows, options) if (x["high"] or 0) < 0]
    more = [x for x in summary(rows, options) if (x["low"] or 0) > 0]
    words = (
        f"Of {len(CHANGES) * len(options.bits)} pairs of a change and a width, integers are surely less sensitive in "
        f"{len(less)} and surely more in {len(more)}."
    )
    return Page("Integers beside floating point", words, parts, names, NOTES)


NOTES = (
    "A change is the same number of LSB in both networks, so it is larger at few bits; only integers and floating "
    "point of one width are compared.",
    "The floating-point network has the weights before rounding and the range of the codes, float64 states, and a leak "
    "that is not rounded.",
)


def _panel(change: str, rows: Sequence[Row], options: Options) -> Panel:
    data: list[Figure] = []
    for k, name in enumerate(("integers", "floating point")):
        found = [mean_interval([r.distance[k] for r in _of(rows, b, change)]) for b in options.bits]
        data.append(
            {
                "type": "scatter", "mode": "lines+markers", "x": [str(b) for b in options.bits],
                "y": plain([x.value for x in found]), "name": name, "line": {"color": colour(k), "width": 1.75},
                "error_y": {
                    "type": "data", "symmetric": False, "thickness": 1, "width": 0, "color": colour(k),
                    "array": plain([(x.high or x.value) - x.value for x in found]),
                    "arrayminus": plain([x.value - (x.low or x.value) for x in found]),
                },
                "hovertemplate": f"{name}: %{{y:.3f}} at %{{x}} bits<extra></extra>",
            }
        )  # fmt: skip
    shown = layout(axis("bits", type="category"), axis("share of outputs", rangemode="tozero"))
    return Panel(text(change), data, shown, 260)
