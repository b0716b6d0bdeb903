"""analysis.json, attractors.csv, the graph of a small program, and report.html."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...dynamics import Cycle, classify, dot, graphml
from ...dynamics.draw import MOST_DRAWN
from ...dynamics.graph import counted
from ...dynamics.orbits import Orbit
from ...measure import wilson
from ..folder import clear_disk_errors, write_csv, write_json, write_text
from ..report import Page, Section, Table, write_report
from .analyse import Analysis, cycles
from .analyse_figures import damages, forgetting, loop, rasters, shares, transients
from .graph_figure import state_graph

MOST_ROWS = 50  # attractors in the table of the page


def write(a: Analysis, out: Path) -> None:
    """All files, each whole or not at all."""
    with clear_disk_errors(out):
        rows = attractors_of(a)
        write_json(out / "analysis.json", to_dict(a, rows))
        write_csv(out / "attractors.csv", [r[0] for r in rows])
        if a.graph is not None and len(a.graph.successors) <= MOST_DRAWN:
            write_text(out / "states.dot", dot(a.graph))
            write_text(out / "states.graphml", graphml(a.graph))
        write_report(out / "report.html", page(a, rows))


Row = tuple[dict[str, Any], Cycle]


def attractors_of(a: Analysis) -> list[Row]:
    """A line for every observable attractor, largest basin first, and a cycle of each."""
    hits: dict[str, int] = {}
    kinds: dict[str, list[str]] = {}
    first: dict[str, Cycle] = {}
    for count, cycle in cycles(a):
        name = cycle.observable
        hits[name] = hits.get(name, 0) + count
        regime = str(classify(a.network, Orbit(a.options.budget, 0, cycle)))
        kinds.setdefault(name, []).append(regime)
        first.setdefault(name, cycle)
    total = len(a.graph.successors) if a.graph is not None else len(a.orbits)
    made: list[Row] = []
    for name in sorted(hits, key=lambda k: (-hits[k], k)):
        cycle = first[name]
        share = wilson(hits[name], total)
        made.append(
            (
                {
                    "observable": name,
                    "regime": " / ".join(dict.fromkeys(kinds[name])),
                    "share": share.value,
                    "low": None if a.graph is not None else share.low,
                    "high": None if a.graph is not None else share.high,
                    "state_attractors": len(kinds[name]),
                    "state_period": cycle.period,
                    "spike_period": cycle.spike_period,
                    "rate": cycle.rate,
                    "active": cycle.active,
                },
                cycle,
            )
        )
    return made


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.3g} %"


def tables(a: Analysis, rows: Sequence[Row], most: int = MOST_ROWS) -> list[Table]:
    """What is printed, and shown on the page, with so many attractors."""
    n = a.network
    about: list[list[str]] = [
        ["layers", ", ".join(n.layers)],
        ["neurons", f"{n.neurons:,}"],
        ["states", counted(n)],
        ["drive", "none" if not n.driven else "constant" if n.phases == 1 else f"repeats after {n.phases}"],
        ["recurrent", "yes" if a.loop else "no: each layer settles in bounded time"],
    ]
    if a.from_rest is not None:
        about.append(["from rest", _orbit_words(a, a.from_rest)])
    made = [Table("program", ("", ""), about)]
    if a.settled:
        lines = [
            [
                s.layer, _long(s.within), "attained" if s.attained else "counted by states", s.output,
                "–" if s.output != "periodic" else _long(s.period),
            ]
            for s in a.settled
        ]  # fmt: skip
        made.append(
            Table(
                "bounds, from every state", ("layer", "on its cycle within", "", "output", "period divides"), lines
            )
        )  # fmt: skip
    proofs = [[c.kind, str(c)] for c in a.certificates]
    proofs += [["silence", str(a.silence)]] if a.silence is not None else []
    if proofs:
        made.append(Table("proved for every state", ("", ""), proofs))
    if rows:
        lines = [
            [
                r["regime"], _share(r), str(r["state_attractors"]), str(r["state_period"]),
                f"{r['rate']:.3g}", f"{r['active']} of {n.neurons}",
            ]
            for r, _ in rows[:most]
        ]  # fmt: skip
        more = f" (the largest {most} of {len(rows):,})" if len(rows) > most else ""
        made.append(
            Table(
                f"observable attractors{more}",
                ("regime", "share of states", "state attractors", "period", "rate", "fire"),
                lines,
            )
        )  # fmt: skip
    if a.hurt:
        lines = [
            [
                str(k),
                f"{d.slope:.2f}",
                f"{d.plateau:.3f}",
                f"{d.healed:.0%}",
                _median(d.merged[d.merged >= 0]),
            ]
            for k, d in a.hurt
        ]
        made.append(
            Table(
                "damage after a kick", ("codes", "slope", "plateau", "healed", "median time to heal"), lines
            )
        )
    if a.after is not None:
        made.append(_after(a))
    if a.ramp is not None:
        made.append(_ramp(a))
    if a.pulses:
        lines = [
            [
                str(p.drive),
                str(p.timesteps),
                _orbit_words(a, p.before),
                _orbit_words(a, p.after),
                _switched(p.switched),
            ]
            for p in a.pulses
        ]
        made.append(Table("pulses", ("drive", "timesteps", "before", "after", "switched"), lines))
    return made


def _switched(x: bool | None) -> str:
    return "not resolved" if x is None else "yes" if x else "no"


def _ramp(a: Analysis) -> Table:
    r = a.ramp
    assert r is not None
    words = lambda o: str(classify(a.network, o))  # noqa: E731
    lines = [
        [str(d), words(up), words(down), "yes" if d in r.loop else ""]
        for d, up, down in zip(r.drives, r.rising, r.falling, strict=True)
    ]
    return Table("ramp", ("drive", "rising", "falling", "differs"), lines)


def _share(r: dict[str, Any]) -> str:
    if r["low"] is None:
        return _percent(r["share"])
    return f"{_percent(r['share'])} [{100 * r['low']:.3g}, {100 * r['high']:.3g}]"


def _long(x: int) -> str:
    return f"{x:,}" if x < 10**9 else f"about 10^{len(str(x)) - 1}"


def _median(x: Any) -> str:
    return f"{np.median(x):g}" if len(x) else "–"


def _orbit_words(a: Analysis, o: Orbit) -> str:
    words = str(classify(a.network, o))
    return words if o.transient is None else f"{words}, after {o.transient:,} timesteps"


def _after(a: Analysis) -> Table:
    f = a.after
    assert f is not None
    count = len(f.merged)
    merged, back = f.merged[f.merged >= 0], f.silent[f.silent >= 0]
    regimes = [str(r.label) for r in f.regimes]
    lines = [
        ["two states under one stimulus merge", f"{len(merged)} of {count}", _median(merged)],
        ["silent again after the stimulus", f"{len(back)} of {count}", _median(back)],
        ["spikes go on", f"{int((f.silent == -1).sum())} of {count}", "–"],
        ["not resolved", f"{int((f.silent == -2).sum())} of {count}", "–"],
    ]
    lines += [[f"ends {r}", f"{regimes.count(r)} of {count}", "–"] for r in dict.fromkeys(regimes)]
    return Table(f"stimuli of {f.timesteps} timesteps", ("", "stimuli", "median timesteps"), lines)


def summary(a: Analysis, rows: Sequence[Row]) -> str:
    """One sentence: what came out."""
    if a.graph is not None:
        return f"{a.options.artifact.name}: {a.graph}."
    if (basins := a.basins) is not None:
        return f"{a.options.artifact.name}: {basins}."
    return f"{a.options.artifact.name}: nothing was followed to its end."


def page(a: Analysis, rows: Sequence[Row]) -> Page:
    """The report."""
    made = {t.title.split()[0]: t for t in tables(a, rows)}
    kept = lambda *names: [made[k] for k in names if k in made]  # noqa: E731
    parts = [
        Section(
            "program", "The program", "What is a state, and what it does from rest.", tables=kept("program")
        )
    ]
    if "bounds," in made or "proved" in made:
        look = "These hold for every state there is, whatever was drawn below."
        parts.append(Section("proved", "What is proved", look, tables=kept("bounds,", "proved")))
    if rows:
        look = "Attractors that send the same spikes are one. Lines are 95 % intervals."
        bars = [shares([r for r, _ in rows])]
        parts.append(Section("attractors", "Attractors", look, bars, wide=True, tables=kept("observable")))
        pictures = rasters([(r["regime"], c) for r, c in rows if r["rate"]][:4])
        if pictures:
            parts.append(
                Section("rasters", "What they send", "One line a neuron, from the least state on.", pictures)
            )
    if a.graph is not None and (drawing := state_graph(a.graph)) is not None:
        look = "Filled: something fires. Large: on a cycle. One colour for what sends the same in the end."
        parts.append(Section("graph", "State graph", look, [drawing], wide=True))
    if (panel := transients(a)) is not None:
        look = "The share of states that are on their attractor within so many timesteps."
        parts.append(Section("transients", "Transients", look, [panel], wide=True))
    if a.hurt:
        look = "Neurons that send something else after one of them was kicked, on the largest attractor that fires."
        parts.append(Section("damage", "Damage", look, damages(a.hurt), tables=kept("damage")))
    if a.after is not None:
        look = "Two states under one stimulus, and what is left when it ends."
        parts.append(Section("stimuli", "Stimuli", look, forgetting(a.after), tables=kept("stimuli")))
    if a.ramp is not None:
        look = "Where the lines part, what the network does depends on where it comes from."
        parts.append(
            Section("ramp", "Hysteresis", look, [loop(a.ramp)], wide=True, tables=kept("ramp", "pulses"))
        )
    again = Table("", ("", ""), [["command", a.options.command]])
    parts.append(Section("run", "This run", "How to get this page again.", tables=[again]))
    return Page(f"Dynamics of {a.options.artifact.name}", summary(a, rows), parts, (), notes(a))


def notes(a: Analysis) -> list[str]:
    """What a reader must know."""
    made = [
        "A state is every stored code, every output that codes do not tell, and every delay; sums that only the "
        "readout keeps are no part of it.",
    ]
    if a.graph is None:
        made.append(
            "Shares are of states drawn uniformly from all there are, which need not be those that inputs reach."
        )
    if a.stopped:
        made.append(f"This is not the whole analysis: {a.stopped}.")
    if a.options.data is None and a.after is not None:
        made.append("Stimuli are input codes drawn uniformly; --data takes test samples.")
    return made


def to_dict(a: Analysis, rows: Sequence[Row]) -> dict[str, Any]:
    """Plain data, for JSON."""
    basins = a.basins
    return {
        "command": a.options.command,
        "stopped": a.stopped or None,
        "neurons": a.network.neurons,
        "states": counted(a.network),
        "recurrent": a.loop,
        "settled": [{**vars(s), "within": s.within, "period": str(s.period)} for s in a.settled],
        "silence": None if a.silence is None else vars(a.silence),
        "certificates": [c.plain() for c in a.certificates],
        "exhaustive": a.graph is not None,
        "drawn": len(a.orbits),
        "unresolved": 0 if basins is None else basins.unresolved,
        "largest_unseen": None if basins is None else basins.largest_unseen,
        "unseen_mass": None if basins is None else basins.unseen_mass,
        "observable_attractors": [r for r, _ in rows],
        "transients": [] if basins is None else basins.transients.tolist(),
        "damage": [
            {"kick": k, "slope": d.slope, "plateau": d.plateau, "healed": d.healed, "merged": d.merged.tolist()}
            for k, d in a.hurt
        ],
        "hysteresis": None
        if a.ramp is None
        else {"drives": a.ramp.drives, "differs": a.ramp.loop, "rates": a.ramp.rates()},
        "pulses": [{"drive": p.drive.tolist(), "timesteps": p.timesteps, "switched": p.switched} for p in a.pulses],
        "stimuli": None
        if a.after is None
        else {
            "timesteps": a.after.timesteps, "merged": a.after.merged.tolist(), "silent": a.after.silent.tolist(),
            "regimes": [str(r) for r in a.after.regimes],
        },
    }  # fmt: skip
