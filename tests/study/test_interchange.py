"""The commands that meet other tools, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import program_examples
from intspike.cli import app
from intspike.errors import BadInput, Divergence, IntspikeError, NotImportable
from intspike.ir.artifact import content_hash, load, save


def run(*arguments: object) -> str:
    """What a command prints; its errors are raised."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def program(tmp_path: Path) -> Path:
    save(program_examples.dense(), tmp_path / "model.intspike")
    return tmp_path / "model.intspike"


def graph(path: Path, **changes: object) -> Path:
    nir = pytest.importorskip("nir")
    fields = {"tau": 0.01, "r": 10.0, "v_leak": 0.0, "v_threshold": 1.0} | changes
    lif = nir.LIF(**{k: np.full(3, v) for k, v in fields.items()})
    nir.write(path, nir.NIRGraph.from_list(nir.Linear(np.random.default_rng(0).normal(size=(3, 4))), lif))
    return path


def test_a_program_goes_to_nir_and_comes_back_bit_by_bit(program: Path, tmp_path: Path):
    pytest.importorskip("nir")
    said = run("export", "nir", program, "--out", tmp_path / "x.nir")
    assert "lif: leak 0.7" in said
    assert "LSB from its table" in said
    with pytest.raises(BadInput, match=r"must be new, but .*x\.nir is not; choose another --out, or --force"):
        run("export", "nir", program, "--out", tmp_path / "x.nir")
    run("import", tmp_path / "x.nir", "--out", tmp_path / "back")
    assert content_hash(load(tmp_path / "back" / "model.intspike")) == content_hash(load(program))
    assert json.loads((tmp_path / "back" / "import.json").read_text())["exact"] is True
    with pytest.raises(BadInput, match="new or empty"):
        run("import", tmp_path / "x.nir", "--out", tmp_path / "back")
    run("import", tmp_path / "x.nir", "--out", tmp_path / "back", "--force")


def test_another_tools_file_is_quantized_with_every_choice_listed(tmp_path: Path):
    path = graph(tmp_path / "theirs.nir")
    with pytest.raises(BadInput, match="--timestep must be given"):
        run("import", path, "--out", tmp_path / "out")
    arguments = (
        "import",
        path,
        "--timestep",
        "1e-3",
        "--reset",
        "subtract",
        "--out",
        tmp_path / "out",
        "--json",
    )
    record = json.loads(run(*arguments))
    assert record["exact"] is False
    assert ["lif", "reset", "v = v_reset, 0", "'subtract', 'before leak'", "assumed"] in record["choices"]
    made = load(tmp_path / "out" / "model.intspike")
    assert made.neurons[0].body.reset == "subtract"
    assert made.input.shape == (4,)
    assert record["content_hash"] == content_hash(made)
    assert {p["status"] for p in record["lowering"]["parameters"]} <= {"exact", "snapped"}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--reset", "soft", "reset must be"), ("--reset-order", "never", "--reset-order must be"),
     ("--comparison", "eq", "--comparison must be gt or ge"), ("--discretisation", "rk4", "discretisation must be"),
     ("--bits", "9", "--bits must be bits of weights"), ("--codec", "x", "--codec must be"),
     ("--timestep", "0", "timestep must be a positive time")],
)  # fmt: skip
def test_options_of_an_import(option: str, value: str, words: str, tmp_path: Path):
    arguments = {"--timestep": "1e-3", option: value}
    with pytest.raises(IntspikeError, match=words):
        run("import", graph(tmp_path / "x.nir"), *[x for pair in arguments.items() for x in pair])


def test_no_onnx_file_without_timesteps(program: Path, tmp_path: Path):
    with pytest.raises(BadInput, match=r"--timesteps must be in 1\.\.1024, .*, not 0"):
        run("export", "onnx", program, "--timesteps", "0", "--out", tmp_path / "no.onnx")
    assert not (tmp_path / "no.onnx").exists()


