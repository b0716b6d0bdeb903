"""docs/ops.md is the table: complete, computed, and as `python -m intspike.ops.docs` prints it now."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from intspike import neuron
from intspike.neuron.constants import constants
from intspike.ops import OPS, Triangle, docs, trace
from intspike.ops.table import LEAVES

ROOT = Path(__file__).parents[2]


def test_the_page_in_the_documentation_is_current():
    stored = (ROOT / "docs" / "ops.md").read_text(encoding="utf-8")
    assert stored == docs.page(), "docs/ops.md is old; run: python -m intspike.ops.docs > docs/ops.md"


def test_printing_it_is_deterministic():
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-m", "intspike.ops.docs"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == docs.page()


def rows(title: str) -> list[list[str]]:
    """Cells of the first table below a heading."""
    (section,) = (part for part in docs.page().split("\n## ") if part.startswith(title))
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize("title", ["Meaning and cost", "Bounds, gradients and C"])
def test_every_op_has_a_full_row(title: str):
    assert [row[0] for row in rows(title)] == [f"`{name}`" for name in OPS]
    for name, row in zip(OPS, rows(title), strict=True):
        may_be_empty = (2, 3) if title.startswith("Meaning") else ()  # the example, "on reals"
        assert all(cell for k, cell in enumerate(row) if k not in may_be_empty), f"{name}: {row}"


def test_every_leaf_has_a_row():
    assert [row[0] for row in rows("Leaves")] == [f"`{name}`" for name in LEAVES]


def test_words_stand_only_for_rows_without_a_rule():
    assert set(docs.TABLE_BOUNDS) == {op.name for op in OPS.values() if op.integer and op.interval is None}
    for op in OPS.values():
        assert (docs.gradient(op) == "none passes") == (op.integer and op.gradient is None)


def test_gradients_are_those_of_the_rules():
    text = {name: docs.gradient(op) for name, op in OPS.items()}
    assert text["add"] == "x: `g`, y: `g`"
    assert text["sub"] == "x: `g`, y: `-g`"
    assert text["mul"] == "x: `g * y`, y: `g * x`"
    assert text["shr"] == "x: `g / 2^n`"
    assert text["lookup"] == "v: `g * beta`, beta: `g * v`"
    assert text["encode"] == "x: `g`; with the ends blocked, x: `(g * (code > 0)) * (7 > code)`"


def test_the_worked_example_is_the_contract():
    """The page's neuron and numbers are the package's own; ops must not import what stands above it."""
    lif = neuron.LIF(beta=0.75, surrogate=Triangle())
    assert trace(docs.LIF(), docs.FORM) == trace(lif, docs.FORM)
    made = constants(
        lif, docs.FORM, gain=np.array([8]), bias=np.array([3]), theta=np.array([160]), beta=np.array([0.75]),
        fractions=[-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95],
    )  # fmt: skip
    assert {k: a.tolist() for k, a in made.items()} == {k: a.tolist() for k, a in docs.PARAMETERS.items()}
    at_two = {row[0]: row[4] for row in rows("One neuron")[: len(trace(lif, docs.FORM).instructions)]}
    body = trace(lif, docs.FORM)
    numbers = [at_two[f"`%{k}`"] for k in (body.stores[0], body.spike, body.membranes[0])]
    assert numbers == ["3", "1", "192"]  # timestep 2 of the contract
