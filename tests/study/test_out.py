"""A file in place of an output folder is refused before hours of work, not after them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from intspike.cli import app
from intspike.errors import BadInput


@pytest.mark.parametrize(
    "words",
    [
        ["energy", "nowhere.intspike", "--data", "nowhere"],  # what is not there is not looked for
        ["dynamics", "analyse", "nowhere.intspike"],
        ["dynamics", "robust", "--bits", "nothing"],
        ["dynamics", "trained", "--bits", "nothing"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_file_in_place_of_the_folder_is_refused_first(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "mine" / "below")])
    assert isinstance(done.exception, BadInput)
    assert "mine is a file where a folder must be; choose another --out" in str(done.exception)
    assert (tmp_path / "mine").read_text() == "mine"
