"""The SQUAT study: its grid, its cells on very few images, its splits, tables and claims."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from intspike import data
from intspike.data import Dataset, Split
from intspike.engine import native
from intspike.errors import BadData, BadInput
from intspike.ir.artifact import load
from intspike.measure import paired_interval, wilson
from intspike.quant import LQNet, UniformState
from intspike.study import custom, splits
from intspike.study.asked import recall
from intspike.study.grid import Finished, Store, cell_hash, run
from intspike.study.networks import PROGRAM, right_of
from intspike.study.squat import paper, study, tables, tasks
from intspike.study.squat.cells import SPACINGS, Setting, SquatCell, grid
from intspike.study.squat.options import Options, cells_of
from intspike.study.squat.rows import rows_of, what_of
from intspike.study.squat.tasks import TASKS, Where
from intspike.study.squat.trends import CLAIMS, trends
from intspike.study.squat.work import compute, split_of
from intspike.study.trained_for import trained_timesteps
from toy_cells import Here

SETTING = Setting("fashion-mnist", "x", "", 1, 2, 3, 20, 3e-3, 2e-3, 0.75, "counts", 60, None)
ROWS = replace(SETTING, dataset="fashion-rows", beta=0.9, timesteps=4, test_timesteps=4)


def cells(
    setting: Setting = SETTING, bits: tuple[int, ...] = (8, 4, 2), seeds: int = 1
) -> dict[str, SquatCell]:
    return {c.row: c for c in grid(setting, seeds, bits, "after reset")}


# ---------------------------------------------------------------- the grid


def test_the_grid_is_the_paper_s_and_holds_each_cell_once() -> None:
    made = grid(SETTING, 2, (8, 4, 2), "after reset")
    assert len(made) == 2 * 39
    assert len({cell_hash(c) for c in made}) == len(made)
    assert [c.seed for c in made] == [0] * 39 + [1] * 39  # seeds outermost
    one = [c for c in made if c.seed == 0]
    assert Counter((c.scheme, c.memory, what_of(c)) for c in one) == {
        ("fp", True, ""): 1,
        ("fp", False, ""): 1,
        ("continued", True, ""): 1,
        **{(s, True, w): 6 for s in ("ptq", "qat") for w in ("states", "both")},
        **{(s, m, "weights"): 3 for s in ("ptq", "qat") for m in (True, False)},
    }
    for b in (8, 4, 2):
        assert f"fashion-mnist/qat-threshold-centred/{b}-{b}" in cells()


def test_every_quantized_cell_starts_from_a_cell_of_the_grid() -> None:
    made = grid(SETTING, 2, (4, 1), "before reset")
    known = {cell_hash(c): c for c in made}
    for c in made:
        if c.scheme != "fp":
            assert c.parent is not None
            above = known[cell_hash(c.parent)]
            assert (above.scheme, above.seed, above.memory) == ("fp", c.seed, c.memory)


def test_what_a_cell_does_not_depend_on_is_not_in_its_hash() -> None:
    other = replace(SETTING, quantized_learning_rate=1e-3)
    changed = {name for name, c in cells(other).items() if cell_hash(c) != cell_hash(cells()[name])}
    assert changed == {name for name, c in cells().items() if c.scheme in ("qat", "continued")}
    before = {c.row: c for c in grid(SETTING, 1, (8, 4, 2), "before reset")}
    changed = {name for name, c in before.items() if cell_hash(c) != cell_hash(cells()[name])}
    assert changed == {name for name, c in cells().items() if c.state_bits}


def test_the_hash_of_a_cell_never_changes() -> None:
    """Stored studies are found by it: a new field must not change the hashes of what it does not concern."""
    assert cell_hash(cells()["fashion-mnist/qat-threshold-centred/4-4"]) == "ff8ab890dd2b2449"


def test_another_choice_of_weights_or_gradient_changes_only_the_cells_it_is_about() -> None:
    bits = (8, 2, 1)
    plain = cells(bits=bits)
    own = grid(replace(SETTING, weights="lq-net", gradient="pass"), 1, bits, "after reset")
    assert len({c.row for c in own}) == len(own) == len(plain)
    for c in own:
        lq_net = c.weight_bits == 2
        assert isinstance(c.config().weight, LQNet) == lq_net
        assert ("lq-net" in c.row) == lq_net
        passes = c.scheme == "qat" and bool(c.spacing)
        assert c.row.endswith(f"-pass/{c.row.rpartition('/')[2]}") == passes
        assert (c.row in plain and cell_hash(c) == cell_hash(plain[c.row])) == (not lq_net and not passes)
        assert c.parent is None or cell_hash(c.parent) in {cell_hash(p) for p in plain.values()}


@pytest.mark.parametrize("stores", ["after reset", "before reset"])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("bits", range(1, 9))
def test_every_state_quantizer_of_the_study_exists(bits: int, spacing: str, stores: str) -> None:
    cell = cells(bits=(4,))["fashion-mnist/qat-threshold-centred/4-4"]
    for low in (-1.0, -8.0):
        changed = replace(cell, state_bits=bits, spacing=spacing, stores=stores, low=low)  # type: ignore[arg-type]
        _check_state(changed.config().state, bits, stores, low)


def _check_state(made: Any, bits: int, stores: str, low: float) -> None:
    assert made.bits == bits
    if isinstance(made, UniformState):
        assert made.low == (low if bits > 1 else 0)
    elif bits > 3:
        assert made.fractions[0] == low
    assert made.stores == stores
    x = torch.linspace(-2, 3, 501)
    assert torch.equal(made.quantize(x) >= 1, x >= 1)  # quantizing alone never makes or takes a spike


# ---------------------------------------------------------------- computing cells


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """Four cells of 60 images, each from its parent."""
    found: dict[str, Any] = {}
    where = Where("fashion-mnist")
    names = ("fp/32-32", "ptq-threshold-centred/2-2", "qat-uniform/4-4", "qat/1-32", "ptq-uniform/32-4")
    for name in names:
        cell = cells(bits=(4, 2, 1))[f"fashion-mnist/{name}"]
        files = {} if cell.parent is None else found["fp/32-32"].files
        found[name] = compute(cell, files, where)
    return found


def test_a_cell_records_what_the_tables_need(made: dict[str, Any]) -> None:
    for name, outcome in made.items():
        r = outcome.record
        assert json.loads(json.dumps(r, allow_nan=False)) == json.loads(json.dumps(dict(r)))
        assert r["correct"] == right_of(r).sum() == round(r["accuracy"] * r["n"])
        assert r["n"] == 60
        assert list(r["layers"]) == ["lif1", "lif2", "lif3"]
        assert all(0 <= x["dead"] <= x["neurons"] and 0 <= x["rate"] <= 1 for x in r["layers"].values())
        assert len(r["history"]) == (0 if "ptq" in name else 1)
        exact = name in ("ptq-threshold-centred/2-2", "qat-uniform/4-4")
        assert (PROGRAM in outcome.files) is exact
        assert (r["exact"] is not None) is (r["size_bits"] is not None) is exact
        if exact:
            assert all(c["mismatches"] == 0 and c["compared"] > 0 for c in r["exact"])


def test_every_quantized_cell_records_its_drift_from_full_precision(made: dict[str, Any]) -> None:
    parent = made["fp/32-32"].record
    assert "drift" not in parent
    for name, outcome in made.items():
        if name == "fp/32-32":
            continue
        d = outcome.record["drift"]
        assert (d["before"], d["after"], d["samples"]) == ("full precision", f"fashion-mnist/{name}", 60)
        for layer, found in d["layers"].items():
            for side, record in (("before", parent), ("after", outcome.record)):
                assert found[f"rate_{side}"] == pytest.approx(record["layers"][layer]["rate"], rel=1e-12)
                assert found[f"dead_{side}"] == record["layers"][layer]["dead"]
        floor = d["noise_floor"]["halves"]
        assert floor == made["ptq-uniform/32-4"].record["drift"]["noise_floor"]["halves"]
        assert d["pooled"]["paired_distance"] >= d["pooled"]["emd"] > 0 < floor["pooled"]["emd"]
        assert d["cost"]["before"]["synops_per_inference"] > 0 < d["cost"]["after"]["synops_per_inference"]


def test_the_stored_program_gives_the_recorded_answers(made: dict[str, Any], tmp_path: Path) -> None:
    name = "qat-uniform/4-4"
    (tmp_path / PROGRAM).write_bytes(made[name].files[PROGRAM])
    cell = cells(bits=(4,))[f"fashion-mnist/{name}"]
    test = split_of(cell, Where("fashion-mnist")).test
    x = test.batch(np.arange(len(test)), cell.test_timesteps)
    program = load(tmp_path / PROGRAM)
    assert trained_timesteps(program.notes) == cell.timesteps
    trace = native.run(program, x, cell.test_timesteps)
    assert np.array_equal(trace.classes == test.labels, right_of(made[name].record))


def test_a_cell_computed_twice_is_the_same(made: dict[str, Any]) -> None:
    name = "qat-uniform/4-4"
    again = compute(cells(bits=(4,))[f"fashion-mnist/{name}"], made["fp/32-32"].files, Where("fashion-mnist"))
    assert again.files == made[name].files
    assert {**again.record, "seconds": 0} == {**made[name].record, "seconds": 0}


def test_a_memoryless_network_ignores_time() -> None:
    """Each timestep depends on its own frame alone: reversed inputs give reversed spikes."""
    from intspike.nn import calibrate, quantize
    from intspike.study.squat.work import _set_beta  # pyright: ignore[reportPrivateUsage]

    for memory, alike in ((False, True), (True, False)):
        cell = replace(cells(ROWS)["fashion-rows/qat-threshold-centred/4-4"], memory=memory)
        whole = split_of(cell, Where("fashion-rows"))
        net = tasks.build(Where("fashion-rows"), whole)
        _set_beta(net, cell)
        x = torch.from_numpy(whole.train.batch(np.arange(60), 28))
        for start in (net, quantize(net, cell.config())):
            one = calibrate(start, whole, batches=1, batch_size=60, timesteps=28)
            forth, back = one(x), one(x.flip(0)).flip(0)
            assert forth.sum() > 0
            assert torch.equal(forth, back) is alike


def test_of_a_static_frame_one_timestep_of_a_memoryless_network_tells_all() -> None:
    from intspike.nn import quantize
    from intspike.study.squat.work import _set_beta  # pyright: ignore[reportPrivateUsage]

    for memory, alike in ((False, True), (True, False)):
        cell = replace(cells()["fashion-mnist/qat-threshold-centred/4-4"], memory=memory)
        whole = split_of(cell, Where("fashion-mnist"))
        net = tasks.build(Where("fashion-mnist"), whole)
        _set_beta(net, cell)
        index = np.arange(30)
        once, often = (torch.from_numpy(whole.train.batch(index, t)) for t in (1, 5))
        for made in (net, quantize(net, cell.config())):
            spikes = made.train()(once)  # batch statistics: every layer fires
            assert spikes.sum() > 0
            assert torch.equal(made.train()(often), spikes.expand(5, -1, -1)) is alike


# ---------------------------------------------------------------- splits


def small(labels: list[int], timed: bool = False) -> Dataset:
    """A data set whose samples are all different."""
    n = len(labels)
    inputs = (
        np.arange(n, dtype=np.uint8).repeat(4).reshape(n, 2, 2)
        if timed
        else np.arange(n, dtype=np.uint8)[:, None]
    )
    whole = Split(inputs, np.array(labels, np.int64), timed)
    third = n // 3
    parts = [whole.pick(np.arange(a, b)) for a, b in ((0, third), (third, 2 * third), (2 * third, n))]
    return Dataset("small", *parts, ("a", "b", "c"), "made here")


def seen(split: Split) -> list[int]:
    return split.inputs.reshape(len(split), -1)[:, 0].tolist()


@given(st.lists(st.integers(0, 2), min_size=30, max_size=90), st.integers(2, 6), st.booleans())
@settings(deadline=None)
def test_folds_test_every_sample_once_and_train_on_none_of_them(
    labels: list[int], folds: int, timed: bool
) -> None:
    whole = small(labels, timed)
    made = [splits.fold(whole, folds, k, seed=k) for k in range(folds)]
    assert sorted(x for d in made for x in seen(d.test)) == list(range(len(labels)))
    for d in made:
        parts = [set(seen(s)) for s in (d.train, d.validation, d.test)]
        assert sum(map(len, parts)) == len(set().union(*parts)) == len(labels)
        assert len(d.validation) > 0
        for c in range(3):  # class by class: no fold has two more of a class than another
            counts = [int((e.test.labels == c).sum()) for e in made]
            assert max(counts) - min(counts) <= 1


@given(st.lists(st.integers(0, 2), min_size=30, max_size=60), st.integers(0, 5))
@settings(deadline=None)
def test_a_seed_chooses_validation_samples_and_nothing_else(labels: list[int], seed: int) -> None:
    whole = small(labels)
    made = splits.split(whole, seed)
    assert seen(made.test) == seen(whole.test)
    assert sorted(seen(made.train) + seen(made.validation)) == sorted(
        seen(whole.train) + seen(whole.validation)
    )
    assert len(made.validation) == len(whole.validation)


def test_a_fingerprint_is_of_the_samples_and_not_of_their_order() -> None:
    labels = [0, 1, 2] * 10
    whole = small(labels)
    assert splits.fingerprint(splits.split(whole, 3)) == splits.fingerprint(whole)
    other = Split(whole.train.inputs, (whole.train.labels + 1) % 3)
    assert splits.fingerprint(replace(whole, train=other)) != splits.fingerprint(whole)
    swapped = whole.train.labels.copy()
    swapped[:2] = swapped[1::-1]
    assert splits.fingerprint(
        replace(whole, train=replace(whole.train, labels=swapped))
    ) != splits.fingerprint(whole)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_which_samples_are_right_is_kept_exactly(right: list[bool]) -> None:
    kept = {"right": np.packbits(np.array(right)).tobytes().hex(), "n": len(right)}
    assert right_of(kept).tolist() == right


# ---------------------------------------------------------------- the user's own

NETS = """
import torch
from intspike import data, nn

