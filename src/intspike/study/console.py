"""What a finished run prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ..measure import LayerFiring
from .fashion_mnist_result import REFERENCE

_CAPTION = (
    "differ: spikes and stored codes that torch, interpreter, native engine and C program disagree on; rate, dead, "
    "EMD: firing of all neurons, against full precision; SynOps per image; packed size in KiB (first row: float32)"
)


def table(summary: Mapping[str, Any]) -> Table:
    """One row a variant: accuracy with its interval, exactness, firing, size, operations."""
    title = f"{summary['recipe']}, T = {summary['timesteps']}, {summary['data']}"
    made = Table(
        title=title, title_justify="left", caption=_CAPTION + _floor(summary), caption_justify="left",
        box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False,
    )  # fmt: skip
    for heading in ("network", "accuracy, 95 %", "differ", "rate", "dead", "EMD", "SynOps", "KiB"):
        made.add_column(heading, justify="left" if heading == "network" else "right", no_wrap=True)
    first = next(iter(summary["firing"].values()))["pooled"]
    for name, a in summary["accuracy_interval"].items():
        accuracy = f"{a['value'] * 100:.1f} % ({a['low'] * 100:.1f}-{a['high'] * 100:.1f})"
        if name == REFERENCE:
            size = _size(next(iter(summary["size_bits"].values()))["float32"])
            rate, dead, drift, exact = first["rate_before"], first["dead_before"], "", ""
        else:
            pooled = summary["firing"][name]["pooled"]
            rate, dead, drift = pooled["rate_after"], pooled["dead_after"], f"{pooled['emd']:.3f}"
            size = _size(summary["size_bits"][name]["total"])
            compared = [c for c in summary["exact"] if c["variant"] == name]
            exact = f"{sum(c['mismatches'] for c in compared)} of {sum(c['compared'] for c in compared) / 1e6:.0f} M"
        counted = summary["synops"].get(name)  # runs of earlier versions have none in full precision
        operations = "" if counted is None else f"{counted['per_inference'] / 1e6:.2f} M"
        made.add_row(name, escape(accuracy), exact, f"{rate:.3f}", str(dead), drift, operations, size)
    return made


def _floor(summary: Mapping[str, Any]) -> str:
    """The noise floor of the EMD, where the run knows it."""
    floor = next(iter(summary["firing"].values())).get("noise_floor")
    if floor is None:
        return ""
    return f"; noise floor of the EMD, between halves of the images: {floor['halves']['pooled']['emd']:.3f}"


def pooled(summary: Mapping[str, Any]) -> dict[str, LayerFiring]:
    """The pooled drift of every variant, which gates judge."""
    return {name: LayerFiring("all layers", **found["pooled"]) for name, found in summary["firing"].items()}


def _size(bits: int) -> str:
    return f"{bits / 8 / 1024:.1f}"


def closing(summary: Mapping[str, Any], folder: Path) -> str:
    """Where the results lie, and how to look at them."""
    total = summary["seconds"]["total"]
    return (
        f"{total:.0f} s. Open {folder / 'report.html'}; the 4-bit network is {folder / 'model.intspike'} "
        f"(intspike show), {folder / 'program.txt'} and C in {folder / 'c'}; numbers are in {folder / 'summary.json'}"
    )
