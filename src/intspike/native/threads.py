"""One thread pool for the process. Compiled code runs in it at once, because ctypes drops the interpreter lock.

The caller works too and waits only for what has begun, so a call inside a call, or many calls at once, end even
where every thread of the pool is busy.
"""

from __future__ import annotations

import itertools
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from typing import Any


def default_threads() -> int:
    """OMP_NUM_THREADS, where it is a number from 1 up, else the processors that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else processors()


def processors() -> int:
    """The processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    # threads start when they are first needed, so the limit costs nothing
    return ThreadPoolExecutor(max(64, os.cpu_count() or 1), "intspike", initializer=_unbind)


def _unbind() -> None:
    """Let a thread leave the one core of the thread that started it.

    With OMP_PROC_BIND, OpenMP binds the main thread when torch is imported, and new threads inherit that.
    """
    bound = os.environ.get("OMP_PROC_BIND", "false").lower() not in ("", "false")
    if bound and hasattr(os, "sched_setaffinity"):
        places = {int(n) for n in re.findall(r"\d+", os.environ.get("OMP_PLACES", ""))}
        with suppress(OSError):  # places that this process may not use
            os.sched_setaffinity(0, places or range(os.cpu_count() or 1))


os.register_at_fork(after_in_child=_pool.cache_clear)  # the parent's threads do not live in a child


class _Job:
    """Items that several threads take one by one; the first error ends it."""

    def __init__(self, function: Callable[..., Any], items: Iterator[tuple[Any, ...]]):
        self.function, self.items = function, items
        self.running, self.error = 0, None
        self.changed = threading.Condition()

    def work(self) -> None:
        """Take items until none is left."""
        while True:
            with self.changed:
                item = next(self.items, None) if self.error is None else None
                if item is None:
                    return
                self.running += 1
            error = None
            try:
                self.function(*item)
            except BaseException as e:  # it is raised again in the calling thread
                error = e
            with self.changed:
                self.running -= 1
                self.error = self.error or error
                if not self.running:
                    self.changed.notify_all()

    def wait(self) -> None:
        """Wait for what other threads have begun.

        Raises:
            BaseException: the first that the function raised.
        """
        with self.changed:
            while self.running:
                self.changed.wait()
        if self.error is not None:
            raise self.error


def _run(function: Callable[..., Any], items: list[tuple[Any, ...]], threads: int) -> None:
    helpers = min(threads, len(items)) - 1
    if helpers < 1:
        for item in items:
            function(*item)
        return
    job = _Job(function, iter(items))
    for _ in range(helpers):
        try:
            _pool().submit(job.work)
        except RuntimeError:  # the interpreter is ending and takes no more work: the caller does it alone
            break
    job.work()
    job.wait()


def split(function: Callable[..., Any], count: int, threads: int, *arguments: Any) -> None:
    """Call `function(first, last, *arguments)` on contiguous parts of range(count), at most `threads` at once.

    The parts differ in length by one at most; there are no empty ones. The first error is raised again here.
    """
    parts = max(1, min(threads, count))
    edges = [count * k // parts for k in range(parts + 1)]
    work = [(a, b, *arguments) for a, b in itertools.pairwise(edges) if b > a]
    _run(function, work, threads)


def for_each(function: Callable[..., Any], items: Iterable[Any], threads: int) -> None:
    """Call `function(item)` for every item; at most `threads` threads take them one by one, in order.

    After an error no further item is begun, and the error is raised again here.
    """
    _run(function, [(item,) for item in items], threads)
