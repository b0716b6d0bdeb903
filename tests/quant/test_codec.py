"""Stored membrane potentials: the compiled loops are the definition, and the definition keeps what it promises."""

from __future__ import annotations

import gc
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from compiler_report import lines_with, vectorized_lines, vectorizing_compiler
from intspike import native
from intspike.errors import BadInput
from intspike.native import FAST, memory
from intspike.quant import PowerOfTwoState, ThresholdCentred, UniformState, codec
from intspike.quant.codec import oracle
from intspike.quant.storage import storage_of

BOTH = ("after reset", "before reset")
STATES: list[Any] = [
    ThresholdCentred(bits, stores, spacing)
    for bits, stores, spacing in itertools.product(range(1, 9), BOTH, ("even", "exponential", "compander"))
]
STATES += [PowerOfTwoState(bits, stores) for bits in (1, 2, 3) for stores in BOTH]
STATES += [UniformState(bits, 0.0, 2.0, stores) for bits in (1, 2, 3, 4, 8, 12, 16) for stores in BOTH]
STATES += [UniformState(bits, -1.5, 3.0, stores, "wrap") for bits in (3, 8, 16) for stores in BOTH]
THETAS = (1.0, 0.3, 7.25, 1e-3, 160.0)
SETS = native.sets()


def label(state: Any) -> str:
    more = getattr(state, "spacing", None) or getattr(state, "overflow", "")
    return f"{type(state).__name__} {state.bits} {state.stores} {more}"


def values(state: Any, theta: float, size: int = 3000) -> Tensor:
    """Random values, every level, boundary and theta with its float32 neighbours, and what is no number."""
    s = storage_of(state, theta)
    drawn = torch.randn(size, generator=torch.Generator().manual_seed(size)) * 1.5 * theta
    special = torch.tensor(
        [0.0, -0.0, theta, 2 * theta, *s.levels[:40], *s.numbers[:40]], dtype=torch.float32
    )
    special = torch.cat([special, special + theta])
    near = [torch.nextafter(special, torch.tensor(x)) for x in (-np.inf, np.inf)]
    odd = torch.tensor([np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-40, 3e38, -3e38])
    return torch.cat([drawn, special, *near, odd])


def same(a: Tensor, b: Tensor) -> bool:
    """Equal bits, but that any nan is another and 0 is -0."""
    return a.dtype == b.dtype and torch.equal(
        torch.nan_to_num(a, nan=-12345.0), torch.nan_to_num(b, nan=-12345.0)
    )


# ---------------------------------------------------------------- the definition


@pytest.mark.parametrize("theta", THETAS)
@pytest.mark.parametrize("state", STATES, ids=label)
def test_no_value_crosses_theta_rest_stays_and_storing_twice_is_storing_once(state, theta):
    s, u = storage_of(state, theta), values(state, theta)
    stored, inside = oracle(u, s)
    assert stored.dtype == torch.float32
    assert stored[u == 0].eq(0).all()
    unknown = (
        u.abs() > 1e35 if s.wraps else torch.zeros_like(u, dtype=torch.bool)
    )  # far codes have no remainder
    assert torch.equal((stored.isnan())[~unknown], u.isnan()[~unknown])
    good = u.isfinite()
    if not s.wraps:
        one = torch.tensor(theta)
        assert torch.equal(stored[good] >= one, u[good] >= one)
        assert same(oracle(stored, s)[0], stored)
        order = u[good].argsort()
        assert (stored[good][order].diff() >= 0).all()
    below = stored[good & (u < theta) & ~unknown]
    assert len(below.unique()) <= 1 << state.bits
    assert not inside[u.isnan()].any()


@pytest.mark.parametrize("state", [s for s in STATES if not isinstance(s, UniformState)], ids=label)
def test_levels_are_fractions_of_theta_and_the_nearest_is_taken(state):
    for theta in THETAS:
        s = storage_of(state, theta)
        assert np.array_equal(s.levels, np.float32(np.array(state.fractions) * theta))
        u = values(state, theta)
        u = u[u.isfinite() & (u < theta)] if s.fires else u[u.isfinite()]
        stored = oracle(u, s)[0]
        distance = (u.double()[:, None] - torch.tensor(s.levels).double()).abs()
        distance[(torch.tensor(s.levels) >= theta)[None, :] != (u >= theta)[:, None]] = (
            np.inf
        )  # may not cross
        least = distance.min(1).values
        slack = 2.0**-23 * u.double().abs().clamp(max=1e3 * theta)  # a midpoint is rounded to float32
        taken = (u.double() - stored.double()).abs()
        assert (taken <= least + slack).all()


