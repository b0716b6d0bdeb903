"""Files that are whole or not there: the one way to write them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_atomic(path: Path, write: Callable[[Path], Any]) -> None:
    """Call `write` with a passing name beside `path`, then move it there in one step: whole or not at all.

    What was at the path stays until the new file is complete and on the disk, through a kill and a power cut.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    passing = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        write(passing)
        _sync(passing)
        passing.replace(path)
    finally:  # Ctrl-C too leaves nothing behind
        with suppress(OSError):
            passing.unlink(missing_ok=True)
    with suppress(OSError):  # some systems cannot synchronise a folder
        _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
