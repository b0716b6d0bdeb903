"""The clipping study: how much of the membrane's range the levels of a state cover, and what that does to accuracy.

The paper observes that the best thresholds lie between 0.5 and 1 while membranes reach about 20, and that clipping to a
narrow range costs accuracy. Here uniform levels cover -r..r thresholds for several r, beside levels that follow each
forward's own range (the paper's way, for comparison), snnTorch's, and levels around the threshold of fixed range.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ...errors import BadInput
from ..report.content import Table
from ..report.style import Figure, Panel, axis, colour, layout, line, note, plain, text
from ..rows import interval_text
from .cells import COMPARISONS, Scheme, Setting, Spacing, SquatCell, grid
from .rows import Row, full_precision

STORES = "before reset"  # as in the paper: the membrane that fired is what is stored
SCHEMES: tuple[Scheme, ...] = ("ptq", "qat")
OTHERS: tuple[Spacing, ...] = ("threshold-centred", *COMPARISONS)


def parse_ranges(words: str) -> tuple[float, ...]:
    """Numbers with commas, such as 1.5,2,4,10.

    Raises:
        BadInput: anything else.
    """
    try:
        made = tuple(float(r) for r in words.split(","))
    except ValueError:
        raise BadInput(f"--ranges must be numbers with commas, such as 1.5,2,4,10, not {words!r}") from None
    check_ranges(made)
    return made


def check_ranges(ranges: tuple[float, ...]) -> None:
    """Refuse ranges that do not reach above the threshold, and those given twice."""
    if any(not 1 < r <= 1000 for r in ranges) or len(set(ranges)) < len(ranges):
        given = ",".join(f"{r:g}" for r in ranges)
        raise BadInput(
            f"--ranges must be different numbers of thresholds above 1 and at most 1000, not {given}"
        )


def clipping_grid(
    setting: Setting, seeds: int, bits: tuple[int, ...], ranges: tuple[float, ...]
) -> list[SquatCell]:
    """States alone, at each number of bits: calibrated and trained, over each range and in the other ways."""
    return [cell for seed in range(seeds) for cell in _of_seed(setting, seed, bits, ranges)]


def _of_seed(
    setting: Setting, seed: int, bits: tuple[int, ...], ranges: tuple[float, ...]
) -> Iterator[SquatCell]:
    own = [replace(c, seed=seed) for c in grid(setting, 1, bits, STORES)]
    yield from (c for c in own if c.scheme == "fp")
    for scheme in SCHEMES:
        for b in bits:
            states = (
                c for c in own
                if c.scheme == scheme and c.weight_bits is None and c.state_bits == b and c.spacing == "uniform"
            )  # fmt: skip
            state = next(states)
            for r in ranges:
                if b > 1:  # one bit has no level below rest to lose
                    yield replace(state, reach=r, fitted=False)
            for spacing in OTHERS:
                if spacing in COMPARISONS:
                    yield replace(state, spacing=spacing, stores="", gradient="pass", fitted=False)
                else:
                    yield replace(state, spacing=spacing)


def tables(rows: Mapping[str, Row], ranges: Sequence[float], shown: Mapping[Scheme, str]) -> list[Table]:
    """A table a scheme: ranges and other ways down, bits across; and the share of membranes inside each range."""
    found = {(r.cell.scheme, r.cell.spacing, r.cell.reach, r.cell.state_bits): r for r in rows.values()}
    bits = list(dict.fromkeys(r.cell.state_bits for r in rows.values() if r.cell.state_bits is not None))
    kinds: list[tuple[str, Spacing, float | None]] = [
        *((f"uniform, -{r:g}..{r:g} thresholds", "uniform", r) for r in ranges),
        *((_words(s), s, None) for s in OTHERS),
    ]  # fmt: skip
    covered = _covered(rows)
    made: list[Table] = []
    for scheme in SCHEMES:
        lines: list[list[str]] = []
        for name, spacing, reach in kinds:
            cells = [found.get((scheme, spacing, reach, b)) for b in bits]
            share = covered.get(reach) if reach is not None else None
            lines.append(
                [
                    name,
                    "–" if share is None else f"{100 * share:.2f} %",
                    *("–" if r is None else interval_text(r.interval) for r in cells),
                ]
            )
        columns = ("levels", "membranes inside", *(f"{b} bits" for b in bits))
        made.append(Table(f"States quantized {shown[scheme]}, accuracy in % [95 % interval]", columns, lines))
    return made


def _words(spacing: Spacing) -> str:
    return f"{spacing} (comparison)" if spacing in COMPARISONS else f"{spacing}, fixed range"


def _covered(rows: Mapping[str, Row]) -> dict[float | None, float]:
    """Share of the membranes of full precision inside each range, of all layers and seeds."""
    full = full_precision(rows)
    records = [] if full is None else [f.record or {} for f in full.done.values()]
    known = [r["covered"] for r in records if r.get("covered")]
    return {float(k): sum(c[k] for c in known) / len(known) for k in known[0]} if known else {}


def clipping(rows: Mapping[str, Row]) -> list[Panel]:
    """Accuracy against the range, a line for each number of bits; one picture a scheme."""
    made: list[Panel] = []
    for scheme in SCHEMES:
        own = [r for r in rows.values() if r.cell.scheme == scheme and r.cell.reach is not None and r.done]
        data: list[Figure] = []
        words: list[Figure] = []
        for k, bits in enumerate(dict.fromkeys(r.cell.state_bits for r in own)):
            points = sorted((r for r in own if r.cell.state_bits == bits), key=lambda r: r.cell.reach or 0)
            intervals = [r.interval for r in points if r.interval is not None]
            y = [i.value for i in intervals]
            above = [0.0 if i.high is None else i.high - i.value for i in intervals]
            below = [0.0 if i.low is None else i.value - i.low for i in intervals]
            shade = colour(k + 1)
            data.append(
                {
                    "type": "scatter", "mode": "lines+markers", "x": plain([r.cell.reach or 0 for r in points]),
                    "y": plain(y), "line": {"color": shade, "width": 1.75}, "marker": {"color": shade, "size": 6},
                    "error_y": {
                        "type": "data", "symmetric": False, "array": plain(above),
                        "arrayminus": plain(below), "color": shade,
                        "thickness": 1, "width": 3,
                    },
                    "hovertemplate": f"{bits} bits, {text('range')} %{{x}}: %{{y:.2f}} %<extra></extra>",
                }
            )  # fmt: skip
            words.append(
                note(f"{bits} bits", points[-1].cell.reach or 0, y[-1], xanchor="left", xshift=8,
                     font={"size": 11, "color": shade})
            )  # fmt: skip
        if not data:
            continue
        full = full_precision(rows)
        known = None if full is None else full.interval
        shapes = [] if known is None else [line(0, 1, known.value, known.value, xref="paper")]
        shown = layout(
            axis("range of uniform levels (thresholds to either side)", showgrid=False), axis("test accuracy (%)"),
            annotations=words, shapes=shapes, margin={"l": 48, "r": 60, "t": 8, "b": 42},
        )  # fmt: skip
        made.append(
            Panel(
                f"{'Calibrated' if scheme == 'ptq' else 'Trained'}; the line is full precision",
                data,
                shown,
                320,
            )
        )
    return made
