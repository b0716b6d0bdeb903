"""What a timestep study writes: tables as CSV and Markdown, and its summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...measure import Interval
from ..grid import Finished
from ..rows import Row, rows_of
from ..written import cell_line, failures, summary_line, write_study
from .cells import TimestepCell
from .options import Options
from .saturation import Rows, chosen_exits, saturations, spiking
from .tables import Latencies, accuracy_at, mean_at, notes, recommendations, spikes, tables


def summary_of(rows: Rows, options: Options) -> list[dict[str, Any]]:
    """The summary: accuracies in per cent, saturation points, early exits."""
    command = options.command()
    made: list[dict[str, Any]] = []

    def add(name: str, i: Interval) -> None:
        made.append(summary_line(name, i, command))

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
        *notes(rows, options),
        *recommendations(saturations(rows, options.within), options.within),
        *tables(rows, latency, options),
        *failures(rows),
    ]
    lines = [_line(r, t, latency) for r in spiking(rows).values() if r.done for t in options.timesteps]
    write_study(out, options.command(), parts, lines, [_cell_line(f) for f in finished], summary)
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
    fields = {k: " ".join(map(str, v)) if isinstance(v, tuple) else v for k, v in asdict(f.cell).items()}
    return cell_line(f, fields, {})
