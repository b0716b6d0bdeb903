"""Integer synapses in C against the program's own definition: every path, every instruction set, all integers ==."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from intspike.errors import BadInput, MissingDependency
from intspike.ir import Conv, Edge, Pool, frozen
from intspike.ir.ranges import conv as convolve
from intspike.ir.ranges import windows
from intspike.native import FAST, fast, sets, synapse
from intspike.native.synapse import ConvShape, DenseShape, Path, aligned

PLAIN = "plain"  # no intrinsics, as on a processor that has no path of its own
EVERY_SET = (*sets(), *((PLAIN,) if sets() else ()))
PATHS: tuple[Path, ...] = ("dense", "events", "scatter", "fastest")
every_set = pytest.mark.parametrize(
    "march", EVERY_SET or [pytest.param("", marks=pytest.mark.skip("no compiler"))]
)

CONVS = [
    ConvShape(16, 12, 12, 64, (5, 5), pool=(2, 2), most=1),
    ConvShape(1, 9, 9, 16, (5, 5), pool=(2, 2)),
    ConvShape(3, 8, 7, 10, (3, 3), padding=(1, 1)),
    ConvShape(5, 7, 8, 17, (3, 2), stride=(2, 1), padding=(1, 0), pool=(2, 1), most=3),
    ConvShape(4, 10, 10, 100, (3, 3), padding=(1, 1), pool=(3, 3), most=1),
    ConvShape(8, 6, 6, 1, (1, 1)),
    ConvShape(40, 5, 6, 33, (3, 3), stride=(1, 2), padding=(2, 2), pool=(1, 2)),
    ConvShape(2, 1, 1, 5, (1, 1), padding=(1, 1), pool=(3, 3)),
]
DENSES = [
    DenseShape(1, 1),
    DenseShape(7, 10, most=1),
    DenseShape(130, 100),
    DenseShape(64, 257, most=15),
    DenseShape(33, 17, most=1),
    DenseShape(200, 64, most=1),
]


def flags(march: str) -> tuple[str, ...]:
    return (*FAST, "-DPLAIN") if march == PLAIN else fast(march)


def inputs(rng: Any, kind: str, shape: tuple[int, ...], most: int) -> NDArray[np.uint8]:
    """Zeros, all at their largest, or a share of the inputs nonzero."""
    if kind == "saturated":
        return np.full(shape, most, np.uint8)
    rate = {"silent": 0.0, "rare": 0.03, "some": 0.2, "many": 0.9}[kind]
    x = rng.integers(1, most, shape, endpoint=True)
    return np.where(rng.random(shape) < rate, x, 0).astype(np.uint8)


def weights(rng: Any, kind: str, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Random codes, or the ends of int8."""
    if kind == "ends":
        return rng.choice(np.array([-128, 127], np.int8), shape)
    if kind == "lowest":
        return np.full(shape, -128, np.int8)
    return rng.integers(-8, 7, shape, endpoint=True).astype(np.int8)


def width(weight: NDArray[np.int8], most: int) -> int:
    """The narrowest result that holds every partial sum, in any order."""
    flat = weight.reshape(len(weight), -1).astype(np.int64) * most
    low, high = np.minimum(flat, 0).sum(1).min(), np.maximum(flat, 0).sum(1).max()
    return 16 if low >= -(1 << 15) and high < 1 << 15 else 32


def judged(s: ConvShape, weight: NDArray[np.int8], x: NDArray[np.uint8], flip: NDArray[np.int32]) -> Any:
    """Outputs and winners by the definition of the program's nodes."""
    n = Conv("conv", Edge("x"), frozen(weight), s.stride, s.padding)
    sums = convolve(n, x.astype(np.int64).transpose(0, 3, 1, 2), n.weight)
    view = windows(Pool("pool", Edge("conv"), "max", s.pool, s.pool), sums)
    view = view.reshape(*view.shape[:-2], -1) * flip[:, None, None, None]
    y = view.max(-1) * flip[:, None, None]
    return y.transpose(0, 2, 3, 1), view.argmax(-1).transpose(0, 2, 3, 1)


def check_conv(s: ConvShape, march: str, bits: int, rng: Any, kind: str, weight: NDArray[np.int8]) -> None:
    frames = 3
    kernel = synapse.conv(s, bits, flags(march))
    x = inputs(rng, kind, (frames, s.height, s.width, s.channels), s.most)
    flip = rng.choice(np.array([-1, 1], np.int32), s.out_channels)
    packed = kernel.pack(weight)
    y, winner = judged(s, weight, x, flip)
    without, _ = judged(s, weight, x, np.ones_like(flip))
    kind_of = np.int16 if bits == 16 else np.int32
    for path in PATHS:
        # one frame more on either side must stay as it is
        got = np.full((frames + 2, *y.shape[1:]), 77, kind_of)
        won = np.full(got.shape, 77, np.uint8)
        for first, last in ((0, 1), (1, frames), (2, 2)):
            pointers = (x.ctypes.data, packed.ctypes.data, flip.ctypes.data)
            kernel.run(first, last, *pointers, got[1:].ctypes.data, won[1:].ctypes.data, path=path)
        assert (got[1:-1] == y).all(), (s, path, march)
        assert (won[1:-1] == winner).all(), (s, path, march)
        assert (got[[0, -1]] == 77).all()
        assert (won[[0, -1]] == 77).all()
        kernel.run(0, frames, x.ctypes.data, packed.ctypes.data, None, got.ctypes.data, None, path=path)
        assert (got[:frames] == without).all(), (s, path, march)


