"""`intspike search` from the command line: what it writes, and that it goes on."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from intspike.cli import app
from intspike.errors import BadInput
from intspike.ir.artifact import load
from intspike.measure import size_bits
from intspike.study.search_run import parse_budget
from intspike.study.trained_for import trained_timesteps

pytest.importorskip("optuna")
QUICK = ["--subset", "200", "--epochs", "1", "--timesteps", "2", "--trials", "6", "--samples", "50"]
QUICK += ["--weight-bits", "2,8", "--state-bits", "1,4"]


@pytest.mark.parametrize(
    ("words", "bits"),
    [("12KiB", 12 * 8192), ("1e6", 1e6), ("0.5 MiB", 2**22), ("50kB", 400_000), ("8 bits", 8), ("64", 64)],
)
def test_budgets_are_read(words, bits):
    assert parse_budget(words) == bits


@pytest.mark.parametrize("words", ["", "KiB", "12 parsecs", "-3", "1,5KiB", "nan"])
def test_other_budgets_are_refused(words):
    with pytest.raises(BadInput, match="--budget must be a number or a size"):
        parse_budget(words)


@pytest.mark.slow
def test_a_search_keeps_the_best_network_and_is_not_repeated(tmp_path):
    command = ["search", "--budget", "20KiB", *QUICK, "--out", str(tmp_path)]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, (first.output, first.exception)
    result = json.loads((tmp_path / "search.json").read_text())
    program = load(tmp_path / "model.intspike")
    assert result["best"]["bits"] <= 20 * 8192
    assert size_bits(program).total == result["bits"]  # of uniform weights, their range says how many bits
    assert trained_timesteps(program.notes) == 2
    assert result["compared"] > 0
    assert result["candidates"] == 6
    pooled = result["drift"]["pooled"]
    assert 0 <= pooled["emd"] <= pooled["paired_distance"]
    assert pooled["neurons"] == sum(x["neurons"] for x in result["drift"]["layers"].values())
    assert result["best"]["config"] in (tmp_path / "table.md").read_text()
    assert "Bits for every layer" in (tmp_path / "report.html").read_text("utf-8")
    again = CliRunner().invoke(app, [*command, "--json"])
    assert again.exit_code == 0
    assert json.loads(again.stdout) == result  # what is finished is read
    other = CliRunner().invoke(app, [*command, "--seed", "1"])
    assert "other options" in str(other.exception)


def test_mistakes_on_the_command_line(tmp_path):
    for extra, words in (
        (["--cost", "joules"], "--cost must be"),
        (["--weight-bits", "a"], "--weight-bits must"),
    ):
        made = CliRunner().invoke(app, ["search", "--budget", "1KiB", *extra, "--out", str(tmp_path / "x")])
        assert words in str(made.exception)
