"""Imports run one way. The dict below is the architecture: what each part of intspike may import.

A part is a folder or a module directly under src/intspike; modules of one folder may import each other, but in no
circle.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "intspike"

BASE = "errors files fixed ops neuron native"
WAIST = f"{BASE} ir export engine measure dynamics pretrained"
TORCH = "quant kernels nn encode data models train"

MAY_IMPORT = {
    # without torch: what `pip install intspike` brings
    "errors": "",
    "files": "",
    "fixed": "errors",
    "ops": "errors fixed",
    "neuron": "errors fixed ops",
    "native": "errors fixed ops neuron",
    "ir": BASE,
    "export": f"{BASE} ir",
    "engine": f"{BASE} ir export",
    "measure": f"{BASE} ir export engine",
    "dynamics": f"{BASE} ir export engine measure",
    "pretrained": f"{BASE} ir",
    # with torch, knowing nothing of ir
    "quant": BASE,
    "kernels": f"{BASE} quant",
    "nn": f"{BASE} quant kernels",
    "encode": f"{BASE} quant kernels nn",
    "data": f"{BASE} quant kernels nn encode",
    "models": f"{BASE} quant kernels nn",
    "train": f"{BASE} quant kernels nn encode data",
    # where both halves meet
    "lower": f"{WAIST} {TORCH}",
    "interop": f"{WAIST} {TORCH} lower",
    "study": f"{WAIST} {TORCH} lower interop",
    "cli": f"{WAIST} {TORCH} lower interop study",
    # the front doors: may name everything, but lazily (test_lean_import.py)
    "__init__": f"{WAIST} {TORCH} lower interop study cli",
    "__main__": "cli",
}

NO_TORCH = frozenset(WAIST.split())


def part_of(file: Path, root: Path) -> str:
    """The folder under root that holds the file, or the module itself."""
    inside = file.relative_to(root)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imported(file: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Every (line, dotted name) that a file imports, wherever it does so; `from a import b` gives `a.b`."""
    package = [root.name, *file.relative_to(root).parts[:-1]]  # what a single dot means
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *filter(None, [node.module])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def violations(root: Path) -> list[str]:
    """One line for every import that the architecture forbids."""
    found: list[str] = []
    for file in sorted(root.rglob("*.py")):
        part, where = part_of(file, root), file.relative_to(root).as_posix()
        if part not in MAY_IMPORT:
            found.append(f"{where}: part {part!r} has no row in MAY_IMPORT")
            continue
        allowed = {part, *MAY_IMPORT[part].split()}
        for line, name in imported(file, root):
            top, _, rest = name.partition(".")
            target = rest.partition(".")[0]
            if top == "torch" and part in NO_TORCH:
                found.append(f"{where}:{line}: {part} must not import torch")
            elif top == root.name and target not in allowed and target != "__version__":
                found.append(
                    f"{where}:{line}: {part} must not import {target or 'the whole package'} ({name})"
                )
    return found


def test_imports_run_one_way():
    found = violations(SOURCE)
    assert not found, "imports against the architecture:\n" + "\n".join(found)


# what may close a circle: methods of state quantizers that call what stores any of them
CLOSES = {("quant/state/base.py", "quant/codec.py"), ("quant/state/uniform.py", "quant/storage.py")}


def circle(root: Path) -> list[str]:
    """Files that import each other in a circle, wherever in a file they do so; none where there is no circle."""
    files = {file.relative_to(root).as_posix() for file in root.rglob("*.py")}

    def file_of(name: str) -> str | None:
        parts = name.split(".")[1:]
        for count in range(
            len(parts), 0, -1
        ):  # the longest beginning that is a module; the rest are names in it
            path = "/".join(parts[:count])
            for file in (f"{path}.py", f"{path}/__init__.py"):
                if file in files:
                    return file
        return None

    needs: dict[str, set[str]] = {}
    for file in files:
        own = [n for _, n in imported(root / file, root) if n.partition(".")[0] == root.name]
        needs[file] = {f for n in own if (f := file_of(n)) is not None and (file, f) not in CLOSES} - {file}
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as e:
        return e.args[1]
    return []


