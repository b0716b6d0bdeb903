"""What a measurement of energy says in tables, for the terminal and the report."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from ...measure.energy import CAUSES, LITERATURE, BreakEven, Span
from ...measure.energy.span import UNITS
from ..report import Table
from .costs import Costs

WORDS = "what it is"


def tables(c: Costs, brief: bool = False) -> list[Table]:
    """All that there is to say, in order; in brief without the column of words, for a terminal."""
    made = [*_energies(c), *_converters(c), *_cycles(c)]
    if c.rivals:
        made += [_rivals(c), _break_even(c, brief)]
    made.append(_activity(c))
    return [_without_words(t) for t in made] if brief else made


def _without_words(t: Table) -> Table:
    if t.columns[-1] != WORDS:
        return t
    return Table(t.title, t.columns[:-1], [row[:-1] for row in t.rows])


def unit_of(spans: list[Span]) -> str:
    """The unit in which the largest of several energies has a few digits in front of the point."""
    most = max((s.value for s in spans), default=Fraction(0))
    return next((u for u in ("uJ", "nJ", "pJ") if most >= UNITS[u]), "fJ")


def number(x: Fraction | float, unit: str) -> str:
    """Three digits, in a unit."""
    value = float(x / UNITS[unit] if isinstance(x, Fraction) else x)
    return f"{value:,.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".") if value else "0"


def _energies(c: Costs) -> list[Table]:
    if c.energy is None:
        return []
    e, whole = c.energy, c.energy.per_inference
    unit = unit_of([whole])
    causes = list(e.by_cause)
    rows = [
        [layer, *(_part(e.parts.get((layer, k)), e.samples, unit) for k in causes), _part(span, 1, unit)]
        for layer, span in e.by_layer.items()
    ]
    rows.append(["all", *(_part(e.by_cause[k], 1, unit) for k in causes), _part(whole, 1, unit)])
    title = f"energy of an inference in {unit} by layer and cause ({e.table})"
    interval = [
        [k, number(s.value, unit), number(s.low, unit), number(s.high, unit), _share(s, whole), CAUSES[k]]
        for k, s in [*e.by_cause.items()]
    ]
    interval.append(
        ["all", number(whole.value, unit), number(whole.low, unit), number(whole.high, unit), "100", ""]
    )
    return [
        Table(title, ("layer", *causes, "all"), rows),
        Table(
            f"the same as intervals in {unit}: what the table's ranges leave open",
            ("cause", "value", "low", "high", "%", WORDS),
            interval,
        ),
    ]


def _part(s: Span | None, samples: int, unit: str) -> str:
    """A cell of the table by layer: three decimals, so that what is small looks small."""
    value = 0.0 if s is None else float(s.value / UNITS[unit]) / samples
    return f"{value:,.3f}" if value else ""


def _share(s: Span, whole: Span) -> str:
    return f"{100 * float(s.value / whole.value):.1f}" if whole.value else ""


def _converters(c: Costs) -> list[Table]:
    if c.converters is None:
        return []
    rows = [[layer, str(bits)] for layer, bits in c.converters.items()]
    title = f"converter bits that lose nothing, for columns of at most {c.table.settings['rows']} weights"
    return [Table(title, ("layer", "bits"), rows)]


def _cycles(c: Costs) -> list[Table]:
    if c.cycles is None:
        return []
    rows = [[layer, f"{n:,.0f}"] for layer, n in c.cycles.items()]
    rows.append(["all", f"{sum(c.cycles.values()):,.0f}"])
    title = f"clock cycles of an inference (lanes: {c.table.settings['lanes']})"
    return [Table(title, ("layer", "cycles"), rows)]


def _rivals(c: Costs) -> Table:
    assert c.energy is not None
    own = c.energy.per_inference
    known = [r.energy.per_inference for r in c.rivals if r.energy is not None]
    unit = unit_of([own, *known])
    rows = [["this network", number(own.value, unit), number(own.low, unit), number(own.high, unit), "1", ""]]
    for r in c.rivals:
        if r.energy is None:
            rows.append([r.name, "–", "–", "–", "–", r.refused])
        else:
            e = r.energy.per_inference
            times = number(float(e.value / own.value), "pJ") if own.value else "–"
            rows.append([r.name, *(number(x, unit) for x in (e.value, e.low, e.high)), times, r.says])
    title = f"an inference of other networks of the same layers, in {unit} ({c.table.name})"
    return Table(title, ("network", "value", "low", "high", "times", WORDS), rows)


def _break_even(c: Costs, brief: bool) -> Table:
    a = c.active
    measured = (a.per_neuron, a.per_neuron * c.timesteps, a.per_synapse)
    rows = [["measured here", *(number(x, "pJ") for x in measured), "", ""]]
    rows += [
        [f"as {r.name}", *_met(r.meets, measured, brief), *_verdict(r.meets)]
        for r in c.rivals
        if r.meets is not None
    ]
    for limit in LITERATURE:
        synapse = limit.quantity == "spikes per synapse"
        shown = f"{limit.low:g} to {limit.high:g}"
        verdict = limit.verdict(a.per_synapse if synapse else a.per_neuron)
        said = f"{limit.says}. {limit.source}"
        rows.append([limit.name, *(("", "", shown) if synapse else (shown, "", "")), verdict, said])
    columns = (
        "costs as much",
        "spikes / neuron / t",
        "spikes / neuron",
        "spikes / synapse",
        "this network",
        WORDS,
    )
    return Table(f"where spikes stop paying, at T = {c.timesteps}", columns, rows)


def _met(meets: BreakEven, measured: Iterable[float], brief: bool) -> list[str]:
    made: list[str] = []
    for x in measured:
        found = meets.rate(x)
        ends = "" if brief or found is None else f" ({found[0]:.3g} to {found[2]:.3g})"
        made.append("–" if found is None else f"{found[1]:.3g}{ends}")
    return made


def _verdict(meets: BreakEven) -> tuple[str, str]:
    factor = meets.value
    if factor is None:
        return "–", "spikes cost nothing here"
    if factor <= 0:
        return "above", "it costs more without a single spike"
    return "below" if factor > 1 else "above", f"it may send {factor:.3g} times as many spikes"


def _activity(c: Costs) -> Table:
    a, accuracy = c.active, c.accuracy
    rows = [
        ["accuracy (%)", f"{100 * accuracy.value:.2f}"],
        ["spikes of an inference", f"{a.spikes:,.0f}"],
        ["synaptic operations of an inference", f"{c.operations.per_inference:,.0f}"],
    ]
    if c.spread is not None and c.spread.low is not None and c.spread.high is not None:
        unit = unit_of([Span(value=Fraction(c.spread.value))])
        low, high = (number(Fraction(x), unit) for x in (c.spread.low, c.spread.high))
        rows.append([f"energy over samples, 95 % interval ({unit})", f"{low} to {high}"])
    score = "–" if c.seed_score is None else f"{c.seed_score:.5f}"
    rows.append(["accuracy per spike (accuracy in % / spikes; no energy)", score])
    return Table(f"{c.samples} samples, {c.timesteps} timesteps", ("", ""), rows)
