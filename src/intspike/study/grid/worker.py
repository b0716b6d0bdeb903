"""What runs inside a worker: one cell, in its share of the processors, whose errors become a reason."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from .cell import Cell, Outcome, Work

_LONGEST = 600  # characters of a reason


@dataclass(frozen=True)
class Failure:
    """A cell that could not be computed, and why in one line."""

    reason: str


@dataclass(frozen=True)
class Task:
    """One call.

    Attributes:
        work, cell, files: the function, and what it is called with.
        threads: processors to use; None leaves it to whoever started the worker.
    """

    work: Work
    cell: Cell
    files: Mapping[str, bytes]
    threads: int | None


def perform(task: Task) -> tuple[Outcome | Failure, float]:
    """Compute a cell; whatever it raises is its result. Also says how many seconds it took."""
    if task.threads is not None:
        use_threads(task.threads)
    began = time.perf_counter()
    try:
        made: Outcome | Failure = task.work(task.cell, task.files)
        if not isinstance(made, Outcome):  # pyright: ignore[reportUnnecessaryIsInstance]
            made = Failure(f"the work of a cell must return an Outcome, not {type(made).__name__}")
    except Exception as e:  # any error of a cell is that cell's alone
        made = Failure(one_line(e))
    return made, time.perf_counter() - began


def one_line(error: BaseException) -> str:
    """An error as one line, not too long, without the colours of a terminal."""
    words = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())[:_LONGEST]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def use_threads(threads: int) -> None:
    """Let torch and compiled code use so many processors, whether torch is imported already or later."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def begin(parent: int) -> None:
    """A worker process starts: Ctrl-C is for the study alone, and a study that was killed takes its workers along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