def build():
    return torch.nn.Sequential(nn.Input(1 / 255), torch.nn.Flatten(), torch.nn.Linear(784, 10), nn.LIF(beta=0.5))

def classes():
    return torch.nn.Sequential(nn.Input(1 / 255), torch.nn.Flatten(), torch.nn.Linear(784, 7), nn.LIF())

def frames():
    return torch.nn.Sequential(nn.Input(1 / 255), torch.nn.Flatten(), torch.nn.Linear(99, 10), nn.LIF())

def narrow():
    return torch.nn.Sequential(nn.Input(1, high=1), torch.nn.Flatten(), torch.nn.Linear(784, 10), nn.LIF())

def without_leak():
    return torch.nn.Sequential(nn.Input(1 / 255), torch.nn.Flatten(), torch.nn.Linear(784, 10), nn.IF())

def broken():
    raise KeyError("oh")

def greedy(size):
    return build()

def nothing():
    return None

def samples():
    return data.subset(data.fashion_mnist(), 60, 20, 40)

number = 3
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("my_nets", "my_broken", "my_needs"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "my_nets.py").write_text(NETS)
    (tmp_path / "my_broken.py").write_text("1 / 0")
    (tmp_path / "my_needs.py").write_text("import no_such_package_at_all")
    tasks.load.cache_clear()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "my_nets"}, r"--model must be module:function, such as my_module:build, not 'my_nets'"),
        ({"model": "my_net:build"}, "there is no 'my_net'; give the name of a file there"),
        ({"model": "my_nets:buld"}, "has no 'buld'; did you mean 'build'"),
        ({"model": "my_nets:number"}, "must be a function without arguments, not int"),
        ({"model": "my_nets:broken"}, r"my_nets:broken\(\) failed with KeyError: 'oh'"),
        ({"model": "my_nets:greedy"}, "it is called without arguments"),
        ({"model": "my_nets:nothing"}, r"must return a torch.nn.Module, not NoneType"),
        (
            {"model": "my_nets:classes"},
            r"must end in 10 neurons, one for each class 0\.\.9 of .*, but ends in \[7\]",
        ),
        ({"model": "my_nets:frames"}, r"must read frames \[1, 28, 28\] of .*, but .* must read 99 values"),
        (
            {"model": "my_nets:narrow"},
            r"must take codes up to 255, .* but takes 1; begin the model with nn.Input",
        ),
        ({"model": "my_broken:x"}, "importing 'my_broken' failed with ZeroDivisionError: division by zero"),
        ({"model": "my_needs:x"}, "needs 'no_such_package_at_all', which is not installed"),
        ({"data": "my_nets:build"}, "must return an intspike.data.Dataset, not Sequential"),
        ({"data": "my_nets:samples", "subset": 61}, r"--subset must be in 1..60, .* not 61"),
        ({"data": "my_nets:samples", "folds": 121}, r"--folds must be in 2..120, .* not 121"),
        ({"dataset": "spoken-digits"}, "it does not travel with intspike; give its folder or file: --data"),
        ({"dataset": "fashion"}, "no data set 'fashion'; did you mean 'fashion-"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_cell(
    given: dict[str, Any], message: str, nets: Path
) -> None:
    with pytest.raises(BadInput, match=message):
        study.run(Options(**{"seeds": 1, **given}), nets / "out")
    assert not (nets / "out").exists()


@pytest.mark.slow
def test_own_model_and_data_run_and_are_told_apart_by_their_source(nets: Path, here: Here) -> None:
    options = Options(
        seeds=1,
        epochs=1,
        bits=(4,),
        timesteps=2,
        batch_size=20,
        model="my_nets:build",
        data="my_nets:samples",
    )
    done = study.run(options, nets / "out")
    assert not done.failed
    assert len(done.cells) == 15
    assert done.summary[0]["name"] == "fashion-mnist/fp/32-32"
    first, _ = cells_of(options)
    (nets / "my_nets.py").write_text(NETS + "\n# edited\n")
    second, _ = cells_of(options)
    assert {cell_hash(c) for c in first} & {cell_hash(c) for c in second} == set()


@pytest.mark.slow
def test_a_model_without_leak_has_no_memoryless_control(nets: Path, here: Here) -> None:
    options = Options(
        seeds=1,
        epochs=1,
        bits=(4,),
        timesteps=2,
        batch_size=20,
        model="my_nets:without_leak",
        data="my_nets:samples",
    )
    done = study.run(options, nets / "out")
    assert {f.cell.memory for f in done.failed} == {False}  # type: ignore[attr-defined]
    assert "the memoryless control needs neurons with a leak (beta), but IF has none" in done.failed[0].reason
    text = (nets / "out" / "table.md").read_text()
    assert "failed (1)" in text
    assert "which failed" in text


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": 0}, "--seeds must be in 1..1000, not 0"),
        ({"epochs": 0}, "--epochs must be in"),
        ({"bits": (0,)}, "--bits must be different numbers in 1..8"),
        ({"bits": (4, 4)}, "--bits must be different numbers in 1..8"),
        ({"bits": ()}, "--bits must be different numbers in 1..8"),
        ({"codec": "after reset"}, "--codec must be after-reset or before-reset"),
        ({"weights": "lsq"}, "--weights must be uniform or lq-net, not 'lsq'"),
        ({"gradient": "block"}, "--gradient must be block-saturated or block-ends or pass, not 'block'"),
        ({"loss": "hinge"}, "--loss must be counts, steps, mse, not 'hinge'"),
        ({"beta": 1.5}, r"--beta must be in 0..1, not 1.5"),
        ({"learning_rate": 0.0}, "--learning-rate must be a positive number"),
        (
            {"folds": 2, "seeds": 3},
            r"--seeds must be at most --folds \(2\), because seed s is tested on fold s, not 3",
        ),
    ],
)
def test_options_out_of_range(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Options(**given)


def test_a_study_s_options_come_back_but_for_functions(tmp_path: Path) -> None:
    options = Options(seeds=2, bits=(3, 1), beta=0.5, data="folder")
    (tmp_path / "study.json").write_text(json.dumps(options.to_dict()))
    assert recall(tmp_path, Options(), {}) == options
    assert recall(tmp_path, Options(), {"seeds": 5}) == replace(options, seeds=5)
    (tmp_path / "study.json").write_text(
        json.dumps(replace(options, model="my:net", data="my:data").to_dict())
    )
    assert "my:" not in (tmp_path / "study.json").read_text()
    with pytest.raises(BadInput, match="used a function of yours; give --data and --model again"):
        recall(tmp_path, Options(), {})
    assert recall(tmp_path, Options(), {"model": "a:b", "data": "c:d"}) == replace(
        options, model="a:b", data="c:d"
    )
    for damaged in ("", "[]", "{}", '{"needs": [], "bits": [1], "evil": 1}'):
        (tmp_path / "study.json").write_text(damaged)
        with pytest.raises(BadData, match="must be the record of a study, but is damaged"):
            recall(tmp_path, Options(), {})
    with pytest.raises(BadInput, match="--resume needs the folder of an earlier study"):
        recall(tmp_path / "none", Options(), {})


def test_defaults_are_those_of_the_data_set() -> None:
    for name, task in TASKS.items():
        assert task.paper in ("", *paper.FULL_PRECISION), name
    first = cells_of(Options(seeds=1))[0][0]
    assert (first.timesteps, first.test_timesteps, first.beta, first.loss) == (25, 25, 0.75, "counts")
    first = cells_of(Options(seeds=1, timesteps=3))[0][0]
    assert (first.timesteps, first.test_timesteps) == (3, 3)


# ---------------------------------------------------------------- tables and claims


def finished(seeds: int = 3, failed: str = "", **accuracy: float) -> list[Finished]:
    """Results by hand: 40 samples, of which a cell has as many right as its row says (20 unless given)."""
    made: list[Finished] = []
    random = np.random.default_rng(0)
    for c in grid(replace(SETTING, subset=None), seeds, (8, 4, 2), "after reset"):
        name = c.row.removeprefix("fashion-mnist/")
        if name == failed and c.seed == 0:
            made.append(Finished(c, cell_hash(c), "failed", "ValueError: too bad"))
            continue
        right: NDArray[np.bool_] = random.permutation(40) < int(accuracy.get(name, 20)) + c.seed % 2
        record = {
            "accuracy": float(right.mean()), "correct": int(right.sum()), "n": 40,
            "right": np.packbits(right).tobytes().hex(), "data": "made by hand",
            "layers": {"a": {"neurons": 10, "rate": 0.5, "dead": 1}, "b": {"neurons": 30, "rate": 0.1, "dead": 2}},
            "exact": [{"compared": 1000, "mismatches": 0}, {"compared": 24, "mismatches": 0}] if c.integer else None,
            "size_bits": {"total": 8192 * 8} if c.integer else None,
        }  # fmt: skip
        made.append(Finished(c, cell_hash(c), "done", record=record, code="x"))
    return made


def lines(text: str, title: str) -> list[list[str]]:
    """The rows of a Markdown table under a title that begins so."""
    part = text.split(f"**{title}")[1].split("\n\n")[1]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()]


