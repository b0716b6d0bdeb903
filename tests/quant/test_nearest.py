"""Compiled nearest codes: to the bit what torch's division, clamp and rounding give, forward and backward."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from compiler_report import lines_with, vectorized_lines, vectorizing_compiler
from intspike import native
from intspike.native import compiler
from intspike.native.synapse import text_of
from intspike.native.weights import FLAGS, narrow
from intspike.quant.weight.nearest import nearest

needs_a_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")


def definition(rows: Tensor, step: Tensor, low: int, high: int) -> Tensor:
    inside = (rows / step[:, None]).clamp(low, high)
    return inside + (inside.round() - inside).detach()


@st.composite
def cases(draw: st.DrawFn) -> tuple[Tensor, Tensor, int, int]:
    """Rows, many of them halfway between codes, at the ends or beyond."""
    n, k = draw(st.integers(1, 5)), draw(st.sampled_from([1, 3, 16, 37, 400]))
    bits = draw(st.integers(2, 8))
    high = (1 << (bits - 1)) - 1
    low = -high - draw(st.integers(0, 1))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    step = torch.rand(n if draw(st.booleans()) else 1, generator=random) + 1e-3
    if draw(st.booleans()):
        step = torch.full_like(step, 0.25)
    halves = torch.randint(2 * low - 4, 2 * high + 5, (n, k), generator=random) / 2
    return halves * step[:, None] + draw(st.sampled_from([0.0, 1e-3])), step, low, high


@needs_a_compiler
@settings(deadline=None)
@given(cases())
def test_codes_and_gradients_are_torchs(case):
    rows, step, low, high = case
    found, expected = rows.clone().requires_grad_(), rows.clone().requires_grad_()
    gradient = torch.randn(rows.shape)
    codes, wanted = nearest(found, step, low, high), definition(expected, step, low, high)
    assert codes is not None
    assert torch.equal(codes, wanted.round())
    codes.backward(gradient)
    wanted.backward(gradient)
    assert torch.equal(found.grad, expected.grad)


@needs_a_compiler
def test_what_is_no_number_stays_so_and_what_is_not_contiguous_is_read_right():
    rows = torch.tensor([[1.0, torch.nan], [torch.inf, -torch.inf], [0.4, 2.6]]).T
    found = nearest(rows, torch.ones(1), -3, 3)
    assert found is not None
    assert torch.equal(found.nan_to_num(9), torch.tensor([[1.0, 3.0, 0.0], [9.0, -3.0, 3.0]]))


@needs_a_compiler
@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 600), st.integers(1, 3))
def test_narrow_codes_and_their_reach(n, k, threads):
    cc = compiler()
    assert cc is not None
    codes = np.random.default_rng(n * k).integers(-128, 128, (n, k))
    found, most = narrow(codes.astype(np.float32), threads, cc)
    assert found.dtype == np.int8
    assert np.array_equal(found, codes)
    assert most == np.abs(codes).sum(1).max()


def test_without_a_compiler_torch_must(monkeypatch):
    monkeypatch.setattr(native, "compiler", lambda: None)
    assert nearest(torch.ones(2, 2), torch.ones(1), -1, 1) is None


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_the_loops_are_vectorized(name, tmp_path: Path):
    if vectorizing_compiler(name) is None:
        pytest.skip(f"there is no {name} for a machine with AVX2")
    source = text_of("weights.c")
    marked = lines_with(source, "/* vectorized */")
    assert len(marked) == 3
    assert set(marked) <= vectorized_lines(source, tmp_path, FLAGS, name)
