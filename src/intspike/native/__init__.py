"""C at run time: finding a compiler, compiling and caching, instruction sets, threads, hand-written kernels."""

from .cache import cache_folder, libraries, load
from .find import STRICT, Compiler, SlowerWithoutCompiler, compile_command, compiler
from .info import Info, info
from .march import FAST, fast, instructions, sets
from .threads import default_threads, for_each, split

__all__ = [
    "FAST",
    "STRICT",
    "Compiler",
    "Info",
    "SlowerWithoutCompiler",
    "cache_folder",
    "compile_command",
    "compiler",
    "default_threads",
    "fast",
    "for_each",
    "info",
    "instructions",
    "libraries",
    "load",
    "sets",
    "split",
]
