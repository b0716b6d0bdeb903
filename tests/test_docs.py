"""The documentation is true: its code runs, its commands exist, its numbers are those of the code.

Blocks of a page share one namespace and run in an empty folder. Small data and few timesteps keep all pages under
a minute; README's example, which index.md includes, runs with the same calls on less.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
SNIPPET = '--8<-- "'


def blocks(text: str, language: str) -> Iterator[tuple[int, str]]:
    """(line number, content) of each fenced block of a language."""
    for block in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text[: block.start(1)].count("\n"), block[1]


def run(page: Path, code: list[tuple[int, str]]) -> tuple[dict[str, Any], str]:
    """Run blocks in order; returns their namespace and what they printed. A failure names the page's line."""
    names: dict[str, Any] = {"__name__": page.stem}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for line, text in code:
            exec(compile("\n" * line + text, str(page), "exec", dont_inherit=True), names)
    return names, printed.getvalue()


# ---------------------------------------------------------------- Python


def python_of(page: Path) -> list[tuple[int, str]]:
    """The blocks of a page that are its own: an included file is tested where it stands."""
    return [(k, text) for k, text in blocks(page.read_text("utf-8"), "python") if SNIPPET not in text]


# ops.md prints the source of a step; tests/ops/test_docs.py
WITH_CODE = sorted(page.stem for page in PAGES if python_of(page) and page.stem != "ops")


@pytest.mark.parametrize("name", WITH_CODE)
def test_the_code_of_a_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    page = DOCS / f"{name}.md"
    run(page, python_of(page))


def test_the_example_neuron_is_equal_in_every_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from intspike.native import compiler

    monkeypatch.chdir(tmp_path)
    page = DOCS / "tutorial-neuron.md"
    names, printed = run(page, python_of(page)[:3])  # until it is verified
    assert "lookup" in printed
    assert "adjoint" in printed
    pairs = {(c.a, c.b) for c in names["compared"] if c.mismatches == 0 and c.compared > 0}
    engines = {("torch", "reference")}
    if compiler() is not None:
        engines |= {("torch", "native"), ("reference", "exported C"), ("torch", "exported C")}
    assert pairs == engines
    from intspike import train

    for net in (names["net"], names["qat"]):  # the page says that it learns
        assert train.accuracy(net, names["images"].test, timesteps=4) >= 0.9


def test_the_example_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch):
    """As printed, on fewer images, epochs and timesteps."""
    from intspike import data, lower, nn, train

    fit, calibrate, verify = train.fit, nn.calibrate, lower.verify
    few = data.subset(data.fashion_mnist(), 200, 50, 50)
    seen: list[Any] = []

    def verified(*given: Any, **named: Any) -> Any:
        seen.extend(verify(*given, **named, timesteps=4, samples=16))
        return seen

    monkeypatch.setattr(data, "fashion_mnist", lambda: few)
    monkeypatch.setattr(train, "fit", lambda *a, **k: fit(*a, **{**k, "epochs": 1}, timesteps=4))
    monkeypatch.setattr(nn, "calibrate", lambda *a, **k: calibrate(*a, **k, batches=2, timesteps=4))
    monkeypatch.setattr(lower, "verify", verified)
    page = ROOT / "README.md"
    names, _ = run(page, list(blocks(page.read_text("utf-8"), "python")))
    assert names["ptq"].quantized
    assert names["qat"].quantized
    assert [c.mismatches for c in seen] == [0] * len(seen) != []
    assert SNIPPET + "README.md:example" in (DOCS / "index.md").read_text("utf-8")


# ---------------------------------------------------------------- commands


UsageError = typer.BadParameter.__mro__[1]  # typer brings a click of its own


@cache
def application() -> Any:
    from intspike.cli import app

    return typer.main.get_command(app)


