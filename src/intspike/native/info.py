"""What this machine offers to compiled code, in words."""

from __future__ import annotations

import shlex
import warnings
from dataclasses import dataclass

from .cache import cache_folder, libraries
from .find import SlowerWithoutCompiler, compiler
from .march import instructions, sets
from .threads import default_threads


@dataclass(frozen=True)
class Info:
    """The compiler and its version (None without one), instruction sets, cache and processors.

    Attributes:
        sets: values of `-march` that can be compiled for and run.
        native: the instructions that kernels can gain from and this processor has.
        threads: how many are used where nothing else says so.
    """

    compiler: str | None
    version: str | None
    sets: tuple[str, ...]
    native: tuple[str, ...]
    cache_folder: str
    cached_libraries: int
    cached_bytes: int
    threads: int


def info() -> Info:
    """Ask the compiler, the cache folder and the operating system.

    Raises:
        MissingDependency: INTSPIKE_COMPILER names something else than a compiler.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowerWithoutCompiler)  # said here by None
        cc, marches = compiler(), sets()
    return Info(
        compiler=shlex.join(cc.command) if cc else None,
        version=cc.version if cc else None,
        sets=marches,
        native=instructions(cc) if cc else (),
        cache_folder=str(cache_folder()),
        cached_libraries=len(libraries()),
        cached_bytes=sum(library.stat().st_size for library in libraries()),
        threads=default_threads(),
    )
