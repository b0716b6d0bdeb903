"""analysis.json, attractors.csv, the graph of a small program, and report.html."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...dynamics import dot, graphml
from ...dynamics.draw import MOST_DRAWN
from ...dynamics.graph import counted
from ..folder import clear_disk_errors, write_csv, write_json, write_text
from ..report import Page, Section, Table, write_report
from .analyse import Analysis
from .analyse_figures import damages, forgetting, loop, rasters, shares, transients
from .analyse_tables import Row, attractors_of, tables
from .graph_figure import state_graph


def write(a: Analysis, out: Path) -> None:
    """All files, each whole or not at all."""
    with clear_disk_errors(out, keeps=False):
        rows = attractors_of(a)
        write_json(out / "analysis.json", to_dict(a, rows))
        write_csv(out / "attractors.csv", [r[0] for r in rows])
        if a.graph is not None and len(a.graph.successors) <= MOST_DRAWN:
            write_text(out / "states.dot", dot(a.graph))
            write_text(out / "states.graphml", graphml(a.graph))
        write_report(out / "report.html", page(a, rows))


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
