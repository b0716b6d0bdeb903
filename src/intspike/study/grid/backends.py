"""Where cells run: processes of this machine, a Dask cluster, a Ray cluster. Each brings its own scheduling.

All answer to the same three calls, and survive a worker that is killed: its cell alone is computed again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sys
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait
from typing import Any, Protocol

from ...errors import BadInput, MissingDependency, did_you_mean
from .cell import Outcome
from .worker import Failure, Task, begin, one_line, perform

BACKENDS = ("loky", "dask", "ray")
ATTEMPTS = 3  # of a cell whose worker dies
Answer = tuple[Outcome | Failure, float]

_KILLED = f"its worker died {ATTEMPTS} times, perhaps for lack of memory; fewer jobs leave more for each"


class Backend(Protocol):
    """Runs tasks.

    Attributes:
        slots: how many run at once.
    """

    @property
    def slots(self) -> int: ...

    def submit(self, key: str, task: Task) -> None:
        """Begin a task; no more than `slots` at once."""
        ...

    def finished(self, seconds: float) -> list[tuple[str, Answer]]:
        """What has finished since; waits so long for the first."""
        ...

    def close(self) -> None:
        """End all workers, whatever they do."""
        ...


def open_backend(
    name: str, jobs: int, threads: int, address: str | None, say: Callable[[str], None]
) -> Backend:
    """Start workers, or find those at an address.

    Raises:
        BadInput: no such backend, an address that none answers at, or workers that run several cells in one process.
        MissingDependency: dask or ray is not installed.
    """
    if name == "loky":
        if address is not None:
            raise BadInput(
                f"an address is of a Dask or Ray cluster, but the backend is loky; --backend dask or ray ({address})"
            )
        return Processes(jobs, threads, say)
    if name == "dask":
        return Dask(jobs, address)
    if name == "ray":
        return Ray(jobs, threads, address)
    raise BadInput(f"there is no backend {name!r}; {did_you_mean(name, BACKENDS)}")


class Processes:
    """joblib's loky executors, one a worker, so that a worker that dies takes no other along."""

    def __init__(self, jobs: int, threads: int, say: Callable[[str], None]):
        self.slots, self._threads, self._say = jobs, threads, say
        self._executors = [self._executor() for _ in range(jobs)]
        self._free = list(range(jobs))
        self._running: dict[Any, tuple[str, Task, int, int]] = {}

    def _executor(self) -> Any:
        from joblib.externals.loky import ProcessPoolExecutor

        return ProcessPoolExecutor(
            max_workers=1,
            initializer=begin,
            initargs=(os.getpid(),),
            env={"OMP_NUM_THREADS": str(self._threads)},
        )

    def submit(self, key: str, task: Task) -> None:
        self._begin(key, task, self._free.pop(), 1)

    def _begin(self, key: str, task: Task, slot: int, attempt: int) -> None:
        self._running[self._executors[slot].submit(perform, task)] = (key, task, slot, attempt)

    def finished(self, seconds: float) -> list[tuple[str, Answer]]:
        made: list[tuple[str, Answer]] = []
        for future in wait(self._running, seconds, FIRST_COMPLETED).done:
            key, task, slot, attempt = self._running.pop(future)
            try:
                answer: Answer = future.result()
            except BrokenExecutor:
                self._executors[slot] = self._executor()
                if attempt < ATTEMPTS:
                    self._say(f"the worker of {task.cell.name} died; it is computed again")
                    self._begin(key, task, slot, attempt + 1)
                    continue
                answer = Failure(_KILLED), 0.0
            except Exception as e:  # what cannot be sent between processes
                answer = Failure(one_line(e)), 0.0
            self._free.append(slot)
            made.append((key, answer))
        return made

    def close(self) -> None:
        for executor in self._executors:
            executor.shutdown(wait=True, kill_workers=True)


class Dask:
    """A Dask cluster; it moves the cells of a worker that dies by itself."""

    def __init__(self, jobs: int, address: str | None):
        try:
            from distributed import Client, LocalCluster
        except ImportError as e:
            raise MissingDependency(
                "the backend dask needs dask.distributed, which is not installed; run: pip install 'intspike[dask]'"
            ) from e
        self._cluster: Any = None
        if address is None:  # each in a process of its own, as everything that sets threads and seeds must be
            local: Any = LocalCluster
            self._cluster = local(
                n_workers=jobs, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
            )
        try:
            self._client: Any = Client(self._cluster or address, timeout=15)
        except (OSError, ValueError) as e:
            raise BadInput(f"a Dask scheduler must answer at {address}, but: {one_line(e)}") from None
        if not self.slots:
            self.close()
            raise BadInput(
                f"a Dask scheduler must have workers, but that at {address} has none; start dask workers"
            )
        if any(n > 1 for n in self._client.nthreads().values()):
            self.close()
            raise BadInput(
                f"a Dask worker must run one cell at a time, but one at {address} has several threads; start workers "
                "with --nthreads 1, and --nworkers for more of them"
            )
        self._running: dict[Any, str] = {}

    @property
    def slots(self) -> int:
        return len(self._client.nthreads())

    def submit(self, key: str, task: Task) -> None:
        name = f"{key}-{secrets.token_hex(4)}"  # the scheduler may know an earlier result under this key
        self._running[self._client.submit(perform, task, key=name, pure=False)] = key

    def finished(self, seconds: float) -> list[tuple[str, Answer]]:
        from distributed import wait as wait_dask

        with contextlib.suppress(TimeoutError):
            wait_dask(list(self._running), timeout=seconds, return_when="FIRST_COMPLETED")
        made: list[tuple[str, Answer]] = []
        for future in [f for f in self._running if f.done()]:
            key = self._running.pop(future)
            try:
                answer: Answer = future.result()
            except Exception as e:
                dead = type(e).__name__ == "KilledWorker"
                answer = (
                    Failure(
                        "its worker died again and again, perhaps for lack of memory" if dead else one_line(e)
                    ),
                    0.0,
                )
            made.append((key, answer))
        return made

    def close(self) -> None:
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


class Ray:
    """A Ray cluster; it repeats the cells of a worker that dies by itself."""

    def __init__(self, jobs: int, threads: int, address: str | None):
        try:
            import ray
        except ImportError as e:
            raise MissingDependency(
                "the backend ray needs ray, which is not installed; run: pip install 'intspike[ray]'"
            ) from e
        self._ray: Any = ray
        own: dict[str, Any] = {}
        if address is None:  # workers find the modules that this process finds
            path = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
            own = {"include_dashboard": False, "num_cpus": jobs * threads, "runtime_env": {"env_vars": path}}
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, ValueError, RuntimeError) as e:
            raise BadInput(f"a Ray cluster must answer at {address}, but: {one_line(e)}") from None
        self._each = threads if address is None else 1
        self._call: Any = ray.remote(num_cpus=self._each, max_retries=ATTEMPTS - 1)(perform)
        self._running: dict[Any, str] = {}

    @property
    def slots(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)) // self._each)

    def submit(self, key: str, task: Task) -> None:
        self._running[self._call.remote(task)] = key

    def finished(self, seconds: float) -> list[tuple[str, Answer]]:
        ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        made: list[tuple[str, Answer]] = []
        for reference in ready:
            key = self._running.pop(reference)
            try:
                answer: Answer = self._ray.get(reference)
            except self._ray.exceptions.WorkerCrashedError:
                answer = Failure(_KILLED), 0.0
            except Exception as e:
                answer = Failure(one_line(e)), 0.0
            made.append((key, answer))
        return made

    def close(self) -> None:
        self._ray.shutdown()
