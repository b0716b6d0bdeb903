"""The command line: errors in one line, exit codes, and the commands that read a stored program."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from intspike.ir import Dense, Edge, Input, Neuron, Program, Readout, frozen
from intspike.ir.artifact import save
from intspike.neuron import LIF
from intspike.neuron.constants import constants
from intspike.ops import Form, Table, trace


def intspike(*arguments: str, prelude: str = "") -> subprocess.CompletedProcess[str]:
    code = f"{prelude}\nfrom intspike.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    form = Form(Table(3, 2))
    one = np.array([1])
    made = constants(
        LIF(), form, gain=one * 8, bias=one * 3, theta=one * 160, beta=np.array([0.75]),
        fractions=[-0.75, -0.25, 0, 0.2, 0.4, 0.6, 0.8, 0.95],
    )  # fmt: skip
    program = Program(
        (
            Input("x", (4,), 0, 1),
            Dense("d", Edge("x"), frozen([[7, 6, -5, 3]])),
            Neuron("n", Edge("d"), trace(LIF(), form), {k: frozen(a) for k, a in made.items()}),
            Readout("out", Edge("n")),
        )
    )
    save(program, tmp_path / "model.intspike")
    return tmp_path / "model.intspike"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "fashin-mnist"], "there is no recipe 'fashin-mnist'; did you mean 'fashion-mnist'?"),
        (["run", "fashion-mnist", "--epochs", "0"], "--epochs must be in 1..1000, not 0"),
        (["run", "fashion-mnist", "--loss", "mse"], "--loss must be counts or steps"),
        (["run", "fashion-mnist", "--data", "/nowhere/at/all"], "/nowhere/at/all"),
        (["data", "get", "mnst"], "there is no data set 'mnst' to download"),
        (["show", "/nowhere.intspike"], "/nowhere.intspike"),
        (["show", "fashion-mnist-w2u2", "--bits", "4"], "--bits must come with the word quantizer"),
        (["show", "fashion-mnist-w2u2", "uniform"], "'uniform' must come with the word quantizer"),
    ],
)
def test_mistakes_get_one_clear_line(arguments: list[str], text: str, tmp_path: Path) -> None:
    done = intspike(*arguments, *(["--out", str(tmp_path / "o")] if arguments[0] == "run" else []))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert text in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.count("\n") == 1


def test_an_unknown_option_is_named_with_the_nearest() -> None:
    done = intspike("run", "fashion-mnist", "--epoch", "3")
    assert done.returncode == 2
    assert "--epochs" in done.stderr


def test_without_torch_it_says_what_to_install(tmp_path: Path) -> None:
    hide = (
        "import sys, importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'torch' else find(name, *a)\n"
        "sys.modules['torch'] = None"
    )
    done = intspike("run", "fashion-mnist", "--out", str(tmp_path / "o"), prelude=hide)
    assert done.returncode == 1
    assert "pip install 'intspike[torch]'" in done.stderr


def test_the_waist_works_without_torch(artifact: Path, tmp_path: Path) -> None:
    hide = "import sys; sys.modules['torch'] = None"
    assert "neuron(d)" in intspike("show", str(artifact), prelude=hide).stdout
    done = intspike("integers", str(artifact), "--out", str(tmp_path / "ints"), prelude=hide)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ints" / "manifest.json").exists()
    done = intspike("export", "c", str(artifact), "--out", str(tmp_path / "c"), prelude=hide)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "c" / "program.c").exists()
    again = intspike("export", "c", str(artifact), "--out", str(tmp_path / "c"), prelude=hide)
    assert again.returncode == 1
    assert "must be new or empty" in again.stderr
    assert "choose another --out, or --force to replace" in again.stderr
    assert "force=True" not in again.stderr
    file = intspike("export", "c", str(artifact), "--out", str(artifact), prelude=hide)
    assert file.returncode == 1
    assert "the output must be a folder" in file.stderr


def test_a_damaged_artifact_is_refused(artifact: Path) -> None:
    raw = bytearray(artifact.read_bytes())
    raw[-1] ^= 1
    artifact.write_bytes(bytes(raw))
    done = intspike("show", str(artifact))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_info_says_what_the_machine_offers() -> None:
    import torch

    from intspike import native

    facts = json.loads(intspike("info", "--json").stdout)
    assert facts["python"] == platform.python_version()
    assert facts["torch"] == str(torch.__version__)
    assert facts["sets"] == list(native.sets())
    assert facts["cache_folder"] == str(native.cache_folder())
    assert facts["threads"] >= 1
    printed = intspike("info").stdout
    assert str(torch.__version__) in printed
    assert str(native.cache_folder()) in printed
    assert (facts["version"] or "numpy and torch do the work") in printed


def test_info_works_without_torch_and_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    hide = (
        "import sys, importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'torch' else find(name, *a)\n"
        "sys.modules['torch'] = None"
    )
    monkeypatch.setenv("INTSPIKE_COMPILER", "none")
    done = intspike("info", prelude=hide)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "not installed: pip install 'intspike[torch]'" in done.stdout
    assert "none, because INTSPIKE_COMPILER=none" in done.stdout
    facts = json.loads(intspike("info", "--json", prelude=hide).stdout)
    assert (facts["torch"], facts["compiler"], facts["sets"]) == (None, None, [])


def test_info_names_a_compiler_that_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTSPIKE_COMPILER", "no-such-compiler")
    done = intspike("info")
    assert done.returncode == 1
    assert done.stderr.startswith("error: INTSPIKE_COMPILER must be a C compiler")


def test_info_clears_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "intspike"
    folder.mkdir(mode=0o700)
    (folder / "a.so").write_bytes(b"12345")
    (folder / "note.txt").write_text("kept")
    before = json.loads(intspike("info", "--json").stdout)
    assert (before["cached_libraries"], before["cached_bytes"]) == (1, 5)
    after = json.loads(intspike("info", "--json", "--clear-cache").stdout)
    assert (after["cached_libraries"], after["cached_bytes"]) == (0, 0)
    assert [p.name for p in folder.iterdir()] == ["note.txt"]