def test_tables_have_the_layout_of_the_paper_and_its_numbers_beside_ours(tmp_path: Path) -> None:
    tables.write_tables(finished(), Options(), tmp_path)
    text = (tmp_path / "table.md").read_text()
    made = lines(text, "Quantized in training (QAT), threshold-centred")
    assert made[0] == ["quantized", "8 bits", "paper", "4 bits", "paper", "2 bits", "paper"]
    assert [row[0] for row in made[2:]] == ["states", "weights", "both", "memoryless, weights"]
    assert [row[2::2] for row in made[2:]] == [
        ["90.87", "90.04", "82.79"],
        ["90.43", "89.79", "87.77"],
        ["90.49", "88.29", "67.82"],
        ["–", "–", "–"],
    ]
    uniform = lines(text, "Quantized after training (PTQ), uniform")
    assert uniform[4][2::2] == ["89.11", "61.87", "17.87"]
    assert (
        uniform[3] == lines(text, "Quantized after training (PTQ), threshold-centred")[3]
    )  # weights: one cell
    assert lines(text, "Full precision")[2][2] == "90.87"
    each = {row[0]: row for row in lines(text, "Every network")[2:]}
    assert each["fashion-mnist/qat-uniform/4-4"][3:] == [
        "exact, 3,072 integers compared", "8.0 KiB", "0.2000", "7.5 %",
    ]  # fmt: skip
    assert each["fashion-mnist/qat/4-32"][3] == "float part"
    assert "worse trained (36.76 %) than calibrated (67.06 %)" in text