def leaves(command: Any, path: str = "intspike") -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its words."""
    below = getattr(command, "commands", None)
    if not below:
        yield path, command
    for name, child in (below or {}).items():
        yield from leaves(child, f"{path} {name}")


def check_command(words: list[str]) -> None:
    """Raise unless the command line would be understood."""
    match words:
        case ["intspike", *arguments]:
            command, context = application(), None
            while getattr(command, "commands", None) is not None:
                assert arguments, f"{words} names no command"
                assert arguments[0] in command.commands, f"there is no command {arguments[0]!r}"
                command = command.commands[arguments.pop(0)]
            try:
                context = command.make_context("intspike", arguments)
            except typer.Exit:  # --help
                return
            assert context is not None
        case ["make", "-C", _]:
            pass
        case ["make", *targets]:
            known = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
            assert set(targets) <= set(known), f"the Makefile lacks one of {targets}"
        case ["python", "-m", module, *_]:
            assert importlib.util.find_spec(module), f"there is no module {module}"
        case ["python", file, *_]:
            assert (ROOT / file).exists(), f"there is no file {file}"
        case _:
            assert words[0] == "pip", f"{words[0]} cannot be checked"


def commands(text: str) -> Iterator[str]:
    """Command lines of bash blocks, and those in the text that are meant as they stand."""
    for _, block in blocks(text, "bash"):
        yield from (line for line in block.splitlines() if line.strip())
    for code in re.findall(r"`((?:intspike |make |python -m |python tools/)[^`\n]*)`", text):
        if (
            not re.search(r"\b[A-Z]{3,}\b", code) and len(code.split()) > 1
        ):  # DIR, COMMAND: a form, not a command
            yield code.removesuffix(" --help")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CHANGELOG.md"], ids=lambda p: p.stem)
def test_commands_exist_with_their_options(page: Path):
    for line in commands(page.read_text("utf-8")):
        words = shlex.split(line, comments=True)
        if words != ["intspike"] and line not in dict(leaves(application())):  # named without its arguments
            check_command(words)


def test_planted_mistakes_are_found():
    for line in (
        "intspike run fashion-mnist --epoch 3",
        "intspike runs x",
        "make demos",
        "python -m intspike.nothing",
    ):
        with pytest.raises((AssertionError, UsageError)):
            check_command(shlex.split(line))


def test_cli_page_lists_every_command_and_option():
    sections = {
        part.partition("\n")[0]: part for part in (DOCS / "cli.md").read_text("utf-8").split("\n## ")[1:]
    }
    paths = dict(leaves(application()))
    assert {title for title in sections if title.startswith("intspike")} == set(paths)
    for path, command in paths.items():
        rows = re.findall(r"^\| `(--[a-z-]+)` \|(.*)\|$", sections[path], re.MULTILINE)
        options = {
            p.opts[0]: p for p in command.params if p.param_type_name == "option" and "--help" not in p.opts
        }
        assert [name for name, _ in rows] == list(options), path
        for name, row in rows:
            default = options[name].default
            if isinstance(default, (int, str, Path)) and not isinstance(default, bool):
                assert row.split("|")[-1].strip(" `") == str(default), f"{path} {name}"


def test_error_classes_are_listed():
    from intspike import errors

    (text,) = (s for s in (DOCS / "cli.md").read_text("utf-8").split("\n## ") if s.startswith("Errors"))
    raised = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type)
        and issubclass(kind, errors.IntspikeError)
        and kind is not errors.IntspikeError
    }
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == raised


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda p: p.stem)
def test_files_that_a_page_names_exist(page: Path):
    named = re.findall(r"`((?:tests|tools|docs|src)/[\w./-]+)`", page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


# ---------------------------------------------------------------- numbers


def tool(name: str) -> ModuleType:
    """A script of tools/, imported."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_decay_page_states_what_the_figure_computes():
    """Ours reaches rest from every code; the published levels of snnTorch 1.0 freeze, at 2 bits at 0.8 of theta."""
    made = tool("make_decay_figure")
    text = (DOCS / "decay.md").read_text("utf-8")
    drawn = (DOCS / "figures" / "decay.svg").read_text("utf-8")
    for bits in made.BITS:
        ours, nearest, theirs = made.ways(bits)
        assert ours.steps_to_rest is not None
        assert ours.steps_to_rest <= 1 << bits
        assert nearest.steps_to_rest is None
        assert theirs.steps_to_rest is None
        for way in (ours, nearest, theirs):
            assert made.verdict(way) in drawn
            if way is not ours:
                counts = made.verdict(way).removesuffix(" never reach rest")
                assert counts.removesuffix(" codes") in text
    for centred, name in ((False, "uniform"), (True, "threshold-centred")):
        ends = [f"{made.frozen_at(made.theirs(b, centred), 0.9):.3f}" for b in (2, 4, 8)]
        assert f"| {name} | {' | '.join(ends)} |" in text
    lowest = abs(made.theirs(2).levels).min()
    assert f"{lowest:.3f} of the threshold" in text
