"""Firing drift of a study's networks against full precision, as a table and as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..measure import LayerFiring
from .grid import Finished
from .report.content import Table
from .rows import Row

LOOK = (
    "Each network against the one in full precision that it starts from, on the same test samples. The noise floor is "
    "the same measure between the two halves of the samples in full precision."
)


def table(rows: Mapping[str, Row[Any]]) -> list[Table]:
    """Pooled drift of every network that records it, a mean over seeds; nothing where none does."""
    made: list[list[str]] = []
    for r in rows.values():
        if not r.drifts:
            continue
        pooled, floor = (lambda name, r=r: r.drift(name)), (lambda name, r=r: r.drift_floor(name))
        neurons = r.drifts[0]["pooled"]["neurons"]
        made.append(
            [
                r.name,
                f"{_number(pooled('rate_before'))} → {_number(pooled('rate_after'))}",
                f"{_share(pooled('dead_before'), neurons)} → {_share(pooled('dead_after'), neurons)}",
                f"{_share(pooled('newly_dead'), neurons)} [{_share(floor('newly_dead'), neurons)}]",
                *(
                    f"{_number(pooled(name))} [{_number(floor(name))}]"
                    for name in ("emd", "paired_distance", "correlation")
                ),
                "–" if r.synops_change is None else f"{100 * r.synops_change:+.1f} %",
                str(len(r.drifts)),
            ]
        )
    columns = (
        "network", "mean rate", "dead, %", "newly dead, %", "EMD", "paired distance", "correlation", "SynOps", "seeds",
    )  # fmt: skip
    title = (
        "Firing drift against full precision, all neurons pooled [noise floor: halves of the test samples]"
    )
    return [Table(title, columns, made)] if made else []


def pooled(finished: Sequence[Finished]) -> dict[str, LayerFiring]:
    """The pooled drift of every network that records it, which gates judge."""
    return {
        f.cell.name: LayerFiring("all layers", **f.record["drift"]["pooled"])
        for f in finished
        if f.record is not None and "drift" in f.record
    }


def _number(x: float | None) -> str:
    return "–" if x is None else f"{x:.4f}"


def _share(x: float | None, of: int) -> str:
    return "–" if x is None else f"{100 * x / of:.2f}"


def columns(r: Row[Any]) -> dict[str, Any]:
    """Drift of a row for table.csv."""
    measures = ("emd", "paired_distance", "newly_dead", "correlation")
    return {
        **{name: r.drift(name) for name in measures},
        **{f"{name}_floor": r.drift_floor(name) for name in measures},
        "synops_change": r.synops_change,
    }
