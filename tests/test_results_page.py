"""docs/results.md is what tools/make_results_page.py makes of results/."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location(
        "make_results_page", ROOT / "tools" / "make_results_page.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(tool):
    made, written = tool.page(), (ROOT / "docs" / "results.md").read_text("utf-8")
    assert made == written, "run: python tools/make_results_page.py > docs/results.md"


def test_every_folder_of_results_is_on_the_page(tool):
    made = tool.page()
    for folder in (ROOT / "results").iterdir():
        assert (folder / "summary.json").is_file(), f"{folder.name} needs a summary.json"
        assert f"## {folder.name}\n" in made


@pytest.mark.parametrize(
    ("value", "goal", "word"),
    [
        (1.0, "<= 1.0", "reached"),
        (1.01, "<= 1.0", "**missed**"),
        (90.5, ">= 90.5", "reached"),
        (90.4, ">= 90.5", "**missed**"),
    ],
)
def test_a_goal_is_reached_or_missed_by_its_value(tool, tmp_path, value, goal, word):
    folder = tmp_path / "results" / "some"
    folder.mkdir(parents=True)
    line = {"name": "x", "value": value, "low": None, "high": None, "n": 1, "goal": goal, "command": "c"}
    (folder / "summary.json").write_text(json.dumps([line]))
    assert f"| x | {value:.4g} | {goal} | {word} |" in tool.page(tmp_path)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.1, 0.2, "holds"),
        (-0.1, 0.2, "within noise"),
        (-0.2, -0.1, "does not hold"),
        (None, None, "one seed"),
    ],
)
def test_a_claim_is_judged_by_its_interval(tool, low, high, word):
    assert tool.verdict({"low": low, "high": high}) == word
