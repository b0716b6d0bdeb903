"""What arXiv 2604.14487 found, and what it leaves open, as paired differences between our own networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ...measure import paired_interval
from ..claims import Trend
from ..rows import Row
from .cells import DriftCell

Rows = Mapping[str, Row[DriftCell]]

CLAIMS: Mapping[str, str] = {
    "wide-drifts": "uniform weights drift further (EMD) over the widest range than over a searched one",
    "wide-keeps-accuracy": "uniform weights lose less than a point over the widest range",
    "lq-net-drifts-less": "LQ-Net drifts less (EMD) than uniform weights, trained at the same bits over the same range",
    "unsigned-over-signed": "unsigned membranes are more accurate than signed ones at 4 bits and fewer",
    "uniform-needs-4-bits": "uniform membranes of fewer than 4 bits lose more than a point",
    "learned-as-good": "learned levels lose at most 0.3 points against the fixed ones around the threshold",
    "learned-halves-drift": "learned levels drift (EMD) less than half as far as uniform unsigned ones, trained",
    "teacher-cuts-emd": "the EMD regulariser cuts the EMD to a third",
    "teacher-cuts-paired": "the paired regulariser cuts the paired distance to a third",
    "teacher-keeps-accuracy": "networks with a teacher lose at most 0.3 points against those without",
}
POINT, EQUAL, FEW = 1.0, 0.3, 4


def trends(rows: Rows) -> list[Trend]:
    """Every comparison of every claim for which results are there."""
    made = [t for row in rows.values() for t in _of(row, rows)]
    return sorted(made, key=lambda t: (list(CLAIMS).index(t.claim), t.name, -t.bits))


def accuracy(row: Row[DriftCell], seed: int) -> float:
    """Per cent."""
    return 100 * row.record(seed)["accuracy"]


def pooled(name: str) -> Callable[[Row[DriftCell], int], float]:
    """A measure of drift from full precision, all neurons pooled."""
    return lambda row, seed: float(row.record(seed)["drift"]["pooled"][name])


def _of(row: Row[DriftCell], rows: Rows) -> Iterator[Trend]:
    """The claims in which a row is what should be better (or have drifted)."""
    c = row.cell
    bits = c.weight_bits or c.state_bits or 0
    name = f"{c.scheme.upper()}, {c.state or c.weight}" if not c.integer else f"{c.scheme.upper()}, both"

    def other(**changes: object) -> Row[DriftCell] | None:
        return rows.get(replace(c, **changes).row)  # type: ignore[arg-type]

    def compare(
        claim: str,
        what: Callable[[Row[DriftCell], int], float],
        a: Row[DriftCell] | None,
        b: Row[DriftCell] | None,
        share: float = 1.0,
        room: float = 0.0,
        called: str = name,
    ) -> Iterator[Trend]:
        """share * a - b + room."""
        if a is None or b is None or not (seeds := sorted(set(a.done) & set(b.done))):
            return
        x, y = [share * what(a, s) + room for s in seeds], [what(b, s) for s in seeds]
        yield Trend(claim, called, bits, paired_interval(y, x), "seeds")

    emd = pooled("emd")
    alone = c.weight_bits is None or c.state_bits is None
    if c.weight == "uniform" and alone and c.clip is not None and c.clip == _widest(rows):
        own = other(clip=None)
        yield from compare("wide-drifts", emd, row, own)
        yield from compare("wide-keeps-accuracy", accuracy, row, _reference(row, rows), room=POINT)
    if c.weight == "lq-net":
        over = "its own range" if c.clip is None else f"{c.clip:g} deviations"
        yield from compare(
            "lq-net-drifts-less", emd, other(weight="uniform"), row, called=f"QAT, over {over}"
        )
    if c.state == "uniform-unsigned" and alone and bits <= FEW:
        yield from compare("unsigned-over-signed", accuracy, row, other(state="uniform-signed"))
    if c.state in ("uniform-unsigned", "uniform-signed") and alone and bits < FEW:
        yield from compare("uniform-needs-4-bits", accuracy, _reference(row, rows), row, room=-POINT)
    if c.state == "learned":
        yield from compare("learned-as-good", accuracy, row, other(state="threshold-centred"), room=EQUAL)
        yield from compare("learned-halves-drift", emd, other(state="uniform-unsigned"), row, share=1 / 2)
    if c.teacher:
        plain = other(teacher="", strength=0.0)
        what = emd if c.teacher == "emd" else pooled("paired_distance")
        yield from compare(f"teacher-cuts-{c.teacher}", what, plain, row, share=1 / 3)
        yield from compare(
            "teacher-keeps-accuracy", accuracy, row, plain, room=EQUAL, called=f"{name}, near {c.teacher}"
        )


def _reference(row: Row[DriftCell], rows: Rows) -> Row[DriftCell] | None:
    """Full precision, trained for as long."""
    scheme = "continued" if row.cell.scheme == "qat" else "fp"
    return next((r for r in rows.values() if r.cell.scheme == scheme), None)


def _widest(rows: Rows) -> float | None:
    return max((r.cell.clip for r in rows.values() if r.cell.clip is not None), default=None)
