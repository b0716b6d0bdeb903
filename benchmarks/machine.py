"""The machine that a row was measured on, and the environment that a benchmark's process gets."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

_CPU = Path("/proc/cpuinfo")
# glibc gives large blocks back after each use and pays for new pages at the next; keeping them is kinder to the peers
_KEEP = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(100 << 20),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


def cores() -> list[int]:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def environment(pin: bool, keep_pages: bool) -> dict[str, str]:
    """Variables for the process of a benchmark.

    Args:
        pin: bind torch's threads to one core each.
        keep_pages: let glibc keep the pages it once had, as other allocators do.
    """
    added = {"OMP_NUM_THREADS": str(len(cores()))}
    if pin:
        added |= {"OMP_PROC_BIND": "true", "OMP_PLACES": ",".join(f"{{{c}}}" for c in cores())}
    return {**os.environ, **added, **(_KEEP if keep_pages else {})}


def widen(usable: list[int]) -> None:
    """Let the main thread, and so all threads it starts, use all cores again: OpenMP bound it to the first."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, usable)


class Others:
    """What other work took of the cores while this process measured; it slows threads that wait for each other most."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), _busy(), _own()

    def share(self) -> float | None:
        """Of all cores, since this was made, 0..1; other machines on the same host count. None where it is unknown."""
        if self._busy is None or (busy := _busy()) is None:
            return None
        seconds = (busy - self._busy) - (_own() - self._own)
        every = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return max(0.0, seconds / every)


def _busy() -> float | None:
    """Seconds that all cores together worked since the machine started."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _, _, irq, softirq, steal = (
        int(x) for x in stat.read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """Seconds of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def allocator() -> str:
    """The C allocator, by name."""
    if preloaded := os.environ.get("LD_PRELOAD"):
        return Path(preloaded.split()[0]).name
    kept = ", pages kept, huge pages" if all(os.environ.get(k) == v for k, v in _KEEP.items()) else ""
    return " ".join(platform.libc_ver()) + kept


def name() -> str:
    """Processor, cores and the widest integer instructions."""
    text = _CPU.read_text() if _CPU.exists() else ""
    lines = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in text.splitlines())}
    flags = lines.get("flags", "").split()
    widest = next(
        (f for f in ("avx512_vnni", "avx_vnni", "avx512bw", "avx2") if f in flags), platform.machine()
    )
    model = lines.get("model name", platform.processor() or "unknown processor")
    family = "/".join(lines[k] for k in ("cpu family", "model") if k in lines)
    count = len(cores())
    return f"{model} (family {family}, {widest}), {count} core{'s' * (count > 1)}, {platform.system()}"
