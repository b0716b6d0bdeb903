"""Text: plain files, labelled folders, the embedded sample, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intspike import data
from intspike.data import text, text_sample
from intspike.errors import BadData, BadInput


@given(st.text(min_size=1))
def test_characters_and_bytes_come_back(written: str):
    for unit in ("character", "byte"):
        units = written if unit == "character" else written.encode("utf-8", "surrogatepass").decode("latin-1")
        if unit == "byte" and any(0xD800 <= ord(c) < 0xE000 for c in written):
            continue  # no UTF-8
        known = tuple(sorted(set(units)))
        tokens = data.encode_text(written, known, unit)  # type: ignore[arg-type]
        made = data.Text(tokens, known, unit, "")  # type: ignore[arg-type]
        assert made.decode(tokens) == written
        assert len(made) == len(units)


def test_a_file_in_both_units(tmp_path: Path):
    path = tmp_path / "small.txt"
    path.write_text("grün, grün", "utf-8")
    characters = data.read_text(path)
    assert characters.vocabulary == tuple(" ,gnrü")
    assert characters.decode(characters.tokens) == "grün, grün"
    raw = data.read_text(path, unit="byte")
    assert len(raw) == len(characters) + 2
    assert raw.decode(raw.tokens) == "grün, grün"
    assert data.read_text(path, vocabulary="abgrün, ").tokens[:4].tolist() == [2, 3, 4, 5]


def test_windows_overlap_by_the_token_to_predict():
    made = data.Text(np.arange(10), tuple("abcdefghij"), "character", "")
    assert made.windows(3).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert made.windows(9).shape == (1, 10)
    with pytest.raises(BadInput, match="a window of 10 tokens must fit"):
        made.windows(10)


def folders(root: Path, texts: dict[str, list[str]]) -> Path:
    for name, lines in texts.items():
        (root / name).mkdir(parents=True)
        for k, line in enumerate(lines):
            (root / name / f"{k}.txt").write_text(line, "utf-8")
    return root


def test_folders_are_classes_and_tokens_are_spikes(tmp_path: Path):
    root = folders(tmp_path / "all", {"a": ["ab"] * 10, "b": ["cabba"] * 10})
    made = data.text_folders(root, length=4)
    assert made.classes == ("a", "b")
    assert made.frame == (3,)
    assert len(made.test) == 4
    inputs = np.concatenate([p.inputs for p in (made.train, made.validation, made.test)])
    labels = np.concatenate([p.labels for p in (made.train, made.validation, made.test)])
    for sample, label in zip(inputs, labels, strict=True):
        expected = [0, 1] if label == 0 else [2, 0, 1, 1]
        assert sample.sum() == len(expected)
        assert sample.argmax(1)[: len(expected)].tolist() == expected
        assert not sample[len(expected) :].any()  # silence behind the end


def test_given_splits_are_kept(tmp_path: Path):
    folders(tmp_path / "set" / "train", {"a": ["aa"] * 10, "b": ["bb"] * 10})
    folders(tmp_path / "set" / "test", {"a": ["ab"], "b": ["ba", "bb"]})
    made = data.text_folders(tmp_path / "set", length=2, validation=0.5)
    assert (len(made.train), len(made.validation), len(made.test)) == (10, 10, 3)


@pytest.mark.parametrize(
    ("content", "more", "said"),
    [
        (b"", {}, "must hold text, but is empty"),
        (b"gr\xfcn", {}, r"must be text in utf-8, but byte 2 \(0xfc\) is none"),
        (b"abc", {"encoding": "latin-99"}, "encoding must be one that Python knows"),
        (b"abc", {"unit": "word"}, "unit must be 'character' or 'byte'"),
        (b"abc", {"vocabulary": "ab"}, "holds 'c' at position 2"),
        (b"ab\xff", {"vocabulary": "ab", "unit": "byte"}, "holds 0xff at position 2"),
    ],
)
def test_files_that_are_no_such_text_are_refused(
    content: bytes, more: dict[str, Any], said: str, tmp_path: Path
):
    path = tmp_path / "odd.txt"
    path.write_bytes(content)
    with pytest.raises((BadData, BadInput), match=said):
        data.read_text(path, **more)


def test_what_is_no_text_is_refused(tmp_path: Path):
    with pytest.raises(BadData, match="must be a text file that can be read"):
        data.read_text(tmp_path / "missing.txt")
    with pytest.raises(BadInput, match="must hold at least one character, but is empty"):
        data.encode_text("", "ab")
    with pytest.raises(BadData, match="must be a folder of folders of texts"):
        data.text_folders(tmp_path / "missing")
    root = folders(tmp_path / "one", {"a": ["x"]})
    with pytest.raises(BadData, match="at least two folders of text files"):
        data.text_folders(root)
    (root / "b").mkdir()
    with pytest.raises(BadData, match="of which b is empty"):
        data.text_folders(root)
    folders(tmp_path / "odd" / "train", {"a": ["x"], "b": ["y"]})
    folders(tmp_path / "odd" / "test", {"a": ["x"], "c": ["y"]})
    with pytest.raises(BadData, match="the same classes in train and test"):
        data.text_folders(tmp_path / "odd")


def test_the_embedded_text_is_whole_and_small():
    made = data.shakespeare()
    assert made.decode(made.tokens[:14]) == "First Citizen:"
    assert len(made.vocabulary) == 63
    assert text_sample.SAMPLE.stat().st_size < 1_000_000
    assert "public domain" in made.source


def test_speakers_have_their_own_speeches():
    made = data.speakers(3, length=20)
    assert made.classes == ("GLOUCESTER", "MENENIUS", "CORIOLANUS")
    assert made.frame == (63,)
    assert made.train.timesteps == 20
    assert made.train.inputs.sum(2).max() == 1
    assert np.array_equal(made.test.inputs, data.speakers(3, length=20).test.inputs)


def test_a_sample_that_was_altered_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    changed = tmp_path / "shakespeare.txt.xz"
    changed.write_bytes(text_sample.SAMPLE.read_bytes()[:-1])
    monkeypatch.setattr(text_sample, "SAMPLE", changed)
    with pytest.raises(BadData, match="altered or damaged"):
        data.shakespeare()


def test_a_vocabulary_has_an_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(text, "MOST_TOKENS", 2)
    (tmp_path / "t.txt").write_text("abc")
    with pytest.raises(BadInput, match="at most 2 tokens, but the text has 3 different characters"):
        data.read_text(tmp_path / "t.txt")


def test_windows_of_a_text_hold_the_token_that_is_to_follow():
    made = data.Text(np.arange(23) % 5, tuple("abcde"), "character", "made up")
    found = data.text_windows(made, 4, held=0.4)
    whole = made.windows(4)
    assert (found.train.inputs.argmax(-1) == whole[: len(found.train)]).all()
    assert (found.test.inputs.argmax(-1) == whole[len(found.train) :]).all()
    assert (len(found.train), len(found.validation), len(found.test)) == (3, 0, 2)
    assert found.test.labels.tolist() == [3, 4]
    assert (found.train.inputs.sum(-1) == 1).all()
    with pytest.raises(BadInput, match="two windows of 20"):
        data.text_windows(made, 20)


def test_a_folder_says_what_its_tokens_are(tmp_path: Path):
    for name, written in (("one", "ba"), ("two", "c")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(written)
        (tmp_path / name / "b.txt").write_text(written)
    assert data.folder_vocabulary(tmp_path) == ("a", "b", "c")
    assert data.text_folders(tmp_path, length=2, validation=0, test=0.5).frame == (3,)
