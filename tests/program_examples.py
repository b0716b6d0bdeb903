"""Small programs that together hold every kind of node, codec and edge; for the tests of artifacts and exports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from intspike.ir import Conv, Dense, Edge, Input, Integrator, Join, Neuron, Pool, Program, Readout, frozen
from intspike.neuron import IF, LIF
from intspike.neuron.base import Neuron as Equation
from intspike.neuron.constants import constants
from intspike.ops import Carry, Dyadic, FastSigmoid, Form, Shift, Table, Triangle, Uniform, trace

AFTER = [-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95]
BEFORE = [-1 / 2, 0, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 5 / 2]


def neuron(name: str, source: Edge, channels: int, equation: Equation, form: Form, **more: object) -> Neuron:
    """A layer of neurons with thresholds 160, 170, ...; `more` goes to `constants`."""
    of = lambda x: np.full(channels, x, np.int64)  # noqa: E731
    theta = 160 + 10 * np.arange(channels, dtype=np.int64)
    more.setdefault("beta", np.full(channels, 0.75))
    made = constants(equation, form, gain=of(8), bias=of(3), theta=theta, **more)
    return Neuron(name, source, trace(equation, form), {p: frozen(a) for p, a in made.items()})


def weights(*shape: int, seed: int = 0, most: int = 7) -> np.ndarray:
    """Signed weight codes of a shape."""
    return frozen(np.random.default_rng(seed).integers(-most, most, shape, endpoint=True))


def dense() -> Program:
    """One layer: table codes stored after reset, a carry table; units and notes."""
    form = Form(Table(3, 2, "after reset"), Carry("guaranteed"))
    nodes = (
        Input("x", (6,), 0, 1),
        Dense("fc", Edge("x"), weights(3, 6)),
        neuron("lif", Edge("fc"), 3, LIF(surrogate=Triangle()), form, fractions=AFTER),
        Readout("out", Edge("lif")),
    )
    units = {"fc": np.array([0.05, 0.1, 1e-9]), "lif": np.array([0.00625, 0.0125, 1 / 3])}
    return Program(nodes, units, {"origin": "a test,\nin two lines", "größe": "µ"})


def convolution() -> Program:
    """Images: conv, max pool with a minimum, table codes stored before reset, a second grouped conv."""
    form = Form(Table(3, 1, "before reset"), Carry("nearest"))
    nodes = (
        Input("image", (2, 6, 6)),
        Conv("conv1", Edge("image"), weights(4, 2, 3, 3, seed=1), padding=(1, 1)),
        Pool("pool1", Edge("conv1"), "max", (2, 2), (2, 2), frozen([0, 1, 0, 1])),
        neuron("lif1", Edge("pool1"), 4, LIF(), form, fractions=BEFORE),
        Conv("conv2", Edge("lif1"), weights(2, 2, 2, 2, seed=2, most=200), stride=(1, 1), groups=2),
        Pool("pool2", Edge("conv2"), "sum", (2, 2), (1, 1)),
        neuron("lif2", Edge("pool2"), 2, LIF(), form, fractions=BEFORE),
        Pool("pool3", Edge("lif2"), "or", (1, 1), (1, 1)),
        Readout("out", Edge("pool3")),
    )
    return Program(nodes)


def recurrent() -> Program:
    """A loop with delays of 1 and 3, a join with shifts, uniform codes stored after reset, a shift leak."""
    form = Form(Uniform(6, -32), Shift())
    nodes = (
        Input("x", (4,), -3, 3),
        Dense("forward", Edge("x"), weights(3, 4, seed=3)),
        Dense("back", Edge("lif", 1), weights(3, 3, seed=4)),
        Dense("far", Edge("lif", 3), weights(3, 3, seed=5, most=40_000)),
        Join("sum", (Edge("forward"), Edge("back"), Edge("far")), "add", (1, 0, 2)),
        neuron("lif", Edge("sum"), 3, LIF(), form, shift=np.array([3, 4, 5])),
        Readout("out", Edge("lif"), "last"),
    )
    return Program(nodes)


def several_spikes() -> Program:
    """D = 3 with `>`, uniform codes stored before reset that wrap, a dyadic leak; two layers joined by logic."""
    form = Form(Uniform(8, -128, "wrap", "before reset"), Dyadic(8))
    equation = LIF(spikes=3, compare=">", surrogate=FastSigmoid(slope=3), reset_order="after leak")
    shift = np.array([3, 3])
    nodes = (
        Input("x", (5,), 0, 9),
        Dense("fc", Edge("x"), weights(2, 5, seed=6)),
        neuron("a", Edge("fc"), 2, equation, form, shift=shift),
        neuron("b", Edge("fc"), 2, replace(equation, spikes=1), form, shift=shift),
        Join("both", (Edge("a"), Edge("b")), "and"),
        Join("other", (Edge("both", 2), Edge("b")), "iand"),
        Readout("out", Edge("other"), "maximum"),
    )
    return Program(nodes)


def resting() -> Program:
    """Refractory neurons without a leak that reset to zero, read out through an integrator."""
    form = Form(Table(3, 2, "after reset"))
    nodes = (
        Input("x", (4,), 0, 1),
        Dense("fc", Edge("x"), weights(2, 4, seed=7)),
        neuron("if", Edge("fc"), 2, IF(refractory=3, reset="zero"), form, fractions=AFTER),
        Dense("head", Edge("if"), weights(3, 2, seed=8, most=1)),
        Integrator("total", Edge("head"), 24),
        Readout("out", Edge("total"), "last"),
    )
    return Program(nodes)


EXAMPLES = {f.__name__: f for f in (dense, convolution, recurrent, several_spikes, resting)}
