"""The same work without any compiled kernel: plain torch loops, in a process of their own, must give the same."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

from .harness import Missing


def fingerprint(module: str, name: str) -> str:
    """`module.fingerprint(name)` by plain torch loops; kernels must give the same."""
    without = {**os.environ, "INTSPIKE_COMPILER": "none"}
    done = subprocess.run(
        [sys.executable, "-m", f"{__package__}.plain", f"{__package__}.{module}", name],
        env=without, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Missing(f"the plain loops failed: {done.stderr.strip()[-400:]}")
    return done.stdout


def main() -> None:
    import warnings

    warnings.simplefilter("ignore")  # that there is no compiler is meant
    from intspike.native import compiler

    assert compiler() is None, "plain loops were asked for, but a compiler was found"
    module, name = sys.argv[1:]
    sys.stdout.write(importlib.import_module(module).fingerprint(name))


if __name__ == "__main__":
    main()
