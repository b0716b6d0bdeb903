"""One benchmark in a process of its own: `python -m benchmarks` calls `python -m benchmarks.worker NAME ROUNDS PIN`.

Prints JSON lines: progress as [what, done, of], then the rows.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from typing import Any

from . import catalog, machine
from .harness import Missing, Result


def row(b: catalog.Benchmark, r: Result, rounds: int, pinned: bool, others: float | None) -> dict[str, Any]:
    """A row of results.json. `ratio` is the peer's over ours, of medians."""
    goal = next(g for g in b.goals if g.peer == r.peer)
    measured = {"ours": r.ours, "peer": r.theirs}
    numbers: dict[str, float | None] = {}
    for unit in ("ms", "MB"):
        for who, times in measured.items():
            here = b.unit == unit
            numbers[f"{who}_{unit.lower()}"] = _short(times.median) if here else None
            numbers[f"{who}_min_{unit.lower()}"] = _short(times.least) if here else None
    return {
        "name": b.name,
        "peer": r.peer,
        **{k: v for k, v in numbers.items() if k.endswith("ms") or b.unit == "MB"},
        "ratio": _short(r.theirs.median / r.ours.median),
        "goal": goal.goal,
        "limit": goal.limit,
        "equal": r.equal,
        "compared": r.compared,
        "firing": r.firing,
        "note": r.note,
        "rounds": rounds,
        "threads": len(machine.cores()),
        "allocator": machine.allocator(),
        "machine": machine.name(),
        "pinned": pinned,
        "others": None if others is None else round(others, 3),
        "unpinned_ratio": None,
    }


def _short(x: float) -> float:
    return float(f"{x:.4g}")


def main() -> None:
    name, rounds, pinned = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "True"
    warnings.simplefilter("ignore")
    usable = machine.cores()

    def say(what: Any) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    (b,) = catalog.chosen(name)
    try:
        importlib.import_module("torch")  # starts OpenMP

        machine.widen(usable)
        watch = machine.Others()
        results = importlib.import_module(f"{__package__}.{b.module}").measure(
            name, rounds, lambda what, done, of: say([what, done, of])
        )
    except Missing as e:
        say({"missing": str(e)})
        return
    others = watch.share()
    say({"rows": [row(b, r, rounds, pinned, others) for r in results]})


if __name__ == "__main__":
    main()
