"""Grids: each cell is computed once and kept whole, whatever is killed, cut, full or wrong."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import toy_cells
from intspike.errors import BadInput, MissingDependency
from intspike.study.grid import Outcome, Store, cell_hash, run, run_cells, store
from intspike.study.grid.lock import study_lock
from intspike.study.watch import Watch
from toy_cells import Here, Toy, computed

HERE = Path(__file__).parents[1]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "study"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    """Cells run in this process: most of what a grid does has nothing to do with workers."""
    made = Here()
    monkeypatch.setattr(run, "open_backend", lambda *given: made)
    return made


class Said(Watch):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.words: list[tuple[int, str]] = []

    def start(self, task: str, total: int) -> Callable[[int, str], None]:
        return lambda done, words: self.words.append((done, words))

    def say(self, text: str) -> None:
        self.lines.append(text)


# ---------------------------------------------------------------- hashes


def test_a_hash_is_of_the_content_and_never_changes() -> None:
    assert cell_hash(Toy("a")) == "8414c5d6f9ce83a8"
    assert cell_hash(Toy("a", above=("b", "fine"))) != cell_hash(Toy("a"))


@given(st.lists(st.tuples(st.text(), st.text()), min_size=2, max_size=2, unique=True))
def test_other_fields_are_another_hash(pair: list[tuple[str, str]]) -> None:
    a, b = pair
    assert cell_hash(Toy(*a)) != cell_hash(Toy(*b))
    assert cell_hash(Toy(*a)) == cell_hash(Toy(*a))


def test_kinds_of_cells_are_told_apart() -> None:
    other = dataclass(frozen=True)(type("Other", (Toy,), {"__annotations__": {}}))
    assert cell_hash(other("a")) != cell_hash(Toy("a"))  # type: ignore[operator]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"x", [1], {"a": 1}, (1, [2])])
def test_what_is_not_plain_is_refused(value: Any) -> None:
    with pytest.raises(BadInput, match=r"Toy\.label must be plain"):
        cell_hash(Toy(value))


def test_a_cell_that_can_change_is_refused() -> None:
    with pytest.raises(BadInput, match="must be a frozen dataclass, not Loose"):
        cell_hash(dataclass(type("Loose", (), {"__annotations__": {}}))())


# ---------------------------------------------------------------- keeping and resuming


def test_cells_are_computed_once_and_parents_first(here: Here, out: Path, log: Path) -> None:
    cells = [Toy("child", above=("root", "fine")), Toy("twin"), Toy("twin"), Toy("root")]
    work = partial(toy_cells.work, log=log)
    first = run_cells(cells, work, out)
    assert computed(log) == ["root", "child", "twin"]
    assert [f.record and f.record["value"] for f in first] == [4, 0, 0, 0]
    assert run_cells(cells, work, out) == first
    assert len(computed(log)) == 3
    assert here.closed == 1


def test_another_grid_shares_the_folder(here: Here, out: Path, log: Path) -> None:
    work = partial(toy_cells.work, log=log)
    run_cells([Toy("a"), Toy("b")], work, out)
    made = run_cells([Toy("b"), Toy("c")], work, out)
    assert [f.cell.name for f in made] == ["toy b", "toy c"]
    assert computed(log) == ["a", "b", "c"]


def test_a_finished_child_needs_no_parent(here: Here, out: Path, log: Path) -> None:
    work = partial(toy_cells.work, log=log)
    child = Toy("child", above=("root", "fine"))
    run_cells([child], work, out)
    (out / "cells" / cell_hash(child.parent) / "network").unlink()
    run_cells([child], work, out)
    assert computed(log) == ["root", "child"]


def test_records_without_their_files_are_finished_until_something_starts_from_them(
    out: Path, log: Path, here: Here
) -> None:
    root, first = Toy("root"), Toy("first", above=("root", "fine"))
    work = partial(toy_cells.work, log=log)
    run_cells([root, first], work, out)
    for network in out.glob("cells/*/network"):
        network.unlink()
    log.write_text("")
    run_cells([root, first], work, out)
    assert computed(log) == []
    run_cells([root, first, Toy("second", above=("root", "fine"))], work, out)
    assert computed(log) == ["root", "second"]


def _half(folder: Path) -> None:
    path = folder / "result.json"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _other_number(folder: Path) -> None:
    path = folder / "result.json"
    path.write_text(path.read_text().replace('"value": 0', '"value": 1'))


def _other_cell(folder: Path) -> None:
    path = folder / "result.json"
    path.write_text(path.read_text().replace(folder.name, "0" * 16))


def _empty(folder: Path) -> None:
    (folder / "result.json").write_bytes(b"")


def _other_json(folder: Path) -> None:
    (folder / "result.json").write_text("[1, 2]")


def _cut_network(folder: Path) -> None:
    (folder / "network").write_bytes(b"")


def _no_result(folder: Path) -> None:
    (folder / "result.json").unlink()


DAMAGES = [_half, _other_number, _other_cell, _empty, _other_json, _cut_network, _no_result]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_a_damaged_cell_is_computed_again(
    damage: Callable[[Path], None], here: Here, out: Path, log: Path
) -> None:
    work = partial(toy_cells.work, log=log)
    before = run_cells([Toy("a"), Toy("b")], work, out)
    damage(out / "cells" / before[0].hash)
    after = run_cells([Toy("a"), Toy("b")], work, out)
    assert computed(log) == ["a", "b", "a"]
    assert [f.record for f in after] == [f.record for f in before]
    assert Store(out).files(Toy("a")) == {"network": b"a"}


def test_a_cell_of_another_folder_is_not_taken(here: Here, out: Path, log: Path) -> None:
    work = partial(toy_cells.work, log=log)
    a, b = run_cells([Toy("a"), Toy("b")], work, out)
    place = out / "cells" / b.hash / "result.json"
    place.write_bytes((out / "cells" / a.hash / "result.json").read_bytes())
    assert Store(out).read(Toy("b")) is None


def test_leftovers_are_removed_and_other_files_are_not(here: Here, out: Path, log: Path) -> None:
    work = partial(toy_cells.work, log=log)
    (done,) = run_cells([Toy("a")], work, out)
    keep = [out / "cells" / "thesis", out / "notes"]
    for folder in (*keep, out / "cells" / ("0" * 16)):
        folder.mkdir()
        (folder / "file").touch()
    temporary = out / "cells" / done.hash / ".result.json.x7"
    temporary.touch()
    run_cells([Toy("a")], work, out)
    assert [f.exists() for f in keep] == [True, True]
    assert not temporary.exists()
    assert not (out / "cells" / ("0" * 16)).exists()


def test_a_full_disk_loses_nothing_finished(
    here: Here, out: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = store.write_json, []

    def full(path: Path, value: Any) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, value)

    work = partial(toy_cells.work, log=log)
    monkeypatch.setattr(store, "write_json", full)
    with pytest.raises(BadInput, match="the disk is full; nothing finished is lost"):
        run_cells([Toy("a"), Toy("b")], work, out)
    assert here.closed == 1
    run_cells([Toy("a"), Toy("b")], work, out)
    assert computed(log) == ["a", "b", "b"]


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("raise", "ZeroDivisionError: one two"),
        ("refuse", "NotLowerable: there is no integer form"),
        ("nan", "its record must be plain finite data, but: ValueError"),
        ("nothing", "the work of a cell must return an Outcome, not NoneType"),
    ],
)
def test_a_cell_that_fails_is_kept_with_its_reason(
    way: str, reason: str, here: Here, out: Path, log: Path
) -> None:
    work, said = partial(toy_cells.work, log=log), Said()
    cells = [Toy("bad", way), Toy("child", above=("bad", way)), Toy("good")]
    bad, child, good = run_cells(cells, work, out, watch=said)
    assert (bad.status, child.status, good.status) == ("failed", "failed", "done")
    assert reason in bad.reason
    assert "\n" not in bad.reason
    assert child.reason == f"it starts from toy bad, which failed: {bad.reason}"
    assert any("toy bad: failed" in line for line in said.lines)
    assert said.words[-1] == (3, "0 running, 2 failed, 0 s left")
    assert json.loads((out / "cells" / bad.hash / "result.json").read_text())["reason"] == bad.reason
    again = run_cells(cells, work, out)
    assert [f.status for f in again] == ["failed", "failed", "done"]
    assert computed(log) == ["bad", "good"]
    run_cells(cells, work, out, retry_failed=True)
    assert computed(log) == ["bad", "good", "bad"]


def test_failures_are_repeated_when_intspike_has_changed(
    here: Here, out: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = partial(toy_cells.work, log=log)
    run_cells([Toy("bad", "raise"), Toy("good")], work, out)
    monkeypatch.setattr(run, "code_fingerprint", lambda: "another")
    run_cells([Toy("bad", "raise"), Toy("good")], work, out)
    assert computed(log) == ["bad", "good", "bad"]


def test_ctrl_c_keeps_what_is_finished(here: Here, out: Path, log: Path) -> None:
    def interrupted(cell: Toy, files: Any) -> Outcome:
        if cell.label == "b":
            raise KeyboardInterrupt
        return toy_cells.work(cell, files, log)

    said = Said()
    with pytest.raises(KeyboardInterrupt):
        run_cells([Toy("a"), Toy("b"), Toy("c")], interrupted, out, watch=said)
    assert (
        said.lines[-1] == f"stopped; 1 of 3 cells are kept in {out}, and the same command goes on from there"
    )
    assert here.closed == 1
    run_cells([Toy("a"), Toy("b"), Toy("c")], partial(toy_cells.work, log=log), out)
    assert computed(log) == ["a", "b", "c"]


# ---------------------------------------------------------------- jobs and locks


def test_jobs_and_threads_never_exceed_the_processors(monkeypatch: pytest.MonkeyPatch, out: Path) -> None:
    monkeypatch.setattr(run, "processors", lambda: 12)
    assert [run.threads_of(jobs) for jobs in (1, 2, 5, 7, 12)] == [12, 6, 2, 1, 1]
    for jobs in (0, 13):
        with pytest.raises(
            BadInput, match=rf"--jobs must be in 1\.\.12, .*, not {jobs}; more cells at once need a"
        ):
            run_cells([Toy("a")], toy_cells.work, out, jobs=jobs)
    assert not out.exists()


def test_a_second_study_on_a_folder_is_refused_and_told_who_has_it(here: Here, out: Path, log: Path) -> None:
    with (
        study_lock(out),
        pytest.raises(BadInput, match=rf"process {os.getpid()} on .* does; wait for it with --wait"),
    ):
        run_cells([Toy("a")], partial(toy_cells.work, log=log), out)
    assert computed(log) == []
    run_cells([Toy("a")], partial(toy_cells.work, log=log), out)


def test_unknown_backends_and_addresses_without_a_cluster_are_refused(out: Path) -> None:
    with pytest.raises(BadInput, match="there is no backend 'lokky'; did you mean 'loky'"):
        run_cells([Toy("a")], toy_cells.work, out, backend="lokky")
    with pytest.raises(BadInput, match="an address is of a Dask or Ray cluster"):
        run_cells([Toy("a")], toy_cells.work, out, address="localhost:1")


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_a_missing_backend_says_what_to_install(
    name: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependency, match=rf"pip install 'intspike\[{name}\]'"):
        run_cells([Toy("a")], toy_cells.work, out, backend=name)


# ---------------------------------------------------------------- real workers


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "processors", lambda: 4)


def _one_dies(out: Path, log: Path, **options: Any) -> None:
    """A worker is killed while another works: only its cell is computed twice, and the study is whole."""
    cells = [
        Toy("victim", "die once"),
        Toy("other", "slow"),
        Toy("third"),
        Toy("child", above=("victim", "die once")),
    ]
    made = run_cells(cells, partial(toy_cells.work, log=log), out, jobs=2, **options)
    assert [f.status for f in made] == ["done"] * 4
    assert Counter(computed(log)) == {"victim": 2, "other": 1, "third": 1, "child": 1}
    assert made[3].record is not None
    assert made[3].record["value"] == len("victim")


@pytest.mark.slow
def test_a_killed_process_loses_its_own_cell_only(out: Path, log: Path, two_processors: None) -> None:
    said = Said()
    _one_dies(out, log, watch=said)
    assert "the worker of toy victim died; it is computed again" in said.lines
    record = Store(out).read(Toy("third"))
    assert record is not None
    assert record.record is not None
    assert record.record["threads"] == "2"


@pytest.mark.slow
def test_a_cell_that_always_kills_its_worker_fails(out: Path, log: Path) -> None:
    bad, good = run_cells([Toy("bad", "die"), Toy("good")], partial(toy_cells.work, log=log), out)
    assert (bad.status, good.status) == ("failed", "done")
    assert bad.reason.startswith("its worker died 3 times, perhaps for lack of memory")
    assert Counter(computed(log)) == {"bad": 3, "good": 1}


@pytest.mark.slow
def test_work_that_cannot_be_sent_fails_with_its_reason(out: Path) -> None:
    import threading

    lock = threading.Lock()
    (made,) = run_cells([Toy("a")], lambda cell, files: Outcome({"x": lock.locked()}), out)
    assert made.status == "failed"
    assert "pickle" in made.reason


def _start(out: Path, cells: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    return subprocess.Popen(
        [sys.executable, str(HERE / "toy_cells.py"), str(out), str(cells)], env=environment
    )


def _wait(condition: Callable[[], object], what: str) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen in 30 s")


@pytest.mark.slow
def test_a_study_killed_in_the_middle_resumes(here: Here, out: Path, log: Path) -> None:
    study = _start(out, 4)
    _wait(lambda: len(list(out.glob("cells/*/result.json"))) >= 2, "two finished cells")
    holder = json.loads((out / ".lock-holder.json").read_text())
    assert holder["pid"] == study.pid
    with pytest.raises(BadInput, match=rf"process {study.pid} on .* does"):
        run_cells([Toy("0", "slow")], partial(toy_cells.work, log=log), out)
    study.send_signal(signal.SIGKILL)
    study.wait()
    workers = {int(line.split()[1]) for line in log.read_text().splitlines()}
    kept, begun = len(list(out.glob("cells/*/result.json"))), computed(log)
    assert (out / ".lock-holder.json").exists()  # the dead holder's note is no lock
    made = run_cells([Toy(str(k), "slow") for k in range(4)], partial(toy_cells.work, log=log), out)
    assert [f.status for f in made] == ["done"] * 4
    assert len(computed(log)) == len(begun) + 4 - kept

    def gone() -> bool:
        return not any(Path(f"/proc/{w}").exists() for w in workers)

    _wait(gone, "the end of the killed study's workers")


@pytest.mark.slow
def test_a_study_waits_for_another(here: Here, out: Path, log: Path) -> None:
    study, said = _start(out, 2), Said()
    _wait((out / ".lock-holder.json").exists, "the start of the other study")
    made = run_cells([Toy("0", "slow")], partial(toy_cells.work, log=log), out, wait=True, watch=said)
    assert study.wait() == 0
    assert made[0].status == "done"
    assert f"waiting for process {study.pid}" in said.lines[0]
    assert computed(log) == ["0", "1"]


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_and_keeps_what_is_finished(out: Path, log: Path) -> None:
    study = _start(out, 4)
    _wait(lambda: len(list(out.glob("cells/*/result.json"))) >= 1, "a finished cell")
    study.send_signal(signal.SIGINT)
    assert study.wait() != 0
    workers = {int(line.split()[1]) for line in log.read_text().splitlines()}
    assert not any(Path(f"/proc/{w}").exists() for w in workers)
    with study_lock(out):
        assert any(Store(out).read(Toy(str(k), "slow")) for k in range(4))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_dask_cluster_loses_the_killed_worker_s_cell_only(
    out: Path, log: Path, two_processors: None
) -> None:
    pytest.importorskip("distributed", reason="install the extra [dask]")
    _one_dies(out, log, backend="dask")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_dask_cluster_at_an_address(out: Path, log: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="install the extra [dask]")
    local = {"processes": True, "dashboard_address": None}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, **local) as cluster:
        _one_dies(out, log, backend="dask", address=cluster.scheduler_address)
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, **local) as cluster,
        pytest.raises(BadInput, match="start workers with --nthreads 1"),
    ):
        run_cells([Toy("new")], toy_cells.work, out, backend="dask", address=cluster.scheduler_address)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")
def test_a_ray_cluster_loses_the_killed_worker_s_cell_only(
    out: Path, log: Path, two_processors: None
) -> None:
    pytest.importorskip("ray", reason="install the extra [ray]")
    _one_dies(out, log, backend="ray")