def test_intervals_are_over_seeds_or_with_one_seed_over_samples(tmp_path: Path) -> None:
    three = {s["name"]: s for s in tables.write_tables(finished(3), Options(), tmp_path)}
    row = three["fashion-mnist/fp/32-32"]
    assert row["value"] == pytest.approx(100 * (20 + 21 + 20) / 120)
    assert row["n"] == 3
    assert row["low"] < row["value"] < row["high"]
    one = {s["name"]: s for s in tables.write_tables(finished(1), Options(), tmp_path)}
    expected = wilson(20, 40)
    assert one["fashion-mnist/fp/32-32"]["low"] == 100 * (expected.low or 0)
    assert "There is one seed: intervals are Wilson's" in (tmp_path / "table.md").read_text()
    assert json.loads((tmp_path / "summary.json").read_text()) == list(one.values())
    assert {frozenset(s) for s in one.values()} == {
        frozenset({"name", "value", "low", "high", "n", "goal", "command"})
    }


def test_csv_holds_a_line_a_row_and_a_line_a_cell(tmp_path: Path) -> None:
    done = finished(2, failed="qat/2-32")
    tables.write_tables(done, Options(), tmp_path)
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [r["name"] for r in rows] == list(rows_of(done))
    bad = next(r for r in rows if r["name"] == "fashion-mnist/qat/2-32")
    assert (bad["seeds"], bad["failed"]) == ("1", "1")
    each = list(csv.DictReader((tmp_path / "cells.csv").read_text().splitlines()))
    assert [c["hash"] for c in each] == [f.hash for f in done]
    assert [c["reason"] for c in each if c["status"] == "failed"] == ["ValueError: too bad"]
    assert "ValueError: too bad" in (tmp_path / "table.md").read_text()


