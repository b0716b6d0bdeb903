"""The timestep study: its grid, the saturation point, early exits chosen on validation samples, and a small one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import load
from typer.testing import CliRunner

from intspike import models, nn
from intspike.cli import app
from intspike.data import Augment
from intspike.engine import native
from intspike.errors import BadInput, DriftExceeded
from intspike.ir.artifact import load as load_program
from intspike.study.drifted import pooled
from intspike.study.grid import Finished, Store, cell_hash
from intspike.study.models import Where, augmentation
from intspike.study.networks import NETWORK, PROGRAM
from intspike.study.rows import rows_of
from intspike.study.runner import Study
from intspike.study.timesteps.cells import TimestepCell, grid
from intspike.study.timesteps.growth import FEWEST, WORST, growth
from intspike.study.timesteps.latency import KEPT
from intspike.study.timesteps.options import Options
from intspike.study.timesteps.report import write_study_report
from intspike.study.timesteps.rivals import rivals
from intspike.study.timesteps.saturation import chosen_exits, curves, one_training, saturations
from intspike.study.timesteps.study import run
from intspike.study.timesteps.work import samples_of
from intspike.study.timesteps.written import write_tables
from intspike.study.trained_for import trained_timesteps

BASE = TimestepCell(
    trained=(), bits=None, tested=(1, 2, 4), seed=0, dataset="fashion-mnist", data="", model="squat-fmnist", epochs=1,
    batch_size=10, learning_rate=3e-3, quantized_learning_rate=0.0,
)  # fmt: skip


def test_the_grid_holds_every_training_at_all_bits_once() -> None:
    made = grid(BASE, 2, (None, 4), ("per-T", "fixed-T", "random-T"), 2e-3)
    assert len({cell_hash(c) for c in made}) == len(made) == 2 * 4 * 2
    assert {c.trained for c in made} == {(1,), (2,), (4,), (1, 2, 4)}
    assert all((c.parent is None) == (c.bits is None) for c in made)
    assert all(c.parent in made for c in made if c.parent is not None)
    assert {c.trained for c in grid(BASE, 1, (None,), ("fixed-T",), 2e-3)} == {(4,)}
    few = grid(BASE, 1, (None,), ("fixed-T", "random-T"), 2e-3, times=(1, 2))
    assert [(c.trained, c.tested) for c in few] == [((2,), (1, 2, 4)), ((1, 2), (1, 2, 4))]
    rivals = [c for c in grid(BASE, 1, (None, 4), ("fixed-T",), 2e-3, ann=True) if not c.trained]
    assert [c.row for c in rivals] == [
        "fashion-mnist/ann/32-32",
        "fashion-mnist/ann/4-4",
        "fashion-mnist/ann/4-3",
    ]
    assert [c.parent for c in rivals] == [None, rivals[0], rivals[0]]
    assert [c.activation_bits for c in rivals] == [None, 4, 3]  # T = 4 has five counts
    assert not any(c.integer for c in rivals)


# ---------------------------------------------------------------- saturation, on made results


def done(cell: TimestepCell, rights: np.ndarray, exits: dict[str, Any] | None = None) -> Finished:
    """A cell whose samples are right [T, samples] at each tested T."""
    pairs = list(zip(cell.tested, rights, strict=True))
    record = {
        "n": rights.shape[1],
        "accuracy": float(rights[-1].mean()),
        "accuracies": {str(t): float(r.mean()) for t, r in pairs},
        "right": {str(t): np.packbits(r).tobytes().hex() for t, r in pairs},
        "early_exit": exits,
    }
    return Finished(cell, cell_hash(cell), "done", "", record)


@settings(deadline=None, max_examples=15)
@given(arrays(np.bool_, (2, 3, 40)), st.floats(0, 60))
def test_the_saturation_point_is_the_first_t_that_is_good_enough(rights: np.ndarray, within: float) -> None:
    made = [done(replace(BASE, trained=(4,), seed=s), r) for s, r in enumerate(rights)]
    (found,) = saturations(rows_of(made, TimestepCell), within)
    means = [100 * (rights[0][k].mean() + rights[1][k].mean()) / 2 for k in range(3)]
    first = next(t for t, m in zip((1, 2, 4), means, strict=True) if m >= max(means) - within - 1e-9)
    assert found.timesteps == first
    assert found.best == pytest.approx(max(means))
    assert found.low <= found.high
    assert {found.low, found.high} <= {1, 2, 4}


def test_an_accuracy_that_is_clearly_flat_saturates_at_once_and_a_rising_one_at_the_end() -> None:
    some = np.random.default_rng(0).random((1, 500))
    flat = np.repeat(some < 0.9, 3, axis=0)
    rising = np.concatenate([some < 0.5, some < 0.7, some < 0.9])
    for rights, t in ((flat, 1), (rising, 4)):
        (found,) = saturations(rows_of([done(replace(BASE, trained=(4,)), rights)], TimestepCell), 1.0)
        assert (found.timesteps, found.low, found.high) == (t, t, t)


def test_networks_trained_at_their_own_t_make_one_curve_and_each_other_training_one_of_its_own() -> None:
    rights = np.ones((3, 8), bool)
    made = [done(c, rights) for c in grid(BASE, 1, (None, 4), ("per-T", "random-T"), 2e-3)]
    found = curves(rows_of(made, TimestepCell))
    assert set(found) == {
        f"trained {how}, {bits}"
        for how in ("per T", "at T = 4", "at random T")
        for bits in ("full precision", "4/4")
    }
    short = [done(c, rights) for c in grid(BASE, 1, (None,), ("fixed-T", "random-T"), 2e-3, times=(1, 2))]
    assert {name: set(by_t) for name, by_t in curves(rows_of(short, TimestepCell)).items()} == {
        "trained at T = 2, full precision": {1, 2, 4},
        "trained at random T, full precision": {1, 2, 4},
    }
    assert {t: r.cell.trained for t, r in found["trained per T, 4/4"].items()} == {1: (1,), 2: (2,), 4: (4,)}
    assert {r.cell.trained for r in found["trained at random T, 4/4"].values()} == {(1, 2, 4)}


def test_the_margin_is_chosen_on_validation_samples_and_reported_on_test_samples() -> None:
    def runs(*made: tuple[float, float]) -> list[dict[str, float]]:
        return [{"margin": k + 1, "accuracy": a, "timesteps": t} for k, (a, t) in enumerate(made)]

    exits = {
        "validation": runs((0.80, 1.1), (0.90, 2.0), (0.90, 3.0)),
        "test": runs((0.85, 1.0), (0.70, 2.2), (0.91, 3.5)),
    }
    rows = rows_of([done(replace(BASE, trained=(4,)), np.ones((3, 8), bool), exits)], TimestepCell)
    (found,) = chosen_exits(rows, 0.1)
    assert (found.margin, found.timesteps, found.accuracy, found.full) == (2, 2.2, 70.0, 100.0)
    (loose,) = chosen_exits(rows, 10.0)
    assert (loose.margin, loose.timesteps, loose.accuracy) == (1, 1.0, 85.0)


# ---------------------------------------------------------------- from end to end

SMALL = Options(
    timesteps=(1, 3), bits=("fp32", "3"), train=("fixed-T", "random-T"), seeds=1, epochs=1, subset=60
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study[Options], Path]:
    out = tmp_path_factory.mktemp("timesteps")
    return run(SMALL, out), out


def test_the_beginning_of_a_long_run_is_a_short_run(made: tuple[Study[Options], Path]) -> None:
    """Accuracies that were read off one run are those of runs of each length, in torch and on the native engine."""
    study, out = made
    for f in study.cells:
        cell = f.cell
        assert isinstance(cell, TimestepCell)
        assert f.record is not None
        if not cell.trained:
            continue
        files, where = Store(out).files(cell), Where("fashion-mnist", None, "squat-fmnist")
        test = samples_of(cell, where).test
        net = models.squat_fmnist()
        if cell.integer:
            net = nn.quantize(net, cell.config())
        net.load_state_dict(load(files[NETWORK]))
        for t in cell.tested:
            x = test.batch(np.arange(len(test)), t)
            classes = net.eval()(torch.from_numpy(x)).sum(0).argmax(1).numpy()
            assert f.record["accuracies"][str(t)] == (classes == test.labels).mean()
            if cell.integer:
                (out / "again").write_bytes(files[PROGRAM])
                program = load_program(out / "again")
                assert trained_timesteps(program.notes) == max(cell.trained)
                assert np.array_equal(native.run(program, x, t).classes, classes)


def test_costs_grow_with_t_and_integers_cost_less_than_floating_point(
    made: tuple[Study[Options], Path],
) -> None:
    study, _ = made
    energies: dict[int | None, list[float]] = {}
    for f in study.cells:
        assert isinstance(f.cell, TimestepCell)
        assert f.record is not None
        if not f.cell.trained:
            continue
        each = [f.record["energy"]["per_inference"][str(t)]["value"] for t in f.cell.tested]
        assert each == sorted(each)
        assert f.record["synops"]["1"] <= f.record["synops"]["3"]
        energies.setdefault(f.cell.bits, []).append(each[0])
    assert max(energies[3]) < min(energies[None])
    for r in rivals(rows_of(study.cells, TimestepCell)):
        assert r.floating is not None
        assert r.precision is not None
        assert r.information is not None
        assert r.floating > 1
        assert r.information < r.precision  # two bits of activation against three


def test_what_is_written_holds_every_network(made: tuple[Study[Options], Path]) -> None:
    study, out = made
    rows = rows_of(study.cells, TimestepCell)
    names = {r.name for r in rows.values() if r.cell.trained}
    summary = json.loads((out / "summary.json").read_text())
    assert {f"{n}/T{t}" for n in names for t in (1, 3)} <= {line["name"] for line in summary}
    artificial = set(rows) - names
    assert (
        artificial
        == {"fashion-mnist/ann/32-32", "fashion-mnist/ann/3-3", "fashion-mnist/ann/3-2"}
        <= {line["name"] for line in summary}
    )
    latency = json.loads((out / KEPT).read_text())
    assert set(latency) == {n for n in names if n.endswith("3-3")}
    drifted = pooled(study.cells)
    assert set(drifted) == {
        f.cell.name for f in study.cells if f.cell.name.split(" ")[0] in names and "3-3" in f.cell.name
    }
    assert all(d.rate_after > 0 and d.emd <= d.paired_distance for d in drifted.values())
    assert "</html>" in (out / "report.html").read_text()
    again = run(SMALL, out)  # nothing is computed or timed again
    assert [f.record for f in again.cells] == [f.record for f in study.cells]
    assert json.loads((out / KEPT).read_text()) == latency


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--timesteps", "2,1"],
            "--timesteps must be increasing numbers in 1..1000 such as 1,2,5,10,20, none twice, not 2,1",
        ),
        (["--timesteps", "0,1"], "not 0,1"),
        (["--timesteps", "1,1"], "none twice, not 1,1"),
        (["--timesteps", ""], "not none"),
        (["--train", "per-t"], "--train has no 'per-t'"),
        (["--timesteps", "1,2,4", "--train-timesteps", "1,3"], "some of --timesteps (1,2,4)"),
        (["--timesteps", "1,2,4", "--train-timesteps", "2,1"], "not 2,1"),
        (["--encode", "rates"], "--encode has no 'rates'; did you mean 'rate'?"),
        (["--encode", "rate", "--augment"], "--augment moves images before they are encoded"),
        (
            ["--encode", "delta"],
            "--encode delta sends changes in time, but samples of Fashion-MNIST stand still",
        ),
        (["--bits", "fp32,9"], "--bits must be bits of weights and membrane potentials in 1..8"),
        (["--bits", "4,4-4"], "--bits must name different bits, each once, not 4,4-4"),
        (["--within", "-1"], "--within must be points of accuracy in 0..100, not -1"),
        (["--dataset", "imagenet"], "the timestep study has no data set 'imagenet'"),
        (["--subset", "1"], "at least 2 validation samples"),
    ],
)
def test_mistakes_get_one_clear_line(words: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["study", "timesteps", "--out", str(tmp_path / "out"), *words])
    assert isinstance(result.exception, BadInput)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_study_of_which_nothing_is_finished_is_still_reported(tmp_path: Path) -> None:
    (cell,) = grid(BASE, 1, (None,), ("fixed-T",), 2e-3)
    failed = [Finished(cell, cell_hash(cell), "failed", "its loss was not finite")]
    options = replace(SMALL, timesteps=(1, 2, 4))
    write_tables(failed, {}, options, tmp_path)
    write_study_report(failed, {}, options, tmp_path)
    assert "its loss was not finite" in (tmp_path / "report.html").read_text()
    assert "its loss was not finite" in (tmp_path / "table.md").read_text()


def test_the_command_asks_for_the_same() -> None:
    assert replace(SMALL, data="somewhere").command() == (
        "intspike study timesteps --dataset fashion-mnist --timesteps 1,3 --train fixed-T,random-T --bits fp32,3 "
        "--seeds 1 --epochs 1 --subset 60 --data FOLDER"
    )


def test_digits_are_shifted_but_never_mirrored() -> None:
    digits = augmentation(Where("mnist", None, "spiking-cnn"), True)
    assert digits is not None
    assert digits.crop > 0
    assert not digits.flip
    assert augmentation(Where("mnist", None, "spiking-cnn"), False) is None
    assert augmentation(Where("cifar10", None, "sew-resnet-8"), True) == Augment()


# ---------------------------------------------------------------- spikes over time


@given(
    st.lists(st.floats(0, 10), max_size=6),
    st.floats(20, 1e5),
    st.integers(FEWEST, 30),
    st.floats(0.01, 1e3),
)
def test_spikes_that_settle_grow_on_a_line_and_their_unit_does_not_matter(
    start: list[float], level: float, steady: int, unit: float
) -> None:
    """A start-up below half the level, then the same number at each timestep."""
    steady += len(start)  # the last half must be settled
    per_step = [*start, *[level] * steady]
    found = growth(per_step)
    assert found is not None
    assert found.start <= len(start) + 1
    assert found.timesteps == len(per_step)
    assert 0.8 * level < found.slope < 1.2 * level
    assert found.worst <= WORST
    scaled = growth([unit * s for s in per_step])
    assert scaled is not None
    assert scaled.start == found.start


def test_spikes_that_alternate_grow_on_a_line_all_the_same() -> None:
    found = growth([20.0, *[60.0, 140.0] * 10])
    assert found is not None
    assert found.slope == pytest.approx(100, rel=0.02)


def test_growing_rates_are_no_line_and_few_timesteps_show_none() -> None:
    assert growth([2.0**t for t in range(12)]) is None
    assert growth([float(t) for t in range(12)]) is None
    assert growth([5.0] * (FEWEST - 1)) is None
    assert growth([0.0] * 10) is None  # silence has no slope to speak of


def test_one_training_at_random_t_stands_for_itself() -> None:
    rights = np.ones((3, 8), bool)
    random = [done(c, rights) for c in grid(BASE, 1, (None,), ("random-T",), 2e-3, times=(1, 2))]
    both = [*random, *[done(c, rights) for c in grid(BASE, 1, (None,), ("fixed-T",), 2e-3)]]
    assert [r.cell.trained for r in one_training(rows_of(random, TimestepCell))] == [(1, 2)]
    assert [r.cell.trained for r in one_training(rows_of(both, TimestepCell))] == [(4,)]
    short = [done(c, rights) for c in grid(BASE, 1, (None,), ("fixed-T",), 2e-3, times=(1, 2))]
    assert [r.cell.trained for r in one_training(rows_of(short, TimestepCell))] == [(2,)]
    assert [r.cell.trained for r in one_training(rows_of([*short, *random], TimestepCell))] == [(1, 2)]


def test_a_gate_fails_a_study_after_everything_is_written(made: tuple[Study[Options], Path]) -> None:
    _, out = made
    asked = [
        "study", "timesteps", "--timesteps", ",".join(map(str, SMALL.timesteps)), "--train", ",".join(SMALL.train),
        "--bits", ",".join(SMALL.bits), "--seeds", str(SMALL.seeds), "--epochs", str(SMALL.epochs), "--subset",
        str(SMALL.subset), "--batch-size", str(SMALL.batch_size), "--out", str(out),
    ]  # fmt: skip
    kept: Any = CliRunner().invoke(app, [*asked, "--max-emd", "1", "--max-newly-dead", "100%"])
    assert kept.exit_code == 0, kept.output
    broken: Any = CliRunner().invoke(app, [*asked, "--max-paired", "0"])
    assert isinstance(broken.exception, DriftExceeded)
    assert "the pooled paired distance of fashion-mnist/" in str(broken.exception)
