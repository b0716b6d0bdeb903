"""README: its example runs as it stands, and every command, file and target it names exists."""

from __future__ import annotations

import functools
import re
import shlex
from pathlib import Path

import typer

import intspike.nn
from intspike import data, train
from intspike.cli import app
from intspike.ir import Program
from intspike.nn import Network

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def example() -> str:
    """The Python between the markers."""
    (marked,) = re.findall(
        r"<!-- --8<-- \[start:example\] -->(.*?)<!-- --8<-- \[end:example\] -->", README, re.DOTALL
    )
    (code,) = re.findall(r"```python\n(.*?)```", marked, re.DOTALL)
    return code


def test_the_example_runs_as_it_stands(monkeypatch):
    """With fewer images, timesteps and epochs, and nothing else changed."""
    full = data.fashion_mnist()
    monkeypatch.setattr(data, "fashion_mnist", lambda: data.subset(full, 60, 20, 12))
    fit = train.fit

    def short(*args, epochs: int, **more):
        assert epochs == 5
        return fit(*args, epochs=1, timesteps=3, batch_size=30, **more)

    monkeypatch.setattr(train, "fit", short)
    monkeypatch.setattr(
        intspike.nn, "calibrate", functools.partial(intspike.nn.calibrate, timesteps=3, batch_size=30)
    )
    names: dict[str, object] = {}
    exec(compile(example(), "README.md", "exec"), names)
    assert isinstance(names["prog"], Program)
    for name in ("ptq", "qat"):
        net = names[name]
        assert isinstance(net, Network)
        assert net.quantized
    assert len([line for line in example().splitlines() if line.strip()]) <= 14


def code_spans() -> list[str]:
    """Everything in backticks, and the lines of indented blocks without their comments."""
    text = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    blocks = [line.split(" #")[0].strip() for line in text.splitlines() if line.startswith("    ")]
    return [*re.findall(r"`([^`\n]+)`", text), *(b for b in blocks if b)]


def test_every_make_target_exists():
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = [w for span in code_spans() for w in re.findall(r"\bmake ([a-z-]+)", span)]
    assert {"demo", "test"} <= set(named)
    assert [n for n in named if n not in known] == []
    (listed,) = re.findall(r"`make help` lists all targets: (.*?) among them", README, re.DOTALL)
    assert [n for n in re.findall(r"`([a-z-]+)`", listed) if n not in known] == []


def test_every_command_and_option_exists():
    group = typer.main.get_command(app)
    for span in code_spans():
        words = shlex.split(span)
        if words[:1] != ["intspike"]:
            continue
        command = group
        rest = words[1:]
        while rest and hasattr(command, "commands") and rest[0] in command.commands:
            command = command.commands[rest.pop(0)]
        assert not hasattr(command, "commands"), f"README names a command that does not exist: {span}"
        known = {o for p in command.params for o in p.opts}
        unknown = [w for w in rest if w.startswith("--") and w.split("=")[0] not in known]
        assert unknown == [], span


def test_every_link_leads_somewhere():
    links = [x for x in re.findall(r"\]\(([^)]+)\)", README) if "://" not in x]
    assert links
    assert [x for x in links if not (ROOT / x.split("#")[0]).exists()] == []


def test_every_output_file_is_one_that_the_run_writes():
    sources = "".join(p.read_text() for p in (ROOT / "src" / "intspike" / "study").glob("*.py"))
    named = re.findall(r"^\| `([\w./]+)` \|", README, re.MULTILINE)
    assert named
    assert [n for n in named if f'"{n.rstrip("/")}"' not in sources] == []


def test_every_extra_exists():
    text = (ROOT / "pyproject.toml").read_text()
    extras = set(re.findall(r"^(\w+) = \[", text.split("[project.optional-dependencies]")[1], re.MULTILINE))
    named = set(re.findall(r"\.\[(\w+)\]|intspike\[(\w+)\]", README))
    assert {a or b for a, b in named} <= extras