def test_golden_values():
    four = ThresholdCentred(2, "after reset", levels=(-0.5, 0.0, 0.4, 0.9))
    u = torch.tensor([-3.0, -0.25, -0.26, 0.19, 0.2, 0.64, 0.66, 0.999, 1.0, 1.3, 2.5])
    expected = [-0.5, 0.0, -0.5, 0.0, 0.4, 0.4, 0.9, 0.9, 1.0, 1.4, 1.9]
    assert four.quantize(u).tolist() == torch.tensor(expected).tolist()
    before = ThresholdCentred(2, "before reset")  # 0, 0.4, 0.8, 1.2; theta is a boundary, not 1.0's midpoint
    assert (
        before.quantize(u * 2, theta=2.0).tolist()
        == torch.tensor([0, 0, 0, 0, 0.8, 1.6, 1.6, 1.6, 2.4, 2.4, 2.4]).tolist()
    )
    uniform = UniformState(3, low=-1.0, high=3.0)  # codes -2..5; 3 / 5 covers, so theta is 1.5 steps
    assert storage_of(uniform, 1.5).numbers[:3] == (1.0, -2.0, 5.0)
    got = uniform.quantize(torch.tensor([-9.0, -0.5, 0.49, 0.5, 1.49, 1.5, 2.4, 9.0]), theta=1.5)
    assert got.tolist() == [-2, 0, 0, 1, 1, 2, 2, 5]


# ---------------------------------------------------------------- the compiled loops


@pytest.mark.skipif(not SETS, reason="there is no C compiler")
@pytest.mark.parametrize("march", SETS)
@pytest.mark.parametrize("state", STATES, ids=label)
def test_compiled_loops_are_the_definition(state, march, monkeypatch):
    monkeypatch.setenv("INTSPIKE_MARCH", march)
    codec._compiled.cache_clear()
    try:
        for theta in THETAS[:2]:
            s, u = storage_of(state, theta), values(state, theta)
            expected, inside = oracle(u, s)
            arguments = s.levels, s.numbers, s.fires, s.wraps
            assert same(torch.ops.intspike.store_membrane(u, None, *arguments), expected)
            assert torch.equal(torch.ops.intspike.inside_codes(u, *arguments), inside)
            for size in (0, 1, 15, 16, 17, 33):
                part = u[size : 2 * size]
                assert same(
                    torch.ops.intspike.store_membrane(part, None, *arguments), expected[size : 2 * size]
                )
    finally:
        codec._compiled.cache_clear()


@settings(deadline=None)
@given(st.integers(0, 300_000), st.integers(1, 4), st.integers(0, 20))
def test_neither_threads_nor_alignment_matter(size, threads, offset):
    state = ThresholdCentred(4)
    whole = torch.randn(size + offset, generator=torch.Generator().manual_seed(size))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert same(state.quantize(whole[offset:]), oracle(whole[offset:], storage_of(state, 1.0))[0])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("stores", BOTH)
