"""Residual networks are exact: every join, codec and width, in torch, both engines and the exported C."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike import data, models, nn
from intspike.engine import exported, native, reference
from intspike.engine.compare import compare
from intspike.ir import Conv, Edge, Input, Join, Pool, Program, Readout, frozen, ranges
from intspike.lower import lower, torch_trace, verify
from intspike.models.sew_resnet import Block
from intspike.native import compiler
from intspike.nn import Network, calibrate, quantize
from intspike.nn.scales import value_scales
from intspike.ops import Shift
from intspike.quant import LSQ, LearnedLevels, LQNet, QuantConfig, ThresholdCentred, Uniform, UniformState
from small_networks import without_kernels

KINDS: list[Any] = ["add", "and", "iand"]
T = 4
needs_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")


def small(kind: Any, config: QuantConfig, seed: int, pool: torch.nn.Module) -> tuple[Network, np.ndarray]:
    """A stem and two blocks, calibrated so that it fires, and images for it."""
    torch.manual_seed(seed)
    net = Network(
        torch.nn.Sequential(
            nn.Input(1 / 255),
            torch.nn.Conv2d(1, 3, 3, padding=1, bias=False),
            torch.nn.BatchNorm2d(3),
            nn.LIF(beta=0.5),
            Block(3, 3, 1, kind, 0.5),
            Block(3, 5, 2, kind, 0.75),
            pool,
            torch.nn.Flatten(),
            torch.nn.Linear(5 * 4, 4),
            nn.LIF(beta=0.5, theta=0.4),
        )
    )
    with torch.no_grad():
        for g in net.layers:
            if g.norm is not None:
                g.norm.weight.normal_(1.0, 0.5)
                g.norm.bias.normal_(0.3, 0.5)
    images = np.random.default_rng(seed).integers(0, 256, (6, 1, 8, 8), dtype=np.uint8)
    images[0] = 255
    x = torch.from_numpy(images).expand(T, *images.shape)
    return calibrate(quantize(net, config), x), images


def configs() -> st.SearchStrategy[QuantConfig]:
    """Both kinds of codec, both places of the reset, every width."""
    weights = st.one_of(
        st.builds(Uniform, st.integers(2, 8), st.sampled_from(["channel", "tensor"])),
        st.sampled_from([LSQ(3), LQNet(2)]),
    )
    stores = st.sampled_from(["after reset", "before reset"])
    states = st.one_of(
        st.builds(ThresholdCentred, st.integers(1, 8), stores),
        st.builds(
            lambda bits, stores: UniformState(bits, stores=stores, high=3.0), st.integers(2, 12), stores
        ),
        st.builds(LearnedLevels, st.integers(2, 5), stores),
    )
    return st.builds(QuantConfig, weights, states, st.sampled_from([None, Shift()]))


def check_exact(kind: Any, config: QuantConfig, seed: int, sums: bool) -> None:
    """Torch alone against the definition: compiling would take most of the time, and kernels have their own tests."""
    with pytest.MonkeyPatch.context() as patch:
        without_kernels(patch)
        pool = torch.nn.AvgPool2d(2) if sums else torch.nn.MaxPool2d(2)
        net, images = small(kind, config, seed, pool)
        program = lower(net)
        ours = torch_trace(net, images, T)
        assert compare(ours, reference.run(program, images, T), ("torch", "reference")).mismatches == 0
    joined = [n for n in program if isinstance(n, Join)]
    assert [n.kind for n in joined] == [kind, kind]
    most = [ranges(program, T)[n.name].high for n in joined]
    assert most == ([2, 2] if kind == "add" else [1, 1])
    (pooled,) = [n for n in program if isinstance(n, Pool)]
    assert pooled.kind == ("sum" if sums else "max" if kind == "add" else "or")


def check_many(examples: int) -> None:
    given_all = given(st.sampled_from(KINDS), configs(), st.integers(0, 999), st.booleans())
    settings(max_examples=examples, deadline=None)(given_all(check_exact))()


def test_any_join_codec_and_width_is_the_reference():
    check_many(15)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_any_join_codec_and_width_is_the_reference_for_many_more():
    check_many(500)


@needs_compiler
@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("add", ThresholdCentred(2)),
        ("and", UniformState(6, high=3.0)),
        ("iand", ThresholdCentred(4, "before reset")),
    ],
    ids=KINDS,
)
def test_torch_is_every_engine(kind, state, monkeypatch):
    """Static images, and inputs that change with time; sums of spikes by torch's compiled kernels as well."""
    if kind != "add":
        without_kernels(monkeypatch)  # compiling would take most of the time
    net, images = small(kind, QuantConfig(Uniform(4), state), 13, torch.nn.AvgPool2d(2))
    program = lower(net)
    moving = np.stack([np.roll(images, t, 0) for t in range(T)])
    for x in (images, moving):
        ours = torch_trace(net, x, T, timed=x is moving)
        for name, run in (("reference", reference.run), ("native", native.run), ("C", exported.run)):
            assert compare(ours, run(program, x, T), ("torch", name)).mismatches == 0
    trace = reference.run(program, images, T)
    assert all(0.02 < s.mean() < 0.95 for s in trace.spikes.values())
    session = native.Session(program, len(images))
    for t in range(T):
        for name, spikes in session.step(images).items():
            assert np.array_equal(spikes, trace.spikes[name][t])


