"""Tables of the report on MNIST."""

from __future__ import annotations

from ...measure import Interval
from ..report.content import Table
from ..report.style import short
from ..timesteps.growth import growth, spikes_per_step
from ..timesteps.rivals import rivals
from ..timesteps.saturation import one_training
from ..timesteps.tables import ann_energy, mean_at, spikes
from .findings import MODELS, NAMES, Findings, goals, packed, points
from .options import CODE, README
from .paper import ROWS

KINDS: tuple[int | None, ...] = (None, 8, 4, 2)


def kind(bits: int | None) -> str:
    """A network's bits in words."""
    return f"{bits}/{bits} bits" if bits else "full precision"


def accuracies(f: Findings) -> Table:
    """Both networks at every T."""
    lines = [
        [NAMES[m], kind(b), *(_value(f.accuracy(b, t, m)) for t in f.times)]
        for m in MODELS
        for b in KINDS
        if f.row(b, m) is not None
    ]
    return Table("Accuracy in %, tested at each T", ("network", "", *(f"T = {t}" for t in f.times)), lines)


def beside(f: Findings) -> list[Table]:
    """The study's rows beside ours: accuracy, spikes, and its score."""
    shared = [t for t in ROWS if t in f.times]
    if not shared:
        return []
    columns = [(m, b) for m, b in ((CODE, None), (README, None), (README, 4)) if f.row(b, m) is not None]
    heads = ("T", "the study", *(f"{NAMES[m]}, {kind(b)}" for m, b in columns))

    def made(title: str, printed: list[str], own: list[list[str]]) -> Table:
        rows = [[str(t), p, *o] for t, p, o in zip(shared, printed, own, strict=True)]
        return Table(title, heads, rows)

    rows = {(m, b): r for m, b in columns if (r := f.row(b, m)) is not None}
    hits = {(t, c): a.value for t in shared for c in columns if (a := f.accuracy(c[1], t, c[0])) is not None}
    sent = {(t, c): spikes(rows[c], t) for t in shared for c in columns}
    return [
        made(
            "Accuracy, %",
            [f"{ROWS[t].accuracy:.2f}" for t in shared],
            [[f"{hits[t, c]:.2f}" for c in columns] for t in shared],
        ),
        made(
            "Spikes of an image",
            [f"{ROWS[t].spikes:,.0f}" for t in shared],
            [[f"{sent[t, c]:,.0f}" for c in columns] for t in shared],
        ),
        made(
            "Accuracy per spike, the study's score (no energy)",
            [f"{ROWS[t].score:.5f}" for t in shared],
            [[_ratio(hits[t, c], sent[t, c]) for c in columns] for t in shared],
        ),
    ]


def sizes(f: Findings) -> Table:
    """What bits save, and what they cost."""
    lines: list[list[str]] = []
    for b in KINDS:
        r = f.row(b)
        if r is None:
            continue
        if b is None:
            lines.append([kind(b), "–", "100.0", _value(f.accuracy(b, f.at)), "–"])
        else:
            share = f"{f.share(b):.1f}"
            lines.append([kind(b), packed(r), share, _value(f.accuracy(b, f.at)), points(f.change(b, f.at))])
    heads = (
        "leaky, pooled spikes", "packed", "% of float32", f"accuracy at T = {f.at}, %", "change, points [95 % interval]"
    )  # fmt: skip
    return Table("Size and accuracy", heads, lines)


def lines_of_spikes(f: Findings) -> Table:
    """Whether spikes grow in proportion to T."""
    lines: list[list[str]] = []
    for m in MODELS:
        for r in one_training(f.rows[m]):
            found = growth(spikes_per_step(r))
            shown = (
                ["no line", "–", "–"]
                if found is None
                else [f"t = {found.start}", f"{found.slope:,.1f}", f"{100 * found.worst:.2f}"]
            )
            lines.append([NAMES[m], kind(r.cell.bits), *shown])
    heads = ("network", "", "linear from", "spikes a timestep", "worst departure, % of all")
    return Table("Spikes behind the start-up", heads, lines)


def costs(f: Findings) -> Table:
    """An inference of the described network at the compared T, and rivals without spikes."""
    lines: list[list[str]] = []
    for b in KINDS:
        r = f.row(b)
        if r is None:
            continue
        operations, energy = (mean_at(r, what, f.at) for what in ("synops", "energy"))
        timed = f.latency[README].get(r.name, {}).get(str(f.at))
        lines.append(
            [
                f"spiking, {kind(b)}",
                _value(f.accuracy(b, f.at)),
                f"{spikes(r, f.at):,.0f}",
                "–" if operations is None else short(operations),
                "–" if energy is None else f"{energy / 1e3:,.1f}",
                "–" if timed is None else f"{timed['one'][0]:.3f}",
            ]
        )
    for r in f.rows[README].values():
        if not r.cell.trained and r.done:
            c, energy = r.cell, ann_energy(r)
            bits = f"{c.bits}/{c.activation_bits} bits" if c.bits else "full precision"
            nj = "–" if energy is None else f"{energy / 1e3:,.1f}"
            lines.append([f"artificial, {bits}", _value(r.interval), "–", "–", nj, "–"])
    heads = ("network", "accuracy, %", "spikes", "SynOps", "energy, nJ", "latency, ms")
    return Table(f"An inference, T = {f.at}", heads, lines)


def rival_times(f: Findings) -> list[Table]:
    """Energy of rivals in times of the spiking network's, at the compared T."""
    lines = [
        [
            kind(r.row.cell.bits),
            *("–" if x is None else f"{x:.2f}" for x in (r.floating, r.precision, r.information)),
        ]
        for r in rivals(f.rows[README])
        if r.timesteps == f.at
    ]
    heads = ("spiking", "same spikes in floating point", "ANN, equal precision", "ANN, equal information")
    return [Table("Energy in times of the spiking network's", heads, lines)] if lines else []


def exits(f: Findings) -> Table:
    """Early exit of the described network."""
    lines = [
        [kind(b), f"{e.margin:.1f}", f"{e.timesteps:.2f}", f"{e.accuracy:.2f}", _value(f.accuracy(b, f.at))]
        for b, e in f.exits().items()
    ]
    heads = ("network", "margin", "mean timesteps", "accuracy, %", f"all {f.at} timesteps, %")
    return Table("Early exit, its margin chosen on validation images", heads, lines)


def goal_table(f: Findings) -> Table:
    """What was to be reached."""
    lines = [
        [
            g.text,
            f"{'at least' if g.least else 'at most'} {g.limit:g}",
            "–" if g.measured is None else f"{g.measured:.2f}",
            g.verdict,
        ]
        for g in goals(f)
    ]
    return Table("Goals", ("goal", "limit", "measured", ""), lines)


def _value(i: Interval | None) -> str:
    return "–" if i is None else f"{i.value:.2f}"


def _ratio(a: float, b: float) -> str:
    return f"{a / b:.5f}" if b else "–"