def check_dense(s: DenseShape, march: str, bits: int, rng: Any, kind: str, weight: NDArray[np.int8]) -> None:
    kernel = synapse.dense(s, bits, flags(march))
    rows = int(rng.choice([1, 2, 5, 13, 100]))
    x = inputs(rng, kind, (rows, s.inputs), s.most)
    packed = kernel.pack(weight)
    y = x.astype(np.int64) @ weight.astype(np.int64).T
    middle = rows // 2
    for path in PATHS:
        got = np.full((rows + 2, s.outputs), 77, np.int16 if bits == 16 else np.int32)
        for first, last in ((0, middle), (middle, rows), (rows, rows)):
            kernel.run(first, last, x.ctypes.data, packed.ctypes.data, got[1:].ctypes.data, path=path)
        assert (got[1:-1] == y).all(), (s, path, march)
        assert (got[[0, -1]] == 77).all()


@every_set
@pytest.mark.parametrize("shape", CONVS, ids=str)
def test_convolutions(shape: ConvShape, march: str):
    rng = np.random.default_rng(1)
    for kind, weight in itertools.product(
        ("silent", "rare", "some", "many", "saturated"), ("codes", "ends", "lowest")
    ):
        w = weights(rng, weight, shape.weight)
        for bits in {32, width(w, shape.most)}:
            check_conv(shape, march, bits, rng, kind, w)


@every_set
@pytest.mark.parametrize("shape", DENSES, ids=str)
def test_dense(shape: DenseShape, march: str):
    rng = np.random.default_rng(2)
    for kind, weight in itertools.product(
        ("silent", "rare", "some", "many", "saturated"), ("codes", "ends", "lowest")
    ):
        w = weights(rng, weight, shape.weight)
        for bits in {32, width(w, shape.most)}:
            check_dense(shape, march, bits, rng, kind, w)


def pair(low: int, high: int) -> Any:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def conv_shapes(draw: Any) -> ConvShape:
    kernel, padding, stride, pool = draw(pair(1, 5)), draw(pair(0, 2)), draw(pair(1, 3)), draw(pair(1, 3))
    sums = [
        p * draw(st.integers(1, 5)) + draw(st.integers(0, p - 1)) for p in pool
    ]  # a remainder is left out
    size = [max(1, (n - 1) * s + k - 2 * p) for n, s, k, p in zip(sums, stride, kernel, padding, strict=True)]
    for n, k, p, s, q in zip(size, kernel, padding, stride, pool, strict=True):
        if n + 2 * p < k or ((n + 2 * p - k) // s + 1) < q:
            pool = (1, 1)
    return ConvShape(
        draw(st.integers(1, 20)), size[0], size[1], draw(st.sampled_from([1, 3, 10, 16, 17, 48, 64, 100])),
        kernel, stride, padding, pool, draw(st.sampled_from([1, 3, 255])),
    )  # fmt: skip


@pytest.mark.skipif(not sets(), reason="no compiler")
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_shape(data: Any):
    march = data.draw(st.sampled_from(EVERY_SET), "set")
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32), "seed"))
    kind = data.draw(st.sampled_from(("silent", "rare", "some", "many", "saturated")), "inputs")
    if data.draw(st.booleans(), "conv"):
        shape: Any = data.draw(conv_shapes(), "shape")
        check: Any = check_conv
    else:
        wide, outputs = data.draw(pair(1, 140), "shape")
        shape = DenseShape(wide, outputs, data.draw(st.sampled_from([1, 3, 255]), "most"))
        check = check_dense
    w = weights(rng, data.draw(st.sampled_from(("codes", "ends")), "weights"), shape.weight)
    check(shape, march, data.draw(st.sampled_from(sorted({32, width(w, shape.most)})), "bits"), rng, kind, w)


def test_both_paths_are_taken_by_the_share_of_zeros():
    """Weights of the two paths differ here, so the result tells which path was taken."""
    if not sets():
        pytest.skip("no compiler")
    shape = DenseShape(256, 256, most=1)
    kernel = synapse.dense(shape, 32)
    packed = kernel.pack(np.ones(shape.weight, np.int8))
    event = kernel.packed_bytes - 256 * 256
    packed[event:] = 2
    for rate, expected in ((0.01, 2), (0.9, 1)):
        x = (np.random.default_rng(3).random((40, 256)) < rate).astype(np.uint8)
        y = np.zeros((40, 256), np.int32)
        kernel.run(0, 40, x.ctypes.data, packed.ctypes.data, y.ctypes.data)
        assert (y == expected * x.sum(1, dtype=np.int32)[:, None]).all()


def test_packed_weights_start_at_a_cache_line():
    for size in (1, 63, 64, 1000):
        memory = aligned(size)
        assert memory.size == size
        assert memory.ctypes.data % 64 == 0
        assert not memory.any()


def test_wrong_sizes_are_refused():
    with pytest.raises(BadInput, match="at least 1"):
        ConvShape(0, 4, 4, 1, (1, 1))
    with pytest.raises(BadInput, match="output"):
        ConvShape(1, 2, 2, 1, (3, 3))
    with pytest.raises(BadInput, match=r"1\.\.255"):
        DenseShape(3, 3, most=256)
    with pytest.raises(BadInput, match="at least 1"):
        DenseShape(0, 3)
    with pytest.raises(BadInput, match="16 or 32"):
        synapse.source(DenseShape(2, 2), 8, "a")
    if sets():
        with pytest.raises(BadInput, match="int8"):
            synapse.dense(DenseShape(2, 3)).pack(np.zeros((2, 3), np.int8))


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(synapse, "compiler", lambda: None)
    with pytest.raises(MissingDependency, match="compiler"):
        synapse.dense(DenseShape(2, 2))