def test_check_says_what_a_file_means(tmp_path: Path, program: Path):
    path = graph(tmp_path / "theirs.nir")
    found = json.loads(run("check", path, "--json"))
    assert [n[:2] for n in found["nodes"]] == [
        ["input", "Input"], ["lif", "LIF"], ["linear", "Linear"], ["output", "Output"]
    ]  # fmt: skip
    assert "tau 0.01" in found["nodes"][1][2]
    assert {o[1] for o in found["open"] if o[0] == "lif"} == {
        "whether a spike subtracts or sets v_reset", "whether the reset comes before the leak",
        "v > or >= v_threshold at the timestep",
    }  # fmt: skip
    assert found["program"] == found["imports"] == ""
    run("export", "nir", program, "--out", tmp_path / "ours.nir")
    assert json.loads(run("check", tmp_path / "ours.nir", "--json"))["program"] == content_hash(load(program))
    assert "carries an integer program" in run("check", tmp_path / "ours.nir")
    with pytest.raises(NotImportable, match="v_reset must be 0"):
        run("check", graph(tmp_path / "odd.nir", v_reset=-1.0))


def test_vectors_and_diff(program: Path, tmp_path: Path):
    run("vectors", program, "--samples", 3, "--timesteps", 4, "--out", tmp_path / "a", "--timed")
    run("vectors", program, "--samples", 3, "--timesteps", 4, "--out", tmp_path / "b", "--timed")
    with pytest.raises(BadInput, match="--timed is of random inputs"):
        run("vectors", program, "--data", "fashion-mnist", "--timed", "--out", tmp_path / "c")
    assert "0 of " in run("diff", tmp_path / "a", tmp_path / "b")
    assert json.loads(run("diff", tmp_path / "a", tmp_path / "b", "--json"))["equal"] is True
    text = (tmp_path / "b" / "expected.trace").read_text()
    record = next(line for line in text.splitlines() if line.startswith("1 2 0 0 "))
    last = int(record[-1])
    wrong = text.replace(f"\n{record}\n", f"\n{record[:-1]}{1 - last}\n")
    assert wrong != text
    (tmp_path / "chip.trace").write_text(wrong)
    where = r"timestep 2, layer 'lif', neuron \(2,\), sample 1: spike"
    with pytest.raises(Divergence, match=f"{where} is {last} in .* and {1 - last} in"):
        run("diff", tmp_path / "a", tmp_path / "chip.trace")
    spikes = [x for x in text.splitlines() if x != "state 0 u" and x.split()[3:4] != ["1"]]
    (tmp_path / "chip.trace").write_text("\n".join(spikes))
    with pytest.raises(BadInput, match="same layers and shapes"):
        run("diff", tmp_path / "a", tmp_path / "chip.trace")
    assert "not in both: state u of lif" in run("diff", tmp_path / "a", tmp_path / "chip.trace", "--common")
    with pytest.raises(BadInput, match="--samples must be"):
        run("vectors", program, "--samples", 0)


def test_vectors_of_a_data_set(tmp_path: Path):
    few = ("--samples", 1, "--timesteps", 2, "--out", tmp_path / "v")
    run("vectors", "fashion-mnist-w2u2", "--data", "fashion-mnist", *few)
    manifest = json.loads((tmp_path / "v" / "manifest.json").read_text())
    assert manifest["input"]["shape"] == [1, 28, 28]
    assert manifest["input"]["static"] is True
    assert len(manifest["classes"]) == 1


def test_export_onnx(program: Path, tmp_path: Path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    said = run("export", "onnx", program, "--timesteps", 3, "--out", tmp_path / "x.onnx", "--trace")
    assert "reads int64 codes [batch, 6] and gives readout, spikes/K and codes/K/J" in said
    session = onnxruntime.InferenceSession(str(tmp_path / "x.onnx"), providers=["CPUExecutionProvider"])
    assert [o.name for o in session.get_outputs()] == ["readout", "spikes/0", "codes/0/0"]
