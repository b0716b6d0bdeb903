"""The recipe `fashion-mnist`, end to end on very few images: files, proof, resuming, damage."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from intspike import data, native
from intspike.engine import native as native_engine
from intspike.engine.trace import Trace
from intspike.errors import BadData, BadInput, Divergence
from intspike.ir.artifact import content_hash, load
from intspike.study import fashion_mnist
from intspike.study.fashion_mnist import run
from intspike.study.fashion_mnist_result import MAIN, REFERENCE, VARIANTS, Options
from intspike.study.trained_for import trained_timesteps
from intspike.study.watch import Watch

OPTIONS = Options(epochs=1, timesteps=3, batch_size=25, quick=True)


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe as it is, on 100 + 50 + 70 images."""
    whole = data.fashion_mnist()
    monkeypatch.setattr(fashion_mnist.data, "fashion_mnist", lambda path, seed: whole)
    monkeypatch.setattr(fashion_mnist.data, "subset", lambda d, *sizes: data.dataset.subset(d, 100, 50, 70))


class Interrupting(Watch):
    """Stops the run when a task begins, as Ctrl-C or a kill would."""

    def __init__(self, task: str):
        self.task = task
        self.said: list[str] = []
        self.started: list[str] = []

    def start(self, task: str, total: int):
        self.started.append(task)
        if task == self.task:
            raise KeyboardInterrupt
        return super().start(task, total)

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished run, shared by the tests that only look at it."""
    out = tmp_path_factory.mktemp("run") / "out"
    with pytest.MonkeyPatch.context() as patch:
        whole = data.fashion_mnist()
        patch.setattr(fashion_mnist.data, "fashion_mnist", lambda path, seed: whole)
        patch.setattr(fashion_mnist.data, "subset", lambda d, *sizes: data.dataset.subset(d, 100, 50, 70))
        run(OPTIONS, out)
    return out


def test_every_file_is_there_and_holds_what_it_says(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    assert set(summary["accuracy"]) == {REFERENCE, "ptq-w8u8", "qat-w4u4", "qat-w2u2"}
    assert all({"a", "b", "compared", "mismatches"} <= set(c) for c in summary["exact"])
    assert {"lowering", "size_bits", "firing", "synops", "seconds"} <= set(summary)
    assert all(c["mismatches"] == 0 and c["compared"] > 0 for c in summary["exact"])
    pairs = {(c["variant"], c["a"], c["b"]) for c in summary["exact"]}
    assert pairs == {
        (v.name, a, b)
        for v in VARIANTS
        for a, b in (
            ("torch", "reference"),
            ("torch", "native"),
            ("reference", "exported C"),
            ("torch", "exported C"),
        )
    }
    program = load(finished / "model.intspike")
    assert (
        trained_timesteps(program.notes) == json.loads((finished / "summary.json").read_text())["timesteps"]
    )
    assert (finished / "program.txt").read_text() == str(program)
    assert {p.name for p in (finished / "c").iterdir()} >= {"program.h", "program.c", "main.c"}
    assert "<html" in (finished / "report.html").read_text()
    assert load(finished / "ptq-w8u8" / "model.intspike").neurons


def test_the_stored_program_gives_the_reported_accuracy(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    test = data.dataset.subset(data.fashion_mnist(None, seed=0), 100, 50, 70).test
    trace = native_engine.run(load(finished / "model.intspike"), test.inputs, summary["timesteps"])
    assert float(np.mean(trace.classes == test.labels)) == summary["accuracy"][MAIN]


def test_drift_stands_beside_its_noise_floor_and_its_cost(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    test = data.dataset.subset(data.fashion_mnist(None, seed=0), 100, 50, 70).test
    for v in VARIANTS:
        found = summary["firing"][v.name]
        assert (found["before"], found["after"], found["samples"]) == (REFERENCE, v.name, 70)
        floor = found["noise_floor"]["halves"]
        assert list(floor["layers"]) == list(found["layers"]) == ["lif1", "lif2", "lif3"]
        assert floor["pooled"]["paired_distance"] >= floor["pooled"]["emd"] > 0
        before, after = (found["cost"][side] for side in ("before", "after"))
        assert before["synops_per_inference"] == summary["synops"][REFERENCE]["per_inference"]
        assert after["synops_per_inference"] == summary["synops"][v.name]["per_inference"]
        assert before["latency"] is None  # full precision has no program
        if native.compiler() is not None:
            assert 0 < after["latency"]["low"] <= after["latency"]["median"] <= after["latency"]["high"]
    pixels = int((test.inputs != 0).sum()) / 70  # the first layer reads the same image in every network
    counted = [summary["synops"][name]["layers"]["conv1"] for name in summary["accuracy"]]
    assert len({c["operations"] for c in counted}) == 1
    assert counted[0]["events"] == pixels * 70
    assert "Noise floor: halves under fp32" in (finished / "report.html").read_text()


def test_gates_fail_a_run_after_everything_is_written(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from intspike import cli

    asked = [
        "intspike",
        "run",
        "fashion-mnist",
        "--epochs",
        "1",
        "--timesteps",
        "3",
        "--batch-size",
        "25",
        "--quick",
    ]
    pooled = json.loads((finished / "summary.json").read_text())["firing"]["qat-w2u2"]["pooled"]
    for gate, held in (
        (["--max-emd", "0.5", "--max-newly-dead", "100%"], True),
        (["--max-emd", str(pooled["emd"] / 2)], False),
    ):
        monkeypatch.setattr("sys.argv", [*asked, "--out", str(finished), *gate])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        assert stopped.value.code == (0 if held else 1)
        assert "noise floor of the EMD" in printed.out.replace("\n", " ")
        if not held:
            assert printed.err.startswith("error: firing must drift no further than the gates allow, but")
            assert "the pooled EMD of qat-w2u2 is" in printed.err
            assert printed.err.count("\n") == 1
    monkeypatch.setattr("sys.argv", [*asked, "--out", str(finished / "none"), "--max-newly-dead", "few"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "--max-newly-dead must be a number of neurons" in capsys.readouterr().err


def test_a_run_of_an_earlier_version_is_still_shown(finished: Path) -> None:
    from intspike.study import console

    summary = json.loads((finished / "summary.json").read_text())
    for found in summary["firing"].values():
        for key in ("noise_floor", "cost", "samples"):
            del found[key]
    del summary["synops"][REFERENCE]
    assert console.table(summary).row_count == 4
    assert set(console.pooled(summary)) == {v.name for v in VARIANTS}


def test_a_finished_run_is_only_read_again(finished: Path) -> None:
    watch = Interrupting("none")
    summary = run(OPTIONS, finished, watch=watch)
    assert isinstance(summary, dict)
    assert watch.started == []


def test_other_options_are_refused_with_what_changed(finished: Path) -> None:
    with pytest.raises(
        BadInput, match=r"other options \(seed: 0 there, 7 now\); choose another --out, or --force"
    ):
        run(Options(epochs=1, timesteps=3, batch_size=25, quick=True, seed=7), finished)


@pytest.mark.parametrize("task", [f"train {MAIN}", "verify ptq-w8u8", "write"])
def test_a_killed_run_resumes_and_ends_as_if_it_had_not_been(
    task: str, finished: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(OPTIONS, tmp_path, watch=Interrupting(task))
    watch = Interrupting("none")
    run(OPTIONS, tmp_path, watch=watch)
    assert f"train {REFERENCE}" not in watch.started
    assert f"{REFERENCE}: taken from the earlier run" in watch.said
    assert content_hash(load(tmp_path / "model.intspike")) == content_hash(load(finished / "model.intspike"))
    kept = [json.loads((p / "summary.json").read_text()) for p in (finished, tmp_path)]
    assert kept[0]["accuracy"] == kept[1]["accuracy"]
    assert kept[0]["exact"] == kept[1]["exact"]


def test_a_full_disk_loses_nothing_finished(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import safetensors.torch

    real = safetensors.torch.save_file
    calls: list[Path] = []

    def full(tensors: object, path: Path) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(tensors, path)

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(BadInput, match="the disk is full; nothing finished is lost"):
        run(OPTIONS, tmp_path)
    assert not list(tmp_path.glob("steps/.unfinished-*"))
    monkeypatch.setattr(safetensors.torch, "save_file", real)
    watch = Interrupting("none")
    run(OPTIONS, tmp_path, watch=watch)
    assert f"train {REFERENCE}" not in watch.started


def test_an_engine_that_disagrees_stops_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = native_engine.run

    def wrong(*args, **kwargs) -> Trace:
        trace = real(*args, **kwargs)
        trace.codes["lif2"]["u"][2, 5, 3, 1, 2] += 1
        return trace

    monkeypatch.setattr(native_engine, "run", wrong)
    with pytest.raises(
        Divergence, match=r"timestep 2, layer 'lif2', neuron \(3, 1, 2\), sample 5: stored code"
    ) as e:
        run(OPTIONS, tmp_path)
    assert e.value.mismatches == 1
    assert not (tmp_path / "summary.json").exists()


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(BadInput, match="must be new, empty or an earlier run"):
        run(OPTIONS, tmp_path, force=True)
    assert (tmp_path / "thesis.tex").exists()
    with pytest.raises(BadInput, match="is a file"):
        run(OPTIONS, tmp_path / "thesis.tex")


def test_a_damaged_checkpoint_is_named(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(OPTIONS, tmp_path, watch=Interrupting(f"train {MAIN}"))
    checkpoint = tmp_path / "steps" / REFERENCE / "network.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(BadData, match="must be a checkpoint of this run, but is damaged"):
        run(OPTIONS, tmp_path)


def test_without_a_compiler_it_goes_on_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.warns(native.SlowerWithoutCompiler, match="no C compiler was found") as said:
        result = run(OPTIONS, tmp_path / "out")
    assert len(said) == 1
    summary = result if isinstance(result, dict) else result.summary
    assert {(c["a"], c["b"]) for c in summary["exact"]} == {("torch", "reference")}
    assert (tmp_path / "out" / "c" / "program.c").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 0), ("timesteps", 0), ("timesteps", 5000), ("batch_size", 0), ("seed", -1)],
)
def test_options_out_of_range(field: str, value: int) -> None:
    with pytest.raises(BadInput, match=f"--{field.replace('_', '-')} must be in .*, not {value}"):
        Options(**{field: value})


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_default_run_reaches_its_accuracy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    result = run(Options(), tmp_path)
    summary = result if isinstance(result, dict) else result.summary
    assert summary["accuracy"][REFERENCE] >= 0.83
    assert summary["accuracy"][MAIN] >= 0.83
    assert all(c["mismatches"] == 0 for c in summary["exact"])
