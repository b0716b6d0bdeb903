"""What a timestep study writes: tables as CSV and Markdown, and its summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...measure import Interval
from ..folder import write_csv, write_json, write_text
from ..grid import Finished
from ..report.tables import markdown
from ..rows import Row, rows_of
from .cells import TimestepCell
from .options import Options
from .saturation import Rows, chosen_exits, saturations, spiking
from .tables import Latencies, accuracy_at, failures, mean_at, notes, recommendations, spikes, tables


def summary_of(rows: Rows, options: Options) -> list[dict[str, Any]]:
    """The summary: accuracies in per cent, saturation points, early exits."""
    command = options.command()
    made: list[dict[str, Any]] = []

    def add(name: str, i: Interval) -> None:
        made.append(
            {
                "name": name,
                "value": i.value,
                "low": i.low,
                "high": i.high,
                "n": i.n,
                "goal": None,
                "command": command,
            }
        )

    for r in rows.values():
        if r.interval is not None and not r.cell.trained:
            add(r.name, r.interval)
    for r in spiking(rows).values():
        for t in options.timesteps if r.done else ():
            add(f"{r.name}/T{t}", accuracy_at(r, t))
    dataset = next(iter(rows.values())).cell.dataset
    for s in saturations(rows, options.within):
        name = s.curve.replace(",", "").replace(" = ", "").replace(" ", "-").replace("/", "-")
        add(f"{dataset}/saturation/{name}", Interval(s.timesteps, s.low, s.high, options.seeds))
    for e in chosen_exits(rows, options.exit):
        add(f"{e.row}/early-exit/timesteps", Interval(e.timesteps, None, None, e.seeds))
        add(f"{e.row}/early-exit/points", Interval(e.accuracy - e.full, None, None, e.seeds))
    return made


def write_tables(
    finished: Sequence[Finished], latency: Latencies, options: Options, out: Path
) -> list[dict[str, Any]]:
    """table.md, table.csv (a line a row and T), cells.csv (a line a cell) and summary.json; returns the summary."""
    rows = rows_of(finished, TimestepCell)
    summary = summary_of(rows, options)
    parts = [
        f"`{options.command()}`",
        *notes(rows, options),
        *recommendations(saturations(rows, options.within), options.within),
        *map(markdown, tables(rows, latency, options)),
    ]
    if any(r.failed for r in rows.values()):
        parts.append(markdown(failures(rows)))
    write_text(out / "table.md", "\n\n".join(parts) + "\n")
    write_csv(
        out / "table.csv",
        [_line(r, t, latency) for r in spiking(rows).values() if r.done for t in options.timesteps],
    )
    write_csv(out / "cells.csv", [_cell_line(f) for f in finished])
    write_json(out / "summary.json", summary)
    return summary


def _line(r: Row[TimestepCell], t: int, latency: Latencies) -> dict[str, Any]:
    i, timed = accuracy_at(r, t), latency.get(r.name, {}).get(str(t))
    return {
        "name": r.name,
        "timesteps": t,
        "accuracy": round(i.value, 4),
        "low": None if i.low is None else round(i.low, 4),
        "high": None if i.high is None else round(i.high, 4),
        "seeds": len(r.done),
        "spikes": round(spikes(r, t), 3),
        "synops": mean_at(r, "synops", t),
        "energy_pj": mean_at(r, "energy", t),
        "latency_ms": None if timed is None else timed["one"][0],
        "latency_128_ms": None if timed is None else timed["many"],
        "packed_bits": r.bits,
    }


def _cell_line(f: Finished) -> dict[str, Any]:
    assert isinstance(f.cell, TimestepCell)
    record = f.record or {}
    fields = {k: " ".join(map(str, v)) if isinstance(v, tuple) else v for k, v in asdict(f.cell).items()}
    return {
        "hash": f.hash,
        "status": f.status,
        **fields,
        **{k: record.get(k) for k in ("accuracy", "correct", "n")},
        "seconds": f.seconds,
        "reason": f.reason,
    }
