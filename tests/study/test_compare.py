"""`intspike compare`: stored programs without torch, checkpoints, what it writes, its gates, and what it refuses."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from intspike.engine import reference
from intspike.errors import BadArtifact, BadData, BadInput, MissingDependency
from intspike.ir import Dense, Edge, Input, Program, Readout, frozen
from intspike.ir.artifact import load, save
from intspike.measure import drift, halves, synops, wilson
from intspike.measure.membranes import MembraneCounts
from intspike.ops import Table, Uniform
from intspike.study.compare import run as run_module
from intspike.study.compare.misfit import misfit
from intspike.study.compare.page import page, words, write
from intspike.study.compare.run import Comparison, Options, compare
from intspike.study.compare.sides import names_of
from intspike.study.report import drift_table
from intspike.study.samples import READERS, read_data
from measure.small_programs import neuron_node

T, SAMPLES, CLASSES = 6, 40, 3


def program(seed: int, bits: int, hidden: int = 5, inputs: int = 4, classes: int = CLASSES) -> Program:
    """Two dense layers whose states have so many bits."""
    rng = np.random.default_rng(seed)
    codec = Table(bits, 1 << (bits - 1)) if bits < 8 else Uniform(8, -128)
    return Program(
        (
            Input("x", (inputs,), 0, 255),
            Dense("one", Edge("x"), frozen(rng.integers(-3, 4, (hidden, inputs)))),
            neuron_node("hidden", "one", hidden, codec=codec, theta=300),
            Dense("two", Edge("hidden"), frozen(rng.integers(-3, 4, (classes, hidden)))),
            neuron_node("last", "two", classes, codec=codec, theta=64),
            Readout("out", Edge("last")),
        )
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and three programs, of which the last differs in shape."""
    folder = tmp_path_factory.mktemp("compare")
    draw = np.random.default_rng(1)
    arrays: dict[str, Any] = {}
    for part in ("train", "test"):
        arrays[f"{part}_inputs"] = draw.integers(0, 256, (SAMPLES, 4)).astype(np.uint8)
        arrays[f"{part}_labels"] = np.arange(SAMPLES) % CLASSES
    np.savez(folder / "own.npz", **arrays)
    made = {
        "a": program(0, 8), "b": program(0, 4), "other": program(0, 4, hidden=6), "wide": program(0, 4, inputs=5),
        "few": program(0, 4, classes=2),
    }  # fmt: skip
    for name, p in made.items():
        save(p, folder / f"{name}.intspike")
    return folder


def options(place: Path, **given: Any) -> Options:
    paths = {"a": place / "a.intspike", "b": place / "b.intspike"}
    return Options(**{**paths, "data": str(place / "own.npz"), "timesteps": T, "repeats": 0, **given})


@pytest.fixture(scope="module")
def found(place: Path) -> Comparison:
    return compare(options(place))


# ---------------------------------------------------------------- numbers


def test_every_number_is_that_of_the_reference_engine(place: Path, found: Comparison) -> None:
    test = read_data(str(place / "own.npz")).test
    x = test.batch(np.arange(SAMPLES), T)
    traces = {name: reference.run(load(place / f"{name}.intspike"), x, T) for name in ("a", "b")}
    plain = drift(*(halves([t]) for t in traces.values()), names=("a", "b"))
    assert [found.drift.firing, found.drift.halves] == [plain.firing, plain.halves]
    assert found.drift.pooled.emd > 0
    for side, name in ((found.a, "a"), (found.b, "b")):
        made = load(place / f"{name}.intspike")
        right = traces[name].classes == test.labels
        assert found.accuracy[name] == wilson(int(right.sum()), SAMPLES)
        assert side.synops == synops(made, traces[name], x)
        membranes = MembraneCounts()
        membranes.add(made, traces[name])
        assert membranes.samples == SAMPLES
        assert {k: v.tolist() for k, v in side.membranes.counts.items()} == {
            k: v.tolist() for k, v in membranes.counts.items()
        }
    same = traces["a"].classes == traces["b"].classes
    assert found.alike == same.mean()
    gained = (traces["b"].classes == test.labels).mean() - (traces["a"].classes == test.labels).mean()
    assert found.difference.value == pytest.approx(gained)