def with_drift(done: list[Finished]) -> list[Finished]:
    """The same results as a version that records drift leaves them: an EMD of 0.01 with seed 0, 0.02 with seed 1..."""
    layer = {
        "neurons": 40, "rate_before": 0.25, "rate_after": 0.2, "dead_before": 1, "dead_after": 3, "newly_dead": 2,
        "saturated_before": 0, "saturated_after": 0, "emd": 0.0, "paired_distance": 0.05, "correlation": None,
    }  # fmt: skip
    made: list[Finished] = []
    for f in done:
        assert isinstance(f.cell, SquatCell)
        if f.record is not None and f.cell.scheme != "fp":
            drift = {
                "pooled": {**layer, "emd": 0.01 * (1 + f.cell.seed)},
                "noise_floor": {
                    "halves": {"pooled": {**layer, "emd": 0.004, "newly_dead": 1, "correlation": 0.5}}
                },
                "cost": {"before": {"synops_per_inference": 200.0}, "after": {"synops_per_inference": 150.0}},
            }
            f = replace(f, record={**f.record, "drift": drift})
        made.append(f)
    return made


def test_drift_has_a_table_and_columns_where_cells_record_it(tmp_path: Path) -> None:
    done = with_drift(finished(2))
    tables.write_tables(done, Options(), tmp_path)
    shown = lines((tmp_path / "table.md").read_text(), "Firing drift against full precision")
    each = {row[0]: row[1:] for row in shown[2:]}
    assert each["fashion-mnist/qat-uniform/2-2"] == [
        "0.2500 → 0.2000", "2.50 → 7.50", "5.00 [2.50]", "0.0150 [0.0040]", "0.0500 [0.0500]", "– [0.5000]", "-25.0 %",
        "2",
    ]  # fmt: skip
    assert "fashion-mnist/fp/32-32" not in each
    assert "fashion-mnist/continued/32-32" in each  # full precision drifts too when it is trained on
    csv_rows = {r["name"]: r for r in csv.DictReader((tmp_path / "table.csv").read_text().splitlines())}
    assert float(csv_rows["fashion-mnist/qat-uniform/2-2"]["emd"]) == pytest.approx(0.015)
    assert float(csv_rows["fashion-mnist/qat-uniform/2-2"]["emd_floor"]) == 0.004
    assert csv_rows["fashion-mnist/fp/32-32"]["emd"] == ""


