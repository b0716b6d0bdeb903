"""Baselines of language models: their size, that they look at the past alone, and their training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from intspike import data, models, train
from intspike.errors import BadInput


def _size(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("wanted", [30_000, 182_656, 1_000_000])
def test_baselines_are_as_large_as_their_widths_allow(wanted: int):
    for made in (models.gru_language(63, wanted), models.transformer_language(63, wanted)):
        assert abs(_size(made) / wanted - 1) < 0.06


def test_what_comes_later_changes_nothing_before():
    torch.manual_seed(0)
    x = torch.eye(5, dtype=torch.uint8)[torch.randint(0, 5, (8, 3))]
    changed = x.clone()
    changed[5:] = x[5:].roll(1, -1)
    for made in (models.gru_language(5, 2000), models.transformer_language(5, 3000, context=8)):
        made.eval()
        a, b = made(x), made(changed)
        assert a.shape == (8, 3, 5)
        assert torch.equal(a[:5], b[:5])
        assert not torch.equal(a[5:], b[5:])
        earlier = x.clone()
        earlier[0] = x[0].roll(1, -1)
        assert not torch.equal(made(earlier)[1:], a[1:])  # and what came before matters


def test_what_they_cannot_be_is_refused():
    with pytest.raises(BadInput, match="parameters must be in"):
        models.gru_language(63, 10)
    with pytest.raises(BadInput, match="vocabulary must be in"):
        models.transformer_language(0, 10_000)
    made = models.transformer_language(5, 3000, context=4)
    with pytest.raises(BadInput, match="has places for 4 tokens, but is given 5"):
        made(torch.zeros(5, 1, 5))


def test_they_are_trained_as_spiking_networks_are_and_the_given_one_stays():
    text = data.Text(np.tile([0, 1, 2, 3], 300), tuple("abcd"), "character", "made up")
    dataset, loss, held = train.next_tokens(text, 8)
    for made in (models.gru_language(4, 1000), models.transformer_language(4, 2000, context=8)):
        before = {k: v.clone() for k, v in made.state_dict().items()}
        history: list[train.Epoch] = []
        trained = [
            train.fit_plain(
                made, dataset, epochs=6, timesteps=8, batch_size=16, loss=loss, learning_rate=1e-2, history=history
            )
            for _ in range(2)
        ]  # fmt: skip
        assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items())
        bits = [train.bits_of_windows(m, held, 4).mean() for m in (made, *trained)]
        assert bits[1] == bits[2]  # a seed means one network
        assert bits[1] < 0.5 * bits[0]
        assert len(history) == 12


def test_the_bits_of_a_window_are_its_mean_surprise():
    windows = np.array([[0, 1, 1], [1, 0, 1]])

    def logits(x: torch.Tensor) -> torch.Tensor:
        """Of two tokens, the one that is read is three times as likely to follow as the other."""
        return x.double() * float(np.log(3.0))

    found = train.bits_of_windows(logits, windows, 2)
    same, other = -np.log2(0.75), -np.log2(0.25)
    assert found.tolist() == pytest.approx([(other + same) / 2, other])
    with pytest.raises(BadInput, match="at least one window"):
        train.bits_of_windows(logits, windows[:0], 2)