def test_batches_do_not_change_what_is_found(
    place: Path, found: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "AT_ONCE", 7 * T)
    monkeypatch.setattr(run_module, "SHOWN", 10)
    again = compare(options(place))
    assert again.drift == found.drift
    assert again.a.membranes.samples == again.b.membranes.samples == 10
    first = compare(options(place, samples=10))
    assert first.a.membranes.counts["hidden"].tolist() == again.a.membranes.counts["hidden"].tolist()
    assert (first.drift.samples, first.accuracy["a"].n) == (10, 10)


def test_a_network_compared_with_itself_does_not_drift(place: Path) -> None:
    found = compare(options(place, b=place / "a.intspike"))
    assert (found.a.name, found.b.name) == ("A", "B")
    assert (found.drift.pooled.emd, found.drift.pooled.paired_distance, found.alike) == (0, 0, 1)


def test_a_second_seed_is_the_other_floor(place: Path, tmp_path: Path) -> None:
    found = compare(options(place, second=place / "b.intspike"))
    assert found.drift.seed is not None
    assert found.drift.seed.pooled.emd == found.drift.pooled.emd
    write(found, tmp_path, "intspike compare")
    assert "Noise floor of seeds" in (tmp_path / "report.html").read_text()


# ---------------------------------------------------------------- what is written


def test_files_hold_what_was_found(found: Comparison, tmp_path: Path) -> None:
    write(found, tmp_path, "intspike compare a b")
    kept = json.loads((tmp_path / "drift.json").read_text())
    assert kept["pooled"] == found.drift.pooled.to_dict()
    assert kept["noise_floor"]["halves"]["pooled"] == found.drift.halves.pooled.to_dict()
    assert kept["accuracy"]["b"] == found.accuracy["b"].to_dict()
    assert str(tmp_path) not in json.dumps(kept)
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [r["layer"] for r in rows] == ["hidden", "last", "all layers"]
    assert float(rows[-1]["emd"]) == found.drift.pooled.emd
    assert float(rows[-1]["emd_floor"]) == found.drift.halves.pooled.emd
    assert {p.name for p in tmp_path.iterdir()} == {"drift.json", "table.csv", "report.html"}


def test_the_page_draws_every_layer(found: Comparison) -> None:
    made = page(found, "intspike compare a b")
    panels = {s.key: s.panels for s in made.sections}
    for key in ("rates", "distributions", "moved", "dead", "membranes"):
        assert [p.title.partition(":")[0].partition(",")[0] for p in panels[key]] == ["hidden", "last"]
    assert made.names == ("a", "b")
    assert f"EMD of {found.drift.pooled.emd:.4f}" in made.summary


def test_the_terminal_shows_drift_beside_its_floor(found: Comparison) -> None:
    shown = drift_table(found.drift)
    assert [row[0] for row in shown.rows] == ["hidden", "last", "all layers"]
    assert shown.rows[-1][4:6] == [f"{found.drift.pooled.emd:.4f}", f"{found.drift.halves.pooled.emd:.4f}"]
    assert any(line.startswith("synaptic operations per inference: ") for line in words(found))


# ---------------------------------------------------------------- the command


def intspike(*arguments: str, prelude: str = "") -> subprocess.CompletedProcess[str]:
    code = f"{prelude}\nfrom intspike.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def asked(place: Path, out: Path, *more: str) -> list[str]:
    files = [str(place / f"{name}.intspike") for name in ("a", "b")]
    return [
        "compare",
        *files,
        "--data",
        str(place / "own.npz"),
        "--timesteps",
        str(T),
        "--out",
        str(out),
        *more,
    ]


def test_stored_programs_are_compared_without_torch(place: Path, tmp_path: Path, found: Comparison) -> None:
    done = intspike(*asked(place, tmp_path / "out"), prelude="import sys; sys.modules['torch'] = None")
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "out" / "drift.json").read_text())
    assert kept["pooled"] == found.drift.pooled.to_dict()
    assert "firing drift of b against a" in done.stdout
    assert "all layers" in done.stdout


