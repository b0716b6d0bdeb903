"""The paper's two claims, as paired differences between our own cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...measure import paired_interval
from ..claims import Trend
from ..networks import right_of
from .cells import SquatCell
from .rows import Row, what_of

CLAIMS: Mapping[str, str] = {
    "qat-over-ptq": "quantization-aware training is at least as good as calibration, for weights at 4 bits and fewer",
    "centred-over-uniform": "threshold-centred levels are at least as good as uniform ones at 4 bits and fewer",
}
FEW_BITS = 4


def trends(rows: Mapping[str, Row]) -> list[Trend]:
    """Every comparison of both claims for which results are there."""
    made: list[Trend] = []
    found = {_key(r.cell): r for r in rows.values() if r.cell.memory}
    for (scheme, what, bits, spacing), row in found.items():
        if bits > FEW_BITS or scheme in ("fp", "continued"):
            continue
        if scheme == "qat" and what == "weights":
            made += _compare("qat-over-ptq", "weights", bits, found.get(("ptq", what, bits, spacing)), row)
        if spacing == "threshold-centred":
            name = f"{what}, {scheme.upper()}"
            made += _compare(
                "centred-over-uniform", name, bits, found.get((scheme, what, bits, "uniform")), row
            )
    return sorted(made, key=lambda t: (list(CLAIMS).index(t.claim), t.name, -t.bits))


def _key(c: SquatCell) -> tuple[str, str, int, str]:
    return c.scheme, what_of(c), c.weight_bits or c.state_bits or 0, c.spacing


def _compare(claim: str, name: str, bits: int, worse: Row | None, better: Row) -> list[Trend]:
    if worse is None:
        return []
    seeds = sorted(set(worse.done) & set(better.done))
    if not seeds:
        return []
    if len(seeds) > 1:
        a, b = ([100 * _record(r, s)["accuracy"] for s in seeds] for r in (worse, better))
        pairs = "folds" if better.cell.folds else "seeds"
    else:
        a, b = ((100.0 * right_of(_record(r, seeds[0]))).astype(np.float64).tolist() for r in (worse, better))
        pairs = "test samples"
    return [Trend(claim, name, bits, paired_interval(a, b), pairs)]


def _record(row: Row, seed: int) -> Mapping[str, Any]:
    record = row.done[seed].record
    assert record is not None
    return record
