"""Networks of integer spikes beside what they compete with: the same spikes in floating point, and no spikes at all."""

from __future__ import annotations

from dataclasses import dataclass

from ..report.content import Table
from ..rows import Row, mean_of
from .cells import TimestepCell
from .saturation import Rows, one_training

CLAIMED = (4.0, 8.0)  # how many times the energy of integers floating point is said to take


@dataclass(frozen=True)
class Rival:
    """What an inference of T timesteps costs, and what the same costs otherwise, in times of it.

    Attributes:
        row: of the spiking network.
        timesteps: T.
        energy: of an inference, in picojoules.
        floating: of the same spikes in floating point.
        precision, information: of artificial networks with the same bits, and with as many levels as T timesteps of the
            training have counts; None where they were not trained.
    """

    row: Row[TimestepCell]
    timesteps: int
    energy: float
    floating: float | None
    precision: float | None
    information: float | None


def rivals(rows: Rows) -> list[Rival]:
    """Of every quantized network, at each T."""
    made: list[Rival] = []
    for r in one_training(rows):
        if r.cell.bits is None:
            continue
        for t in r.cell.tested:
            own = _energy(r, "per_inference", t)
            if own is None:
                continue
            floating = _energy(r, "same_spikes_floating", t)
            of_ann = [
                a for a in rows.values() if a.done and not a.cell.trained and a.cell.bits == r.cell.bits
            ]
            same = [a for a in of_ann if a.cell.activation_bits == a.cell.bits]
            other = [a for a in of_ann if a.cell.activations is not None]
            if not other and r.cell.bits == r.cell.trained[-1].bit_length():  # one network is both
                other = same
            made.append(
                Rival(r, t, own, _times(floating, own), _times(_first(same), own), _times(_first(other), own))
            )
    return made


def _energy(r: Row[TimestepCell], what: str, t: int) -> float | None:
    """A mean over seeds; None where a seed does not know it."""
    found = [(r.record(s)["energy"] or {}).get(what) for s in sorted(r.done)]
    return mean_of([None if f is None else float(f[str(t)]["value"]) for f in found])


def _first(found: list[Row[TimestepCell]]) -> float | None:
    known = [r.record(min(r.done))["energy"]["per_inference"] for r in found[:1]]
    return float(known[0]["value"]) if known and known[0] is not None else None


def _times(other: float | None, own: float) -> float | None:
    return None if other is None or not own else other / own


def rival_table(rows: Rows) -> list[Table]:
    """Nothing where no quantized network is finished."""
    lines = [
        [
            r.row.name,
            str(r.timesteps),
            f"{r.energy / 1e3:,.1f}",
            *("–" if x is None else f"{x:.2f}" for x in (r.floating, r.precision, r.information)),
        ]
        for r in rivals(rows)
    ]
    heads = (
        "network", "T", "energy, nJ", "floating point, times", "ANN of equal precision, times",
        "ANN of equal information, times",
    )  # fmt: skip
    title = "Beside the same spikes in floating point, and beside artificial networks"
    return [Table(title, heads, lines)] if lines else []


def claim(rows: Rows) -> list[str]:
    """What these networks say of the claim that floating point takes 4 to 8 times the energy of integers."""
    found = [r.floating for r in rivals(rows) if r.floating is not None]
    if not found:
        return []
    low, high = min(found), max(found)
    inside = CLAIMED[0] <= low and high <= CLAIMED[1]
    outside = high < CLAIMED[0] or low > CLAIMED[1]
    verdict = "agree with" if inside else "contradict" if outside else "agree in part with"
    words = f"{low:.1f} to {high:.1f}" if f"{low:.1f}" != f"{high:.1f}" else f"{low:.1f}"
    return [
        f"The same spikes take {words} times the energy in floating point, by this table: these networks "
        f"{verdict} the claim of {CLAIMED[0]:g} to {CLAIMED[1]:g} times."
    ]
