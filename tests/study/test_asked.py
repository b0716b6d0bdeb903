"""The command line that asks for the same: what holds its default is left out, what is the user's own is not named."""

from __future__ import annotations

import importlib
import json
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from intspike.cli import app
from intspike.errors import BadData, BadInput
from intspike.study.asked import command_line, kept, recall


@dataclass(frozen=True)
class Options:
    dataset: str = "some"
    batch_size: int = 50
    rates: tuple[float, ...] = (0.5,)
    learning_rate: float = 3e-3
    augment: bool | None = None
    data: str | None = None
    pairs: tuple[tuple[int, int], ...] = ()


@given(
    st.integers(1, 10**7),
    st.lists(st.integers(1, 200).map(lambda n: n / 8), max_size=4),
    st.floats(1e-6, 1.0),
    st.sampled_from([None, True, False]),
)
def test_the_words_give_the_values_back(
    size: int, rates: list[float], rate: float, augment: bool | None
) -> None:
    options = Options(batch_size=size, rates=tuple(rates), learning_rate=rate, augment=augment)
    words = shlex.split(command_line("intspike study some", options))
    assert words[:3] == ["intspike", "study", "some"]
    given = {w: words[k + 1 : k + 2] for k, w in enumerate(words) if w.startswith("--")}
    assert int(given["--batch-size"][0]) == size if size != 50 else "--batch-size" not in given
    if tuple(rates) != (0.5,):
        assert tuple(float(x) for x in given["--rates"][0].split(",") if x) == tuple(rates)
    if rate != 3e-3:
        assert float(given["--learning-rate"][0]) == rate
    assert ("--augment" in given, "--no-augment" in given) == (augment is True, augment is False)


def test_defaults_are_named_where_asked_and_own_words_are_taken() -> None:
    assert command_line("x", Options()) == "x"
    assert command_line("x", Options(), ("dataset",)) == "x --dataset some"
    pairs = {"pairs": lambda p: ",".join(f"{a}-{b}" for a, b in p)}
    assert command_line("x", Options(pairs=((3, 5), (2, 1))), words=pairs) == "x --pairs 3-5,2-1"


@pytest.mark.parametrize(
    ("data", "named"), [("/some/where", "FOLDER"), ("module:function", "module:function")]
)
def test_paths_of_the_user_are_not_named_and_functions_not_kept(data: str, named: str) -> None:
    assert command_line("x", Options(data=data)) == f"x --data {named}"
    stored = kept(Options(data=data))
    assert (stored["data"], stored["needs"]) == ((None, ["data"]) if ":" in data else (data, []))


@pytest.mark.parametrize("study", ["drift", "timesteps", "neurons", "squat"])
def test_every_study_takes_up_its_options(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those given now replace them; records of earlier versions, without `needs` and later options, are read."""
    seen: list[Any] = []

    def run(options: Any, out: Path, **computing: Any) -> None:
        seen.append(options)
        raise BadInput("far enough")

    monkeypatch.setattr(importlib.import_module(f"intspike.study.{study}.study"), "run", run)
    kind = importlib.import_module(f"intspike.study.{study}.options").Options
    stored = kind(
        dataset="spoken-digits" if study != "timesteps" else "mnist", seeds=2, epochs=7, data="folder"
    )
    record = stored.to_dict()
    for name in ("needs", "learning_rate"):
        del record[name]
    (tmp_path / "study.json").write_text(json.dumps(record))
    command = ["study", study, "--out", str(tmp_path), "--resume"]
    for more, expected in (
        ([], stored),
        (["--seeds", "3"], replace(stored, seeds=3)),  # though it is the default
        (["--data", "fashion-mnist=x"], replace(stored, dataset="fashion-mnist", data="x")),
    ):
        assert isinstance(CliRunner().invoke(app, [*command, *more]).exception, (BadInput, SystemExit))
        assert seen.pop() == expected
    needs = replace(stored, model="my:net").to_dict()
    (tmp_path / "study.json").write_text(json.dumps(needs))
    with pytest.raises(BadInput, match="used a function of yours; give --model again"):
        recall(tmp_path, kind(), {})
    for damaged in ("", "[]", "{}", '{"dataset": "mnist", "evil": 1}'):
        (tmp_path / "study.json").write_text(damaged)
        with pytest.raises(BadData, match="must be the record of a study"):
            recall(tmp_path, kind(), {})