def test_a_gate_fails_the_command_after_everything_is_written(place: Path, tmp_path: Path) -> None:
    done = intspike(
        *asked(place, tmp_path / "out", "--max-emd", "0", "--max-newly-dead", "100%", "--repeats", "0")
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: firing must drift no further than the gates allow, but the pooled EMD of b"
    )
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "out" / "report.html").exists()
    assert (tmp_path / "out" / "drift.json").exists()


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"b": "other.intspike"},
            r"layer hidden must have the same shape in other as in a, not \[6\] and \[5\]",
        ),
        ({"b": "wide.intspike"}, r"wide.intspike must read frames \[4\] of own, but reads \[5\]"),
        ({"b": "few.intspike"}, "must have 3 outputs, one for each class of own, but has 2"),
        ({"b": "own.npz"}, "does not say what network it is of; give --model"),
        ({"b": "none.safetensors"}, "must be a file that exists: a stored program"),
        ({"samples": 1}, "--samples must be at least 2"),
        ({"timesteps": 0}, "--timesteps must be in 1..10000"),
        ({"repeats": -1}, "--repeats must be in 0..1000"),
        ({"data": "fashion-minst"}, "did you mean 'fashion-mnist'"),
        ({"data": "mnist"}, "mnist must be on this machine"),
    ],
)
def test_what_cannot_be_compared_is_refused(place: Path, given: dict[str, Any], message: str) -> None:
    changed = {k: place / v if k == "b" else v for k, v in given.items()}
    with pytest.raises(BadInput, match=message):
        compare(options(place, **changed))


