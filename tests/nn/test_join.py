"""Joins of spikes in a network: what they compute, in full precision and quantized, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from intspike import nn
from intspike.engine import reference
from intspike.engine.compare import compare
from intspike.errors import BadInput, NotLowerable
from intspike.lower import lower, torch_trace
from intspike.nn import Network, quantize, uncompiled
from intspike.nn.join import KINDS
from intspike.quant import QuantConfig, ThresholdCentred, Uniform

CONFIG = QuantConfig(Uniform(4), ThresholdCentred(4))
TABLE = {"add": [0, 1, 1, 2], "and": [0, 0, 0, 1], "iand": [0, 1, 0, 0]}  # of (a, b) = 00, 01, 10, 11


class Branches(torch.nn.Module):
    """Two layers of spikes from one input, whatever a test does with them, and a last layer."""

    def __init__(self, then: Callable[[Any, Tensor, Tensor], Tensor], spikes: int = 1, channels: int = 3):
        super().__init__()
        self.input = nn.Input(1 / 255)
        self.left, self.left_lif = (
            torch.nn.Conv2d(1, channels, 3, padding=1),
            nn.LIF(theta=0.2, spikes=spikes),
        )
        self.right, self.right_lif = torch.nn.Conv2d(1, channels, 3, padding=1), nn.LIF(theta=0.2)
        self.join, self.then = torch.nn.ModuleDict({k: nn.Join(k) for k in KINDS}), then
        self.most, self.average, self.dropout = (
            torch.nn.MaxPool2d(2),
            torch.nn.AvgPool2d(2),
            torch.nn.Dropout(),
        )
        self.square = torch.nn.Hardtanh()
        self.last, self.last_lif = torch.nn.LazyLinear(4), nn.LIF(theta=0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.input(x)
        joined = self.then(self, self.left_lif(self.left(x)), self.right_lif(self.right(x)))
        return self.last_lif(self.last(torch.flatten(joined, 1)))


def network(then: Callable[[Any, Tensor, Tensor], Tensor], inputs: int = 3 * 36, **options: Any) -> Network:
    torch.manual_seed(1)
    model = Branches(then, **options)
    model.last = torch.nn.Linear(inputs, 4)
    return Network(model)


def images() -> Tensor:
    return torch.randint(
        0, 256, (3, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    ).expand(4, -1, -1, -1, -1)


@pytest.mark.parametrize("kind", KINDS)
def test_truth_tables(kind):
    a, b = torch.tensor([0.0, 0, 1, 1]), torch.tensor([0.0, 1, 0, 1])
    join = nn.Join(kind)
    assert join(a, b).tolist() == TABLE[kind]
    assert repr(join) == f"Join({kind})"


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_joins_what_its_layers_sent(kind, quantized):
    """By a table, element by element, from the recorded spikes; the last layer reads the result."""
    net = network(lambda m, a, b: m.join[kind](a, b))
    assert [s.kind for s in net.steps] == ["input", "group", "group", kind, "flatten", "group"]
    net = quantize(net, CONFIG) if quantized else net
    record = net.eval().record(images())
    a, b = record.spikes["left_lif"].long(), record.spikes["right_lif"].long()
    assert len((2 * a + b).unique()) == 4
    joined = torch.tensor(TABLE[kind])[2 * a + b].float()
    last = net.layers[-1]
    expected, _ = uncompiled.run(last, [joined.flatten(2)], 1.0, 2.0 if kind == "add" else 1.0, 4)
    if quantized:
        assert torch.equal(record.spikes["last_lif"], expected)
        assert [n.kind for n in lower(net) if hasattr(n, "sources")] == [kind]
    else:  # float sums in another order
        assert (record.spikes["last_lif"] != expected).float().mean() < 0.01


def test_a_join_may_be_called_by_name_and_used_twice():
    for order in ({"a": 0, "b": 1}, {"b": 1, "a": 0}):

        def then(m: Any, *values: Tensor, order: dict[str, int] = order) -> Tensor:
            first = m.join["iand"](**{name: values[k] for name, k in order.items()})
            return m.join["iand"](first, values[1])

        net = network(then)
        kinds = [(s.kind, s.inputs) for s in net.steps if s.kind == "iand"]
        assert kinds == [("iand", ("left_lif", "right_lif")), ("iand", ("join_iand", "right_lif"))]
        lower(quantize(net, CONFIG), input_shape=(1, 6, 6))


@pytest.mark.parametrize(
    "then",
    [
        lambda m, a, b: m.join["and"](m.join["iand"](a, b), b),
        lambda m, a, b: m.join["and"](m.most(a), m.most(b)),
        lambda m, a, b: m.join["iand"](torch.flatten(a, 1), torch.flatten(m.dropout(b), 1)),
        lambda m, a, b: m.join["add"](m.average(a), m.average(b)),
        lambda m, a, b: a + b + m.join["and"](a, b),
        lambda m, a, b: m.most(m.join["add"](a, m.join["add"](a, b))),
    ],
    ids=["joined again", "max-pooled", "flattened", "averages add", "three", "max pool of 0..3"],
)
def test_what_may_be_joined_runs_and_lowers(then):
    pooled = any(w in then.__code__.co_names for w in ("most", "average"))
    net = quantize(network(then, 3 * 9 if pooled else 3 * 36), CONFIG).eval()
    assert net(images()).sum() > 0
    lower(net)


# --- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["and", "iand"])
@pytest.mark.parametrize(
    "then",
    [
        lambda join, m, a, b: join(a + b, b),
        lambda join, m, a, b: join(m.average(a), m.average(b)),
        lambda join, m, a, b: join(b, m.square(a)),
        lambda join, m, a, b: join(b, m.most(a + b)),
    ],
    ids=["a sum", "averages", "a module that only full precision runs", "a maximum of sums"],
)
def test_boolean_joins_of_anything_but_spikes_are_refused(kind, then):
    with pytest.raises(BadInput) as e:
        network(lambda m, a, b: then(m.join[kind], m, a, b))
    words = f"join_{kind}: {kind} must join spikes of 0 or 1, of neurons or of other joins, but"
    assert str(e.value).startswith(words)
    assert "join before sums and average pools, or add" in str(e.value)


@pytest.mark.parametrize("kind", ["and", "iand"])
def test_boolean_joins_of_several_spikes_are_refused(kind):
    with pytest.raises(BadInput, match=f"{kind} must join spikes of 0 or 1"):
        network(lambda m, a, b: m.join[kind](a, b), spikes=2)
    network(lambda m, a, b: m.join["add"](a, b), spikes=2)


class Inputs(torch.nn.Module):
    """A join of the input and a layer's spikes."""

    def __init__(self, *given: Any):
        super().__init__()
        self.input, self.join = nn.Input(*given), nn.Join("and")
        self.one, self.lif, self.two, self.out = (
            torch.nn.Linear(5, 5),
            nn.LIF(),
            torch.nn.Linear(5, 2),
            nn.LIF(),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.input(x)
        return self.out(self.two(self.join(x, self.lif(self.one(x)))))


def test_inputs_are_spikes_where_they_say_so():
    """A static input beside spikes of every timestep, too."""
    net = quantize(Network(Inputs(1.0, 1)), CONFIG).eval()
    images = np.random.default_rng(0).integers(0, 2, (6, 5), dtype=np.uint8)
    ours = torch_trace(net, images, 4)
    assert compare(ours, reference.run(lower(net), images, 4), ("torch", "reference")).mismatches == 0
    for given in ((1.0, 255), (0.5, 1), (1 / 255, 255)):
        with pytest.raises(BadInput, match="but input and lif are not both known to be such"):
            Network(Inputs(*given))


def test_sums_of_unequal_scale_run_in_full_precision_and_are_not_lowered():
    net = network(lambda m, a, b: m.join["add"](m.average(a), m.most(b)), 3 * 9)
    assert net(images()).shape == (4, 3, 4)
    with pytest.raises(NotLowerable, match=r"join_add: added values must have one scale, not 0\.25 and 1"):
        lower(quantize(net, CONFIG))


@pytest.mark.parametrize(
    ("then", "message"),
    [
        (lambda m, a, b: m.join["and"](m.left(m.left_lif(m.left(a))), b), "left reads a current"),
        (lambda m, a, b: m.join["add"](a), "join_add: a join must be called with two values"),
        (lambda m, a, b: m.join["add"](a, 1.0), "join_add: a join must be called with two values"),
        (lambda m, a, b: m.join["add"](a, b, b), "join_add: a join must be called with two values"),
    ],
)
def test_calls_that_have_no_meaning(then, message):
    with pytest.raises(BadInput) as e:
        network(then)
    assert message in str(e.value) or "used once" in str(e.value)


def test_a_product_of_spikes_says_what_to_use():
    with pytest.raises(NotLowerable, match=r"mul \(mul\) joins values in a way that is not known;.*nn\.Join"):
        network(lambda m, a, b: a * b)
    with pytest.raises(BadInput, match="a join must be one of add, and, iand, not 'or'"):
        nn.Join("or")  # type: ignore[arg-type]


class Currents(torch.nn.Module):
    def __init__(self, kind: Any):
        super().__init__()
        self.one, self.two, self.join, self.lif = (
            torch.nn.Linear(5, 2),
            torch.nn.Linear(5, 2),
            nn.Join(kind),
            nn.LIF(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.lif(self.join(self.one(x), self.two(x)))


def test_currents_add_and_nothing_else():
    assert len(Network(Currents("add")).layers[0].synapses) == 2
    with pytest.raises(BadInput, match="join: iand must join two spike values"):
        Network(Currents("iand"))