def tiny_set(image: int) -> data.Dataset:
    draw = np.random.default_rng(2)
    parts = [
        data.Split(draw.integers(0, 256, (n, 3, image, image), dtype=np.uint8), np.arange(n) % 4)
        for n in (40, 10, 10)
    ]
    return data.Dataset("noise", *parts, classes=tuple("abcd"), source="noise")


def residual_8(kind: Any, seed: int = 0) -> tuple[Network, Program, data.Dataset]:
    """A quantized SEW-ResNet-8 of small width, and its program."""
    torch.manual_seed(seed)
    images = tiny_set(8)
    net = models.sew_resnet_8(4, kind, width=4, image=8)
    made = quantize(
        calibrate(net, images, batches=1, timesteps=T), QuantConfig(Uniform(4), ThresholdCentred(4))
    )
    made = calibrate(made, images, batches=1, timesteps=T)
    return made, lower(made), images


@pytest.mark.parametrize("kind", KINDS)
def test_a_sew_resnet_8_is_verified(kind, monkeypatch):
    without_kernels(monkeypatch)
    net, program, images = residual_8(kind)
    for compared in verify(net, program, images, timesteps=T, samples=6):
        assert compared.mismatches == 0
    most = [ranges(program, T)[n.name].high for n in program if isinstance(n, Join)]
    assert most == ([2, 2, 2] if kind == "add" else [1, 1, 1])
    assert (
        sum(len(np.unique(s)) == 2 for s in native.run(program, images.test.inputs, T).spikes.values()) >= 8
    )


@pytest.mark.slow
def test_a_sew_resnet_18_adds_up_to_three_within_a_stage():
    torch.manual_seed(0)
    images = tiny_set(8)
    net = models.sew_resnet_18(4, width=2, image=8)
    made = calibrate(
        quantize(net, QuantConfig(Uniform(4), ThresholdCentred(4))), images, batches=1, timesteps=2
    )
    program = lower(made)
    proved = ranges(program, 2)
    assert [proved[n.name].high for n in program if isinstance(n, Join)] == [2, 3] * 4
    for compared in verify(made, program, images, timesteps=2, samples=4):
        assert compared.mismatches == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_of_2_to_the_24_knows_what_joins_send(kind, monkeypatch):
    """What a layer's sums are proved for is the largest value that its synapse reads."""
    without_kernels(monkeypatch)
    made, program, _ = residual_8(kind)
    most, proved = value_scales(made.steps, made.layers_by_name)[1], ranges(program, T)
    for g in made.layers:
        reads = {"block2_1_lif1": "block1_1_join", "lif": "input"}.get(g.name, g.sources[0])
        if reads in proved:
            assert most[g.sources[0]] == proved[reads].high
    assert most["block1_1_join"] == (2 if kind == "add" else 1)
    assert most["pool"] == (8 if kind == "add" else 4)


@needs_compiler
@pytest.mark.parametrize("kind", KINDS)
def test_the_tables_of_all_engines(kind):
    """Every pair of values, in a program by hand."""
    pick = [frozen(np.eye(2)[k].astype(int).reshape(1, 2, 1, 1)) for k in (0, 1)]
    program = Program(
        (
            Input("x", (2, 1, 1), 0, 1),
            Conv("a", Edge("x"), pick[0]),
            Conv("b", Edge("x"), pick[1]),
            Join("j", (Edge("a"), Edge("b")), kind),
            Readout("out", Edge("j"), "last"),
        )
    )
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]).reshape(4, 2, 1, 1)
    expected = {"add": [0, 1, 1, 2], "and": [0, 0, 0, 1], "iand": [0, 1, 0, 0]}[kind]
    for run in (reference.run, native.run, exported.run):
        assert run(program, x, 1).readout.ravel().tolist() == expected


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("kind", KINDS)
def test_a_sew_resnet_8_is_verified_in_compiled_kernels_and_exported_c(kind):
    net, program, images = residual_8(kind, seed=1)
    for compared in verify(net, program, images, timesteps=T, samples=6, c_samples=2):
        assert compared.mismatches == 0