def test_large_results(stores):
    """They are written past the caches, into memory that is kept."""
    state = ThresholdCentred(4, stores)
    u = torch.randn(memory.LARGE // 4 + 5)
    for part in (u, u[5:], u[1:]):
        assert same(state.quantize(part), oracle(part, storage_of(state, 1.0))[0])


@pytest.mark.parametrize(
    "made",
    [
        lambda u: u.permute(3, 1, 0, 2),
        lambda u: u.contiguous(memory_format=torch.channels_last),
        lambda u: u[:, :, ::2],
        lambda u: u[:1].expand(5, -1, -1, -1),
        lambda u: u[0, 0, 0, 0],
        lambda u: u[:0],
    ],
)
def test_any_layout(made):
    u = made(torch.randn(3, 4, 6, 7))
    for state in (ThresholdCentred(3, gradient="block ends"), UniformState(8, gradient="block ends")):
        expected, inside = oracle(u, storage_of(state, 1.0))
        leaf = u.clone().requires_grad_()
        got = state.quantize(leaf)
        assert got.shape == u.shape
        assert same(state.quantize(u), expected)
        got.sum().backward()
        assert leaf.grad is not None
        assert torch.equal(leaf.grad, inside.float())


@pytest.mark.parametrize("state", [ThresholdCentred(4), ThresholdCentred(6), UniformState(8)], ids=label)
@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_the_loops_are_vectorized(state, name, tmp_path: Path):
    if vectorizing_compiler(name) is None:
        pytest.skip(f"there is no {name} for a machine with AVX2")
    file = "codec.c" if isinstance(state, ThresholdCentred) else "codec_uniform.c"
    fires = int(state.stores == "after reset")
    text = Path(native.__file__).with_name(file).read_text()
    source = f"#define BITS {state.bits}\n#define FIRES {fires}\n#define WRAPS 0\n{text}"
    found = vectorized_lines(source, tmp_path, (*FAST, "-fno-trapping-math"), name)
    for mark in ("/* values */", "/* inside */"):
        (line,) = lines_with(source, mark)
        assert line in found, mark


def test_without_a_compiler_the_definition_runs(monkeypatch):
    state, u = ThresholdCentred(4, gradient="block ends"), torch.randn(1000)
    expected = state.quantize(u)
    monkeypatch.setattr(native, "compiler", lambda: None)
    assert same(state.quantize(u), expected)


# ---------------------------------------------------------------- gradients, compilation, mistakes


@pytest.mark.parametrize("state", STATES[::3], ids=label)
def test_the_gradient_passes_but_where_it_is_blocked(state):
    u = values(state, 1.0)
    inside = oracle(u, storage_of(state, 1.0))[1]
    fired = u >= 1
    at_top = (u - 1.0 * (fired & (state.stores == "after reset"))) > 0
    alone = sum(x >= 1 for x in state.fractions) == 1  # one level holds all that fire
    held = ~fired if state.stores == "after reset" else torch.full_like(fired, alone)
    open_ends = torch.where(at_top, held, torch.tensor(state.codec.rest == state.codec.low))
    gates = {
        "pass": torch.ones_like(inside),
        "block ends": inside,
        "block saturated": inside | open_ends | state.codec.wraps,
    }
    weight = torch.randn(u.shape)
    for name, gate in gates.items():
        leaf = u.clone().requires_grad_()
        chosen = type(state)(**{**vars(state), "gradient": name})
        (got,) = torch.autograd.grad(chosen.quantize(leaf), leaf, weight)
        assert torch.equal(got, torch.where(gate, weight, 0.0)), name
        if name == "pass":
            assert got.data_ptr() == weight.data_ptr()  # the gradient itself, no copy


@pytest.mark.parametrize("state", [ThresholdCentred(4), UniformState(6, gradient="block ends")], ids=label)
def test_the_ops_keep_the_rules_of_torch(state):
    s = storage_of(state, 1.0)
    arguments = s.levels, s.numbers, s.fires, s.wraps
    u = torch.randn(5, 7, requires_grad=True)
    inside = torch.ops.intspike.inside_codes(u.detach(), *arguments)
    # the straight-through gradient is none of finite differences, so opcheck looks at all but that
    tests = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
    torch.library.opcheck(torch.ops.intspike.store_membrane, (u, inside, *arguments), test_utils=tests)
    torch.library.opcheck(torch.ops.intspike.store_membrane, (u, None, *arguments), test_utils=tests)
    torch.library.opcheck(torch.ops.intspike.inside_codes, (u.detach(), *arguments), test_utils=tests)


@pytest.mark.filterwarnings("ignore")  # of torch's compiler, about itself
@pytest.mark.parametrize("gradient", ["pass", "block ends"])
def test_under_torch_compile(gradient):
    state = ThresholdCentred(4, gradient=gradient)

    def step(x: Tensor, current: Tensor) -> Tensor:
        for _ in range(3):
            x = state.quantize(0.9 * x + current, theta=1.5)
            x = x - 1.5 * (x >= 1.5).float()
        return x

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    results = []
    for f in (step, compiled):
        u, current = torch.randn(4, 9, generator=torch.Generator().manual_seed(0)), torch.full((4, 9), 0.7)
        u.requires_grad_()
        out = f(u, current)
        out.sum().backward()
        results.append((out.detach(), u.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize("theta", [0, -1.0, float("inf"), float("nan"), torch.tensor(1.0)])
def test_a_threshold_must_be_a_positive_number(theta):
    for state in (ThresholdCentred(4), UniformState(8)):
        with pytest.raises(BadInput, match="theta must be a positive number"):
            state.quantize(torch.zeros(3), theta)


def test_what_cannot_be_stored_is_refused():
    with pytest.raises(BadInput, match=r"must be float32, not torch.float64; convert them: u.float\(\)"):
        ThresholdCentred(4).quantize(torch.zeros(3, dtype=torch.float64))
    with pytest.raises(BadInput, match="must be distinct in float32"):
        ThresholdCentred(8).quantize(torch.zeros(3), theta=1e-44)
    with pytest.raises(BadInput, match="must be distinct in float32"):
        ThresholdCentred(1, levels=(0.0, 0.5)).quantize(torch.zeros(3), theta=1e-45)
    with pytest.raises(BadInput, match="step of a state"):
        UniformState(16).quantize(torch.zeros(3), theta=1e-42)


# ---------------------------------------------------------------- memory that is kept


def test_memory_is_reused_when_nothing_holds_it_and_never_before():
    size = memory.LARGE // 4 + 1
    u = torch.randn(size)
    state = ThresholdCentred(4)
    first = state.quantize(u)
    view, place = first[7:9], first.data_ptr()
    kept = view.clone()
    del first
    gc.collect()
    second = state.quantize(-u)  # the view still holds the first's memory
    assert second.data_ptr() != place
    assert torch.equal(view, kept)
    del view
    third = state.quantize(u)
    assert third.data_ptr() == place
    assert third.data_ptr() % 64 == 0
    assert torch.equal(second, state.quantize(-u))


def test_no_more_than_the_limit_is_kept(monkeypatch):
    monkeypatch.setattr(memory, "KEEP", 3 << 22)
    held = [memory.borrow(1 << 22) for _ in range(5)]
    for k, block in enumerate(held):
        block[:] = k
    assert [int(b.max()) for b in held] == [0, 1, 2, 3, 4]
    del block
    held.clear()
    assert sum(map(len, memory._free)) <= 3 << 22
    memory._free.clear()
