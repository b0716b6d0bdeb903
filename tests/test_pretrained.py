"""The networks that travel with intspike are what their facts say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from intspike import pretrained
from intspike.data import fashion_mnist
from intspike.engine import native
from intspike.errors import BadInput

NAMES = list(pretrained.networks())


def test_every_file_has_its_facts_and_every_fact_its_file():
    assert {p.stem for p in pretrained.FOLDER.glob("*.intspike")} == set(NAMES)
    assert sum(n.path.stat().st_size for n in pretrained.networks().values()) < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_the_right_answers_are_counted_again(name):
    facts, test = pretrained.networks()[name], fashion_mnist().test
    program = pretrained.load(name)
    frames = test.batch(np.arange(len(test)), facts.timesteps)
    found = native.run(program, frames, facts.timesteps, record=False).classes
    assert int((found == test.labels).sum()) == facts.sample
    assert 0 < facts.correct <= facts.test


@pytest.mark.parametrize("name", NAMES)
def test_weights_and_states_have_the_bits_of_the_name(name):
    weight, state = map(int, re.fullmatch(r".*-w(\d)u(\d)", name).groups())
    program = pretrained.load(name)
    for node in program:
        if hasattr(node, "weight"):
            assert -(2 ** (weight - 1)) <= node.weight.min()
            assert node.weight.max() < 2 ** (weight - 1)
    assert all(s.codec.bits == state for n in program.neurons for s in n.body.states)


def test_a_name_stands_for_its_file_where_no_file_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = Path(NAMES[0])
    assert pretrained.find(name) == pretrained.networks()[NAMES[0]].path
    name.write_bytes(b"")
    assert pretrained.find(name) == name
    assert pretrained.find(Path("else.intspike")) == Path("else.intspike")


def test_a_program_is_called_what_the_user_typed():
    assert [pretrained.typed(pretrained.find(Path(name))) for name in NAMES] == list(NAMES)
    assert pretrained.typed(Path("else/model.intspike")) == "else/model.intspike"


def test_a_word_that_is_neither_a_file_nor_a_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        BadInput, match=r"fashion-mnist-w2u3 must be a file or a network that travels.*fashion-mnist-w2u2"
    ):
        pretrained.find(Path("fashion-mnist-w2u3"))


def test_an_unknown_name_is_refused():
    with pytest.raises(BadInput, match=r"no network 'fashion-mnist-w2u3' travels.*fashion-mnist-w2u2"):
        pretrained.load("fashion-mnist-w2u3")


def test_a_folder_stands_for_the_program_in_it(tmp_path: Path):
    with pytest.raises(BadInput, match=r"a folder that holds model\.intspike, but is another folder"):
        pretrained.find(tmp_path)
    (tmp_path / "model.intspike").write_bytes(b"")
    assert pretrained.find(tmp_path) == tmp_path / "model.intspike"
