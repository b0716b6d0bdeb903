"""Asymmetric bits: weights of one width with states of another, and what accuracy costs in packed bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ...errors import BadInput
from ...measure import Interval, paired_interval
from ..bits import Bits
from ..report.content import Table
from ..report.style import Figure, Panel, axis, colour, layout, note, plain, size, text
from ..rows import interval_text
from .cells import TRAINED_TWICE, Scheme, Setting, SquatCell, grid, weights_of
from .rows import Row, full_precision

Pairs = tuple[Bits, ...]
SCHEMES: tuple[Scheme, ...] = ("qat", "ptq")
MEMORYLESS = "none (control)"


def check_pairs(pairs: Pairs) -> None:
    """Refuse bits that do not exist, and pairs given twice."""
    if any(not 1 <= b <= 8 for pair in pairs for b in pair) or len(set(pairs)) < len(pairs):
        given = ",".join(f"{w}-{u}" for w, u in pairs)
        raise BadInput(f"--pairs must be different pairs of bits in 1..8, not {given}")


def pair_grid(setting: Setting, seeds: int, pairs: Pairs, stores: str) -> list[SquatCell]:
    """Full precision, each pair trained and calibrated, and a memoryless control for each width of weights."""
    return [cell for seed in range(seeds) for cell in _of_seed(setting, seed, pairs, stores)]


def _of_seed(setting: Setting, seed: int, pairs: Pairs, stores: str) -> Iterator[SquatCell]:
    own = [replace(c, seed=seed) for c in grid(setting, 1, (2,), stores)]
    yield from (c for c in own if c.scheme in ("fp", "continued"))
    for scheme in SCHEMES:
        both = next(c for c in own if c.scheme == scheme and c.integer and c.spacing == "threshold-centred")
        yield from (
            replace(both, weight_bits=w, state_bits=u, weights=weights_of(setting.weights, w))
            for w, u in pairs
        )
    control = next(c for c in own if c.scheme == "qat" and not c.memory)
    for w in dict.fromkeys(w for w, _ in pairs):
        yield replace(control, weight_bits=w, weights=weights_of(setting.weights, w))


def tables(rows: Mapping[str, Row], pairs: Pairs, shown: Mapping[Scheme, str]) -> list[Table]:
    """A matrix a scheme: weight bits down, state bits across; then the distance from full precision.

    Args:
        shown: the schemes in words.
    """
    found = {_place(r.cell): r for r in rows.values()}
    states = [*sorted({u for _, u in pairs}, reverse=True), None]
    made: list[Table] = []
    for scheme in SCHEMES:
        columns = ("weights", *(MEMORYLESS if u is None else f"{u}-bit states" for u in states))
        lines: list[list[str]] = []
        for w in sorted({w for w, _ in pairs}, reverse=True):
            cells = [found.get((scheme, w, u)) for u in states]
            lines.append([f"{w} bits", *("–" if r is None else interval_text(r.interval) for r in cells)])
        title = f"Quantized {shown[scheme]}, threshold-centred states, accuracy in % [95 % interval]"
        made.append(Table(title, columns, lines))
    return [*made, _gaps(rows)]


def _place(c: SquatCell) -> tuple[str, int | None, int | None]:
    return c.scheme, c.weight_bits, c.state_bits


def gap(row: Row, full: Row) -> Interval | None:
    """Points below full precision, paired by seed; None where no seed has both."""
    seeds = sorted(set(row.done) & set(full.done))
    if not seeds:
        return None
    a, b = ([100 * float((r.done[s].record or {})["accuracy"]) for s in seeds] for r in (row, full))
    return paired_interval(a, b)


def reference(row: Row, rows: Mapping[str, Row]) -> Row | None:
    """Full precision, trained for as many epochs as a row was."""
    scheme = "continued" if row.cell.scheme in TRAINED_TWICE else "fp"
    return next((r for r in rows.values() if r.cell.scheme == scheme and r.cell.memory), None)


def _gaps(rows: Mapping[str, Row]) -> Table:
    full = full_precision(rows)
    lines: list[list[str]] = []
    for r in rows.values():
        if r is full or not r.done:
            continue
        equal = reference(r, rows)
        distances = (None if x is None or x is r else gap(r, x) for x in (full, equal))
        lines.append([r.name, *map(interval_text, distances), "–" if r.bits is None else size(r.bits)])
    columns = ("network", "below full precision", "below full precision at equal epochs", "packed")
    return Table("Points below full precision, paired by seed", columns, lines)


def front(rows: Sequence[Row]) -> list[Row]:
    """Rows that no other beats in accuracy and packed bits, smallest first."""
    known = [(r.bits, r.interval.value, r) for r in rows if r.bits is not None and r.interval is not None]
    made: list[Row] = []
    best = -1.0
    for _, accuracy, r in sorted(known, key=lambda x: (x[0], -x[1])):
        if accuracy > best:
            made.append(r)
            best = accuracy
    return made


def pareto(rows: Mapping[str, Row], kinds: Sequence[str]) -> list[Panel]:
    """Accuracy against packed bits: each pair a point with its interval, the front a line.

    Args:
        kinds: of rows, in the order of their colours.
    """
    data: list[Figure] = []
    words: list[Figure] = []
    for scheme, symbol in zip(SCHEMES, ("circle", "circle-open"), strict=True):
        own = [r for r in rows.values() if r.cell.scheme == scheme and r.cell.integer and r.done]
        best = front(own)
        shade = colour(kinds.index("threshold-centred"))
        if len(best) > 1:
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": plain([(r.bits or 0) / 8192 for r in best]),
                    "y": plain([r.interval.value for r in best if r.interval is not None]),
                    "line": {"color": shade, "width": 1, "dash": "solid" if scheme == "qat" else "dot"},
                    "hoverinfo": "skip",
                }
            )
        for r in own:
            i = r.interval
            assert i is not None
            x, label = (r.bits or 0) / 8192, f"{r.cell.weight_bits}/{r.cell.state_bits}"
            low, high = i.value if i.low is None else i.low, i.value if i.high is None else i.high
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": plain([x]),
                    "y": plain([i.value]),
                    "marker": {"color": shade, "size": 8, "symbol": symbol},
                    "error_y": {
                        "type": "data", "symmetric": False, "array": plain([high - i.value]),
                        "arrayminus": plain([i.value - low]), "color": shade, "thickness": 1, "width": 3,
                    },
                    "hovertemplate": f"{text(r.name)}: %{{y:.2f}} %, %{{x:.1f}} KiB<extra></extra>",
                }
            )  # fmt: skip
            if r in best:
                words.append(note(label, x, i.value, xanchor="left", xshift=6, yshift=-9))
    if not data:
        return []
    shapes: list[Figure] = []
    full = full_precision(rows)
    if full is not None and full.interval is not None:
        y = full.interval.value
        shapes = [
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "layer": "below",
             "line": {"color": "$muted", "width": 1}}
        ]  # fmt: skip
    made = layout(
        axis("packed size of the program (KiB)", showgrid=False), axis("test accuracy (%)"),
        annotations=words, shapes=shapes,
    )  # fmt: skip
    title = "Accuracy and packed size, weight bits / state bits (trained: filled; calibrated: open)"
    return [Panel(title, data, made, 420)]
