"""Random small programs and inputs: every kind of node, strides, groups, padding, delays, D up to 3."""

from __future__ import annotations

import numpy as np

from intspike.ir import (
    Conv,
    Dense,
    Edge,
    Fold,
    Input,
    Integrator,
    Join,
    Neuron,
    Offset,
    Pool,
    Program,
    Readout,
    Unfold,
    frozen,
)
from intspike.neuron import LIF
from intspike.neuron.constants import constants
from intspike.ops import Carry, Form, Shift, Table, Uniform, trace


def neuron_node(name: str, source: str, channels: int, spikes: int = 1, codec=None, theta: int = 4) -> Neuron:
    """LIF neurons with integer codes -128..127 (or a given codec with even levels) and beta 3/4."""
    codec = codec or Uniform(8, -128, stores="before reset")
    neuron, form = LIF(spikes=spikes), Form(codec, Carry() if codec.bits <= 8 else Shift())
    fractions = None
    if isinstance(codec, Table):
        fractions = [(c - codec.rest) / (codec.high - codec.rest + 1) for c in range(codec.high + 1)]
    one = np.ones(channels, np.int64)
    made = constants(
        neuron,
        form,
        gain=one,
        bias=0 * one,
        theta=theta * one,
        beta=0.75 * one,
        fractions=fractions,
        shift=0 * one,
    )
    return Neuron(name, Edge(source), trace(neuron, form), {k: frozen(v) for k, v in made.items()})


def weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Codes -3..3, about a third of them zero."""
    return frozen(rng.integers(-3, 4, shape) * (rng.random(shape) < 0.75))


def random_program(rng: np.random.Generator) -> Program:
    """Input, convolution, pools, recurrent dense layer, readout, in many variants."""
    low, high = [(0, 1), (-1, 1), (0, 255), (-3, 3), (0, 2)][int(rng.integers(5))]
    groups = int(rng.integers(1, 3))
    h, w = (int(d) for d in rng.integers(3, 6, 2))
    kernel = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    nodes = [
        Input("x", (2, h, w), low, high),
        Conv(
            "conv",
            Edge("x", int(rng.integers(0, 2))),
            weights(rng, (2, 2 // groups, *kernel)),
            stride=(int(rng.integers(1, 3)), int(rng.integers(1, 3))),
            padding=(int(rng.integers(0, 3)), int(rng.integers(0, 3))),
            groups=groups,
        ),
    ]
    spikes = int(rng.integers(1, 4))
    nodes.append(neuron_node("first", "conv", 2, spikes=spikes))
    kind = str(rng.choice(["none", "or" if spikes == 1 else "max", "sum", "max"]))
    if kind != "none":
        nodes.append(Pool("pool", Edge("first"), kind, (1, 1), (1, 2)))
    if rng.random() < 0.5:
        last = nodes[-1].name
        join = str(rng.choice(["add", "and", "iand"]))
        nodes.append(Join("both", (Edge(last), Edge(last, int(rng.integers(0, 3)))), join))
    if rng.random() < 0.5:
        kernels = weights(rng, (3, 2, 1, 1))
        nodes.append(Conv("deep", Edge(nodes[-1].name), kernels, padding=(1, 0), stride=(2, 1)))
    last = nodes[-1].name
    size = int(np.prod(Program((*nodes, Readout("out", Edge(last)))).shapes[last]))
    nodes.append(Dense("dense", Edge(last, int(rng.integers(0, 2))), weights(rng, (3, size))))
    nodes.append(Dense("back", Edge("second", int(rng.integers(1, 3))), weights(rng, (3, 3))))
    nodes.append(Join("sum", (Edge("dense"), Edge("back"))))
    nodes.append(neuron_node("second", "sum", 3))
    nodes.append(Integrator("total", Edge("second")))
    nodes.append(Dense("late", Edge("total"), weights(rng, (2, 3))))
    nodes.append(Readout("out", Edge("late"), "last"))
    return Program(tuple(nodes))


def random_unfolded_program(rng: np.random.Generator) -> Program:
    """Integers as binary spikes on substeps, through pools and sums; a map added to sums."""
    low, high = [(0, 1), (-1, 1), (0, 255)][int(rng.integers(3))]
    spikes = int(rng.integers(1, 4))
    nodes = [
        Input("x", (2, 3, 4), low, high),
        Conv("conv", Edge("x"), weights(rng, (2, 2, 2, 2)), padding=(1, 1)),
        Offset("map", Edge("conv"), frozen(rng.integers(-9, 10, (2, 4, 5)))),
        neuron_node("first", "map", 2, spikes=spikes),
        Unfold("substeps", Edge("first"), spikes),
    ]
    kind = str(rng.choice(["none", "or", "max", "sum"]))
    if kind != "none":
        nodes.append(Pool("pool", Edge("substeps"), kind, (1, 1), (2, 2)))
    if rng.random() < 0.5:
        last = nodes[-1].name
        nodes.append(Join("both", (Edge(last), Edge(last)), str(rng.choice(["add", "and"]))))
    nodes.append(Conv("deep", Edge(nodes[-1].name), weights(rng, (3, 2, 1, 1))))
    nodes.append(Fold("fold", Edge("deep")))
    nodes.append(neuron_node("second", "fold", 3))
    nodes.append(Readout("out", Edge("second")))
    return Program(tuple(nodes))


def random_inputs(
    rng: np.random.Generator, program: Program, timesteps: int, batch: int, static: bool
) -> np.ndarray:
    """Sparse integers in the declared range, [B, *shape] or [T, B, *shape]."""
    shape = (batch, *program.input.shape) if static else (timesteps, batch, *program.input.shape)
    return rng.integers(program.input.low, program.input.high + 1, shape) * (rng.random(shape) < 0.6)
