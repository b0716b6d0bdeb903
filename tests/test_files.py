"""Files are whole or as they were, whatever happens while they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from intspike.errors import BadInput
from intspike.files import write_atomic
from intspike.study.folder import clear_disk_errors, write_json


def test_a_file_is_replaced_and_its_folders_are_made(tmp_path: Path):
    path = tmp_path / "new" / "folder" / "file"
    for text in ("first", "second"):
        write_atomic(path, lambda p, text=text: p.write_text(text))
        assert path.read_text() == text
    assert [p.name for p in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("stop", [OSError, KeyboardInterrupt])
def test_what_stops_in_the_middle_changes_nothing(tmp_path: Path, stop: type[BaseException]):
    path = tmp_path / "file"
    path.write_text("before")

    def write(passing: Path) -> None:
        passing.write_text("half of")
        assert path.read_text() == "before"
        raise stop

    with pytest.raises(stop):
        write_atomic(path, write)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_lies_in_the_way_of_results_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    for path, words in (("file/a.json", "is a file where a folder"), ("folder", "is a folder where a file")):
        with pytest.raises(BadInput, match=words), clear_disk_errors(tmp_path / path):
            write_json(tmp_path / path, {})
    assert (tmp_path / "file").read_text() == "mine"
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["file", "folder"]
