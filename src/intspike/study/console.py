"""What a finished run prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from .fashion_mnist import REFERENCE


def table(summary: Mapping[str, Any]) -> Table:
    """One row a variant: accuracy with its interval, exactness, firing, size, operations."""
    made = Table(
        title=f"{summary['recipe']}, {summary['data']}, T = {summary['timesteps']}", title_justify="left"
    )
    for heading, justify in (
        ("network", "left"),
        ("accuracy", "right"),
        ("95 % interval", "right"),
        ("exact", "left"),
        ("rate", "right"),
        ("dead", "right"),
        ("EMD", "right"),
        ("SynOps/image", "right"),
        ("packed size", "right"),
    ):
        made.add_column(heading, justify=justify)  # type: ignore[arg-type]
    first = next(iter(summary["firing"].values()))["pooled"]
    for name, a in summary["accuracy_interval"].items():
        interval = f"{a['low']:.1%} - {a['high']:.1%}"
        if name == REFERENCE:
            bits = next(iter(summary["size_bits"].values()))["float32"]
            size, drift, operations, exact = _size(bits), "", "", ""
            rate, dead = first["rate_before"], first["dead_before"]
        else:
            pooled = summary["firing"][name]["pooled"]
            rate, dead, drift = pooled["rate_after"], pooled["dead_after"], f"{pooled['emd']:.4f}"
            size = _size(summary["size_bits"][name]["total"])
            operations = f"{summary['synops'][name]['per_inference']:,.0f}"
            compared = [c for c in summary["exact"] if c["variant"] == name]
            exact = (
                f"{sum(c['mismatches'] for c in compared)} of {sum(c['compared'] for c in compared):,} differ"
            )
        made.add_row(
            name, f"{a['value']:.2%}", interval, exact, f"{rate:.3f}", str(dead), drift, operations, size
        )
    return made


def _size(bits: int) -> str:
    return f"{bits / 8 / 1024:.1f} KiB"


def closing(summary: Mapping[str, Any], folder: Path) -> str:
    """Where the results lie, and how to look at them."""
    total = summary["seconds"]["total"]
    return (
        f"{total:.0f} s. Open {folder / 'report.html'}; the 4-bit network is {folder / 'model.intspike'} "
        f"(intspike show), {folder / 'program.txt'} and C in {folder / 'c'}; numbers are in {folder / 'summary.json'}"
    )
