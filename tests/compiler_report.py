"""What the compiler itself says about its loops: which of them it turned into vector instructions."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from intspike.native import FAST


@cache
def vectorizing_compiler(name: str = "gcc") -> str | None:
    """The named compiler, where it can compile for a processor with gathers (AVX2)."""
    found = shutil.which(name)
    if found is None:
        return None
    command = [found, "-march=native", "-E", "-dM", "-x", "c", "/dev/null"]
    macros = subprocess.run(command, capture_output=True, text=True)
    known = macros.returncode == 0 and "__AVX2__" in macros.stdout
    return found if known and ("__clang__" in macros.stdout) == ("clang" in name) else None


def vectorized_lines(source: str, folder: Path, flags: tuple[str, ...] = FAST, name: str = "gcc") -> set[int]:
    """Numbers (from 1) of the source lines whose loop gcc or clang reports as vectorized."""
    (folder / "k.c").write_text(source)
    said = "optimized: +loop vectorized" if name == "gcc" else "remark: vectorized loop"
    ask = "-fopt-info-vec-optimized" if name == "gcc" else "-Rpass=loop-vectorize"
    command = [name, *flags, ask, "k.c", "-o", "k.so", "-lm"]
    report = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stderr
    return {int(line) for line in re.findall(rf"k\.c:(\d+):\d+: {said}", report)}


def lines_with(source: str, text: str) -> list[int]:
    """Numbers of the lines that hold a text, such as a loop's head or a mark behind it."""
    return [k for k, line in enumerate(source.splitlines(), 1) if text in line]
