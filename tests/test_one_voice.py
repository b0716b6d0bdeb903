"""The command line speaks with one voice: an option means the same wherever it stands; every command shows its use."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict

import pytest

from test_docs import application, check_command, leaves

COMMANDS = dict(leaves(application()))

# Options whose meaning is the command's own; all others say the same everywhere.
OWN = {
    "--batch-size", "--beta", "--bits", "--budget", "--codec", "--data", "--dataset", "--density", "--drive",
    "--encode", "--epochs", "--exit", "--gradient", "--leak-shift", "--learning-rate", "--loss", "--model",
    "--neurons", "--out", "--quick", "--reset", "--samples", "--seed", "--seeds", "--spikes", "--start",
    "--state-bits", "--states", "--steps", "--threshold", "--timed", "--timestep", "--timesteps",
    "--train-timesteps", "--weight-bits", "--weights",
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