def test_no_files_import_each_other():
    assert not circle(SOURCE)


def test_a_planted_circle_is_found(tmp_path: Path):
    files = {
        "ir/program.py": "def f():\n    from .text import listing",
        "ir/text.py": "from . import ranges",
        "ir/ranges.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..ir.program import Program",
        "ir/__init__.py": "from .program import Program",
    }
    assert set(circle(plant(tmp_path, files))) == {"ir/program.py", "ir/text.py", "ir/ranges.py"}
    assert not circle(
        plant(tmp_path, files | {"ir/program.py": "from .nodes import Node", "ir/nodes.py": ""})
    )


def test_the_architecture_has_no_cycle_and_no_unknown_part():
    needs = {part: set(row.split()) for part, row in MAY_IMPORT.items()}
    assert set().union(*needs.values()) <= set(needs)
    graphlib.TopologicalSorter(needs).prepare()  # raises CycleError


LEGAL = {
    "ir/program.py": "from ..errors import BadProgram\nfrom . import ranges\nfrom .check import check\n",
    "engine/__init__.py": "import intspike.ir.program\nfrom .native import run\nimport numpy, scipy.stats\n",
    "nn/layers.py": "import torch\nfrom intspike import quant, __version__\nfrom ..kernels.loop import run\n",
    "study/report/page.py": "from ... import lower, measure\nfrom ...train import fit\n",
    "lower/verify.py": "from intspike import engine, nn\n",
    "cli.py": "from .study import run\nfrom . import errors\n",
    "__init__.py": "import importlib\nimportlib.import_module('intspike.lower')\n",
}

PLANTED = [
    ("ir/program.py", "from ..engine import run", "ir must not import engine"),
    ("fixed.py", "from .ops import table", "fixed must not import ops"),
    ("fixed.py", "from . import ops", "fixed must not import ops"),
    ("ops/table.py", "import intspike.ir.program", "ops must not import ir"),
    ("quant/lsq.py", "from intspike import ir", "quant must not import ir"),
    ("kernels/loop.py", "from intspike.engine.native import run", "kernels must not import engine"),
    ("nn/layers.py", "def f():\n    from ..train import fit", "nn must not import train"),
    ("data/mnist.py", "from ..train import fit", "data must not import train"),
    ("study/report/page.py", "from ...cli import main", "study must not import cli"),
    ("study/report/page.py", "from ... import cli", "study must not import cli"),
    (
        "interop/nir.py",
        "import importlib\nimportlib.import_module('intspike.study')",
        "interop must not import study",
    ),
    ("ir/text.py", "import intspike", "ir must not import the whole package"),
    ("ir/text.py", "from intspike import *", "ir must not import *"),
    ("ir/text.py", "if True:\n    import torch.fx", "ir must not import torch"),
    ("measure/energy.py", "from torch import nn", "measure must not import torch"),
    ("extras/__init__.py", "", "'extras' has no row"),
]


def plant(root: Path, files: dict[str, str]) -> Path:
    """A package of the given files under root/intspike."""
    for name, text in files.items():
        file = root / "intspike" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root / "intspike"


def test_legal_imports_pass(tmp_path: Path):
    assert violations(plant(tmp_path, LEGAL)) == []


@pytest.mark.parametrize(("file", "text", "expected"), PLANTED)
def test_a_planted_violation_is_found(tmp_path: Path, file: str, text: str, expected: str):
    (found,) = violations(plant(tmp_path, {file: text}))
    assert expected in found


def test_every_violation_is_listed(tmp_path: Path):
    files = {"fixed.py": "from .ops import a\nfrom .ir import b", "errors.py": "from .fixed import c"}
    places = [line.partition(": ")[0] for line in violations(plant(tmp_path, files))]
    assert places == ["errors.py:1", "fixed.py:1", "fixed.py:2"]
