"""Compiled libraries, kept for the next process.

They lie in a private folder of the user's cache under a hash of the source, the flags and the compiler's
identity, which holds the instruction set that `-march=native` stands for on this processor.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from .find import Compiler, compile_command
from .march import FAST, forced


def cache_folder() -> Path:
    """The private folder of compiled libraries; a temporary one where the user's cache cannot be trusted."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "intspike"
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = folder.lstat()
        private = stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and not info.st_mode & 0o077
        if private and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return _temporary_folder(os.getpid())


@lru_cache(maxsize=1)
def _temporary_folder(process: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="intspike-"))
    atexit.register(_remove, folder, process)
    return folder


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:  # a forked child leaves its parent's folder alone
        shutil.rmtree(folder, ignore_errors=True)


def libraries() -> tuple[Path, ...]:
    """The compiled libraries in the cache folder."""
    return tuple(sorted(cache_folder().glob("*.so")))


def load(source: str, cc: Compiler, flags: tuple[str, ...] = FAST) -> ctypes.CDLL:
    """The shared library of a C source, compiled once for this machine.

    INTSPIKE_MARCH, where it is set, takes the place of `native` in the flags.

    Raises:
        BuildFailed: the compiler refused the source.
        BadInput: INTSPIKE_MARCH names an instruction set that this machine cannot run.
    """
    flags = forced(flags, cc)
    key = hashlib.sha256("\0".join((source, *flags, cc.identity)).encode()).hexdigest()
    return _load(key, source, cc, flags)


@lru_cache(maxsize=64)
def _load(key: str, source: str, cc: Compiler, flags: tuple[str, ...]) -> ctypes.CDLL:
    library = cache_folder() / f"{key}.so"
    if _trusted(library):
        with suppress(OSError):  # damaged: made again
            return ctypes.CDLL(str(library))
    with tempfile.TemporaryDirectory(prefix="intspike-build-") as scratch:
        (Path(scratch) / "source.c").write_text(source)
        compile_command(cc, [*flags, "source.c", "-o", "library.so", "-lm"], Path(scratch))
        made = Path(scratch) / "library.so"
        with suppress(OSError):
            _publish(made, library)
            return ctypes.CDLL(str(library))
        # the folder is full or read-only: this process does without it
        return ctypes.CDLL(str(made))  # stays mapped when the file is gone


def _publish(made: Path, library: Path) -> None:
    """Put a file in the cache whole or not at all, whoever else does so at the same time."""
    handle, name = tempfile.mkstemp(dir=library.parent, prefix="build-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(made.read_bytes())
            file.flush()
            os.fsync(file.fileno())  # a crash of the machine must not leave the name without its content
        Path(name).chmod(0o700)
        Path(name).replace(library)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _trusted(library: Path) -> bool:
    try:
        info = library.lstat()
    except OSError:
        return False
    return stat.S_ISREG(info.st_mode) and info.st_uid == os.getuid() and not info.st_mode & 0o022
