"""The thread pool: every part once, never more threads than asked, errors, nesting, forks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intspike.native.threads import for_each, split


class Recorder:
    """What was called, from which threads, and how many calls ran at once."""

    def __init__(self, meet: int = 1):
        self.calls: list[tuple[Any, ...]] = []
        self.lock, self.now, self.most = threading.Lock(), 0, 0
        self.barrier = threading.Barrier(meet) if meet > 1 else None

    def __call__(self, *call: Any) -> None:
        with self.lock:
            self.calls.append(call)
            self.now += 1
            self.most = max(self.most, self.now)
        if self.barrier:
            self.barrier.wait(timeout=30)
        with self.lock:
            self.now -= 1


@given(st.integers(0, 50), st.integers(1, 9))
def test_split_covers_the_range_once_in_even_parts(count: int, threads: int):
    seen = Recorder()
    split(seen, count, threads, "x")
    assert {c[2] for c in seen.calls} <= {"x"}
    parts = sorted((a, b) for a, b, _ in seen.calls)
    assert [i for a, b in parts for i in range(a, b)] == list(range(count))
    assert len(parts) == min(threads, count)
    assert seen.most <= threads
    assert not parts or max(b - a for a, b in parts) - min(b - a for a, b in parts) <= 1


@given(st.integers(0, 50), st.integers(1, 9))
def test_for_each_takes_every_item_once(count: int, threads: int):
    seen = Recorder()
    for_each(seen, range(count), threads)
    assert sorted(seen.calls) == [(i,) for i in range(count)]
    assert seen.most <= threads


@pytest.mark.parametrize("threads", [2, 5])
def test_parts_run_at_once_and_the_caller_does_one(threads: int):
    callers: set[int] = set()
    meet = threading.Barrier(threads)

    def part(*_: int) -> None:
        callers.add(threading.get_ident())
        meet.wait(timeout=30)  # ends only where all parts run at the same time

    split(part, 100, threads)
    assert len(callers) == threads
    assert threading.get_ident() in callers


def test_one_thread_stays_in_the_caller():
    callers: set[int] = set()
    for_each(lambda _: callers.add(threading.get_ident()), range(5), 1)
    assert callers == {threading.get_ident()}


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_an_error_comes_back_and_ends_the_work(threads: int):
    done: list[int] = []

    def fail(item: int) -> None:
        done.append(item)
        if item == 3:
            raise ValueError("item 3")

    with pytest.raises(ValueError, match="item 3"):
        for_each(fail, range(10_000), threads)
    assert len(done) < 10_000
    for_each(done.append, range(4), threads)  # the pool still works


def test_calls_inside_calls_end():
    total = Recorder()

    def outer(first: int, last: int, depth: int) -> None:
        if depth:
            split(outer, 4, 4, depth - 1)
        else:
            total(first, last)

    split(outer, 4, 4, 4)
    assert len(total.calls) == 4**5


def test_many_callers_at_once_end():
    total = Recorder()
    callers = [threading.Thread(target=split, args=(total, 10, 4)) for _ in range(100)]
    for c in callers:
        c.start()
    for c in callers:
        c.join(timeout=60)
    assert not any(c.is_alive() for c in callers)
    assert sum(b - a for a, b in total.calls) == 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # Python warns of a fork beside threads: the point here
def test_a_child_makes_its_own_pool():
    split(Recorder(2), 2, 2)
    child = os.fork()
    if child == 0:
        try:
            split(Recorder(2), 2, 2)  # ends only where a second thread joins in
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    split(Recorder(2), 2, 2)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no threads")
def test_a_bound_main_thread_does_not_bind_the_others():
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        pytest.skip("there is one core")
    text = f"""
import os
os.sched_setaffinity(0, {{{usable[0]}}})  # as OpenMP does when torch is imported
from threading import Barrier
from intspike.native.threads import split
meet, seen = Barrier(2), []
split(lambda a, b: (meet.wait(), seen.append(os.sched_getaffinity(0))), 2, 2)
assert {{{usable[0]}}} in seen and {set(usable[:2])} in seen, seen
"""
    places = ",".join(f"{{{c}}}" for c in usable[:2])
    environment = {**os.environ, "OMP_PROC_BIND": "true", "OMP_PLACES": places}
    subprocess.run([sys.executable, "-c", text], env=environment, check=True)
