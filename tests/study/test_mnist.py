"""`intspike run mnist`: sentences that follow the numbers, on made results; and the whole recipe on few made images."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from intspike.cli import app
from intspike.errors import BadData, BadInput
from intspike.study.grid import Finished, cell_hash
from intspike.study.mnist import prose, results
from intspike.study.mnist.findings import Findings, goals
from intspike.study.mnist.options import BITS, CODE, README, Options
from intspike.study.mnist.paper import ROWS, spikes_a_timestep
from intspike.study.mnist.report import page_of
from intspike.study.mnist.tables import beside, goal_table, sizes
from intspike.study.report.markdown import page_markdown
from intspike.study.report.page import render
from intspike.study.rows import rows_of
from intspike.study.timesteps.cells import TimestepCell, grid

N = 400
TIMES = (1, 5, 10, 20)
BASE = TimestepCell(
    trained=(), bits=None, tested=TIMES, seed=0, dataset="mnist", data="", model=README, epochs=1, batch_size=10,
    learning_rate=3e-3, quantized_learning_rate=0.0, augmented=True,
)  # fmt: skip
SIZES = {8: 388, 4: 133, 2: 65}  # of 1000


def made(
    wrong: dict[tuple[str, int | None], int], seeds: int = 1, per_step: float = 50.0, exit_at: float = 2.5
) -> Findings:
    """A run whose networks have so many of 400 test images wrong, at every T."""
    options = Options(seeds=seeds, timesteps=TIMES, train_timesteps=(1, 5), data="somewhere")
    cells = [
        c
        for m in (README, CODE)
        for c in grid(
            replace(BASE, model=m), seeds, (None, 8, 4, 2), ("random-T",), 2e-3, ann=m == README, times=(1, 5)
        )
    ]
    finished = [_done(c, wrong.get((c.model, c.bits), 8), per_step, exit_at) for c in cells]
    rows = {m: rows_of([f for f in finished if f.cell.model == m], TimestepCell) for m in (README, CODE)}  # type: ignore[attr-defined]
    return Findings(options, finished, rows, {README: {}, CODE: {}})


def _done(c: TimestepCell, wrong: int, per_step: float, exit_at: float) -> Finished:
    right = np.arange(N) >= wrong
    energy = {"value": 1000.0 * (c.bits or 32), "low": 1.0, "high": 2.0}
    record: dict[str, Any] = {
        "data": "made up", "n": N, "correct": int(right.sum()), "accuracy": float(right.mean()), "exact": None,
        "size_bits": None, "energy": {"per_inference": energy},
    }  # fmt: skip
    if c.trained:
        part = {"margin": 3.0, "accuracy": float(right.mean()), "timesteps": exit_at}
        never = {**part, "margin": 9.0, "timesteps": 20.0}
        record |= {
            "accuracies": {str(t): float(right.mean()) for t in TIMES},
            "right": {str(t): np.packbits(right).tobytes().hex() for t in TIMES},
            "spikes_per_step": {"neuron1": [5.0, *[per_step] * 19]},
            "synops": {str(t): 1e3 * t for t in TIMES},
            "energy": {
                "per_inference": {str(t): {"value": 1000.0 * t * (c.bits or 32)} for t in TIMES},
                "same_spikes_floating": {str(t): {"value": 32e3 * t} for t in TIMES} if c.bits else None,
            },
            "early_exit": {"validation": [part, never], "test": [part, never]} if c.bits else None,
        }
    if c.integer:
        assert c.bits is not None
        record["size_bits"] = {"total": SIZES[c.bits], "weights": SIZES[c.bits], "float32": 1000}
        record["exact"] = [{"compared": 7, "mismatches": 0}]
    return Finished(c, cell_hash(c), "done", "", record)


def test_the_studys_rows_are_those_of_its_files() -> None:
    assert [round(x) for x in spikes_a_timestep()] == [4270, 4751, 4600]
    assert [round(ROWS[t].score, 5) for t in ROWS] == [0.03013, 0.00482, 0.00222, 0.00109]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, N), min_size=4, max_size=4))
def test_gains_and_losses_are_named_as_they_are(wrong: list[int]) -> None:
    """Errors at full precision, 8, 4 and 2 bits, whatever they are."""
    f = made({(README, b): w for b, w in zip((None, 8, 4, 2), wrong, strict=True)})
    for b, w in zip((8, 4, 2), wrong[1:], strict=True):
        points = 100 * (wrong[0] - w) / N
        said = next(s for s in results.bits(f) if s.startswith(f"At {b} bits the network takes"))
        assert f"{'loses' if points < 0 else 'gains'} {abs(points):.2f} points" in said
        change = f.change(b, 10)
        assert change is not None
        assert change.value == pytest.approx(points)
        within = change.low is not None and change.high is not None and change.low <= 0 <= change.high
        assert ("do not tell from nothing" in said) == within
    reached = {g.name: g.reached for g in goals(f)}
    assert reached["accuracy"] == (100 * (N - min(*wrong, N)) / N >= 99.2)
    assert reached["loss-4"] == (100 * (wrong[2] - wrong[0]) / N <= 0.2)
    # of the networks below a quarter of the size, the better one counts
    assert reached["study-size"] == (100 * (min(wrong[2:]) - wrong[0]) / N <= 1.0)
    count = sum(v is True for v in reached.values())
    assert ("All 8 goals" if count == 8 else f"{count} of 8 measured goals") in prose.comparisons(f)[0]


def test_no_sentence_claims_a_line_that_spikes_do_not_show() -> None:
    straight, bent = results.growing(made({})), results.growing(_bent())
    assert any("grow linearly from t = 2 on" in s for s in straight)
    assert not any("grow linearly" in s for s in bent)
    assert any("do not show a line" in s for s in bent)


def _bent() -> Findings:
    f = made({})
    for x in f.finished:
        assert x.record is not None
        if "spikes_per_step" in x.record:
            x.record["spikes_per_step"]["neuron1"] = [1.5**t for t in range(20)]
    return f


def test_energy_is_said_to_be_less_or_more_as_it_is() -> None:
    """At T = 10 a spiking network takes ten times the energy of its artificial one: 1000 T bits against 1000 bits."""
    said = " ".join(results.costs(made({})))
    assert "10.0 times as much at 8 bits, 10.0 times as much at 4 bits" in said
    assert "take 4.0 to 16.0 times the energy in floating point" in said
    assert "agree in part with the claim of 4 to 8" in said


def test_seeds_and_parts_are_owned_up_to() -> None:
    one, many = prose.limits(made({})), prose.limits(made({}, seeds=2))
    assert any("One seed" in s for s in one)
    assert not any("One seed" in s for s in many)
    f = made({})
    part = Findings(replace(f.options, subset=50), f.finished, f.rows, f.latency)
    assert any("Training saw 50 images" in s for s in prose.limits(part))
    assert "50 training images" in prose.method(part)[0]


def test_changes_over_several_seeds_are_paired_by_seed() -> None:
    change = made({(README, None): 4, (README, 4): 8}, seeds=3).change(4, 10)
    assert change is not None
    assert (change.value, change.low, change.high, change.n) == (-1.0, -1.0, -1.0, 3)


def test_the_report_holds_all_parts_and_its_markdown_the_same_sentences() -> None:
    f = made({(README, None): 2, (CODE, None): 5})
    page = page_of(f)
    keys = [s.key for s in page.sections]
    assert keys == [
        "question", "method", "timesteps", "study", "bits", "spikes", "costs", "exit", "goals", "limits", "run",
    ]  # fmt: skip
    assert "99.50 % in full precision" in page.summary
    text, html = page_markdown(page), render(page)
    for paragraph in [s for part in page.sections for s in part.prose]:
        assert paragraph in text
    assert 'class="article"' in html
    assert "T = 10" in text
    assert not re.search(r"\bnan\b|None\b", text)
    assert [r[0] for r in beside(f)[0].rows] == ["1", "5", "10", "20"]
    assert len(sizes(f).rows) == 4
    assert {r[-1] for r in goal_table(f).rows} <= {"reached", "missed", "not measured"}


def test_what_failed_is_missing_and_no_sentence_needs_it() -> None:
    f = made({})
    failed = [Finished(x.cell, x.hash, "failed", "its loss was not finite") for x in f.finished]
    rows = {m: rows_of([x for x in failed if x.cell.model == m], TimestepCell) for m in (README, CODE)}  # type: ignore[attr-defined]
    page = page_of(Findings(f.options, failed, rows, f.latency))
    assert page.summary == "No network is finished."
    assert "Some networks failed" in page.sections[-2].prose[0]
    render(page)


def test_the_command_asks_for_the_same() -> None:
    assert Options().command() == "intspike run mnist"
    asked = Options(
        epochs=1, timesteps=(1, 3), train_timesteps=(1,), subset=60, data="/some/where", quick=True
    )
    assert asked.command() == (
        "intspike run mnist --epochs 1 --timesteps 1,3 --train-timesteps 1 --subset 60 --data FOLDER --quick"
    )


def test_a_quick_run_is_short() -> None:
    quick = Options(quick=True).study(README)
    assert (quick.subset, quick.epochs, quick.timesteps) == (2000, 2, (1, 2, 4, 5, 10))
    assert Options().study(CODE).ann is False
    assert Options(train_timesteps=(4,)).study(README).train == ("fixed-T",)  # nothing to draw
    assert Options().study(README).bits == BITS
    rate = Options(encode="rate").study(README)
    assert (rate.encode, rate.ann, rate.augment) == ("rate", False, False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "mnist must be on this machine"),
        (["--timesteps", "2,1"], "--timesteps must be increasing"),
        (["--train-timesteps", "3"], "--train-timesteps must be some of --timesteps"),
        (["--bits", "fp32,3"], "--bits of this recipe are fp32, 8, 4, 2, but '3' is none"),
        (["--seeds", "0"], "--seeds must be in 1..1000, not 0"),
        (["--data", "/nowhere/at/all"], "/nowhere/at/all"),
    ],
)
def test_mistakes_get_one_clear_line(words: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", "mnist", "--out", str(tmp_path / "out"), *words])
    assert isinstance(result.exception, (BadInput, BadData))
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_recipe_end_to_end_and_again_without_computing(tmp_path: Path) -> None:
    """Made digits of 28 x 28: bars at places that a class has."""
    random = np.random.default_rng(0)

    def images(n: int) -> dict[str, Any]:
        labels = (np.arange(n) % 10).astype(np.uint8)
        x = random.integers(0, 60, (n, 28, 28), np.uint8)
        x[np.arange(n), 2 + 2 * labels] = 220
        return {"images": x, "labels": labels}

    train, test = images(120), images(40)
    np.savez(
        tmp_path / "mnist.npz", train_images=train["images"], train_labels=train["labels"],
        test_images=test["images"], test_labels=test["labels"],
    )  # fmt: skip
    words = ["run", "mnist", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--epochs", "1"]
    words += [
        "--timesteps",
        "1,2,5",
        "--train-timesteps",
        "1,2",
        "--subset",
        "40",
        "--batch-size",
        "20",
        "--bits",
        "fp32,4",
    ]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    names = {line["name"] for line in summary}
    assert {f"{m}/mnist/trained-random-T/{b}-{b}/T5" for m in (README, CODE) for b in (32, 4)} <= names
    assert "goals/loss-4" in names
    assert "goals/loss-2" not in names
    assert "</html>" in (tmp_path / "out" / "report.html").read_text()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "cells").glob("*/result.json")}
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "cells").glob("*/result.json")}