def test_cells_of_earlier_versions_have_no_drift_and_are_shown(tmp_path: Path) -> None:
    from intspike.study.squat.report import page_of

    before = finished(2)
    tables.write_tables(before, Options(), tmp_path)
    assert "Firing drift" not in (tmp_path / "table.md").read_text()
    some = with_drift(before)[:39] + before[39:]  # the first seed was computed again
    row = rows_of(some)["fashion-mnist/qat-uniform/2-2"]
    assert (len(row.drifts), row.drift("emd"), len(row.done)) == (1, 0.01, 2)
    assert "drift" not in [s.key for s in page_of(before, Options()).sections]
    (section,) = (s for s in page_of(some, Options()).sections if s.key == "drift")
    assert [len(p.data) for p in section.panels] == [37, 37]


def test_a_row_of_failures_alone_is_shown_as_failed(tmp_path: Path) -> None:
    tables.write_tables(finished(1, failed="qat-uniform/2-2"), Options(), tmp_path)
    made = lines((tmp_path / "table.md").read_text(), "Quantized in training (QAT), uniform")
    assert made[4][5] == "failed (1)"


def test_claims_hold_fail_or_are_within_noise() -> None:
    done = finished(
        3, **{"qat/4-32": 30, "ptq/4-32": 20, "qat-threshold-centred/2-2": 10, "qat-uniform/2-2": 20}
    )
    found = {(t.claim, t.name, t.bits): t for t in trends(rows_of(done))}
    assert found["qat-over-ptq", "weights", 4].verdict == "holds"
    assert found["qat-over-ptq", "weights", 4].difference.value == pytest.approx(25)
    assert found["qat-over-ptq", "weights", 2].verdict == "within noise"
    assert found["centred-over-uniform", "both, QAT", 2].verdict == "does not hold"
    assert {t.bits for t in found.values()} == {4, 2}  # the claims are about 4 bits and fewer
    assert len(found) == 2 + 8
    assert {t.pairs for t in found.values()} == {"seeds"}


