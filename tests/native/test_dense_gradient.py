"""Gradients of dense synapses against plain matrix products, on integers, where every sum is exact in any order."""

from __future__ import annotations

import numpy as np
import pytest

from intspike.native import compiler
from intspike.native.dense_gradient import DenseGradient, dense_gradient
from intspike.native.synapse import DenseShape

pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")

# few outputs and many, in one group of registers, one unit of a thread and several, with and without a rest
SHAPES = [
    DenseShape(1, 1, 1),
    DenseShape(70, 3, 255),
    DenseShape(129, 20, 1),
    DenseShape(64, 32, 2),
    DenseShape(37, 33, 1),
    DenseShape(130, 64, 255),
    DenseShape(20, 150, 1),
]
FRAMES = ((1, 1), (3, 7), (25, 45))  # T and B; the last are several blocks


def compiled(shape: DenseShape) -> DenseGradient:
    cc = compiler()
    assert cc is not None
    return dense_gradient(shape, "int16_t", cc)


def arrays(shape: DenseShape, timesteps: int, batch: int, rate: float) -> tuple[np.ndarray, ...]:
    """Inputs, sums, gradients behind them, slope and offset: small integers."""
    r = np.random.default_rng(0)
    n = timesteps * batch
    x = r.integers(1, shape.most + 1, (n, shape.inputs)) * (r.random((n, shape.inputs)) < rate)
    y, gy = r.integers(-9, 10, (2, n, shape.outputs))
    slope, offset = r.integers(-3, 4, (2, shape.outputs))
    f = np.float32
    return x.astype(np.uint8), y.astype(np.int16), gy.astype(f), slope.astype(f), offset.astype(f)


@pytest.mark.parametrize("norm", [False, True], ids=["no norm", "norm"])
@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_are_matrix_products(shape: DenseShape, frames: tuple[int, int], norm: bool):
    made, (timesteps, batch) = compiled(shape), frames
    for rate in (0.0, 0.05, 1.0):
        x, y, gy, slope, offset = arrays(shape, timesteps, batch, rate)
        g = gy.astype(np.int64)
        if norm:
            g = g + offset.astype(np.int64) + slope.astype(np.int64) * y
        from_sums = (
            y.ctypes.data,
            gy.ctypes.data,
            *((slope.ctypes.data, offset.ctypes.data) if norm else (None, None)),
        )
        for threads in (1, 3):
            found = made.to_weights(len(x), threads, x.ctypes.data, *from_sums)
            assert np.array_equal(found, g.T @ x.astype(np.int64))
        weight = np.random.default_rng(1).integers(-7, 8, shape.weight).astype(np.float32)
        ordered = made.arrange(weight)
        first, last = batch // 3, batch  # a part of the samples
        gx = np.full((timesteps, last - first, shape.inputs), np.nan, np.float32)
        made.to_inputs(first, last, batch, timesteps, *from_sums, ordered.ctypes.data, gx.ctypes.data)
        expected = (g @ weight.astype(np.int64)).reshape(timesteps, batch, -1)[:, first:last]
        assert np.array_equal(gx, expected)


@pytest.mark.parametrize("shape", [DenseShape(50, 20, 1), DenseShape(50, 90, 1)], ids=str)
def test_bits_depend_not_on_threads_and_errors_are_small(shape: DenseShape):
    made = compiled(shape)
    x, y, _, _, _ = arrays(shape, 20, 64, 0.3)
    gy = np.random.default_rng(2).normal(size=y.shape).astype(np.float32)
    found = [
        made.to_weights(len(x), k, x.ctypes.data, y.ctypes.data, gy.ctypes.data, None, None)
        for k in (1, 2, 5)
    ]
    assert all(np.array_equal(found[0], other) for other in found)
    expected = gy.astype(np.float64).T @ x
    assert np.abs(found[0] - expected).max() < 1e-6 * np.abs(expected).max()
