"""Losses on spike counts, against numbers computed by hand and against torch."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from intspike.errors import BadInput
from intspike.train import CountCrossEntropy, CountMSE

# T = 4 timesteps, B = 2 samples, K = 2 classes; counts are (3, 1) and (0, 2)
SPIKES = torch.tensor([[[1, 0], [0, 1]], [[1, 0], [0, 0]], [[1, 1], [0, 1]], [[0, 0], [0, 0]]]).float()
LABELS = torch.tensor([0, 0])


def entropy(*logits: float) -> float:
    """Cross entropy of the first of some logits."""
    return -math.log(math.exp(logits[0]) / sum(map(math.exp, logits)))


def test_cross_entropy_of_counts_by_hand():
    # rates (3/4, 1/4) and (0, 1/2), times 10
    expected = (entropy(7.5, 2.5) + entropy(0.0, 5.0)) / 2
    assert float(CountCrossEntropy()(SPIKES, LABELS)) == pytest.approx(expected)
    assert float(CountCrossEntropy(scale=4.0)(SPIKES, LABELS)) == pytest.approx(
        (entropy(3, 1) + entropy(0, 2)) / 2
    )


def test_cross_entropy_of_steps_by_hand():
    first = [entropy(1, 0), entropy(1, 0), entropy(1, 1), entropy(0, 0)]
    second = [entropy(0, 1), entropy(0, 0), entropy(0, 1), entropy(0, 0)]
    expected = (sum(first) + sum(second)) / 8
    assert float(CountCrossEntropy("steps")(SPIKES, LABELS)) == pytest.approx(expected)


def test_mean_squared_error_of_rates_by_hand():
    # rates (3/4, 1/4) and (0, 1/2), targets (0.8, 0.2)
    expected = (0.05**2 + 0.05**2 + 0.8**2 + 0.3**2) / 4
    assert float(CountMSE()(SPIKES, LABELS)) == pytest.approx(expected)
    assert float(CountMSE(correct=0.75, incorrect=0.25)(SPIKES[:, :1], LABELS[:1])) == 0


@pytest.mark.parametrize("k", [2, 10])
def test_against_torch_step_by_step(k):
    random = torch.Generator().manual_seed(k)
    spikes = (torch.rand(7, 5, k, generator=random) < 0.4).float().requires_grad_()
    labels = torch.randint(0, k, (5,), generator=random)
    steps = torch.stack([F.cross_entropy(s, labels) for s in spikes]).mean()
    assert torch.allclose(CountCrossEntropy("steps")(spikes, labels), steps)
    assert torch.allclose(
        CountCrossEntropy()(spikes, labels), F.cross_entropy(spikes.sum(0) * 10 / 7, labels)
    )
    target = F.one_hot(labels, k) * 0.6 + 0.2
    assert torch.allclose(CountMSE()(spikes, labels), F.mse_loss(spikes.mean(0), target))
    CountMSE()(spikes, labels).backward()
    assert spikes.grad is not None
    assert torch.isfinite(spikes.grad).all()


def test_a_form_that_is_not_known_is_refused():
    with pytest.raises(BadInput, match="must be 'counts' or 'steps', not 'rates'"):
        CountCrossEntropy("rates")
