"""Finding the machine's C compiler, compiling generated C, and caching the result.

Compiled libraries lie in a private folder of the user's cache, under a hash of the source, the flags, the
compiler's identity and the instruction set that the flags resolve to on this machine.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import BuildFailed

FAST = ("-std=c99", "-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-shared")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")


class SlowerWithoutCompiler(UserWarning):
    """No C compiler was found, so plain numpy or torch does the work."""


@dataclass(frozen=True)
class Compiler:
    """A C compiler.

    Attributes:
        command: how it is called.
        identity: its version and the instruction set of `-march=native`, as a hash.
    """

    command: tuple[str, ...]
    identity: str


@lru_cache(maxsize=8)
def _identify(command: tuple[str, ...]) -> Compiler | None:
    try:
        version = subprocess.run([*command, "--version"], capture_output=True, check=True, timeout=30).stdout
        macros = subprocess.run(
            [*command, "-march=native", "-E", "-dM", "-x", "c", os.devnull],
            capture_output=True,
            check=True,
            timeout=30,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return Compiler(command, hashlib.sha256(version + macros).hexdigest())


@lru_cache(maxsize=8)
def _search(wanted: str, path: str) -> Compiler | None:
    for name in (wanted, "cc", "gcc", "clang"):
        command = tuple(shlex.split(name))
        if command and shutil.which(command[0], path=path) and (found := _identify(command)):
            return found
    warnings.warn(
        "no C compiler was found (looked for $CC, cc, gcc, clang): going on with slower numpy and torch code; "
        "installing gcc or clang makes this about ten times faster",
        SlowerWithoutCompiler,
        stacklevel=3,
    )
    return None


def compiler() -> Compiler | None:
    """The machine's C compiler ($CC, cc, gcc or clang); None, said once, where there is none."""
    return _search(os.environ.get("CC", ""), os.environ.get("PATH", os.defpath))


def cache_folder() -> Path:
    """The private folder of compiled libraries; a temporary one where the user's cache cannot be trusted."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "intspike"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = folder.lstat()
        private = stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and not info.st_mode & 0o077
        if private and os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return _temporary_folder()


@lru_cache(maxsize=1)
def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="intspike-"))


def compile_command(cc: Compiler, arguments: list[str], folder: Path) -> None:
    """Run the compiler in a folder.

    Raises:
        BuildFailed: with the compiler's first lines.
    """
    done = subprocess.run([*cc.command, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildFailed(
            f"generated C must compile, but {' '.join(cc.command)} refused it: {done.stderr.strip()[:2000]}"
        )


def load(source: str, cc: Compiler, flags: tuple[str, ...] = FAST) -> ctypes.CDLL:
    """The shared library of a C source, compiled once for this machine.

    Raises:
        BuildFailed: the compiler refused the source.
    """
    key = hashlib.sha256("\0".join((source, *flags, cc.identity)).encode()).hexdigest()
    return _load(key, source, cc, flags)


@lru_cache(maxsize=64)
def _load(key: str, source: str, cc: Compiler, flags: tuple[str, ...]) -> ctypes.CDLL:
    folder = cache_folder()
    library = folder / f"{key}.so"
    if not _trusted(library):
        with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as scratch:
            (Path(scratch) / "source.c").write_text(source)
            compile_command(cc, [*flags, "source.c", "-o", "library.so", "-lm"], Path(scratch))
            (Path(scratch) / "library.so").replace(library)  # published whole or not at all
    return ctypes.CDLL(str(library))


def _trusted(library: Path) -> bool:
    try:
        info = library.lstat()
    except OSError:
        return False
    return stat.S_ISREG(info.st_mode) and info.st_uid == os.getuid() and not info.st_mode & 0o022