def test_a_file_in_place_of_the_folder_is_refused_before_anything_runs(place: Path, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("mine")
    for out in (tmp_path / "page", tmp_path / "page" / "below"):
        done = intspike(*asked(place / "nowhere", out))  # networks that are not there are not looked for
        assert done.returncode == 1
        assert "page is a file where a folder must be; choose another --out" in done.stderr
    assert (tmp_path / "page").read_text() == "mine"


def test_a_damaged_program_is_refused(place: Path, tmp_path: Path) -> None:
    (tmp_path / "b.intspike").write_bytes((place / "b.intspike").read_bytes()[:-3])
    with pytest.raises(BadArtifact):
        compare(options(place, b=tmp_path / "b.intspike"))


def test_checkpoints_need_torch(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "torch" else find(name, *a)
    )
    with pytest.raises(MissingDependency, match="needs torch"):
        compare(options(place, b=place / "own.npz", model="squat_fmnist"))


def test_names_are_as_short_as_they_can_be() -> None:
    paths = ["x/fp/model.intspike", "x/q/model.intspike"]
    assert names_of([Path(p) for p in paths]) == ["fp/model", "q/model"]
    assert names_of([Path("x/fp.safetensors"), Path("y/q.intspike")]) == ["fp", "q"]
    assert names_of([Path("a"), Path("a"), Path("b")]) == ["A", "B", "C"]


# ---------------------------------------------------------------- checkpoints


NETS = """
import torch
from intspike import nn
from intspike.quant import QuantConfig, ThresholdCentred, Uniform

def build(hidden=5):
    return nn.Network(torch.nn.Sequential(
        nn.Input(1 / 255), torch.nn.Linear(4, hidden), nn.LIF(), torch.nn.Linear(hidden, 3), nn.LIF()))

def quantized():
    return nn.quantize(build(), QuantConfig(Uniform(4), ThresholdCentred(4)))

def larger():
    return build(6)
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "compared_nets", raising=False)
    (tmp_path / "compared_nets.py").write_text(NETS)
    sys.path.insert(0, str(tmp_path))
    import compared_nets  # type: ignore[import-not-found]
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    net = compared_nets.build()
    with torch.no_grad():
        for g in net.layers:
            g.modules_of_synapses[0].weight.mul_(4)
    quantized = compared_nets.nn.quantize(
        net, compared_nets.QuantConfig(compared_nets.Uniform(4), compared_nets.ThresholdCentred(4))
    )
    save_file(net.state_dict(), tmp_path / "fp.safetensors")
    save_file({f"best.{k}": t for k, t in net.state_dict().items()}, tmp_path / "training.safetensors")
    save_file(quantized.state_dict(), tmp_path / "q.safetensors")
    return net, quantized


def test_a_network_in_full_precision_is_compared_with_its_program(
    place: Path, nets: Any, tmp_path: Path
) -> None:
    from intspike import lower

    net, quantized = nets
    save(lower.lower(quantized, input_shape=(4,)), tmp_path / "q.intspike")
    data = read_data(str(place / "own.npz"))
    expected = lower.drift(net, quantized, data, timesteps=T)
    for checkpoint in ("fp", "training"):
        given = {"a": tmp_path / f"{checkpoint}.safetensors", "b": tmp_path / "q.intspike"}
        found = compare(options(place, **given, model="compared_nets:build"))
        assert found.drift.firing.layers == expected.firing.layers
        assert found.drift.halves == expected.halves
        assert found.drift.cost == expected.cost
        assert found.drift.pooled.emd > 0
        assert found.a.membranes.counts.keys() == found.b.membranes.counts.keys()
        assert (
            found.a.membranes.counts["layer_2"].sum()
            == found.b.membranes.counts["layer_2"].sum()
            == T * SAMPLES * 5
        )
        fired = found.a.counts.whole.counts["layer_2"].sum()
        assert (
            found.a.membranes.counts["layer_2"][80:].sum() == fired
        )  # what fires lies at or above threshold


def test_a_quantized_network_runs_as_its_program(place: Path, nets: Any, tmp_path: Path) -> None:
    from intspike import lower

    save(lower.lower(nets[1], input_shape=(4,)), tmp_path / "p.intspike")
    given = {"a": tmp_path / "q.safetensors", "b": tmp_path / "p.intspike"}
    found = compare(options(place, **given, model="compared_nets:quantized"))
    assert found.a.runner.words == found.b.runner.words == "integer program, native engine"
    assert found.drift.pooled.paired_distance == 0


@pytest.mark.parametrize(
    ("model", "kind", "message"),
    [
        (
            "compared_nets:larger",
            BadData,
            r"must hold the parameters of compared_nets:larger, but does not fit: \S+ is \[.*\] in the "
            r"file and \[.*\] in the model",
        ),
        ("squat_fmnst", BadInput, "did you mean 'squat-fmnist'"),
        ("compared_nets:nothing", BadInput, "has no 'nothing'"),
    ],
)
def test_checkpoints_of_other_networks_are_refused(
    place: Path, nets: Any, tmp_path: Path, model: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        compare(options(place, a=tmp_path / "fp.safetensors", model=model))


def test_parameters_that_do_not_fit_are_named_by_layer_and_shape() -> None:
    model = {"a.weight": torch.ones(2, 3), "a.theta": torch.ones(0), "b": torch.ones(1), "c": torch.ones(())}
    assert misfit(model, model) == ""
    assert misfit(model, {**model, "a.theta": torch.ones(2)}) == ""
    other = {"a.weight": torch.ones(2, 4), "a.theta": torch.ones(2), "b": torch.ones(1), "d": torch.ones(1)}
    assert misfit(model, other) == (
        "a.weight is [2, 4] in the file and [2, 3] in the model; c is in the model alone; d is in the file alone"
    )
    assert misfit(model, {}).endswith("; 1 more differ")


def test_a_damaged_checkpoint_is_refused(place: Path, nets: Any, tmp_path: Path) -> None:
    (tmp_path / "fp.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(BadData, match=r"must be a checkpoint .*, but cannot be read"):
        compare(options(place, a=tmp_path / "fp.safetensors", model="compared_nets:build"))


def test_a_model_of_intspike_is_made_to_fit_the_data(place: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from intspike import models

    net = models.squat_shd(classes=CLASSES, inputs=4, hidden=1000, high=255)
    save_file(net.state_dict(), tmp_path / "shd.safetensors")
    given = {"a": tmp_path / "shd.safetensors", "b": tmp_path / "shd.safetensors"}
    found = compare(options(place, **given, model="squat_shd", samples=4, timesteps=2))
    assert found.drift.pooled.neurons == 1003


# ---------------------------------------------------------------- data by name


def test_data_are_named_in_four_ways(place: Path, nets: Any, tmp_path: Path) -> None:
    assert len(read_data(str(place / "own.npz")).test) == SAMPLES
    assert read_data("delayed-match").timed
    (tmp_path / "compared_nets.py").write_text(
        NETS + "\nfrom intspike import data\ndef own():\n    return data.delayed_match()\n"
    )
    sys.modules.pop("compared_nets", None)
    assert read_data("compared_nets:own").name == read_data("delayed-match").name
    with pytest.raises(BadData, match="nowhere"):
        read_data(f"mnist={tmp_path / 'nowhere'}")
    np.savez(
        tmp_path / "names.npz", x=np.zeros((4, 3), np.uint8)
    )  # one's own, with wrong names: no Fashion-MNIST
    with pytest.raises(BadData, match=r"one array train_inputs, .*it holds: x\)"):
        read_data(str(tmp_path / "names.npz"))
    for name in READERS:
        if name not in ("fashion-mnist", "delayed-match", "fashion-rows", "text-classification"):
            with pytest.raises(BadInput, match="does not travel with intspike"):
                read_data(name)
