"""The spiking language model: causal, exact, its recipe, and text from a stored one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from intspike import data, models, nn, train
from intspike.cli import app
from intspike.engine import reference
from intspike.engine.generate import Language, bits_per_token, generate, language_of, logits, with_language
from intspike.errors import BadInput
from intspike.ir import Program
from intspike.ir.artifact import load, save
from intspike.lower import lower, verify
from intspike.quant import QuantConfig, ThresholdCentred, Uniform
from intspike.study.trained_for import trained_timesteps

CONTEXT = 12
KNOWN = tuple("abc ")


@pytest.fixture(scope="module")
def made() -> tuple[nn.Network, Program, np.ndarray]:
    """An untrained 4-bit model whose norms have seen data, its program, and windows."""
    torch.manual_seed(0)
    net = models.spiking_language(len(KNOWN), width=10, layers=1)
    tokens = np.random.default_rng(0).integers(0, len(KNOWN), 20 * CONTEXT + 1)
    text = data.Text(tokens, KNOWN, "character", "made up")
    windows = text.windows(CONTEXT)
    dataset, _, _ = train.next_tokens(text, CONTEXT)
    for _ in range(5):
        net(torch.from_numpy(dataset.train.batch(np.arange(10), CONTEXT)))
    small = nn.quantize(net, QuantConfig(Uniform(4), ThresholdCentred(4))).eval()
    program = with_language(lower(small, input_shape=(len(KNOWN),)), Language(KNOWN, "character", CONTEXT))
    return small, program, windows


def test_all_of_it_lowers_exactly(made: tuple[nn.Network, Program, np.ndarray]):
    net, program, windows = made
    inputs = np.eye(len(KNOWN), dtype=np.int64)[windows[:, :-1]].swapaxes(0, 1)
    plain = lower(net, input_shape=(len(KNOWN),))
    assert all(c.mismatches == 0 for c in verify(net, plain, inputs, timesteps=CONTEXT, samples=4))
    assert reference.run(program, inputs, CONTEXT).spikes["token"].any()


def test_what_comes_later_changes_nothing_before(made: tuple[nn.Network, Program, np.ndarray]):
    _, program, windows = made
    tokens = windows[:4, :-1]
    changed = tokens.copy()
    changed[:, 7:] = (changed[:, 7:] + 1) % len(KNOWN)
    a, b = logits(program, tokens), logits(program, changed)
    assert (a[:, :7] == b[:, :7]).all()
    assert (a[:, 7:] != b[:, 7:]).any()
    earlier = tokens.copy()
    earlier[:, 0] = (earlier[:, 0] + 1) % len(KNOWN)
    assert (logits(program, earlier)[:, 1:] != a[:, 1:]).any()  # and what came before matters


def test_torch_and_the_integer_engine_need_the_same_bits(made: tuple[nn.Network, Program, np.ndarray]):
    net, program, windows = made
    assert train.bits_per_token(net, windows) == pytest.approx(bits_per_token(program, windows), rel=1e-9)


def test_greedy_tokens_are_the_largest_logits(made: tuple[nn.Network, Program, np.ndarray]):
    _, program, _ = made
    tokens = [0, 2]
    for _ in range(5):
        tokens.append(int(logits(program, np.array([tokens]))[0, -1].argmax()))
    assert generate(program, [0, 2], 5, temperature=0).tolist() == tokens[2:]
    drawn = [generate(program, [0], CONTEXT - 1, seed=s).tolist() for s in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len({tuple(d) for d in drawn}) > 1


def test_training_makes_a_pattern_cheap():
    torch.manual_seed(0)
    text = data.Text(np.tile([0, 1, 2, 3], 400), KNOWN, "character", "made up")
    dataset, loss, held = train.next_tokens(text, 8)
    net = models.spiking_language(len(KNOWN), width=8, layers=1)
    before = train.bits_per_token(net, held)
    net = train.fit(net, dataset, epochs=12, timesteps=8, batch_size=16, loss=loss, learning_rate=1e-2)
    assert train.bits_per_token(net, held) < 0.75 * before


def test_the_loss_is_of_the_tokens_that_follow():
    loss = train.NextToken(torch.tensor([[1, 0], [2, 2]]))
    y = torch.zeros(2, 1, 3)
    y[0, 0, 2] = y[1, 0, 2] = 50.0
    assert float(loss(y, torch.tensor([1]))) == 0
    assert float(loss(y, torch.tensor([0]))) == 50


@pytest.mark.parametrize(
    ("prompt", "count", "more", "said"),
    [
        ([], 1, {}, "at least one token, but is empty"),
        ([9], 1, {}, "must be made of tokens 0..3"),
        ([0] * 10, 3, {}, f"at most {CONTEXT} tokens"),
        ([0], 0, {}, "must be at least 1, not 0"),
        ([0], 1, {"temperature": -1.0}, "temperature must be a number from 0 up"),
    ],
)
def test_bad_prompts_are_refused(
    made: tuple[nn.Network, Program, np.ndarray],
    prompt: list[int],
    count: int,
    more: dict[str, Any],
    said: str,
):
    with pytest.raises(BadInput, match=said):
        generate(made[1], prompt, count, **more)


def test_other_programs_are_no_language_models(made: tuple[nn.Network, Program, np.ndarray]):
    net, program, _ = made
    with pytest.raises(BadInput, match="must be a language model"):
        language_of(lower(net, input_shape=(len(KNOWN),)))
    with pytest.raises(BadInput, match="a language model of 3 tokens must read"):
        with_language(program, Language(tuple("abc"), "character", 4))
    with pytest.raises(BadInput, match="width must be in"):
        models.spiking_language(4, width=0)
    with pytest.raises(BadInput, match="two windows"):
        train.next_tokens(data.Text(np.zeros(9, np.int64), ("a",), "character", ""), 8)


def test_generate_on_the_command_line(made: tuple[nn.Network, Program, np.ndarray], tmp_path: Path):
    path = tmp_path / "model.intspike"
    save(made[1], path)
    words = ["generate", str(tmp_path), "--prompt"]  # a folder stands for the program in it
    found = json.loads(CliRunner().invoke(app, [*words, "ab c", "--length", "3", "--json"]).stdout)
    assert found["prompt"] == "ab c"
    assert len(found["text"]) == 3
    assert CliRunner().invoke(app, [*words, "ab c", "--length", "3"]).stdout == f"ab c{found['text']}\n"
    for given, said in (
        ("", "the prompt must hold at least one character"),
        ("x", "holds 'x' at position 0"),
    ):
        assert said in str(CliRunner().invoke(app, [*words, given]).exception)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_recipe_resumes_and_says_what_it_made(tmp_path: Path):
    out = tmp_path / "run"
    words = [
        "run",
        "tiny-language",
        "--width",
        "8",
        "--layers",
        "1",
        "--context",
        "8",
        "--characters",
        "3000",
    ]
    words += ["--epochs", "1", "--out", str(out)]
    first = CliRunner().invoke(app, words)
    assert first.exit_code == 0, first.exception
    summary = json.loads((out / "summary.json").read_text())
    bits = summary["bits_per_token"]
    assert bits["integers"] == pytest.approx(bits["qat-w4u4"], rel=1e-9)
    assert all(c["mismatches"] == 0 for c in summary["exact"])
    assert language_of(load(out / "model.intspike")).context == 8
    assert trained_timesteps(load(out / "model.intspike").notes) == 8
    assert (out / "sample.txt").read_text().startswith("Firs")
    (out / "summary.json").unlink()
    assert CliRunner().invoke(app, words).exit_code == 0  # trainings are kept
    again = json.loads((out / "summary.json").read_text())
    assert again == summary
    refused = CliRunner().invoke(app, [*words, "--seed", "1"])
    assert "holds a run with other options" in str(refused.exception)
