"""Joins and sums of bytes: torch's own in value and gradient, in any graph and with any number of readers."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from intspike.kernels import between, sinks
from intspike.kernels.frames import Frames, from_tensor
from intspike.nn.join import joined
from intspike.nn.parts import summed


def leaf(numbers: random.Random, shape: tuple[int, ...], most: int, learned: bool) -> Tensor:
    """Small integers; weights of gradients are small integers, too, so that float32 sums them exactly."""
    draw = torch.Generator().manual_seed(numbers.getrandbits(32))
    return torch.randint(0, most + 1, shape, generator=draw).float().requires_grad_(learned)


class Both:
    """One graph in frames and in float64."""

    def __init__(self, frames: Frames, tensor: Tensor, most: int):
        self.frames, self.tensor, self.most = frames, tensor, most


@settings(max_examples=60, deadline=None)
@given(structure=st.data(), seed=st.integers(0, 2**32 - 1))
def test_any_graph_of_joins_is_torchs(structure, seed):
    """Leaves that take gradients or not, values read twice or never, the same value on both sides, sums at the end."""
    numbers = random.Random(seed)

    def choose(options: list[Any]) -> Any:
        return structure.draw(st.sampled_from(options))

    shape = (choose([3, 1]), choose([2, 1, 9]), 2, choose([4, 5]), choose([4, 6]))
    values: list[Both] = []
    leaves: list[tuple[Tensor, Tensor]] = []
    for _ in range(choose([2, 1, 3])):
        most = choose([1, 1, 2])
        x = leaf(numbers, shape, most, choose([True, True, False]))
        twin = x.detach().double().requires_grad_(x.requires_grad)
        leaves.append((x, twin))
        values.append(Both(from_tensor(x, most), twin, most))
    for _ in range(choose([1, 2, 3, 5])):
        a = choose(values)
        kind = choose(["add", "and", "iand"])
        same = [v for v in values if kind == "add" or v.most == 1]
        if kind != "add" and a.most > 1:
            continue
        b = choose(same)
        made = between.join(kind, a.frames, b.frames)
        assert made is not None
        values.append(Both(made, joined(kind, a.tensor, b.tensor), made.most))
    if choose([False, True]):
        a = choose(values)
        made = between.sums(a.frames, (2, 3))
        assert made is not None
        pool = torch.nn.AvgPool2d((2, 3))
        y = summed(pool, a.tensor.flatten(0, 1))
        values.append(Both(made, y.reshape(*shape[:2], *y.shape[1:]), made.most))
    read = [v for v in values if choose([True, False])] or values[-1:]
    total = torch.zeros(())
    expected = torch.zeros((), dtype=torch.float64)
    for v in read:
        assert torch.equal(v.frames.data.movedim(-1, 2), v.tensor)
        assert int(v.tensor.max()) <= v.most == v.frames.most
        weights = torch.randint(-8, 9, v.tensor.shape, generator=torch.Generator().manual_seed(seed % 999))
        total = total + (v.frames.tensor() * weights).sum()
        expected = expected + (v.tensor * weights).sum()
    if not expected.requires_grad:
        assert not total.requires_grad
        return
    for _ in range(2):  # a graph that is kept can be run again
        total.backward(retain_graph=True)
        expected.backward(retain_graph=True)
    for x, twin in leaves:
        if twin.requires_grad:
            theirs = torch.zeros_like(twin) if twin.grad is None else twin.grad
            ours = torch.zeros_like(x) if x.grad is None else x.grad
            assert torch.equal(ours.double(), theirs)


@pytest.mark.parametrize("threads", [1, 2])
def test_tiles_and_threads_change_nothing(threads, monkeypatch):
    monkeypatch.setattr(sinks, "_TILE_BYTES", 4 * 3 * 24)  # one sample or two
    numbers, kept = random.Random(5), torch.get_num_threads()
    x, y = (leaf(numbers, (3, 11, 2, 3, 4), 1, True) for _ in range(2))
    torch.set_num_threads(threads)
    try:
        made = between.join("iand", from_tensor(x, 1), from_tensor(y, 1))
        assert made is not None
        weights = torch.arange(made.data.numel()).reshape(3, 11, 2, 3, 4).float()
        (made.tensor() * weights).sum().backward()
    finally:
        torch.set_num_threads(kept)
    assert torch.equal(x.grad, -y.detach() * weights)
    assert torch.equal(y.grad, (1 - x.detach()) * weights)


def test_what_bytes_do_not_hold_is_left_to_tensors():
    x = Frames(torch.zeros((2, 1, 4, 4, 3), dtype=torch.uint8), 128)
    assert between.join("add", x, x) is None  # up to 256
    assert between.sums(x, (1, 2)) is None
    less = Frames(x.data, 127)
    both = between.join("add", less, less)
    assert both is not None
    assert both.most == 254
    static = Frames(x.data[:1], 1)
    assert between.join("add", less, static) is None
    assert between.join("add", less, less.flattened()) is None
    assert between.sums(less.flattened(), (2, 1)) is None
    flat = between.join("add", less.flattened(), less.flattened())
    assert flat is not None
    assert flat.shape == (48,)
    assert between.sums(Frames(torch.zeros((2, 1, 4), dtype=torch.uint8), 1), (1, 1)) is None


def test_without_gradients_there_is_no_link():
    x = leaf(random.Random(0), (2, 3, 2, 4, 4), 1, True)
    with torch.no_grad():
        made = between.join("and", from_tensor(x, 1), from_tensor(x, 1))
    assert made is not None
    assert made.link is None
    assert made.sink is None
