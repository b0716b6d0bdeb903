"""Generated time loops: equal to the oracle and to the definition in every spike and code, for all that is legal."""

from __future__ import annotations

import dataclasses
import itertools
import random
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from compiler_report import lines_with, vectorized_lines, vectorizing_compiler
from intspike.errors import BadInput
from intspike.kernels import fused, oracle
from intspike.native import compiler
from intspike.native.loop_text import EACH_LANE, TILE, is_real
from intspike.native.loops import adds_only, loop
from intspike.neuron import IF, ILIF, LIF, NEURONS, CubaLIF
from intspike.neuron.base import Neuron
from intspike.neuron.constants import constants
from intspike.neuron.leaks import real_beta
from intspike.ops import (
    Body,
    Carry,
    Dyadic,
    FastSigmoid,
    Form,
    Rectangle,
    Shift,
    ShiftedArctan,
    Table,
    Triangle,
    Uniform,
    step_many,
    trace,
)

needs_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")
BOTH = ("after reset", "before reset")
CODECS: list[Any] = [None]
CODECS += [Table(n, (1 << n) // 4, stores) for n in (1, 2, 3, 4, 8) for stores in BOTH]
CODECS += [Uniform(8, -80, overflow, stores) for overflow in ("saturate", "wrap") for stores in BOTH]
CODECS += [Uniform(16, -20000, "wrap", "before reset")]

# every factor of a neuron and its form; what a neuron does not have is left out, what is illegal is never chosen
FACTORS: dict[str, list[Any]] = {
    "codec": CODECS,
    "neuron": list(NEURONS),
    "leak": [Carry(), Carry("nearest"), Shift(), Dyadic(8)],
    "reset": ["subtract", "zero", "none"],
    "reads": ["new current", "last current"],
    "alpha": [0.5, None],
    "reset_order": ["before leak", "after leak"],
    "leak_on": ["state", "sum"],
    "compare": [">=", ">"],
    "spikes": [1, 2, 3],
    "refractory": [0, 1, 3],
    "surrogate": [Triangle(0.8), FastSigmoid(2.0), ShiftedArctan(1.5), Rectangle()],
    "blocked": ["nothing", "ends", "saturated", "below"],
    "dense": [False, True],
}
Choice = Mapping[str, Any]


def neuron_and_form(choice: Choice) -> tuple[Neuron, Form] | None:
    """What a choice means; None where the contract refuses it."""
    kind = choice["neuron"]
    blocked = choice["blocked"]
    if choice["codec"] is None and blocked != "nothing":
        return None  # there are no end codes
    names = {f.name for f in dataclasses.fields(kind)}
    codec, fields = choice["codec"], {k: v for k, v in choice.items() if k in names}
    before = getattr(codec, "stores", "") == "before reset" and isinstance(codec, Table)
    if before and codec.bits < (3 if fields["spikes"] > 1 else 1) + (kind is ILIF):
        return None  # too few levels for every number of spikes
    if kind is CubaLIF and fields["alpha"] is None:
        return None
    form = Form(codec, choice["leak"], blocked)
    try:
        neuron = kind(**fields)
        trace(neuron, form)
    except BadInput:
        return None
    return neuron, form


def pairwise(seed: int = 0) -> Iterator[Choice]:
    """Legal choices in which every legal pair of two factors' values occurs."""
    rng = random.Random(seed)
    pairs = [
        ((a, i), (b, j))
        for a, b in itertools.combinations(FACTORS, 2)
        for i, j in itertools.product(range(len(FACTORS[a])), range(len(FACTORS[b])))
    ]
    left = dict.fromkeys(pairs)
    rng.shuffle(pairs)
    for pair in pairs:
        if pair not in left:
            continue
        best: tuple[int, dict[str, int]] | None = None
        for _ in range(12):
            drawn = {f: rng.randrange(len(v)) for f, v in FACTORS.items()} | dict(pair)
            if neuron_and_form({f: FACTORS[f][k] for f, k in drawn.items()}) is None:
                continue
            gain = sum(p in left for p in itertools.combinations(drawn.items(), 2))
            if best is None or gain > best[0]:
                best = gain, drawn
        if best is None:
            del left[pair]
            continue
        for p in itertools.combinations(best[1].items(), 2):
            left.pop(p, None)
        yield {f: FACTORS[f][k] for f, k in best[1].items()}


def any_choice(rng: random.Random) -> Choice:
    while True:
        choice = {f: rng.choice(v) for f, v in FACTORS.items()}
        if neuron_and_form(choice) is not None:
            return choice


def label(choice: Choice) -> str:
    parts = [getattr(v, "__name__", None) or repr(v) for v in choice.values()]
    return re.sub(r"[^A-Za-z0-9=.,()>-]+", "_", " ".join(parts))


COVER = list(pairwise())


def fractions(codec: Table, most: int) -> list[float]:
    above = codec.high - codec.rest
    if codec.stores == "after reset":
        return [(c - codec.rest) / (above + 1) for c in range(codec.high + 1)]
    return [(c - codec.rest) / above * (most + 0.3) for c in range(codec.high + 1)]


def integers(
    choice: Choice, channels: int, rng: np.random.Generator
) -> tuple[Body, dict[str, np.ndarray], np.ndarray]:
    """Body, integer parameters and real beta of a quantized choice; every channel has its own numbers."""
    made = neuron_and_form(choice)
    assert made is not None
    neuron, form = made
    codec = form.codec
    assert codec is not None
    # small thresholds run in lanes of 16 bits, large ones in 32
    low = 1 << int(rng.choice([8, 12]) if codec.bits <= 4 else 12)
    theta = (
        rng.integers(low, 2 * low, channels) if isinstance(codec, Table) else rng.integers(300, 600, channels)
    )
    more: dict[str, Any] = {}
    if isinstance(codec, Table):
        more["fractions"] = fractions(codec, neuron.multiples[-1])
    else:
        reach = theta * (neuron.multiples[-1] + 1) / max(codec.high, 1)
        more["shift"] = np.ceil(np.log2(np.maximum(reach, 1))).astype(np.int64)
    beta = real_beta(form.leak, rng.choice([0.5, 0.75, 0.9, 1.0], channels))
    numbers = constants(
        neuron,
        form,
        gain=rng.choice([-4, 2, 1], channels),
        bias=rng.integers(-theta // 4, theta // 3),
        theta=theta,
        beta=beta,
        **more,
    )
    return trace(neuron, form), numbers, beta


def sums(
    body: Body, numbers: Mapping[str, np.ndarray], shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Synaptic sums that drive neurons below rest, through threshold and far above it."""
    most = int(numbers["theta"].max()) * body.spikes
    x = rng.integers(-most, 2 * most, shape) // 4
    return np.where(rng.random(shape) < 0.2, x * 8, x)


def by_definition(
    body: Body, numbers: Mapping[str, np.ndarray], x: np.ndarray, timesteps: int
) -> tuple[Any, Any]:
    """Spikes and codes by `step_many`, one timestep after the other."""
    shape = x.shape[1:]
    channel = np.arange(shape[1]).reshape(-1, *(1,) * (len(shape) - 2))
    codes = {s.name: np.full(shape, body.codec(s.name).rest) for s in body.states}
    spike, spikes = np.zeros(shape, np.int64), []
    kept: dict[str, list[np.ndarray]] = {name: [] for name in codes}
    for t in range(timesteps):
        step = step_many(body, x[min(t, len(x) - 1)], codes, spike, numbers, channel)
        codes = {name: np.broadcast_to(c, shape) for name, c in step.codes.items()}
        spike = np.broadcast_to(step.spike, shape)
        spikes.append(spike)
        for name, c in codes.items():
            kept[name].append(c)
    return np.stack(spikes), [np.stack(column) for column in kept.values()]


def tensors(
    numbers: Mapping[str, np.ndarray], beta: np.ndarray, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    made = {name: torch.from_numpy(np.asarray(a)).to(dtype) for name, a in numbers.items()}
    same = {
        name: torch.full((len(beta),), real, dtype=dtype) for name, real in (("alpha", 0.5), ("rho", 0.9))
    }
    return {**made, **same, "beta": torch.from_numpy(beta).to(dtype)}


def real_parameters(
    body: Body, channels: int, rng: np.random.Generator, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Numbers of few bits, so that float32 and float64 hold the same sums."""
    theta = rng.integers(8, 16, channels) / 8
    of = {"theta": theta, "reset": theta, "beta": rng.choice([0.5, 0.75, 1.0], channels)}
    of |= {f"theta.{d}": theta * d for d in range(2, body.spikes + 1)}
    of |= {name: rng.choice([0.5, 0.75], channels) for name in ("alpha", "rho")} | {"jump": theta / 4}
    return {name: torch.from_numpy(of[name]).to(dtype) for name in body.parameters}


def shape_of(choice: Choice, batch: int = 3) -> tuple[int, ...]:
    return (batch, 5) if choice["dense"] else (batch, 2, 3, 7)


def assert_same(got: tuple[Tensor, list[Tensor]], expected: tuple[Any, Any]) -> None:
    """Equal spikes and codes, whatever integer or float type holds them."""
    for a, b in zip([got[0], *got[1]], [expected[0], *expected[1]], strict=True):
        b = torch.as_tensor(b)
        assert a.shape == b.shape
        assert torch.equal(a.double(), b.double())


def check_forward(choice: Choice, run: Any, seed: int = 0) -> None:
    """`run` against the definition (in full precision, against the oracle), for static and changing inputs."""
    rng = np.random.default_rng(seed)
    shape = shape_of(choice)
    for timesteps, static in ((1, False), (5, True), (8, False)):
        frames = 1 if static else timesteps
        if choice["codec"] is None:
            made = neuron_and_form(choice)
            assert made is not None
            body = trace(*made)
            parameters = {k: v + 0.03 for k, v in real_parameters(body, shape[1], rng, torch.float32).items()}
            x = torch.from_numpy(rng.normal(0.3, 1.0, (frames, *shape))).float()
            assert_same(run(body, x, parameters, timesteps), oracle.run(body, x, parameters, timesteps))
            continue
        body, numbers, beta = integers(choice, shape[1], rng)
        x = sums(body, numbers, (frames, *shape), rng)
        got = run(body, torch.from_numpy(x).float(), tensors(numbers, beta), timesteps)
        assert_same(got, by_definition(body, numbers, x, timesteps))


@pytest.mark.parametrize("seed", range(6))
def test_the_oracle_is_the_definition(seed):
    rng = random.Random(seed)
    for _ in range(12):
        check_forward(any_choice(rng), oracle.run, seed)


def test_the_cover_holds_every_neuron_and_every_value():
    for factor, values in FACTORS.items():
        assert all(any(c[factor] == v for c in COVER) for v in values), factor


@needs_compiler
@pytest.mark.parametrize("choice", COVER[::2], ids=label)
def test_kernels_are_the_definition_and_their_gradients_the_oracles(choice):
    check_forward(choice, fused.run)
    check_gradients(choice)


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("choice", COVER[1::2], ids=label)
def test_the_other_half_of_the_cover(choice):
    check_forward(choice, fused.run, 1)
    check_gradients(choice, 1)


@dataclasses.dataclass(frozen=True)
class Bent(Neuron):
    """A neuron as users write it: its step shifts by numbers and takes a magnitude."""

    beta: float = 0.75

    def step(self, ops: Any, state: Any, current: Any) -> Any:
        left = ops.reset(state["u"], ops.prev())
        return ops.fire("u", ops.leak(left) - (abs(left) >> 2) + (left >> 3) + current)


@needs_compiler
@pytest.mark.parametrize(
    ("codec", "leak"),
    [(None, Carry()), (Table(2, 1), Carry()), (Uniform(8, -80, "wrap", "before reset"), Dyadic(8))],
    ids=str,
)
def test_shifts_by_numbers_have_the_definition_and_the_gradients_of_all_others(codec: Any, leak: Any):
    choice = {f: v[0] for f, v in FACTORS.items()} | {"codec": codec, "neuron": Bent, "leak": leak}
    assert neuron_and_form(choice)
    check_forward(choice, oracle.run)
    check_forward(choice, fused.run)
    check_gradients(choice)


# --- gradients ------------------------------------------------------------------------------------------------


LEARNED = ("theta", "theta.2", "theta.3", "bias", "beta", "reset", "u.levels", "alpha", "rho", "jump")


def gradients(
    run: Any, body: Body, x: Tensor, parameters: dict[str, Tensor], weight: Tensor
) -> dict[str, Tensor]:
    """Gradients of a weighted sum of spikes; parameters that the body does not differentiate have none."""
    x = x.clone().requires_grad_()
    leaves = {k: p.clone().requires_grad_() if k in LEARNED else p for k, p in parameters.items()}
    spikes, _ = run(body, x, leaves, len(weight))
    (spikes * weight).sum().backward()
    at_once = (
        torch.zeros_like(x) if x.grad is None else x.grad
    )  # None: one timestep, and the last current is read
    found = {"current": at_once} | {k: p.grad for k, p in leaves.items() if p.requires_grad}
    return {k: torch.zeros(()) if g is None else g for k, g in found.items()}


def check_gradients(choice: Choice, seed: int = 0) -> None:
    """The kernel's float32 gradients are those of float64 autograd, to 1e-6 of the largest."""
    rng = np.random.default_rng(seed + 1)
    shape = shape_of(choice)
    for timesteps, static in ((1, False), (4, True), (4, False)):
        frames = 1 if static else timesteps
        if choice["codec"] is None:
            made = neuron_and_form(choice)
            assert made is not None
            body = trace(*made)
            parameters = real_parameters(body, shape[1], rng, torch.float64)
            x = torch.from_numpy(rng.integers(-16, 32, (frames, *shape)) / 16)
        else:
            body, numbers, beta = integers(choice, shape[1], rng)
            parameters = tensors(numbers, beta, torch.float64)
            x = torch.from_numpy(sums(body, numbers, (frames, *shape), rng)).double()
        weight = torch.from_numpy(rng.normal(size=(timesteps, *shape)))
        expected = gradients(oracle.run, body, x, parameters, weight)
        small = {k: p.float() for k, p in parameters.items()}
        got = gradients(fused.run, body, x.float(), small, weight.float())
        assert_close(got, expected, weight, parameters["theta"])


def assert_close(
    got: Mapping[str, Tensor], expected: Mapping[str, Tensor], weight: Tensor, theta: Tensor
) -> None:
    """Float32 gradients within 1e-6: of the largest; a parameter's, which is a sum, of the size of its terms.

    Terms are gradients of the current, or, for thresholds, at most the incoming gradient over theta.
    """
    assert got.keys() == expected.keys()

    def summed(x: Tensor) -> float:
        return float(x.abs().reshape(*x.shape[:3], -1).sum((0, 1, 3)).max())

    for name, e in expected.items():
        scale = float(e.abs().max())
        if name != "current":
            scale = max(scale, summed(expected["current"]))
        if name.startswith("theta"):
            scale = max(scale, summed(weight) / float(theta.min()))
        error = float((got[name].double() - e).abs().max())
        assert error <= 1e-6 * scale, (name, error, scale)


# --- layouts, threads, batches --------------------------------------------------------------------------------

ONE = {f: v[0] for f, v in FACTORS.items()} | {"neuron": LIF, "codec": Table(3, 2)}


@needs_compiler
@pytest.mark.parametrize(
    "shape", [(2, TILE + 9), (1, 2, 23, TILE // 23 + 1), (2, TILE), (1, 1), (2, 3, 1, 1)], ids=str
)
def test_layers_larger_than_a_tile_and_layers_of_one(shape):
    rng = np.random.default_rng(0)
    body, numbers, beta = integers({**ONE, "dense": len(shape) == 2}, shape[1], rng)
    x = sums(body, numbers, (3, *shape), rng)
    parameters = tensors(numbers, beta)
    assert_same(
        fused.run(body, torch.from_numpy(x).float(), parameters, 3), by_definition(body, numbers, x, 3)
    )
    weight = torch.from_numpy(rng.normal(size=(3, *shape)))
    wide = gradients(
        oracle.run, body, torch.from_numpy(x).double(), tensors(numbers, beta, torch.float64), weight
    )
    got = gradients(fused.run, body, torch.from_numpy(x).float(), parameters, weight.float())
    assert_close(got, wide, weight, parameters["theta"])


@pytest.fixture
def threads() -> Iterator[Any]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@needs_compiler
@pytest.mark.parametrize("codec", [None, Table(3, 2)], ids=["real", "table"])
@pytest.mark.parametrize("dense", [False, True], ids=["conv", "dense"])
def test_bits_depend_neither_on_threads_nor_on_the_batch_split(codec, dense, threads):
    choice = {**ONE, "codec": codec, "dense": dense}
    rng = np.random.default_rng(0)
    shape = (7, 5) if dense else (7, 2, 5, 9)
    if codec is None:
        body = trace(LIF(), Form())
        parameters = real_parameters(body, shape[1], rng, torch.float32)
        x = torch.from_numpy(rng.normal(size=(6, *shape))).float()
    else:
        body, numbers, beta = integers(choice, shape[1], rng)
        parameters, x = (
            tensors(numbers, beta),
            torch.from_numpy(sums(body, numbers, (6, *shape), rng)).float(),
        )
    weight = torch.randn(6, *shape, generator=torch.Generator().manual_seed(0))
    threads(1)
    spikes, codes = fused.run(body, x, parameters, 6)
    first = gradients(fused.run, body, x, parameters, weight)
    for n in (1, 2, 3):
        threads(n)
        assert_same(fused.run(body, x, parameters, 6), (spikes, codes))
        again = gradients(fused.run, body, x, parameters, weight)
        assert all(torch.equal(again[k], first[k]) for k in first)
    for part in (slice(0, 3), slice(3, 7)):
        assert_same(
            fused.run(body, x[:, part], parameters, 6), (spikes[:, part], [c[:, part] for c in codes])
        )
        piece = gradients(fused.run, body, x[:, part], parameters, weight[:, part])
        assert torch.equal(piece["current"], first["current"][:, part])


@needs_compiler
def test_currents_need_not_be_contiguous_nor_wanted_gradients():
    rng = np.random.default_rng(0)
    body, numbers, beta = integers({**ONE, "dense": False}, 2, rng)
    x = torch.from_numpy(sums(body, numbers, (4, 3, 2, 3, 7), rng)).float()
    strided = x.permute(4, 3, 2, 1, 0).contiguous().permute(4, 3, 2, 1, 0)
    assert_same(
        fused.run(body, strided, tensors(numbers, beta), 4), fused.run(body, x, tensors(numbers, beta), 4)
    )
    parameters = tensors(numbers, beta)
    parameters["theta"].requires_grad_()
    fused.run(body, x, parameters, 4)[0].sum().backward()  # the current wants none
    assert parameters["theta"].grad is not None


@needs_compiler
@pytest.mark.parametrize(("frames", "channels"), [(2, 5), (3, 4)], ids=["frames", "channels"])
def test_sizes_that_would_read_beyond_memory_are_refused(frames, channels):
    rng = np.random.default_rng(0)
    body, numbers, beta = integers({**ONE, "dense": True}, 5, rng)
    with pytest.raises(BadInput, match="must"):
        fused.run(body, torch.zeros(frames, 2, channels), tensors(numbers, beta), 3)


def test_without_a_compiler_the_oracle_runs(monkeypatch):
    monkeypatch.setattr(fused, "compiler", lambda: None)
    check_forward(ONE, fused.run)


# --- the worked example ---------------------------------------------------------------------------------------

SUMS = [-5, 13, 13, 4, 9, 10]
GOLDEN = {  # stores: rest, fractions, codes, spikes, g[t] of the sum of spikes, per theta
    "after reset": (
        2, [-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95], [1, 5, 3, 4, 6, 3], [0, 0, 1, 0, 0, 1],
        ["387/256", "129/64", "151/80", "29/20", "7/5", "4/5"],
    ),
    "before reset": (
        1, [-1 / 2, 0, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 5 / 2], [1, 4, 5, 2, 3, 4], [0, 0, 1, 0, 0, 0],
        ["6417/4096", "2139/1024", "457/256", "67/64", "17/16", "3/4"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("stores", GOLDEN)
def test_the_worked_example(stores):
    rest, levels, codes, spikes, expected = GOLDEN[stores]
    neuron, form = LIF(surrogate=Triangle()), Form(Table(3, rest, stores), Carry())
    one = lambda x: np.array([x])  # noqa: E731
    numbers = constants(
        neuron, form, gain=one(8), bias=one(3), theta=one(160), beta=one(0.75), fractions=levels
    )
    body = trace(neuron, form)
    for run, dtype in ((oracle.run, torch.float64), (oracle.run, torch.float32), (fused.run, torch.float32)):
        x = torch.tensor(SUMS, dtype=dtype).reshape(6, 1, 1).requires_grad_()
        got, (kept,) = run(body, x, tensors(numbers, one(0.75), dtype), 6)
        assert got.detach().flatten().tolist() == spikes
        assert kept.flatten().tolist() == codes
        got.sum().backward()
        assert x.grad is not None
        per_theta = (x.grad.double() * 160 / 8).flatten().tolist()
        assert [Fraction(g).limit_denominator(4096) for g in per_theta] == [Fraction(e) for e in expected]


# --- speed, as the compiler reports it ------------------------------------------------------------------------


FAST_BODIES = {
    "real": (LIF(), Form()),
    "real, several spikes, refractory": (LIF(spikes=2, refractory=2), Form()),
    "table of 2 bits": (LIF(), Form(Table(2, 1))),
    "table of 3 bits": (IF(), Form(Table(3, 2, "before reset"))),
    "table of 4 bits": (LIF(), Form(Table(4, 4))),
    "uniform, shift": (LIF(), Form(Uniform(8, -80, stores="before reset"), Shift())),
    "uniform, zero, refractory": (LIF(reset="zero", refractory=3), Form(Uniform(8, -80, "wrap"), Dyadic(8))),
}


@pytest.mark.skipif(vectorizing_compiler() is None, reason="no gcc for a machine with AVX2")
@pytest.mark.parametrize("lane", ["int16_t", "int32_t", "float"])
@pytest.mark.parametrize("name", FAST_BODIES)
def test_the_main_loops_are_vectorized(name, lane, tmp_path: Path):
    body = trace(*FAST_BODIES[name])
    tables = all(isinstance(state.codec, Table) for state in body.states)
    if is_real(body) != (lane == "float") or (lane == "int16_t" and not (tables and adds_only(body))):
        pytest.skip("this body never has these lanes")
    made = loop(body, lane, "int32_t", gradients=frozenset({"theta", "reset", "bias"}))
    for source in (made.forward, made.backward):
        vectorized, lines = vectorized_lines(source, tmp_path), source.splitlines()
        (over_time,) = lines_with(source, "for (int64_t t = ")
        inside = [k for k in lines_with(source, EACH_LANE) if over_time < k]
        assert inside
        assert {k: lines[k - 1 : k + 2] for k in inside if k not in vectorized} == {}


# --- torch.compile --------------------------------------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize("codec", [None, Table(4, 4)], ids=["real", "table"])
def test_the_op_is_seen_whole_by_torch_compile(codec):
    rng = np.random.default_rng(0)
    choice = {**ONE, "codec": codec, "dense": True}
    made = neuron_and_form(choice)
    assert made is not None
    body = trace(*made)
    if codec is None:
        parameters = real_parameters(body, 5, rng, torch.float32)
        x = torch.from_numpy(rng.normal(0.3, 1.0, (4, 3, 5))).float()
    else:
        _, numbers, beta = integers(choice, 5, rng)
        parameters, x = tensors(numbers, beta), torch.from_numpy(sums(body, numbers, (4, 3, 5), rng)).float()

    def loss(x: Tensor, theta: Tensor) -> Tensor:
        spikes, _ = fused.run(body, x * 1.0, {**parameters, "theta": theta}, 4)
        return (spikes * torch.arange(5)).sum()

    found = []
    for f in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        inputs = x.clone().requires_grad_(), parameters["theta"].clone().requires_grad_()
        value = f(*inputs)
        value.backward()
        found.append([value.detach(), *(i.grad for i in inputs)])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert found[0][1].abs().sum() > 0


@needs_compiler
def test_the_op_passes_torchs_own_checks():
    rng = np.random.default_rng(0)
    choice = {**ONE, "dense": True}
    body, numbers, beta = integers(choice, 5, rng)
    seen: list[Any] = []
    op = torch.ops.intspike.time_loop
    names, tables = fused._names(body)
    t = tensors(numbers, beta)
    x = torch.from_numpy(sums(body, numbers, (4, 3, 5), rng)).float().requires_grad_()
    rows = torch.stack([t[p] for p in names]).requires_grad_()
    joined = torch.cat([t[p].flatten(1).to(torch.int32) for p in tables], 1)
    seen.append(torch.library.opcheck(op, (x, rows, joined, fused._key(body), "theta", 4)))
    assert all(v == "SUCCESS" for v in seen[0].values())
