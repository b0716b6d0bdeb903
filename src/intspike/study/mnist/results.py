"""The report's sentences on results. Each follows the numbers; none is written where its numbers are missing."""

from __future__ import annotations

from ...measure import Interval
from ..timesteps.growth import growth, spikes_per_step
from ..timesteps.rivals import claim, rivals
from ..timesteps.saturation import Saturation, one_training, saturations
from ..timesteps.tables import spikes
from .findings import MODELS, NAMES, Findings, goals
from .options import CODE, README
from .paper import LOSS, ROWS, SIZE, spikes_a_timestep
from .tables import KINDS, kind


def accuracy(f: Findings) -> list[str]:
    """Where timesteps stop to pay."""
    made = [_saturated(s, f) for s in saturations(f.rows[README], f.options.study(README).within)]
    a, b = (f.accuracy(None, f.at, m) for m in MODELS)
    if a is not None and b is not None:
        better, worse = (README, CODE) if a.value >= b.value else (CODE, README)
        made.append(
            f"In full precision and at T = {f.at}, the network with {NAMES[better]} is {abs(a.value - b.value):.2f} "
            "points "
            f"above the one with {NAMES[worse]}."
        )
    return made


def _saturated(s: Saturation, f: Findings) -> str:
    name = s.curve.removeprefix("trained at random T, ")
    ends = "" if s.low == s.high else f" (95 % interval {s.low} to {s.high})"
    return (
        f"With {name}{' bits' if '/' in name else ''}, T = {s.timesteps}{ends} is within "
        f"{f.options.study(README).within:g} point of the best: {s.accuracy:.2f} of {s.best:.2f} %."
    )


def beside(f: Findings) -> list[str]:
    """The study's four rows and ours."""
    shared = [t for t in ROWS if t in f.times and f.row(None, CODE) is not None]
    if not shared:
        return []
    gains = {t: a.value - ROWS[t].accuracy for t in shared if (a := f.accuracy(None, t, CODE)) is not None}
    low, high = min(gains.values()), max(gains.values())
    words = f"{low:+.2f} to {high:+.2f}" if len(gains) > 1 else f"{low:+.2f}"
    made = [
        f"The network that its code trains differs by {words} points from the study's numbers, in full precision, with "
        "batch norms and T drawn in training."
    ]
    own, last = f.row(None, CODE), max(shared)
    if own is not None:
        made.append(
            f"At T = {last} it sends {spikes(own, last) / ROWS[last].spikes:.2f} times the study's spikes."
        )
    first = f.accuracy(4, f.at)
    if first is not None and f.at in ROWS:
        gap = first.value - ROWS[f.at].accuracy
        side = "above" if gap >= 0 else "below"
        made.append(
            f"The 4-bit leaky network is {abs(gap):.2f} points {side} the study's full precision at T = {f.at}."
        )
    return made


def bits(f: Findings) -> list[str]:
    """What few bits cost."""
    made: list[str] = []
    for b in KINDS[1:]:
        assert b is not None
        change, share = f.change(b, f.at), f.share(b)
        if change is None or share is None:
            continue
        known = change.low is not None and change.high is not None
        sure = known and not change.low <= 0 <= change.high  # type: ignore[operator]
        side = "loses" if change.value < 0 else "gains"
        verdict = "" if sure else ", which these pairs do not tell from nothing" if known else " (one number)"
        made.append(
            f"At {b} bits the network takes {share:.1f} % of float32 and {side} {abs(change.value):.2f} "
            f"points{verdict}."
        )
    wanted = next((g for g in goals(f) if g.name == "study-size"), None)
    if wanted is not None and wanted.measured is not None:
        met = "is met" if wanted.measured <= LOSS else "is not met"
        made.append(f"The study's own target, {SIZE:g} % of the size for less than {LOSS:g} point, {met}.")
    made += _packed(f)
    return made


def _packed(f: Findings) -> list[str]:
    """What the packed sizes are made of."""
    shares: list[str] = []
    for b in KINDS[1:]:
        r = f.row(b)
        parts = None if r is None else r.record(min(r.done))["size_bits"]
        if parts is not None and parts.get("tables"):
            shares.append(f"{100 * parts['tables'] / parts['total']:.0f} % at {b} bits")
    if not shares:
        return []
    return [
        "Packed size counts everything: weights, biases, thresholds, states, and the tables of levels and leak that "
        f"every channel has, which are {', '.join(shares)}."
    ]


def growing(f: Findings) -> list[str]:
    """Whether spikes are linear in T."""
    made: list[str] = []
    for m in MODELS:
        found = {r.cell.bits: growth(spikes_per_step(r)) for r in one_training(f.rows[m])}
        lines = [g for g in found.values() if g is not None]
        if not found:
            continue
        if len(lines) == len(found):
            start, worst = max(g.start for g in lines), max(g.worst for g in lines)
            made.append(
                f"With {NAMES[m]}, spikes grow linearly from t = {start} on at the latest, at every number of bits: "
                f"no sum departs from its line by more than {100 * worst:.2f} % of all spikes."
            )
        else:
            never = ", ".join(kind(b) for b, g in found.items() if g is None)
            made.append(f"With {NAMES[m]}, {max(f.times)} timesteps do not show a line for {never}.")
    each = spikes_a_timestep()
    made.append(
        f"Between the study's own rows spikes grow by {each[0]:,.0f}, {each[1]:,.0f} and {each[2]:,.0f} a timestep, "
        "after "
        f"{ROWS[1].spikes:,.0f} in the first."
    )
    return made


def costs(f: Findings) -> list[str]:
    """Energy, against floating point and against networks without spikes."""
    made = claim(f.rows[README])
    times = [
        f"{1 / r.precision:.1f} times as much at {r.row.cell.bits} bits"
        for r in rivals(f.rows[README])
        if r.timesteps == f.at and r.precision
    ]
    if times:
        made.append(
            f"Beside an artificial network of the same layers and bits, the spiking one takes, at T = {f.at}, "
            f"{', '.join(times)}."
        )
    gaps: list[str] = []
    for b in (8, 4, 2):
        own, rival = f.accuracy(b, f.at), _rival(f, b)
        if own is not None and rival is not None:
            gaps.append(f"{own.value - rival.value:+.2f} at {b} bits")
    if gaps:
        made.append(f"Its accuracy differs from that network's by {', '.join(gaps)}, in points.")
    return made


def _rival(f: Findings, bits: int) -> Interval | None:
    """Accuracy of the artificial network of equal precision."""
    for r in f.rows[README].values():
        if not r.cell.trained and r.cell.bits == bits and r.cell.activations is None:
            return r.interval
    return None


def exits(f: Findings) -> list[str]:
    """What early exit saves."""
    made: list[str] = []
    for b, e in f.exits().items():
        whole = f.accuracy(b, f.at)
        if whole is None:
            continue
        gap = e.accuracy - whole.value
        made.append(
            f"At {b} bits an image runs {e.timesteps:.2f} timesteps on average, {gap:+.2f} points against all {f.at}."
        )
    return made
