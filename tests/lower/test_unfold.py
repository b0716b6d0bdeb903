"""Integer neurons in every form: integers and binary spikes in torch, both programs, every engine; `==` alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import Tensor

from intspike import nn
from intspike.engine import exported, native, reference
from intspike.engine.compare import compare
from intspike.errors import BadInput, BadProgram, NotLowerable, RangeExceeded
from intspike.ir import Edge, Fold, Neuron, Offset, Program, Unfold
from intspike.ir.artifact import load, save
from intspike.lower import lower, verify
from intspike.lower.verify import torch_trace
from intspike.measure import synops
from intspike.native import compiler
from intspike.nn.substeps import folded
from intspike.quant import QuantConfig, StateQuantizer, ThresholdCentred, Uniform, UniformState
from small_networks import without_kernels

T, BATCH = 3, 4
needs_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")
Choose = Callable[[list[Any]], Any]


class Residual(torch.nn.Module):
    """Two blocks of integer neurons; spikes of both are added, pooled and read out."""

    def __init__(self, choose: Choose, make: Callable[[int], nn.Neuron], D: int):
        super().__init__()
        padding = choose([1, 0])
        self.input = nn.Input(1 / 255)
        self.first = torch.nn.Conv2d(1, 3, 3, padding=1, bias=choose([False, True]))
        self.norm, self.a = torch.nn.BatchNorm2d(3), make(D)
        self.second = torch.nn.Conv2d(3, 3, 3, padding=1, groups=choose([1, 3]))
        self.b = make(D)
        self.add = choose([True, False])
        # a maximum of sums of spikes does not unfold; a sum does
        self.pool = torch.nn.AvgPool2d(2) if self.add else choose([torch.nn.MaxPool2d, torch.nn.AvgPool2d])(2)
        self.third = torch.nn.Conv2d(3, 4, 2, padding=padding)
        self.inner = choose(
            [torch.nn.Identity, lambda: torch.nn.MaxPool2d(2), lambda: torch.nn.AvgPool2d(2)]
        )()
        self.late, self.c = torch.nn.BatchNorm2d(4), make(D)
        # D = 2 behind the others, so a thermometer of 4 or 8 may end early
        size = {(1, True): 16, (1, False): 4, (0, True): 4, (0, False): 1}[
            padding, isinstance(self.inner, torch.nn.Identity)
        ]
        self.last = torch.nn.Linear(4 * size, 5, bias=choose([False, True]))
        self.end = make(min(2, D))

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(self.norm(self.first(self.input(x))))
        y = self.b(self.second(x))
        y = self.pool(x + y if self.add else y)
        return self.end(self.last(torch.flatten(self.c(self.late(self.inner(self.third(y)))), 1)))


def network(choose: Choose, seed: int) -> nn.Network:
    """A quantized network of integer neurons, in evaluation."""
    torch.manual_seed(seed)
    D = choose([1, 2, 4, 8])
    shift, divisor = choose([0.0, -1.0, 2.0, -3.0]), choose([1, D])

    def make(spikes: int) -> nn.Neuron:
        return nn.ILIF(spikes, shift=shift, divisor=divisor, beta=choose([0.25, 0.75]))

    model = Residual(choose, make, D)
    for name, p in model.named_parameters():
        if name.endswith("weight") and p.ndim > 1:
            p.data += 0.1  # so that they fire
        elif "norm" in name or "late" in name:
            p.data = torch.randn_like(p) + 0.3  # of both signs
    net = nn.Network(model)
    net(images(seed).expand(T, BATCH, 1, 6, 6))  # norms see data
    state: StateQuantizer = choose([ThresholdCentred(4), UniformState(8, low=-3, high=2.0 * D + 3)])
    leak = {}
    return nn.quantize(net, QuantConfig(Uniform(choose([4, 2, 8])), state, **leak)).eval()


def images(seed: int) -> Tensor:
    drawn = np.random.default_rng(seed)
    return torch.from_numpy(drawn.integers(0, 256, (BATCH, 1, 6, 6), np.uint8))


@st.composite
def networks(draw: st.DrawFn) -> tuple[nn.Network, int]:
    seed = draw(st.integers(0, 2**31 - 1))
    return network(lambda options: draw(st.sampled_from(options)), seed), seed


def check_forms(net: nn.Network, seed: int) -> tuple[Program, Program]:
    """Torch in both forms, and the definition of both programs."""
    x = images(seed)
    plain, spikes = net.record(x.expand(T, *x.shape)), nn.unfold(net)
    sent = spikes.record(x.expand(T, *x.shape))
    for name, s in sent.spikes.items():
        assert s.max() <= 1
        assert torch.equal(folded(s, spikes.substeps), plain.spikes[name])
        # at the first substeps of every timestep
        assert (s.unflatten(0, (T, -1)).diff(dim=1) <= 0).all()
        for a, b in zip(sent.states[name], plain.states[name], strict=True):
            assert torch.equal(a, b)
    assert torch.equal(sent.readout, plain.readout)
    programs = lower(net), lower(spikes)
    for form, program in zip((net, spikes), programs, strict=True):
        ours = torch_trace(form, x.numpy(), T)
        assert compare(ours, reference.run(program, x.numpy(), T), ("torch", "reference")).mismatches == 0
    return programs


def test_torch_is_the_reference_in_both_forms():
    with pytest.MonkeyPatch.context() as patch:
        without_kernels(patch)

        @settings(max_examples=25, deadline=None)
        @given(networks())
        def check(made: tuple[nn.Network, int]) -> None:
            try:
                check_forms(*made)
            except RangeExceeded:  # refused, which is right
                reject()

        check()


@needs_compiler
@pytest.mark.parametrize("seed", range(3))
def test_both_programs_in_every_engine(seed: int):
    chosen = random.Random(seed)
    net = network(chosen.choice, seed)
    x = images(seed).numpy()
    for form in (net, nn.unfold(net)):
        assert all(c.mismatches == 0 for c in verify(form, lower(form), x, timesteps=T, c_samples=2))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@needs_compiler
@pytest.mark.parametrize("seed", range(100, 104))
def test_both_programs_in_every_engine_for_many_more(seed: int):
    for k in range(20):
        net = network(random.Random(100 * seed + k).choice, 100 * seed + k)
        x = images(seed).numpy()
        try:
            programs = check_forms(net, seed)
        except RangeExceeded:
            continue
        for program in programs:
            expected = reference.run(program, x, T)
            for run in (native.run, exported.run):
                assert compare(expected, run(program, x, T), ("reference", "engine")).mismatches == 0


def padded(shift: float, padding: int) -> nn.Network:
    """Neurons that send nothing, before a convolution of ones: what arrives is the shift alone."""
    made = torch.nn.Sequential(
        nn.Input(high=1),
        torch.nn.Conv2d(1, 2, 1, bias=False),
        nn.ILIF(4, shift=shift, theta=1000.0),
        torch.nn.Conv2d(2, 1, 3, padding=padding, bias=False),
        nn.ILIF(15, theta=8.0),
    )
    made[3].weight.data = torch.ones(1, 2, 3, 3)  # type: ignore[union-attr]
    return nn.quantize(nn.Network(made), QuantConfig(Uniform(4), ThresholdCentred(4))).eval()


def test_borders_see_fewer_taps_of_the_shift():
    """The padding trap: W a is no constant where a convolution is padded with zeros."""
    # a shift of 3 moves the bias of the first layer, too; theta is so high that it sends 0 + 3 in spite of it
    net = padded(3.0, 1)
    x = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    sent = net.record(x.expand(1, *x.shape)).spikes["layer_4"][0, 0, 0]
    taps = torch.tensor([[4, 6, 6, 4], [6, 9, 9, 6], [6, 9, 9, 6], [4, 6, 6, 4]]) * 2
    assert torch.equal(sent, torch.floor(taps * 3 / 8 + 0.5).float().clamp_max(15))
    program = lower(net, input_shape=(1, 4, 4))
    (offset,) = (n for n in program if isinstance(n, Offset))
    assert len(np.unique(offset.offset)) == 3
    assert all(c.mismatches == 0 for c in verify(net, program, x.numpy(), timesteps=2))
    # without padding it is uniform and in the bias
    uniform = lower(padded(3.0, 0), input_shape=(1, 4, 4))
    assert not any(isinstance(n, Offset) for n in uniform)
    assert not any(isinstance(n, Offset) for n in lower(padded(0.0, 1), input_shape=(1, 4, 4)))


def test_operations_on_substeps_are_additions_of_what_is_sent():
    chosen = random.Random(1)
    net = network(lambda options: 4 if options == [1, 2, 4, 8] else chosen.choice(options), 1)
    x = images(1).numpy()
    counted = {}
    for name, form in (("integers", net), ("spikes", nn.unfold(net))):
        program = lower(form)
        counted[name] = synops(program, reference.run(program, x, T), x)
    assert counted["spikes"].multiply_accumulates == counted["spikes"].layers[0].operations  # of pixels
    assert (
        counted["spikes"].accumulates >= counted["integers"].total - counted["integers"].layers[0].operations
    )


def test_artifacts_keep_the_clock(tmp_path: Any):
    net = network(lambda options: 4 if options == [4, 2, 8] else options[-1], 3)
    program = lower(nn.unfold(net))
    assert {Unfold, Fold, Offset} <= {type(n) for n in program}
    save(program, tmp_path / "unfolded.intspike")
    again = load(tmp_path / "unfolded.intspike")
    assert str(again) == str(program)
    assert "to 8 substeps" in str(again)
    assert again.substeps == 8


# --- refusals -------------------------------------------------------------------------------------------------


def quantized(*between: torch.nn.Module) -> nn.Network:
    made = torch.nn.Sequential(
        nn.Input(), torch.nn.Linear(6, 6), nn.ILIF(), *between, torch.nn.Linear(6, 3), nn.ILIF()
    )
    return nn.quantize(nn.Network(made), QuantConfig(Uniform(4), ThresholdCentred(4))).eval()


def test_full_precision_is_refused():
    net = nn.Network(torch.nn.Sequential(nn.Input(), torch.nn.Linear(6, 3), nn.ILIF()))
    with pytest.raises(NotLowerable, match="must be quantized in weights and states to be unfolded"):
        nn.unfold(net)


@pytest.mark.parametrize("module", [torch.nn.Softmax(-1), torch.nn.GELU(), torch.nn.LayerNorm(6)])
def test_what_is_not_linear_is_refused_by_name(module: torch.nn.Module):
    with pytest.raises(NotLowerable, match=rf"layer_3 \({type(module).__name__}\) must be linear"):
        nn.unfold(quantized(module))


def test_a_maximum_of_sums_is_refused():
    class Summed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.a = torch.nn.Conv2d(1, 2, 1), nn.ILIF()
            self.second, self.b = torch.nn.Conv2d(2, 2, 1), nn.ILIF()
            self.pool, self.last, self.end = torch.nn.MaxPool2d(2), torch.nn.Linear(8, 2), nn.ILIF()

        def forward(self, x: Tensor) -> Tensor:
            a = self.a(self.first(x))
            return self.end(self.last(torch.flatten(self.pool(a + self.b(self.second(a))), 1)))

    net = nn.quantize(nn.Network(Summed()), QuantConfig(Uniform(4), ThresholdCentred(4)))
    with pytest.raises(NotLowerable, match="maximum of sums of spikes"):
        nn.unfold(net)


def test_training_an_unfolded_network_is_refused():
    made = nn.unfold(quantized()).train()
    with pytest.raises(BadInput, match="for evaluation"):
        made(torch.zeros(2, 1, 6))


def test_shifts_that_are_no_numbers_are_refused_by_lower():
    net = nn.Network(torch.nn.Sequential(nn.Input(), torch.nn.Linear(6, 3), nn.ASN()))
    made = nn.quantize(net, QuantConfig(Uniform(4), ThresholdCentred(4)))
    with torch.no_grad():
        made.layers[0].neuron.shift.fill_(float("nan"))
    with pytest.raises(NotLowerable, match="shift: must be finite"):
        lower(made, input_shape=(6,))


def changed(program: Program, name: str, **fields: Any) -> Callable[[], Program]:
    nodes = tuple(replace(n, **fields) if n.name == name else n for n in program)
    return lambda: Program(nodes)


def test_a_clock_out_of_order_is_refused():
    program = lower(nn.unfold(quantized()), input_shape=(6,))
    start = next(n for n in program if isinstance(n, Unfold))
    end = next(n for n in program if isinstance(n, Fold))
    neuron = program.neurons[-1]
    dense = next(n for n in program if n.name == end.source.source)
    cases: list[tuple[Callable[[], Program], str]] = [
        (changed(program, start.name, substeps=0), "substeps must be in 1..255"),
        (changed(program, neuron.name, source=Edge(dense.name)), "put a Fold between"),
        (changed(program, end.name, source=Edge(program.neurons[0].name)), "must sum substeps"),
        (changed(program, dense.name, source=Edge(start.name, 1)), "delays are of timesteps"),
    ]
    for make, said in cases:
        with pytest.raises(BadProgram, match=said):
            make()
    nodes = list(program.nodes)
    nodes.insert(nodes.index(end), Neuron("between", Edge(program.neurons[0].source.source), neuron.body,
                                          program.neurons[0].parameters))  # fmt: skip
    with pytest.raises(BadProgram, match="must stand in one run"):
        Program(tuple(nodes))


@needs_compiler
def test_an_integrator_reads_shifted_averages_in_both_forms():
    """The shift behind a pool that sums, and behind the dense layer of a readout, which has no bias."""
    torch.manual_seed(0)
    made = torch.nn.Sequential(
        nn.Input(1 / 255),
        torch.nn.Conv2d(1, 4, 3, padding=1),
        nn.NASN(4, shift=-1.2),
        torch.nn.AvgPool2d(2),
        torch.nn.Conv2d(4, 4, 3, padding=1),
        nn.ASN(4, shift=2.0),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 9, 5, bias=False),
        nn.Integrator(),
    )
    net = nn.quantize(nn.Network(made), QuantConfig(Uniform(4), ThresholdCentred(4))).eval()
    x = images(0)
    net(x.expand(T, *x.shape))
    for form in (net, nn.unfold(net)):
        program = lower(form)
        assert sum(isinstance(n, Offset) for n in program) == 2
        assert all(c.mismatches == 0 for c in verify(form, program, x.numpy(), timesteps=T, c_samples=2))
    assert torch.equal(net(x.expand(T, *x.shape)), nn.unfold(net)(x.expand(T, *x.shape)))
