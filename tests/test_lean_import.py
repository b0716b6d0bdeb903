"""Importing intspike, or its half without torch, loads nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
HEAVY = ("torch", "pandas", "plotly", "scipy")
MODULES = [
    "intspike",
    "intspike.errors",
    "intspike.fixed",
    "intspike.ops",
    "intspike.neuron",
    "intspike.native",
    "intspike.ir",
    "intspike.export",
    "intspike.engine",
    "intspike.measure",
    "intspike.dynamics",
    "intspike.pretrained",
]


@pytest.mark.parametrize("module", MODULES)
def test_import_is_light(module: str):
    place = SOURCE.joinpath(*module.split("."))
    if not place.with_suffix(".py").exists() and not (place / "__init__.py").exists():
        pytest.skip(f"{module} does not exist yet")
    # a fresh interpreter, because this one may have imported torch long ago
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [], f"`import {module}` must not load {done.stdout.strip()}"
