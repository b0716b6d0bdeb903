"""Convolution and max-pool as one op: equal to torch's two, in every number where numbers are integers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from intspike.kernels import conv_pool
from intspike.native import compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")

# channels in, height, width, channels out, kernel, pool; the last leaves a rest that no window covers
SHAPES = [(1, 8, 8, 3, (3, 3), 2), (3, 7, 9, 5, (2, 4), 2), (2, 10, 8, 4, (1, 1), 3)]


def plain(x: Tensor, weight: Tensor, flip: Tensor, pool: int) -> Tensor:
    sign = flip[:, None, None]
    return F.max_pool2d(F.conv2d(x, weight) * sign, pool) * sign


def integers(shape: tuple[int, ...], most: int, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(-most, most + 1, shape, generator=random).float()


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("inputs", [1, 255])
def test_sums_and_gradients_are_torchs(shape, inputs):
    """With small weights many windows tie: the first maximum wins, as in torch."""
    channels, h, w, out, kernel, pool = shape
    x = integers((6, channels, h, w), inputs, 0).relu()
    weight = integers((out, channels, *kernel), 2, 1)
    flip = torch.tensor([1.0, -1.0, 1.0, -1.0, -1.0])[:out]
    found = []
    for run in (conv_pool.run, plain):
        a, b = x.clone().requires_grad_(), weight.clone().requires_grad_()
        y = run(a, b, flip, pool)
        y.backward(integers(tuple(y.shape), 3, 2))
        found.append((y.detach(), a.grad, b.grad))
    assert all(torch.equal(p, q) for p, q in zip(*found, strict=True))


@pytest.mark.usefixtures("restored_threads")
def test_bits_depend_neither_on_threads_nor_on_the_batch_split():
    random = torch.Generator().manual_seed(0)
    x = torch.rand(9, 3, 7, 9, generator=random)
    weight, flip = torch.randn(5, 3, 2, 4, generator=random), torch.ones(5)
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        a, b = x.clone().requires_grad_(), weight.clone().requires_grad_()
        y = conv_pool.run(a, b, flip, 2)
        y.square().sum().backward()
        found.append((y.detach(), a.grad, b.grad))
    assert all(torch.equal(p, q) for other in found[1:] for p, q in zip(found[0], other, strict=True))
    assert torch.equal(conv_pool.run(x[4:], weight, flip, 2), found[0][0][4:])


def test_gradients_in_reals():
    random = torch.Generator().manual_seed(1)
    x = (torch.rand(4, 3, 7, 9, generator=random) < 0.3).float()
    weight, flip = torch.randn(5, 3, 2, 4, generator=random), torch.ones(5)
    g = torch.randn(4, 5, 3, 3, generator=random)
    grads = []
    for run, dtype in ((conv_pool.run, torch.float32), (plain, torch.float64)):
        a, b = (t.clone().to(dtype).requires_grad_() for t in (x, weight))
        run(a, b, flip.to(dtype), 2).backward(g.to(dtype))
        grads.append((a.grad, b.grad))
    for got, expected in zip(*grads, strict=True):
        assert float((got.double() - expected).abs().max()) <= 1e-6 * float(expected.abs().max())


@pytest.mark.parametrize(
    ("conv", "pool", "covered"),
    [
        ({}, {}, True),
        ({"stride": 2}, {}, False),
        ({"padding": 1}, {}, False),
        ({"groups": 2}, {}, False),
        ({}, {"stride": 1}, False),
        ({}, {"kernel_size": (2, 1)}, False),
        ({}, {"kernel_size": 9}, False),
    ],
    ids=str,
)
def test_it_is_used_for_plain_pairs_alone(conv, pool, covered):
    c = torch.nn.Conv2d(2, 4, 3, **conv)
    p = torch.nn.MaxPool2d(**{"kernel_size": 2, **pool})
    assert conv_pool.applies(torch.zeros(1, 2, 30, 30), c, p) == covered
    assert not conv_pool.applies(torch.zeros(1, 2, 30, 30, dtype=torch.float64), c, p)