def test_one_seed_is_paired_by_test_samples() -> None:
    done = finished(1, **{"qat/4-32": 33, "ptq/4-32": 20})
    (t,) = (t for t in trends(rows_of(done)) if (t.claim, t.bits) == ("qat-over-ptq", 4))
    a, b = (
        100.0 * right_of(f.record or {})
        for name in ("ptq/4-32", "qat/4-32")
        for f in done
        if f.cell.name == f"fashion-mnist/{name} seed 0"
    )
    assert t.difference == paired_interval(a.tolist(), b.tolist())
    assert (t.difference.n, t.pairs, t.verdict) == (40, "test samples", "holds")


def test_a_claim_needs_both_sides(tmp_path: Path) -> None:
    done = finished(1, failed="ptq/4-32")
    assert not [t for t in trends(rows_of(done)) if (t.claim, t.bits) == ("qat-over-ptq", 4)]


def test_the_paper_s_numbers_and_faults() -> None:
    assert paper.printed("SHD", "threshold-centred", "qat", "both", 2) == 24.26
    assert paper.printed("DVS", "uniform", "qat", "both", 2) == 17.80
    assert paper.printed("DVS", "uniform", "ptq", "states", 2) == 28.03
    assert [paper.printed("DVS", "", "ptq", "weights", b) for b in paper.BITS] == [9.09] * 3
    assert paper.printed("FMNIST", "", "qat", "weights", 3) is None
    assert paper.printed("FMNIST", "uniform", "qat", "weights", 4) is None
    assert "at chance" in paper.faults("DVS")[0]


