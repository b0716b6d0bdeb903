"""The drift study: its grid, what it says of claims and of measures, and a small one from end to end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from typer.testing import CliRunner

from intspike.cli import app
from intspike.errors import BadInput
from intspike.quant import QuantConfig, UniformState
from intspike.study.drift.cells import PARTS, Asked, DriftCell, full_precision, grid
from intspike.study.drift.claims import CLAIMS, trends
from intspike.study.drift.diagnostic import diagnostics
from intspike.study.drift.options import Options
from intspike.study.drift.study import floors_of, run
from intspike.study.grid import Finished, Store, cell_hash
from intspike.study.rows import rows_of
from intspike.study.runner import Study
from intspike.study.watch import Watch

BASE = DriftCell(
    scheme="qat", seed=0, dataset="fashion-mnist", data="", model="squat-fmnist", epochs=1, timesteps=2, batch_size=10,
    learning_rate=3e-3, quantized_learning_rate=2e-3, stores="after reset",
)  # fmt: skip


def cells(seeds: int = 1) -> list[DriftCell]:
    return grid(BASE, Asked(seeds, (2, 4, 8), (2.0, 5.0), (1, 2, 4), 10.0))


def test_a_part_is_the_whole_grid_without_the_others():
    asked = Asked(2, (2, 4), (2.0,), (1, 4), 10.0)
    whole = grid(BASE, asked)
    parts = {p: grid(BASE, replace(asked, parts=(p,))) for p in PARTS}
    assert set().union(*map(set, parts.values())) == set(whole)
    for part, cells in parts.items():
        assert all(c in whole for c in cells)
        quantized = [c for c in cells if c.scheme in ("ptq", "qat")]
        assert quantized
        assert all(c.integer == (part in ("both", "near")) for c in quantized)
        assert {c.scheme for c in cells} >= {"fp", "continued"}
    assert not any(c.teacher for c in parts["both"])
    assert all(c.state_bits is None for c in parts["weights"])
    assert all(c.weight_bits is None for c in parts["states"])


def test_quantizers_that_are_not_asked_for_are_left_out():
    asked = Asked(1, (4,), (), (4,), 10.0, ("weights", "both"), ("uniform",), ("threshold-centred",))
    assert [(c.scheme, c.weight, c.state) for c in grid(BASE, asked)] == [
        ("fp", "", ""),
        ("continued", "", ""),
        ("ptq", "uniform", ""),
        ("qat", "uniform", ""),
        ("ptq", "uniform", "threshold-centred"),
        ("qat", "uniform", "threshold-centred"),
    ]
    with pytest.raises(
        BadInput, match="--weights must be some of uniform, lsq, lq-net, each once, not lsq,lsq"
    ):
        Options(weights=("lsq", "lsq"))
    with pytest.raises(BadInput, match=r"--states must be some of uniform-signed, .*, each once, not none"):
        Options(states=())


@pytest.mark.parametrize("parts", [(), ("weights", "weights"), ("weight",)])
def test_other_parts_are_refused(parts):
    with pytest.raises(BadInput, match="--parts must be some of weights, states, both, near, each once"):
        Options(parts=parts)


# ---------------------------------------------------------------- the grid


def test_every_cell_is_another_one_and_has_a_name_of_its_own() -> None:
    made = cells(2)
    assert len({cell_hash(c) for c in made}) == len({c.name for c in made}) == len(made)
    assert {c.seed for c in made} == {0, 1}


def test_every_cell_is_quantized_as_its_name_says_and_starts_from_full_precision() -> None:
    for c in cells():
        config = c.config()
        assert (config.weight is None, config.state is None) == (c.weight_bits is None, c.state_bits is None)
        if config.weight is not None:
            assert config.weight.bits == c.weight_bits
            assert getattr(config.weight, "clip", None) == c.clip
        if config.state is not None:
            assert config.state.bits == c.state_bits
            assert config.state.stores == "after reset"
            assert (config.state.fractions[0] < 0) or c.state in ("uniform-unsigned",) or c.state_bits == 1
        assert c.parent == (None if c.scheme == "fp" else full_precision(c))


def test_cells_of_one_seed_share_one_parent() -> None:
    assert len({cell_hash(c.parent) for c in cells() if c.parent is not None}) == 1


def test_before_reset_levels_reach_above_the_threshold() -> None:
    c = replace(BASE, stores="before reset", state="uniform-unsigned", state_bits=4)
    assert c.config() == QuantConfig(None, UniformState(4, 0.0, 2.0))


# ---------------------------------------------------------------- claims, on made results


def done(cell: DriftCell, accuracy: float, emd: float = 0.0, paired: float | None = None) -> Finished:
    pooled = {
        "emd": emd,
        "paired_distance": emd if paired is None else paired,
        "newly_dead": 0,
        "neurons": 100,
    }
    record: Mapping[str, Any] = {"accuracy": accuracy / 100, "drift": {"pooled": pooled}}
    return Finished(cell, cell_hash(cell), "done", "", record)


def of_seeds(cell: DriftCell, *made: tuple[float, ...]) -> list[Finished]:
    return [done(replace(cell, seed=s), *values) for s, values in enumerate(made)]


def verdicts(finished: list[Finished]) -> dict[str, str]:
    return {t.claim: t.verdict for t in trends(rows_of(finished, DriftCell))}


FULL = of_seeds(full_precision(BASE), (90.0,), (90.2,), (90.1,))
ON = of_seeds(replace(full_precision(BASE), scheme="continued"), (91.0,), (91.2,), (91.1,))


def test_wide_ranges_that_drift_and_keep_accuracy() -> None:
    uniform = replace(BASE, weight="uniform", weight_bits=4, stores="")
    own = of_seeds(uniform, (90.9, 0.010), (91.0, 0.011), (91.1, 0.010))
    wide = of_seeds(replace(uniform, clip=5.0), (90.9, 0.040), (91.0, 0.041), (91.1, 0.043))
    found = verdicts([*FULL, *ON, *own, *wide])
    assert found == {"wide-drifts": "holds", "wide-keeps-accuracy": "holds"}
    swapped = verdicts(
        [
            *FULL,
            *ON,
            *of_seeds(uniform, (90, 0.04), (90, 0.05), (90, 0.06)),
            *of_seeds(replace(uniform, clip=5.0), (80, 0.01), (80, 0.01), (81, 0.02)),
        ]
    )
    assert swapped == {"wide-drifts": "does not hold", "wide-keeps-accuracy": "does not hold"}


def test_the_quantizers_of_states_are_compared_at_equal_bits() -> None:
    state = replace(BASE, state="uniform-signed", state_bits=2)
    signed = of_seeds(state, (80, 0.2), (81, 0.2), (80.5, 0.21))
    unsigned = of_seeds(replace(state, state="uniform-unsigned"), (88, 0.1), (88.9, 0.11), (88.2, 0.12))
    centred = of_seeds(replace(state, state="threshold-centred"), (90, 0.05), (90.1, 0.05), (90.2, 0.05))
    learned = of_seeds(replace(state, state="learned"), (90, 0.04), (90.1, 0.04), (90.2, 0.04))
    found = verdicts([*FULL, *ON, *signed, *unsigned, *centred, *learned])
    assert found == {
        "unsigned-over-signed": "holds",
        "uniform-needs-4-bits": "holds",
        "learned-as-good": "holds",
        "learned-halves-drift": "holds",
    }


def test_a_teacher_must_cut_its_own_distance_to_a_third() -> None:
    plain = replace(BASE, weight="uniform", weight_bits=4, state="threshold-centred", state_bits=4)
    without = of_seeds(plain, (90, 0.030, 0.06), (90, 0.033, 0.06), (90, 0.031, 0.06))
    emd = of_seeds(replace(plain, teacher="emd", strength=1.0), (90, 0.005), (90, 0.006), (90.1, 0.005))
    paired = of_seeds(
        replace(plain, teacher="paired", strength=1.0), (89, 0.0, 0.03), (89, 0.0, 0.031), (89.1, 0.0, 0.032)
    )
    found = {
        (t.claim, t.name): t.verdict
        for t in trends(rows_of([*FULL, *ON, *without, *emd, *paired], DriftCell))
    }
    assert found == {
        ("teacher-cuts-emd", "QAT, both"): "holds",
        ("teacher-cuts-paired", "QAT, both"): "does not hold",
        ("teacher-keeps-accuracy", "QAT, both, near emd"): "holds",
        ("teacher-keeps-accuracy", "QAT, both, near paired"): "does not hold",
    }
    assert set(CLAIMS) >= {claim for claim, _ in found}


def test_one_seed_gives_a_difference_and_no_verdict() -> None:
    lq = replace(BASE, weight="lq-net", weight_bits=2, stores="")
    made = [FULL[0], done(lq, 90, 0.01), done(replace(lq, weight="uniform"), 90, 0.03)]
    (trend,) = [t for t in trends(rows_of(made, DriftCell)) if t.claim == "lq-net-drifts-less"]
    assert trend.difference.value == pytest.approx(0.02)
    assert trend.verdict == "one seed"


# ---------------------------------------------------------------- which measure tells


@settings(max_examples=5, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(50, 95), st.floats(0, 1), st.floats(0, 1)),
        min_size=4,
        max_size=9,
        unique_by=lambda x: x[0],
    )
)
def test_rank_correlations_are_those_of_scipy(points: list[tuple[float, float, float]]) -> None:
    full = full_precision(BASE)
    made = [done(full, 96.0)]
    for k, (accuracy, emd, paired) in enumerate(points):
        made.append(done(replace(BASE, weight="uniform", weight_bits=4, clip=1.0 + k), accuracy, emd, paired))
    found = {d.group: d for d in diagnostics(rows_of(made, DriftCell))}
    assert set(found) == {"QAT", "all"}
    lost = 96.0 - np.array([p[0] for p in points])
    for measure, column in (("emd", 1), ("paired_distance", 2)):
        values = [p[column] for p in points]
        i = found["QAT"].correlation[measure]
        expected = spearmanr(lost, values).statistic if len(set(values)) > 1 else 0.0
        assert i.value == pytest.approx(float(expected), abs=1e-12)
        assert i.low is not None
        assert i.high is not None
        assert i.low <= i.high


def test_the_measure_that_ranks_as_accuracy_does_is_told_apart() -> None:
    made = [done(full_precision(BASE), 91.0)]
    for k in range(12):
        c = replace(BASE, weight="uniform", weight_bits=4, clip=1.0 + k)
        made.append(done(c, 90.0 - k, emd=float((7 * k) % 12), paired=float(k)))
    (d,) = [d for d in diagnostics(rows_of(made, DriftCell)) if d.group == "QAT"]
    assert d.correlation["paired_distance"].value == pytest.approx(1)
    assert d.better.low is not None
    assert d.better.low > 0


# ---------------------------------------------------------------- from end to end

SMALL = Options(
    seeds=2, epochs=1, weight_bits=(3,), clips=(), state_bits=(2,), subset=40, timesteps=2, batch_size=20
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study[Options], Path]:
    out = tmp_path_factory.mktemp("drift")
    return run(SMALL, out), out


def test_a_study_measures_every_network_against_full_precision(made: tuple[Study[Options], Path]) -> None:
    study, _ = made
    assert not study.failed
    for f in study.cells:
        assert isinstance(f.cell, DriftCell)
        assert f.record is not None
        assert ("drift" in f.record) is (f.cell.scheme != "fp")
        assert bool(f.record["exact"]) is f.cell.integer
        if f.cell.integer:
            assert sum(c["compared"] for c in f.record["exact"]) > 0
            assert sum(c["mismatches"] for c in f.record["exact"]) == 0
    (floor,) = floors_of(study.cells, Store(made[1]))
    assert floor.pooled.emd > 0
    assert floor.names == ("seed 0", "seed 1")


def test_what_is_written_holds_every_row(made: tuple[Study[Options], Path]) -> None:
    study, out = made
    names = {r.name for r in rows_of(study.cells, DriftCell).values()}
    summary = json.loads((out / "summary.json").read_text())
    assert names <= {line["name"] for line in summary}
    assert all(set(line) == {"name", "value", "low", "high", "n", "goal", "command"} for line in summary)
    lines = (out / "table.csv").read_text().splitlines()
    assert len(lines) == 1 + len(names)
    text = (out / "table.md").read_text()
    assert all(name in text for name in names)
    assert "</html>" in (out / "report.html").read_text()


def test_the_same_command_computes_nothing_again(made: tuple[Study[Options], Path]) -> None:
    study, out = made
    before = {p: p.stat().st_mtime_ns for p in (out / "cells").rglob("result.json")}
    said: list[str] = []

    class Told(Watch):
        def say(self, text: str) -> None:
            said.append(text)

    again = run(SMALL, out, watch=Told())
    assert {p: p.stat().st_mtime_ns for p in (out / "cells").rglob("result.json")} == before
    assert [f.record for f in again.cells] == [f.record for f in study.cells]
    assert said == [f"{len(study.cells)} of {len(study.cells)} cells are there already"]


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "cifar"], "the drift study has no data set 'cifar'"),
        (
            ["--dataset", "cifar10"],
            "cifar10 must be on this machine, because it does not travel with intspike; give its folder or file",
        ),
        (["--model", "resnet"], "--model must be a network of the study or module:function, not 'resnet'"),
        (["--weight-bits", "1,2"], "--weight-bits must be different numbers in 2..8"),
        (
            ["--state-bits", "4,4"],
            "--state-bits must be different numbers in 1..8 such as 1,2,3,4,8, not 4,4",
        ),
        (["--state-bits", "four"], "--state-bits must be numbers with commas"),
        (["--clips", "-1"], "--clips must be different numbers in 0.01..1000"),
        (["--strength", "0"], "--strength must be a positive number"),
        (["--seeds", "0"], "--seeds must be in 1..1000, not 0"),
        (["--codec", "middle"], "--codec must be after-reset or before-reset, not 'middle'"),
        (["--subset", "1000000"], "--subset must be in 1..9000"),
    ],
)
def test_mistakes_get_one_clear_line(words: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["study", "drift", "--out", str(tmp_path / "out"), *words])
    assert isinstance(result.exception, BadInput)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_the_command_asks_for_the_same() -> None:
    options = replace(SMALL, clips=(2.0,), augment=False, dataset="cifar10", data="/somewhere/cifar")
    assert options.command() == (
        "intspike study drift --dataset cifar10 --seeds 2 --epochs 1 --weight-bits 3 --clips 2 --state-bits 2 "
        "--subset 40 --timesteps 2 --batch-size 20 --no-augment --data FOLDER"
    )
