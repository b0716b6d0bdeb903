"""Tables, summary and report of a sweep of random integer networks."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...dynamics.regime import LABELS
from ...measure import Interval, median_interval, wilson
from ..folder import write_csv, write_json, write_text
from ..grid import Finished
from ..report import Page, Section, Table, write_report
from ..report.tables import markdown
from .sweep_figures import distributions, maps, rates, shares
from .sweep_options import Options, RandomCell

Network = Mapping[str, Any]
_CELL = ("neurons", "density", "bits", "overflow", "reset", "signed", "leak", "threshold")
QUIET = LABELS[:2]
SHORT = ("zero", "dead zone", "steady", "cycle", "saturated", "unresolved")  # LABELS as headings


def networks_of(finished: Iterable[Finished]) -> list[Network]:
    """One entry a network: what it was drawn from and what was measured."""
    made: list[Network] = []
    for f in finished:
        if f.status == "done" and f.record is not None and isinstance(f.cell, RandomCell):
            drawn = {name: getattr(f.cell, name) for name in _CELL} | {"theta": f.record["theta"]}
            made += [drawn | dict(n) for n in f.record["networks"]]
    return made


def write(finished: Sequence[Finished], options: Options, out: Path, *, of: int) -> None:
    """table.csv (a line a network), table.md, summary.json and report.html of the finished cells, of so many in all."""
    networks = networks_of(finished)
    write_csv(out / "table.csv", networks)
    tables = "\n\n".join(map(markdown, [*regime_table(networks), *length_table(networks)]))
    write_text(out / "table.md", f"`{options.command}`\n\n{tables}\n")
    write_json(out / "summary.json", summary_of(networks, options))
    write_report(out / "report.html", page_of(finished, networks, options, of))


def groups(networks: Iterable[Network], *names: str) -> dict[tuple[Any, ...], list[Network]]:
    """Networks by the values of some fields."""
    made: dict[tuple[Any, ...], list[Network]] = {}
    for n in networks:
        made.setdefault(tuple(n[name] for name in names), []).append(n)
    return made


def words_of(key: Sequence[Any], names: Sequence[str]) -> str:
    """Values of fields for people."""
    made: list[str] = []
    for name, value in zip(names, key, strict=True):
        if name == "leak":
            made.append("no leak" if value is None else f"leak shift {value}")
        elif name == "overflow":
            made.append({"saturate": "saturating", "wrap": "wrapping"}[value])
        elif name == "bits":
            made.append(f"{value} bits")
        else:
            made.append(f"{name} {value}")
    return ", ".join(made)


SETTINGS = ("threshold", "overflow", "reset", "leak")


def active(networks: Sequence[Network]) -> Interval:
    """Share of networks that are not quiescent in the long run; those unresolved count as active."""
    return wilson(sum(n["regime"] not in QUIET for n in networks), len(networks))


def summary_of(networks: Sequence[Network], options: Options) -> list[dict[str, Any]]:
    """Of every setting and width: the share of networks that stay active, and that of those unresolved."""
    made: list[dict[str, Any]] = []
    for key, own in groups(networks, *SETTINGS, "bits").items():
        unresolved = wilson(sum(n["transient"] is None for n in own), len(own))
        for what, share in (("active", active(own)), ("unresolved within the budget", unresolved)):
            made.append(
                {
                    "name": f"{what}: {words_of(key, (*SETTINGS, 'bits'))}",
                    "value": share.value, "low": share.low, "high": share.high, "n": share.n, "goal": None,
                    "command": options.command,
                }
            )  # fmt: skip
        for name, x in lengths(own).items():
            if math.isfinite(x.value):
                ends = [None if e is None or math.isinf(e) else e for e in (x.low, x.high)]
                made.append(
                    {
                        "name": f"median {name} of active networks: {words_of(key, (*SETTINGS, 'bits'))}",
                        "value": x.value, "low": ends[0], "high": ends[1], "n": x.n, "goal": None,
                        "command": options.command,
                    }
                )  # fmt: skip
    return made


def lengths(networks: Sequence[Network]) -> dict[str, Interval]:
    """Median transient and periods of the networks that stay active; what is unresolved is infinitely long."""
    own = [n for n in networks if n["regime"] not in QUIET]
    if not own:
        return {}
    return {
        name.replace("_", " "): median_interval([math.inf if n[name] is None else n[name] for n in own])
        for name in ("transient", "state_period", "spike_period")
    }


def length_table(networks: Sequence[Network]) -> list[Table]:
    """Of every setting: how long transients and periods are at each width, in networks that stay active."""
    made: list[Table] = []
    for key, setting in groups(networks, *SETTINGS).items():
        lines: list[list[str]] = []
        for (bits,), own in sorted(groups(setting, "bits").items()):
            found = lengths(own)
            if found:
                lines.append([str(bits), str(found["transient"].n), *map(_length, found.values())])
        columns = ("bits", "active", "transient", "state period", "spike period")
        if lines:
            made.append(Table(f"median lengths: {words_of(key, SETTINGS)}", columns, lines))
    return made


def _length(x: Interval) -> str:
    shown = ["unresolved" if e is None or math.isinf(e) else f"{e:g}" for e in (x.value, x.low, x.high)]
    return shown[0] if shown[0] == "unresolved" else f"{shown[0]} [{shown[1]}, {shown[2]}]"


def regime_table(networks: Sequence[Network]) -> list[Table]:
    """Of every setting: how many networks are in each regime at each width, and the share that stays active."""
    made: list[Table] = []
    for key, setting in groups(networks, *SETTINGS).items():
        lines: list[list[str]] = []
        for (bits,), own in sorted(groups(setting, "bits").items()):
            share = active(own)
            counts = [sum(n["regime"] == label for n in own) for label in LABELS]
            between = f"{share.value:.0%} [{share.low or 0:.0%}, {share.high or 0:.0%}]"
            lines.append(
                [str(bits), str(own[0]["theta"]), *map(str, counts), f"{_mean(own, 'rate'):.3f}", between]
            )
        columns = ("bits", "theta", *SHORT, "rate", "active [95 % interval]")
        made.append(Table(words_of(key, SETTINGS), columns, lines))
    return made


def _mean(networks: Sequence[Network], name: str) -> float:
    return sum(n[name] for n in networks) / len(networks)


def page_of(finished: Sequence[Finished], networks: Sequence[Network], options: Options, of: int) -> Page:
    """The report."""
    quiet = sum(n["regime"] in QUIET for n in networks)
    unresolved = sum(n["transient"] is None for n in networks)
    summary = (
        f"Of {len(networks):,} networks {quiet:,} fall silent and {len(networks) - quiet - unresolved:,} settle into "
        f"activity within {options.budget:,} timesteps; {unresolved:,} are unresolved within that budget."
    )
    if len(finished) < of:
        summary += f" {len(finished):,} of {of:,} cells are finished; the same command computes the others."
    settings = groups(networks, *SETTINGS)
    named = {words_of(key, SETTINGS): own for key, own in settings.items()}
    seen = [label for label in LABELS if any(n["regime"] == label for n in networks)]
    sections = [
        Section(
            "regimes", "Regimes and width", "A share of networks at each width of the membrane potential.",
            [shares(name, own, seen) for name, own in named.items()], legend=True, tables=regime_table(networks),
        ),
        Section(
            "maps", "Regime maps", "The most frequent regime of each size and density; hover for all of them.",
            [p for name, own in named.items() for p in maps(name, own, seen)], legend=True,
        ),
        Section(
            "rates", "Firing rates",
            f"Spikes per neuron and timestep over the first {options.steps:,} timesteps, mean and every network.",
            [rates(name, own) for name, own in named.items()],
        ),
        Section(
            "transients", "Transients and periods",
            f"Share of networks at or below each length; what is unresolved within {options.budget:,} timesteps is "
            "censored, so a line that ends below 1 ends there.",
            [p for name, own in named.items() for p in distributions(name, own)], wide=True,
            tables=length_table(networks),
        ),
    ]  # fmt: skip
    failed = [[f.cell.name, f.reason] for f in finished if f.status == "failed"]
    if failed:
        sections.append(Section("failed", "Failed", "", tables=[Table("", ("cell", "reason"), failed)]))
    rows = [["command", options.command], ["python", platform.python_version()]]
    sections.append(
        Section("run", "This sweep", "How to get this page again.", tables=[Table("", ("", ""), rows)])
    )
    notes = [
        "Each network is run from one state drawn uniformly from all codes: shares are over networks and starts, not "
        "basins.",
        "Networks of one seed, size and density are one real network at every width: its weights are rounded to LSB.",
        "Weights of arXiv 2604.01042 are not known to us; ours are uniform in size, "
        f"up to {options.gain:g} thresholds, {options.inhibition:.0%} of them negative.",
    ]
    return Page("Random integer networks", summary, sections, seen, notes)
