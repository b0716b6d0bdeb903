"""Gradients between layers: every reader's share arrives, in tiles that cover each sample once."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from intspike.kernels import sinks
from intspike.kernels.frames import Frames, from_tensor
from intspike.kernels.sinks import Sink, part


class Taken:
    """What a sink hands over."""

    def __init__(self, shape: tuple[int, int, int]):
        self.whole, self.times, self.begun = np.zeros(shape, np.float32), np.zeros(shape[1], int), 0

    def begin(self) -> None:
        self.begun += 1

    def receive(self, k: int, a: int, b: int, tile: np.ndarray) -> None:
        assert part(len(self.times), k)[0] <= a < b <= part(len(self.times), k)[1]
        self.whole[:, a:b] += tile
        self.times[a:b] += 1


@pytest.mark.parametrize("batch", [1, 7, 8, 33])
@pytest.mark.parametrize("readers", [1, 2, 3])
def test_the_gradients_of_all_readers_arrive_once(batch, readers, monkeypatch):
    monkeypatch.setattr(sinks, "_TILE_BYTES", 3 * 4 * 5 * 2)  # tiles of two samples
    shape = (3, batch, 5)
    taken = Taken(shape)
    sink = Sink(shape, taken.begin, taken.receive)
    sink.readers = readers
    shares = np.random.default_rng(0).normal(size=(readers, *shape)).astype(np.float32)
    for share in shares:

        def produce(k: int, a: int, b: int, tile: np.ndarray, share: np.ndarray = share) -> None:
            tile[:] = share[:, a:b]

        assert taken.begun == 0
        sink.push(produce)
    sink.close()
    assert taken.begun == 1
    assert (taken.times == 1).all()
    expected = shares[0]
    for share in shares[1:]:
        expected = share + expected
    assert np.array_equal(taken.whole, expected)


def test_a_reader_that_sends_nothing_is_not_waited_for():
    shape = (2, 9, 4)
    taken = Taken(shape)
    sink = Sink(shape, taken.begin, taken.receive)
    sink.readers = 2
    for _ in range(2):  # and the sink is ready for another pass
        taken.whole[:], taken.times[:], taken.begun = 0, 0, 0

        def produce(k: int, a: int, b: int, tile: np.ndarray) -> None:
            tile[:] = np.arange(a, b)[None, :, None]

        sink.push(produce)
        assert taken.begun == 0
        sink.close()
        assert taken.begun == 1
        assert (taken.times == 1).all()
        assert (taken.whole == np.arange(9)[None, :, None]).all()


@pytest.mark.parametrize("order", list(permutations(("whole", "more", "alike", "alike too"))))
@pytest.mark.parametrize("silent", [False, True], ids=["all send", "one sends nothing"])
def test_gradients_that_are_alike_arrive_in_any_order(order, silent, monkeypatch):
    monkeypatch.setattr(sinks, "_TILE_BYTES", 3 * 4 * 5 * 2)  # tiles of two samples
    shape = (3, 9, 5)
    taken = Taken(shape)
    sink = Sink(shape, taken.begin, taken.receive)
    sink.readers = 4 + silent
    draw = np.random.default_rng(1)
    whole = {name: draw.integers(-9, 9, shape).astype(np.float32) for name in ("whole", "more")}
    alike = {name: draw.integers(-9, 9, 5).astype(np.float32) for name in ("alike", "alike too")}
    for _ in range(2):  # the sink is ready for another pass
        taken.whole[:], taken.times[:], taken.begun = 0, 0, 0
        for name in order:
            assert taken.begun == 0
            if name in alike:
                sink.push_alike(alike[name])
            else:
                sink.push(lambda k, a, b, tile, share=whole[name]: np.copyto(tile, share[:, a:b]))
        sink.close()
        assert taken.begun == 1
        assert (taken.times == 1).all()
        assert np.array_equal(taken.whole, sum(whole.values()) + sum(alike.values()))


def test_rates_are_means_over_time_and_samples():
    x = torch.randint(0, 4, (3, 2, 5, 4, 6)).float().requires_grad_()
    made = from_tensor(x, 3)
    weights = torch.randn(5, 4, 6)
    rates = made.rates()
    assert torch.equal(rates, x.detach().sum((0, 1)) / 6)
    (rates * weights).sum().backward()
    assert torch.equal(x.grad, (weights / 6).expand(x.shape))
    assert not Frames(made.data, 3).rates().requires_grad


def test_tensors_and_frames_are_each_other():
    x = torch.randint(0, 4, (3, 2, 5, 4, 6)).float().requires_grad_()
    made = from_tensor(x, 3)
    assert made.image == (5, 4, 6)
    assert made.flattened().shape == (120,)
    assert torch.equal(made.tensor(), x)
    assert torch.equal(made.flattened().tensor(), x.flatten(2))
    made = from_tensor(x, 3)
    weights = torch.randn(3, 2, 120)
    (made.flattened().tensor() * weights).sum().backward()
    assert torch.equal(x.grad, weights.reshape(x.shape))
    assert Frames(made.data, 3).link is None
