"""One study a folder: a lock that the system frees when its holder dies."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import BadInput
from ..folder import write_json

_LOCK, _HOLDER = ".lock", ".lock-holder.json"


@contextmanager
def study_lock(
    out: Path, *, wait: bool = False, say: Callable[[str], None] = lambda text: None
) -> Generator[None]:
    """Hold a study's folder; a second study on it is refused, or waits.

    The lock is the system's (flock), so a holder that was killed holds nothing: the next study takes over at once.
    Who holds it is written beside it for the message alone.

    Raises:
        BadInput: another living study works in this folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise BadInput(
                f"one study at a time may write to {out}, but {_holder(out)} does; wait for it with --wait, "
                "or choose another --out"
            ) from None
        say(f"waiting for {_holder(out)} to finish with {out}")
        lock.acquire()
    try:
        write_json(out / _HOLDER, {"pid": os.getpid(), "host": socket.gethostname()})
        yield
    finally:
        (out / _HOLDER).unlink(missing_ok=True)
        lock.release()


def _holder(out: Path) -> str:
    try:
        found = json.loads((out / _HOLDER).read_text("utf-8"))
        return f"process {found['pid']} on {found['host']}"
    except (OSError, ValueError, KeyError, TypeError):  # it begins or ends at this moment
        return "another process"
