"""What an analysis found, as rows and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...dynamics import Cycle, classify
from ...dynamics.graph import counted
from ...dynamics.orbits import Orbit
from ...measure import wilson
from ..report import Table
from .analyse import Analysis, cycles

MOST_ROWS = 50  # attractors in the table of the page


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
