"""`intspike demo` runs what travels with intspike, and shows it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from intspike import pretrained
from intspike.cli import app
from intspike.errors import BadInput
from intspike.native import compiler
from intspike.study.folder import claim


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "out"
    done = CliRunner().invoke(app, ["demo", "--out", str(out)])
    assert done.exit_code == 0, done.output
    return out, done.output


def test_numbers_are_those_of_the_networks(shown):
    out, said = shown
    summary = json.loads((out / "summary.json").read_text())
    for name, facts in pretrained.networks().items():
        found = summary["networks"][name]
        assert round(found["accuracy"]["value"] * found["accuracy"]["n"]) == facts.sample
        assert found["exact"]["mismatches"] == 0
        assert found["exact"]["compared"] > 10**6
        assert name in said


def test_a_page_the_program_and_its_c_are_left(shown):
    out, _ = shown
    page = (out / "report.html").read_text()
    assert "Trouser, seen as" in page
    for name, facts in pretrained.networks().items():
        assert (out / name / "model.intspike").read_bytes() == facts.path.read_bytes()
        assert (out / name / "program.txt").read_text() == str(pretrained.load(name))
        assert {p.name for p in (out / name / "c").iterdir()} >= {
            "program.c",
            "program.h",
            "main.c",
            "Makefile",
        }


@pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
def test_the_commands_it_suggests_work(shown):
    out, _ = shown
    name = next(iter(pretrained.networks()))
    subprocess.run(["make", "-C", str(out / name / "c")], check=True, capture_output=True)
    for words in (
        ["show", name],
        ["energy", name, "--data", "fashion-mnist", "--samples", "5", "--out", str(out / "e")],
    ):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output


def test_a_file_in_place_of_the_folder_is_said(tmp_path):
    (tmp_path / "out").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "intspike", "demo", "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "is a file where a folder must be; choose another --out" in done.stderr
    assert "nothing finished is lost" not in done.stderr


def test_only_a_folder_of_its_own_is_replaced(shown, tmp_path):
    out, _ = shown
    claim(out, "demo", force=False)  # its own
    mine = tmp_path / "report.html"
    mine.write_text("mine")
    with pytest.raises(
        BadInput, match=r"must be new, empty or an earlier demo, but .* holds other files; .* --force"
    ):
        CliRunner().invoke(
            app, ["demo", "--out", str(tmp_path)], standalone_mode=False, catch_exceptions=False
        )
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert mine.read_text() == "mine"
    claim(tmp_path, "demo", force=True)
    claim(tmp_path, "demo", force=False)
    with pytest.raises(BadInput, match="an earlier other"):
        claim(tmp_path, "other", force=False)
