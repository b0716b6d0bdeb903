"""Cells without any training, for the tests of grids; workers import them from here."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from intspike.errors import NotLowerable
from intspike.study.grid import Outcome
from intspike.study.grid.worker import perform


@dataclass(frozen=True)
class Toy:
    """A cell that does what its `way` says.

    Attributes:
        label: tells cells apart.
        way: "fine", "raise", "refuse", "nan", "nothing", "slow", "die once", "die", or "interrupt".
        above: the label of a cell that it starts from, and that one's way.
    """

    label: str
    way: str = "fine"
    above: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        return f"toy {self.label}"

    @property
    def parent(self) -> Toy | None:
        return (
            None if self.above is None else replace(self, label=self.above[0], way=self.above[1], above=None)
        )

    @property
    def cost(self) -> float:
        return 1.0


def work(cell: Toy, files: Mapping[str, bytes], log: Path) -> Outcome:
    """One line in the log a computation, then what the cell's way says."""
    with log.open("a") as f:
        f.write(f"{cell.label} {os.getpid()}\n")
    if cell.way == "raise":
        raise ZeroDivisionError("one\ntwo")
    if cell.way == "refuse":
        raise NotLowerable("there is no integer form")
    if cell.way == "nothing":
        return None  # type: ignore[return-value]
    if cell.way in ("slow", "die once", "die"):
        time.sleep(0.8)
    killed = log.with_name(f"killed {cell.label}")
    if cell.way == "die" or (cell.way == "die once" and not killed.exists()):
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    value = float("nan") if cell.way == "nan" else len(files.get("network", b""))
    threads = os.environ.get("OMP_NUM_THREADS")
    return Outcome({"value": value, "threads": threads}, {"network": cell.label.encode()})


class Here:
    """The three calls of a backend, in this process."""

    slots = 1

    def __init__(self) -> None:
        self.tasks: list[tuple[str, Any]] = []
        self.closed = 0

    def submit(self, key: str, task: Any) -> None:
        self.tasks.append((key, task))

    def finished(self, seconds: float) -> list[tuple[str, Any]]:
        tasks, self.tasks = self.tasks, []
        return [(key, perform(replace(task, threads=None))) for key, task in tasks]

    def close(self) -> None:
        self.closed += 1


def computed(log: Path) -> list[str]:
    """Labels in the order in which their computations began."""
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


if __name__ == "__main__":  # a study as a process of its own, to be killed
    from functools import partial

    from intspike.study.grid import run_cells

    out = Path(sys.argv[1])
    cells = [Toy(str(k), "slow") for k in range(int(sys.argv[2]))]
    run_cells(cells, partial(work, log=out.parent / "log"), out)
