"""Finding the machine's C compiler, and what it says about itself and this processor."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import BuildFailed, MissingDependency

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")


class SlowerWithoutCompiler(UserWarning):
    """There is no C compiler, or none is wanted, so plain numpy or torch does the work."""


@dataclass(frozen=True)
class Compiler:
    """A C compiler.

    Attributes:
        command: how it is called.
        version: the first line that it says of itself.
        macros: what it defines for `-march=native`: the instruction set of this processor.
        identity: all of that as a hash, part of the key of a cached library.
    """

    command: tuple[str, ...]
    version: str
    macros: frozenset[str]
    identity: str


@lru_cache(maxsize=8)
def _identify(command: tuple[str, ...]) -> Compiler | None:
    def say(*arguments: str) -> str:
        done = subprocess.run([*command, *arguments], capture_output=True, check=True, timeout=30, text=True)
        return done.stdout

    try:
        version, macros = say("--version"), say("-march=native", "-E", "-dM", "-x", "c", os.devnull)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    names = frozenset(words[1] for words in map(str.split, macros.splitlines()) if len(words) > 1)
    identity = hashlib.sha256("\0".join((*command, version, macros)).encode()).hexdigest()
    return Compiler(command, version.partition("\n")[0], names, identity)


def _run_as(words: str, path: str) -> Compiler | None:
    command = tuple(shlex.split(words))
    return _identify(command) if command and shutil.which(command[0], path=path) else None


@lru_cache(maxsize=8)
def _search(chosen: str, preferred: str, path: str) -> Compiler | None:
    if chosen and chosen != "none":
        if found := _run_as(chosen, path):
            return found
        raise MissingDependency(
            f"INTSPIKE_COMPILER must be a C compiler that runs here, or none, but is {chosen!r}: "
            "install it, name another one, or unset the variable"
        )
    if not chosen:
        for name in (preferred, "cc", "gcc", "clang"):
            if found := _run_as(name, path):
                return found
    warnings.warn(
        "INTSPIKE_COMPILER=none: going on with slower numpy and torch code"
        if chosen
        else "no C compiler was found (looked for $CC, cc, gcc, clang): going on with slower numpy and torch "
        "code; installing gcc or clang makes this about ten times faster",
        SlowerWithoutCompiler,
        stacklevel=3,
    )
    return None


def compiler() -> Compiler | None:
    """The C compiler: what INTSPIKE_COMPILER names, else the first of $CC, cc, gcc and clang that runs.

    None, said once, where there is none or INTSPIKE_COMPILER is `none`.

    Raises:
        MissingDependency: INTSPIKE_COMPILER names something else than a compiler.
    """
    get = os.environ.get
    return _search(get("INTSPIKE_COMPILER", "").strip(), get("CC", ""), get("PATH", os.defpath))


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
