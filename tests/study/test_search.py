"""The search for bits: what it promises, on a network small enough to search in seconds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from intspike import nn, train
from intspike.data import Dataset, Split
from intspike.errors import BadInput
from intspike.lower import lower_with_report
from intspike.measure import size_bits
from intspike.study.search import Candidate, Found, LayerBits, evaluate, search

pytest.importorskip("optuna")


def dataset(n: int = 120) -> Dataset:
    """Three classes of 12 features, each bright in its own four."""
    random = np.random.default_rng(0)

    def split(count: int) -> Split:
        labels = np.arange(count) % 3
        inputs = random.integers(0, 120, (count, 12))
        for k in range(3):
            inputs[labels == k, 4 * k : 4 * k + 4] += 110
        return Split(inputs.astype(np.uint8), labels.astype(np.int64))

    return Dataset("three", split(n), split(n), split(n), ("a", "b", "c"), "made for a test")


@pytest.fixture(scope="module")
def trained() -> nn.Network:
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        nn.Input(1 / 255),
        torch.nn.Linear(12, 10), torch.nn.BatchNorm1d(10), nn.LIF(),
        torch.nn.Linear(10, 3), torch.nn.BatchNorm1d(3), nn.LIF(),
    )  # fmt: skip
    return train.fit(layers, dataset(), epochs=3, timesteps=4, batch_size=20)


def run(net: nn.Network, **changed) -> Found:
    fields = {"budget": 1e9, "weight_bits": (2, 4, 8), "state_bits": (1, 4), "trials": 8, "timesteps": 4}
    return search(net, dataset(), **(fields | changed))


def test_a_candidate_is_its_integer_program(trained):
    data = dataset()
    names = [g.name for g in trained.layers]
    layers = [LayerBits(names[0], 4, 2), LayerBits(names[1], 2, 4)]
    c = evaluate(trained, data, layers, timesteps=4, samples=60, seed=0)
    made = nn.calibrate(nn.quantize(trained, c.config), data, batches=5, timesteps=4)
    assert [(g.weight.bits, g.state.bits) for g in made.layers] == [(4, 2), (2, 4)]
    program, report = lower_with_report(made, input_shape=(12,))
    assert c.bits == size_bits(program, report.packing).total
    right = train.correct_on(made, data.validation.take(60), timesteps=4)
    assert c.accuracy == right / 60
    assert c.synops > 0


def test_the_front_is_what_no_other_beats(trained):
    found = run(trained)
    assert len(found.candidates) == 8
    for a, b in itertools.permutations(found.front, 2):
        assert not (a.accuracy >= b.accuracy and a.bits <= b.bits)
    for c in found.candidates:
        assert any(f.accuracy >= c.accuracy and f.bits <= c.bits for f in found.front)
    widest = max(found.candidates, key=lambda c: c.bits)
    assert {(x.weight, x.state) for x in widest.layers} == {(8, 4)}  # the corners are always measured


def test_the_best_is_within_the_budget(trained):
    found = run(trained)
    middle = sorted(c.bits for c in found.candidates)[4]
    best = Found(found.candidates, "bits", middle).best
    assert best.bits <= middle
    assert best.accuracy == max(c.accuracy for c in found.candidates if c.bits <= middle)
    with pytest.raises(BadInput, match="budget must allow at least the cheapest"):
        _ = Found(found.candidates, "bits", 1).best


def test_a_stopped_search_goes_on_and_ends_alike(trained, tmp_path):
    seen: list[Candidate] = []

    def stop(done: int, of: int, last: Candidate) -> None:
        seen.append(last)
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(trained, journal=tmp_path / "j", progress=stop)
    counted: list[int] = []
    found = run(trained, journal=tmp_path / "j", progress=lambda done, of, c: counted.append(done))
    assert found.candidates[:4] == tuple(seen[:4])
    assert len(found.candidates) == 8
    assert counted[0] == 5  # the trial that was cut off is repeated, the finished four are not
    again = run(trained, journal=tmp_path / "j", progress=lambda *a: pytest.fail("nothing is left to do"))
    assert again == found


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"budget": 0}, "budget must be a positive number"),
        ({"budget": float("nan")}, "budget must be a positive number"),
        ({"cost": "joules"}, "cost must be"),
        ({"weight_bits": (2, 2)}, "weight bits must be different integers"),
        ({"state_bits": (9,)}, "state bits must be"),
        ({"trials": 0}, "trials must be at least 1"),
    ],
)
def test_mistakes(trained, changed, words):
    with pytest.raises(BadInput, match=words):
        run(trained, **changed)


def test_a_quantized_network_is_refused(trained):
    found = Candidate(tuple(LayerBits(g.name, 4, 4) for g in trained.layers), 0.0, 1, 1.0)
    with pytest.raises(BadInput, match="full precision"):
        run(nn.quantize(trained, found.config))
