"""Tracing: what a model may be, what it becomes, and what is refused with which words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from intspike import encode, nn
from intspike.errors import BadInput, NotLowerable
from intspike.lower import lower, lowerability
from intspike.nn import Network, quantize
from intspike.nn.between import on_tensors
from intspike.quant import QuantConfig, ThresholdCentred, Uniform

CONFIG = QuantConfig(Uniform(4), ThresholdCentred(4))
Sequential = torch.nn.Sequential


class Model(torch.nn.Module):
    """Layers to choose from, and a forward that is given."""

    def __init__(self, forward: Callable[..., torch.Tensor]):
        super().__init__()
        self.conv, self.conv2 = torch.nn.Conv2d(1, 4, 3), torch.nn.Conv2d(4, 4, 3, padding=1)
        self.side = torch.nn.Conv2d(1, 4, 3, bias=False)
        self.norm, self.pool, self.average = (
            torch.nn.BatchNorm2d(4),
            torch.nn.MaxPool2d(2),
            torch.nn.AvgPool2d(2),
        )
        self.lif, self.lif2, self.out = nn.LIF(), nn.LIF(), nn.LIF()
        self.dense, self.small = torch.nn.Linear(4 * 4 * 4, 3), torch.nn.Linear(4 * 2 * 2, 3)
        self.dropout, self.group_norm = torch.nn.Dropout(0.5), torch.nn.GroupNorm(2, 4)
        self.run = forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.run(self, x)


def images(timesteps: int = 4, batch: int = 2) -> torch.Tensor:
    return torch.randint(0, 256, (timesteps, batch, 1, 6, 6), generator=torch.Generator().manual_seed(0))


def steps(net: Network) -> list[str]:
    return [s.kind for s in net.steps]


def test_a_sequential_and_a_module_are_the_same_network():
    torch.manual_seed(0)
    model = Model(lambda m, x: m.out(m.small(torch.flatten(m.lif(m.norm(m.pool(m.conv(x)))), 1))))
    plain = Sequential(
        model.conv, model.pool, model.norm, nn.LIF(), torch.nn.Flatten(), model.small, nn.LIF()
    )
    a, b = Network(model).eval(), Network(plain).eval()
    assert torch.equal(a(images()), b(images()))
    assert [g.name for g in a.layers] == ["lif", "out"]
    assert [g.name for g in b.layers] == ["layer_3", "layer_6"]
    assert a(images()).shape == (4, 2, 3)


@pytest.mark.parametrize(
    ("forward", "kinds"),
    [
        (lambda m, x: m.out(m.dense(m.lif(m.conv(x)).flatten(1))), "input group flatten group"),
        (lambda m, x: m.out(m.dense(torch.flatten(m.lif(m.conv(x)), start_dim=1))), "input group flatten group"),
        (lambda m, x: m.lif(m.conv(x) + m.side(x)), "input group"),
        (lambda m, x: m.lif(m.pool(m.norm(m.conv(x)))), "input group"),
        (lambda m, x: m.out(m.small(m.pool(m.lif(m.conv(x))).flatten(1))), "input group pool flatten group"),
        (lambda m, x: m.out(m.dense(m.dropout(m.lif(m.conv(x))).flatten(1))), "input group dropout flatten group"),
    ],
    ids=["method", "function", "currents add", "norm before pool", "pool of spikes", "dropout"],
)  # fmt: skip
def test_what_models_may_be_made_of(forward, kinds):
    net = Network(Model(forward))
    assert steps(net) == kinds.split()
    q = quantize(net, CONFIG).eval()
    assert q(images()).shape[:2] == (4, 2)
    lower(q)


def test_spikes_add_and_may_be_reused():
    def forward(m: Model, x: torch.Tensor) -> torch.Tensor:
        a = m.lif(m.conv(x))
        b = m.lif2(m.conv2(a))
        b += a  # in place or not
        return m.out(m.dense(b.flatten(1)))

    net = Network(Model(forward)).eval()
    assert steps(net) == ["input", "group", "group", "add", "flatten", "group"]
    lower(quantize(net, CONFIG), input_shape=(1, 6, 6))


def test_spikes_may_be_added_in_place():
    def added(m: Model, x: torch.Tensor) -> torch.Tensor:
        x = m.lif(m.conv(x))
        x += m.lif2(m.conv2(x))
        return m.out(m.dense(x.flatten(1)))

    assert steps(Network(Model(added))) == ["input", "group", "group", "add", "flatten", "group"]


def test_currents_of_two_synapses_are_those_of_their_sum():
    model = Model(lambda m, x: m.lif(m.conv(x) + m.side(x)))
    single = torch.nn.Conv2d(1, 4, 3)
    with torch.no_grad():
        for m in (model.conv, model.side):
            m.weight.copy_((m.weight * 64).round() / 2**12)  # exact in any order
        model.conv.bias.zero_()
        single.weight.copy_(model.conv.weight + model.side.weight)
        single.bias.zero_()
    a, b = Network(model).eval(), Network(Sequential(single, nn.LIF())).eval()
    spikes = a(images())
    assert torch.equal(spikes, b(images()))
    assert 0 < spikes.mean() < 1


def test_dropout_drops_a_neuron_for_the_whole_sample_and_never_rescales():
    net = Network(Model(lambda m, x: m.out(m.dense(m.dropout(m.lif(m.conv(x))).flatten(1)))))
    x = images(50, 4)
    step = next(s for s in net.steps if s.kind == "dropout")
    spikes = torch.ones(50, 4, 8)
    torch.manual_seed(0)
    dropped = on_tensors(step, [spikes], training=True, integer=False)
    assert set(dropped.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(dropped, dropped[:1].expand_as(dropped))
    assert dropped[0].std(0).max() > 0  # samples differ
    assert torch.equal(on_tensors(step, [spikes], training=False, integer=False), spikes)
    assert torch.equal(net.eval()(x), net(x))


def test_layers_may_have_any_name():
    """Names that nodes of a program, or containers of modules, use themselves."""

    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input, self.pop = torch.nn.Linear(6, 5), nn.LIF()
            self.readout, self.add = torch.nn.Linear(5, 5), nn.LIF()
            self.values, self.keys = torch.nn.Linear(5, 3), nn.IF()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            a = self.pop(self.input(x))
            return self.keys(self.values(a + self.add(self.readout(a))))

    program = lower(quantize(Named(), CONFIG), input_shape=(6,))
    names = [n.name for n in program]
    assert len(set(names)) == len(names)


def test_a_synapse_may_serve_two_neurons():
    class Shared(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.a, self.b = torch.nn.Linear(5, 5), nn.LIF(), nn.LIF()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(self.dense(self.a(self.dense(x))))

    net = quantize(Shared(), CONFIG).eval()
    net(torch.ones(2, 1, 5))
    lower(net)


# --- refusals -------------------------------------------------------------------------------------------------


def loop_over_time(m: Model, x: torch.Tensor) -> torch.Tensor:
    total = 0
    for t in range(x.shape[0]):
        total = total + m.lif(m.conv(x[t]))
    return total


@pytest.mark.parametrize(
    ("forward", "error", "message"),
    [
        (loop_over_time, NotLowerable, "take loops over timesteps out of forward: neurons own time"),
        (lambda m, x: m.lif(m.conv(x)) if x.sum() > 0 else x, NotLowerable, "Model cannot be traced (TraceError"),
        (lambda m, x: m.dense(m.lif(m.conv(x)).flatten(1)), BadInput,
         "a model must end in a layer of neurons, whose spikes are counted, or in an integrator"),
        (lambda m, x: (m.lif(m.conv(x)), x), BadInput, "a model must end in a layer of neurons"),
        (lambda m, x: m.pool(m.lif(m.conv(x))), BadInput, "a model must end in a layer of neurons"),
        (lambda m, x: m.lif2(m.lif(m.conv(x))), BadInput,
         "lif2: a neuron must read a synapse (Conv2d or Linear), not spikes; put one before it"),
        (lambda m, x: m.lif(m.conv2(m.conv(x))), BadInput, "conv2 reads a current; put a neuron between two synapses"),
        (lambda m, x: m.lif(m.conv2(m.lif(m.conv(x)))), BadInput, "lif: a neuron module must be used once"),
        (lambda m, x: m.lif2(m.conv2(m.norm(m.lif(m.conv(x))))), BadInput,
         "norm: a norm must follow a synapse (once), before its neuron"),
        (lambda m, x: m.lif(m.norm(m.norm(m.conv(x)))), BadInput, "norm: a norm must follow a synapse (once)"),
        (lambda m, x: m.lif(m.pool(m.average(m.conv(x)))), BadInput, "pool: one pool between synapse and neuron"),
        (lambda m, x: m.lif(m.norm(m.conv(x)) + m.side(x)), BadInput,
         "currents add before pool and norm; move these behind the addition"),
        (lambda m, x: m.lif2(m.conv2(m.lif(m.conv(x))) + m.lif(m.conv(x))), BadInput, "used once"),
        (lambda m, x: m.lif2(m.lif(m.conv(x)) + m.side(x)), BadInput, "must join two currents or two spike values"),
        (lambda m, x: m.lif(F.relu(m.conv(x))), NotLowerable, "relu (relu) stands between a synapse and its neuron"),
        (lambda m, x: F.relu(m.dense(m.lif(m.conv(x)).flatten(1))), BadInput,
         "in an integrator, but relu (relu) reads a synapse and no neuron follows; put nn.LIF()"),
        (lambda m, x: m.dropout(m.conv(x)), BadInput, "but dropout (Dropout) reads a synapse"),
        (lambda m, x: m.lif(m.group_norm(m.conv(x))), NotLowerable, "group_norm (GroupNorm) stands between"),
        (lambda m, x: m.lif(m.dropout(m.conv(x))), NotLowerable, "dropout (Dropout) stands between"),
        (lambda m, x: m.lif(m.conv(x) * m.conv.weight.sum()), NotLowerable, "reads the tensor conv.weight directly"),
        (lambda m, x: m.lif2(m.conv2(torch.cat([m.lif(m.conv(x)), x], 1))), NotLowerable, "cat (cat) takes its values"),
        (lambda m, x: m.lif2(m.conv2(torch.add(m.lif(m.conv(x)), x, alpha=2))), NotLowerable, "add (add) joins values"),
        (lambda m, x: m.out(m.dense(m.lif(m.conv(x)).view(x.size(0), -1))), NotLowerable, "view (view) joins values"),
        (lambda m, x: m.out(m.dense(torch.flatten(m.lif(m.conv(x))))), NotLowerable,
         "flatten: a flatten must keep the batch and flatten all else, as flatten(x, 1) does, not dimensions 0..-1"),
        (lambda m, x: m.out(m.dense(m.lif(m.conv(x)).flatten(2))), NotLowerable, "not dimensions 2..-1"),
    ],
)  # fmt: skip
def test_what_cannot_be_traced_is_refused_with_the_repair(forward, error, message):
    with pytest.raises(error) as e:
        Network(Model(forward))
    assert message in str(e.value)


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ([torch.nn.Conv2d(1, 2, 3, dilation=2), nn.LIF()], NotLowerable,
         "layer_0: a convolution must have zero padding given in numbers and no dilation, not padding=(0, 0) (zeros), "
         "dilation=(2, 2)"),
        ([torch.nn.Conv2d(1, 2, 3, padding="same"), nn.LIF()], NotLowerable, "not padding='same'"),
        ([torch.nn.Conv2d(1, 2, 3, padding_mode="circular"), nn.LIF()], NotLowerable, "(circular)"),
        ([torch.nn.Conv2d(1, 2, 3), torch.nn.MaxPool2d(2, padding=1), nn.LIF()], NotLowerable,
         "layer_1: a pool must have no padding, ceil_mode, dilation, indices or divisor"),
        ([torch.nn.Conv2d(1, 2, 3), torch.nn.AvgPool2d(2, divisor_override=3), nn.LIF()], NotLowerable, "divisor"),
        ([torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2, track_running_stats=False), nn.LIF()], BadInput,
         "layer_1: a norm must track running statistics (track_running_stats=True)"),
        ([torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 2), nn.LIF()], NotLowerable, "layer_1 (ReLU)"),
        ([torch.nn.Conv1d(1, 2, 3), nn.LIF()], BadInput, "layer_1: a neuron must read a synapse (Conv2d or Linear)"),
        ([torch.nn.Flatten(2), torch.nn.Linear(3, 2), nn.LIF()], NotLowerable, "layer_0: a flatten must keep"),
        ([torch.nn.Flatten(), nn.Input(), torch.nn.Linear(3, 2), nn.LIF()], BadInput, "layer_1: Input must come first"),
        ([nn.Input(0.5), nn.Input(0.1), torch.nn.Linear(3, 2), nn.LIF()], BadInput, "layer_1: Input must come first"),
        ([], BadInput, "a model must end in a layer of neurons"),
    ],
)  # fmt: skip
def test_layers_that_are_refused(layers, error, message):
    with pytest.raises(error) as e:
        Network(Sequential(*layers))
    assert message in str(e.value)


def test_a_second_input_is_refused():
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.lif = torch.nn.Linear(3, 3), nn.LIF()

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return self.lif(self.dense(x) + self.dense(y))

    with pytest.raises(BadInput, match="a model must have one input, but y is a second"):
        Network(Two())


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: m.out(m.dense(m.group_norm(m.lif(m.conv(x))).flatten(1))),
        lambda m, x: m.out(m.dense((m.lif(m.conv(x)) * 0.5).flatten(1))),
        lambda m, x: m.out(m.dense(F.max_pool2d(m.lif(m.conv(x)), 1).flatten(1))),
    ],
    ids=["module", "operator", "function"],
)
def test_what_is_opaque_runs_in_full_precision_and_is_not_lowered(forward):
    net = Network(Model(forward)).eval()
    assert "other" in steps(net)
    assert net(images()).shape == (4, 2, 3)
    q = quantize(net, CONFIG).eval()
    with pytest.raises(NotLowerable, match="has no integer form"):
        q(images())
    with pytest.raises(NotLowerable, match="has no integer form; replace it by a pool, a flatten"):
        lower(q)
    assert [p.status for p in lowerability(q).refused] == ["refused"]


def test_values_of_two_scales_run_in_full_precision_and_are_not_lowered():
    def forward(m: Model, x: torch.Tensor) -> torch.Tensor:
        a = m.average(m.lif(m.conv(x)))  # quarters
        return m.out(m.small((a + m.pool(m.lif2(m.side(x)))).flatten(1)))

    net = Network(Model(forward)).eval()
    assert net(images()).shape == (4, 2, 3)
    with pytest.raises(NotLowerable, match=r"add: added values must have one scale, not 0\.25 and 1"):
        lower(quantize(net, CONFIG), input_shape=(1, 6, 6))


def test_a_neuron_alone_says_who_gives_it_time():
    with pytest.raises(BadInput, match="a neuron owns time and runs only inside a network; wrap the model"):
        nn.LIF()(torch.ones(2, 3))


# --- inputs ---------------------------------------------------------------------------------------------------


def test_direct_encoding_repeats_without_a_copy():
    x = images(1)[0]
    y = encode.direct(x, 5)
    assert y.shape == (5, *x.shape)
    assert y.stride(0) == 0
    assert y.data_ptr() == x.data_ptr()
    with pytest.raises(BadInput, match="timesteps must be at least 1, not 0"):
        encode.direct(x, 0)


SCALED = Sequential(nn.Input(1 / 255), torch.nn.Conv2d(1, 2, 3), nn.LIF())


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            torch.rand(2, 1, 1, 5, 5),
            "inputs must be the integer codes 0..255 that nn.Input declares, not real numbers",
        ),
        (torch.full((2, 1, 1, 5, 5), 256), "not integers in 256..256"),
        (torch.full((2, 1, 1, 5, 5), -1.0), "not integers in -1..-1"),
        (torch.full((2, 1, 1, 5, 5), torch.nan), "not real numbers in nan..nan"),
        (torch.ones(3, 5, 5), "layer_1 must read 1 channels of at least 3x3 a frame, but is given [5]"),
        (
            torch.ones(2, 1, 5, 5),
            "but is given [5, 5]; inputs of a network are [T, B, ...], and encode.direct(x, T) adds the time",
        ),
        (torch.ones(2, 1, 3, 5, 5), "but is given [3, 5, 5]"),
        (torch.ones(2, 1, 1, 2, 5), "of at least 3x3 a frame, but is given [1, 2, 5]"),
        (torch.ones(4), "inputs must be a tensor [T, B, ...], not [4]; encode.direct(x, T) adds time"),
    ],
)
def test_inputs_that_are_no_codes_or_no_frames_are_refused(x, message):
    with pytest.raises(BadInput) as e:
        quantize(SCALED, CONFIG).eval()(x)
    assert message in str(e.value)


def test_scaled_inputs_are_not_scaled_twice():
    net = Network(SCALED)
    with pytest.raises(BadInput, match="pass the unscaled codes"):
        net(torch.rand(2, 1, 1, 5, 5))
    net(torch.randint(0, 256, (2, 1, 1, 5, 5)))
    unscaled = Network(Sequential(torch.nn.Linear(4, 2), nn.LIF()))  # without an Input, reals are welcome
    unscaled(torch.rand(2, 3, 4))


def test_arrays_are_not_tensors():
    with pytest.raises(BadInput, match=r"inputs must be a tensor \[T, B, ...\], not ndarray"):
        Network(SCALED)(np.zeros((2, 1, 1, 5, 5), np.uint8))


def test_only_frames_without_time_are_told_of_time():
    net = Network(Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2), nn.LIF()))
    with pytest.raises(BadInput, match=r"layer_1 must read 12 values a frame, but is given \[75\]$"):
        net(torch.rand(2, 4, 3, 5, 5))
    with pytest.raises(BadInput, match=r"is given \[25\]; .*direct\(x, T\) adds the time"):
        net(torch.rand(4, 3, 5, 5))


def test_a_dense_layer_says_how_many_values_it_reads():
    with pytest.raises(BadInput, match=r"layer_0 must read 4 values a frame, but is given \[5\]"):
        Network(Sequential(torch.nn.Linear(4, 2), nn.LIF()))(torch.rand(2, 3, 5))


@pytest.mark.parametrize(
    "arguments", [{"scale": 0}, {"scale": -1}, {"scale": float("nan")}, {"high": 0}, {"high": 1 << 16}]
)
def test_inputs_that_mean_nothing_are_refused(arguments):
    with pytest.raises(BadInput, match="must be"):
        nn.Input(**arguments)
