"""Peak memory growth: how much resident memory a call needs above what its process held before."""

from __future__ import annotations

import gc
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .harness import Missing

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def growth(run: Callable[[], str]) -> tuple[float, str]:
    """Megabytes (10^6 bytes) by which resident memory peaks above its start while `run` runs, and what it returns."""
    gc.collect()
    _CLEAR.write_text("5")  # the peak starts again from here
    before = _read("VmRSS")
    answer = run()
    return (_read("VmHWM") - before) / 1e6, answer


def apart(module: str, *words: str) -> tuple[float, str]:
    """Peak growth of `module.prepared(*words)` in a process of its own, and what it returned: a text to compare.

    Raises:
        Missing: no Linux, or the process failed.
    """
    if not _CLEAR.exists():
        raise Missing("peak memory is read from /proc, which this system lacks")
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        f"{__package__}.memory",
        f"{__package__}.{module}",
        *words,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"{' '.join(words)} failed: {done.stderr.strip()[-400:]}")
    megabytes, answer = json.loads(done.stdout.splitlines()[-1])
    return float(megabytes), str(answer)


def _read(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise Missing(f"{_STATUS} does not state {name}")


if __name__ == "__main__":
    prepared: Callable[..., Callable[[], str]] = importlib.import_module(sys.argv[1]).prepared
    sys.stdout.write(json.dumps(growth(prepared(*sys.argv[2:]))) + "\n")
