"""The command line speaks with one voice: an option means the same wherever it stands; every command shows its use."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from intspike.cli import app
from intspike.errors import BadInput
from test_docs import application, check_command, leaves

COMMANDS = dict(leaves(application()))

# Options whose meaning is the command's own; all others say the same everywhere.
OWN = {
    "--batch-size", "--beta", "--bits", "--budget", "--codec", "--data", "--dataset", "--density", "--drive",
    "--encode", "--epochs", "--exit", "--gradient", "--leak-shift", "--learning-rate", "--loss", "--model",
    "--neurons", "--out", "--quick", "--reset", "--samples", "--seed", "--seeds", "--spikes", "--start",
    "--states", "--steps", "--threshold", "--timed", "--timestep", "--timesteps",
    "--train-timesteps", "--state-bits", "--weight-bits", "--weights",
}  # fmt: skip


def shown(path: str) -> str:
    """The help text of a command as one line, paragraphs apart."""
    text = COMMANDS[path].help or ""
    return "\n".join(" ".join(part.split()) for part in text.split("\n\n"))


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_shows_an_example_that_is_understood(path: str):
    examples = re.findall(rf"^{path}\b.*$", shown(path), re.MULTILINE)
    assert examples, f"{path} --help shows no command line"
    for line in examples:
        check_command(shlex.split(line))


def test_an_option_means_the_same_everywhere():
    said: dict[str, set[str]] = defaultdict(set)
    for command in COMMANDS.values():
        for p in command.params:
            if p.param_type_name == "option" and "--help" not in p.opts:
                said[p.opts[0]].add(p.help)
    assert {name: texts for name, texts in said.items() if len(texts) > 1 and name not in OWN} == {}


def test_a_data_set_and_a_network_are_asked_for_in_one_way():
    """But where the data set is fixed, or --model is a table of costs."""
    from intspike.study import arguments

    fixed = {"intspike run fashion-mnist", "intspike run mnist", "intspike run tiny-language"}
    for path, command in COMMANDS.items():
        for p in command.params:
            if "--data" in p.opts and path not in fixed:
                assert arguments.DATASET in p.help, path
            if "--model" in p.opts and path != "intspike energy":
                assert arguments.NETWORK in p.help or "module:function" in p.help, path


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (("mnist", None), ("mnist", None)),
        (("mnist", "folder"), ("mnist", "folder")),
        (("fashion-mnist", "mnist=folder"), ("mnist", "folder")),
        (("fashion-mnist", "delayed-match"), ("delayed-match", None)),
        (("fashion-mnist", "mine:load"), ("fashion-mnist", "mine:load")),
        (("fashion-mnist", "a=b/c"), ("fashion-mnist", "a=b/c")),
    ],
)
def test_the_data_of_a_study_are_named_as_elsewhere(
    given: tuple[str, str | None], want: tuple[str, str | None]
):
    from intspike.study.arguments import data_of

    assert data_of(*given) == want


# Commands that ask for bits of weights and membrane potentials: what else they need, and whether fp32 may be asked for.
BITS = {
    "train": ("--model x:y", "--bits", True), "evaluate": ("fashion-mnist-w2u2 --model x:y", "--bits", True),
    "check": ("squat-fmnist", "--bits", False), "import": ("FILE --timestep 1", "--bits", False),
    "run mnist": ("", "--bits", True), "run tiny-language": ("", "--bits", False),
    "study timesteps": ("", "--bits", True), "study neurons": ("", "--bits", True),
    "study squat": ("", "--bits", False), "study squat --seeds 1": ("", "--pairs", False),
    "dynamics trained": ("", "--bits", False),
}  # fmt: skip
OF_ONE_STATE = {"intspike dynamics random", "intspike dynamics robust", "intspike show"}


def test_bits_are_asked_for_by_the_same_commands():
    """--bits is those of weights and membrane potentials, or the command has no weights of few bits."""
    asking = {path for path, c in COMMANDS.items() if any("--bits" in p.opts for p in c.params)}
    assert asking == {f"intspike {words}" for words in BITS if "--seeds" not in words} | OF_ONE_STATE
    for path in asking - OF_ONE_STATE:
        (option,) = (p for p in COMMANDS[path].params if "--bits" in p.opts)
        assert re.search(r"\b4(-2)? of weights", option.help), path


@pytest.mark.parametrize("words", BITS)
@pytest.mark.parametrize("bits", ["4_2", "W4", "0", "4-9", "4-", "4/2", "", "fp16"])
def test_bits_are_refused_in_one_message(
    words: str, bits: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    more, option, full = BITS[words]
    needed = more.replace("FILE", nir_file(tmp_path / "x.nir")) if "FILE" in more else more
    done = CliRunner().invoke(app, [*words.split(), *needed.split(), option, bits])
    assert isinstance(done.exception, BadInput), done.output
    said = str(done.exception)
    least = 2 if words == "dynamics trained" else 1
    one = "bits of weights and membrane potentials in"
    assert said.startswith(f"{option} must be {one} {least}..8 such as 4-2, or one number for both")
    assert ("fp32 for full precision" in said) == full
    assert said.endswith(f"not {bits!r}")


def nir_file(path: Path) -> str:
    nir = pytest.importorskip("nir")
    one = np.ones(2)
    lif = nir.LIF(tau=4 * one, r=one, v_leak=0 * one, v_threshold=one)
    nir.write(path, nir.NIRGraph.from_list(nir.Linear(np.ones((2, 2))), lif))
    return str(path)