def test_the_report_shows_tables_claims_and_failures() -> None:
    from intspike.study.report import render
    from intspike.study.squat.report import page_of

    page = page_of(finished(2, failed="qat/2-32"), Options())
    assert [s.key for s in page.sections] == ["tables", "accuracy", *CLAIMS, "networks", "failed", "run"]
    panels = {p.title: p for s in page.sections for p in s.panels}
    assert "both, quantized in training (QAT)" in panels
    bars = panels["both, quantized in training (QAT)"].data
    assert len(bars) == 6  # two spacings at three widths
    assert all("error_x" in b for b in bars)
    text = render(page)
    assert "ValueError: too bad" in text
    assert "<script src" not in text


def test_names_of_a_user_s_data_stay_names() -> None:
    assert custom.is_function("a.b:c")
    assert not custom.is_function("/data/a:b/c")
    assert not custom.is_function(None)


# ---------------------------------------------------------------- end to end


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    """Cells run in this process."""
    made = Here()
    monkeypatch.setattr(run, "open_backend", lambda *given: made)
    return made


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_seed_from_the_command_line(tmp_path: Path) -> None:
    asked = ["--seeds", "1", "--epochs", "1", "--subset", "500", "--timesteps", "4", "--bits", "8,4,2,1"]
    command = [sys.executable, "-c", "from intspike.cli import main; main()", "study", "squat"]
    command += ["--out", str(tmp_path / "out")]
    first = subprocess.run([*command, *asked], capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count(": done") == 51
    out = tmp_path / "out"
    summary = {s["name"]: s for s in json.loads((out / "summary.json").read_text())}
    assert all(
        0 <= s["value"] <= 100
        for s in summary.values()
        if s["name"].count("/") == 2 and "-over-" not in s["name"]
    )
    made, _ = cells_of(Options(seeds=1, epochs=1, subset=500, timesteps=4, bits=(8, 4, 2, 1)))
    for c in made:
        found = Store(out).read(c)
        assert found is not None
        assert found.status == "done"
        assert found.record is not None
        assert summary[c.row]["value"] == 100 * found.record["accuracy"]
        if c.integer:
            assert load(out / "cells" / cell_hash(c) / PROGRAM).neurons
    assert "<html" in (out / "report.html").read_text()
    times = {p: p.stat().st_mtime_ns for p in out.glob("cells/*/result.json")}
    again = subprocess.run([*command, "--resume", "--bits", "4"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "15 of 15 cells are there already" in again.stdout
    assert {p: p.stat().st_mtime_ns for p in out.glob("cells/*/result.json")} == times


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")
def test_a_dask_cluster_computes_the_same_cells(tmp_path: Path, here: Here) -> None:
    pytest.importorskip("distributed", reason="install the extra [dask]")
    options = Options(seeds=1, epochs=1, subset=60, timesteps=2, bits=(2,))
    ours = study.run(options, tmp_path / "here")
    with pytest.MonkeyPatch.context() as patch:
        from intspike.study.grid.backends import open_backend

        patch.setattr(run, "open_backend", open_backend)
        theirs = study.run(options, tmp_path / "dask", backend="dask")
    assert [f.record and f.record["right"] for f in ours.cells] == [
        f.record and f.record["right"] for f in theirs.cells
    ]


def test_the_embedded_sample_is_what_the_study_reads() -> None:
    assert len(tasks.load(Where("fashion-mnist")).test) == len(data.fashion_mnist().test)
