"""Computes the cells of a grid that are not there yet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import BadInput
from ...native.threads import processors
from ..folder import clear_disk_errors, write_json
from ..watch import Watch
from .backends import Backend, open_backend
from .cell import Cell, Work, cell_hash
from .lock import study_lock
from .store import Finished, Store, code_fingerprint
from .worker import Failure, Task, one_line

RECORD = "study.json"
_LOOK = 1.0  # seconds between two looks at what runs, for the time left and Ctrl-C


def run_cells(
    cells: Sequence[Cell],
    work: Work,
    out: Path,
    *,
    backend: str = "loky",
    jobs: int = 1,
    address: str | None = None,
    retry_failed: bool = False,
    wait: bool = False,
    record: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
) -> list[Finished]:
    """Compute every cell once, parents first, and keep each as soon as it is finished.

    Cells that lie finished in the folder are read, not computed. A cell that raises is kept as failed with its
    reason, and the others go on; it is repeated when intspike has changed or `retry_failed` asks for it. A worker
    that is killed loses its own cell alone, which is computed again. Only this process writes.

    Args:
        cells: the grid, in the order of its importance.
        work: what computes one; `functools.partial` gives it what is no part of a cell, such as where data lie.
        out: the study's folder; one study at a time.
        backend: "loky" (processes of this machine), "dask" or "ray".
        jobs: how many cells at once on this machine; each has processors // jobs threads.
        address: of a cluster; its workers decide how many run at once, and jobs is not used.
        wait: wait for another study on this folder instead of refusing.
        record: what was asked for, kept as study.json.

    Returns:
        One entry a cell given, in their order.

    Raises:
        BadInput: jobs out of range, a folder in use or that cannot be written.
        KeyboardInterrupt: Ctrl-C; what is finished is kept.
    """
    threads = threads_of(jobs) if address is None else 1
    told = watch or Watch()
    with clear_disk_errors(out), study_lock(out, wait=wait, say=told.say):
        if record is not None:
            write_json(out / RECORD, dict(record))
        study = _Study(cells, work, Store(out), threads if address is None else None, retry_failed, told)
        if study.waiting:
            study.run(open_backend(backend, min(jobs, len(study.waiting)), threads, address, told.say))
        return [study.settled[cell_hash(c)] for c in cells]


def threads_of(jobs: int) -> int:
    """Threads of each of so many jobs: together they never exceed the processors.

    Raises:
        BadInput: less than one job, or more than processors.
    """
    cores = processors()
    if not 1 <= jobs <= cores:
        raise BadInput(
            f"--jobs must be in 1..{cores}, the processors that this process may use, not {jobs}; more cells at once "
            "need a cluster: --backend dask --address HOST:PORT"
        )
    return cores // jobs


class _Study:
    """Cells settled, running and waiting."""

    def __init__(
        self,
        cells: Sequence[Cell],
        work: Work,
        store: Store,
        threads: int | None,
        retry_failed: bool,
        watch: Watch,
    ):
        self.work, self.store, self.threads, self.watch = work, store, threads, watch
        self.retry_failed = retry_failed
        store.clean()
        self.cells: dict[str, Cell] = {}
        self.settled: dict[str, Finished] = {}
        self.waiting: dict[str, Cell] = {}  # parents come before what starts from them
        self.running: dict[str, Cell] = {}
        for cell in cells:
            self._plan(cell)
        self._settle_orphans()
        if self.settled:
            watch.say(f"{len(self.settled)} of {len(self.cells)} cells are there already")
        self.began, self.cost_done = time.monotonic(), 0.0

    def _plan(self, cell: Cell, with_files: bool = False) -> None:
        """Find a cell settled, or let it wait behind its parent, whose files it needs."""
        key = cell_hash(cell)
        if key in self.cells:
            done = self.settled.get(key)
            if not with_files or done is None or done.status == "failed" or self.store.has_files(cell):
                return
            del self.settled[key]
        found = self.store.read(cell)
        if found is not None and found.status == "done" and with_files and not self.store.has_files(cell):
            found = None
        if found is not None and found.status == "failed":
            found = None if self.retry_failed or found.code != code_fingerprint() else found
        if found is None and cell.parent is not None:
            self._plan(cell.parent, with_files=True)
        self.cells[key] = cell
        if found is None:
            self.waiting[key] = cell
        else:
            self.settled[key] = found

    def run(self, backend: Backend) -> None:
        """Submit what is ready, keep what is finished, until nothing waits."""
        tell = self.watch.start("cells", len(self.cells))
        try:
            while self.waiting or self.running:
                for key in self._ready(backend.slots - len(self.running)):
                    cell = self.running[key] = self.waiting.pop(key)
                    files = {} if cell.parent is None else self.store.files(cell.parent)
                    backend.submit(key, Task(self.work, cell, files, self.threads))
                tell(len(self.settled), self._words())
                for key, (answer, seconds) in backend.finished(_LOOK):
                    self._settle(key, answer, seconds)
            tell(len(self.settled), self._words())
        except KeyboardInterrupt:
            self.watch.say(
                f"stopped; {len(self.settled)} of {len(self.cells)} cells are kept in {self.store.path}, and the same "
                "command goes on from there"
            )
            raise
        finally:
            backend.close()

    def _ready(self, free: int) -> list[str]:
        ready = (
            key
            for key, cell in self.waiting.items()
            if cell.parent is None or cell_hash(cell.parent) in self.settled
        )
        return [key for key, _ in zip(ready, range(max(0, free)), strict=False)]

    def _settle(self, key: str, answer: object, seconds: float) -> None:
        cell = self.running.pop(key)
        if not isinstance(answer, Failure):
            try:
                self.settled[key] = self.store.keep(cell, answer, seconds)  # type: ignore[arg-type]
            except (TypeError, ValueError) as e:
                answer = Failure(f"its record must be plain finite data, but: {one_line(e)}")
        if isinstance(answer, Failure):
            self.settled[key] = self.store.keep_failure(cell, answer.reason, seconds)
        self.cost_done += cell.cost
        done = self.settled[key]
        verdict = "done" if done.status == "done" else f"failed: {done.reason}"
        self.watch.say(f"{cell.name}: {verdict} ({seconds:.1f} s)")
        self._settle_orphans()

    def _settle_orphans(self) -> None:
        """What starts from a failed cell fails with it; it is not kept, so that it is computed once its parent is."""
        for key, cell in list(self.waiting.items()):
            above = None if cell.parent is None else self.settled.get(cell_hash(cell.parent))
            if above is not None and above.status == "failed":
                del self.waiting[key]
                reason = f"it starts from {above.cell.name}, which failed: {above.reason}"
                self.settled[key] = Finished(cell, key, "failed", reason)

    def _words(self) -> str:
        failed = sum(f.status == "failed" for f in self.settled.values())
        words = [f"{len(self.running)} running"] + ([f"{failed} failed"] if failed else [])
        if self.cost_done:
            left = sum(c.cost for c in (*self.waiting.values(), *self.running.values()))
            words.append(f"{_time((time.monotonic() - self.began) * left / self.cost_done)} left")
        return ", ".join(words)


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
