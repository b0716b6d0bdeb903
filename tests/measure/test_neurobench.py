"""NeuroBench's metrics by the package itself (pip install --no-deps neurobench), on networks that both can run.

The networks are snnTorch's integrate-and-fire neurons with integer weights, and the same as integer programs; their
spikes are compared first.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.engine.reference import run
from intspike.export.arrays import export_arrays
from intspike.ir import Conv, Dense, Edge, Input, Neuron, Program, Readout, frozen
from intspike.measure.neurobench import footprint_bytes, neurobench
from intspike.neuron import IF
from intspike.neuron.constants import constants
from intspike.ops import Form, Uniform, trace
from program_examples import EXAMPLES


def if_node(name: str, source: str, channels: int, theta: int) -> Neuron:
    """snnTorch's Leaky of beta 1: fires above theta, and is reset at the next timestep."""
    neuron, form = IF(compare=">"), Form(Uniform(16, -(1 << 15), stores="before reset"))
    one = np.ones(channels, np.int64)
    made = constants(neuron, form, gain=one, bias=0 * one, theta=theta * one, shift=0 * one)
    return Neuron(name, Edge(source), trace(neuron, form), {k: frozen(v) for k, v in made.items()})


def both(rng: np.random.Generator, image: bool):
    """A program, and the same network in snnTorch."""
    snn = pytest.importorskip("snntorch")
    import torch

    draw = lambda *shape: rng.integers(-3, 4, shape) * (rng.random(shape) < 0.7)  # noqa: E731
    layers: list[torch.nn.Module] = []
    if image:
        first = torch.nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False)
        nodes = [
            Input("x", (2, 5, 6)),
            Conv("first", Edge("x"), frozen(draw(3, 2, 3, 3)), (2, 2), (1, 1)),
        ]
        size = 27
    else:
        first = torch.nn.Linear(7, 4, bias=False)
        nodes = [Input("x", (7,)), Dense("first", Edge("x"), frozen(draw(4, 7)))]
        size = 4
    nodes += [
        if_node("hidden", "first", 3 if image else 4, 9),
        Dense("second", Edge("hidden"), frozen(draw(5, size))),
    ]
    nodes += [if_node("last", "second", 5, 2), Readout("out", Edge("last"))]
    program = Program(tuple(nodes))
    second = torch.nn.Linear(size, 5, bias=False)
    for layer, name in ((first, "first"), (second, "second")):
        layer.weight.data = torch.tensor(program[name].weight, dtype=torch.float32)  # type: ignore[union-attr]
    leaky = lambda theta, **more: snn.Leaky(beta=1.0, threshold=float(theta), init_hidden=True, **more)  # noqa: E731
    layers += [first, leaky(9), *([torch.nn.Flatten()] if image else []), second, leaky(2, output=True)]
    return program, torch.nn.Sequential(*layers)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.booleans(), st.sampled_from([1, 255]), st.integers(1, 4))
def test_numbers_are_those_of_the_package(seed, image, static, high, timesteps):
    pytest.importorskip("neurobench")
    import torch
    from neurobench.metrics.static import ConnectionSparsity
    from neurobench.metrics.workload import ActivationSparsity, MembraneUpdates, SynapticOperations
    from neurobench.models import SNNTorchModel

    rng = np.random.default_rng(seed)
    program, net = both(rng, image)
    shape = (3, *program.input.shape) if static else (timesteps, 3, *program.input.shape)
    x = rng.integers(0, high + 1, shape) * (rng.random(shape) < 0.5)
    ran = run(program, x, timesteps)
    every = np.broadcast_to(x, (timesteps, 3, *program.input.shape)) if static else x
    model = SNNTorchModel(net)
    model.register_hooks()
    data = torch.tensor(np.ascontiguousarray(np.moveaxis(every, 0, 1)), dtype=torch.float32)
    with torch.no_grad():
        spikes = model(data)
    assert np.array_equal(np.moveaxis(spikes.numpy(), 0, 1), ran.spikes["last"])
    batch = (data, torch.zeros(3))
    found = neurobench(program, ran, x)
    assert SynapticOperations()(model, spikes, batch) == {
        "Effective_MACs": found.effective_macs,
        "Effective_ACs": found.effective_acs,
        "Dense": found.dense,
    }
    assert ActivationSparsity()(model, spikes, batch) == found.activation_sparsity
    assert MembraneUpdates()(model, spikes, batch) == found.membrane_updates
    assert ConnectionSparsity()(model) == found.connection_sparsity


@pytest.mark.parametrize("name", EXAMPLES)
def test_footprint_is_that_of_the_exported_arrays(name, tmp_path):
    """The package's Footprint of a module that holds every exported array and the states as buffers."""
    footprint = pytest.importorskip("neurobench.metrics.static").Footprint()
    import torch

    program = EXAMPLES[name]()
    module = torch.nn.Module()
    for file in export_arrays(program, tmp_path):
        if file.suffix == ".npy" and "unit" not in file.name:
            stored = np.load(file)
            signed = stored.astype(stored.dtype.name.replace("uint", "int"))  # torch has few unsigned types
            module.register_buffer(file.stem, torch.from_numpy(signed))
    for n in program.neurons:
        for s in n.body.states:
            assert n.body.codec(s.name).bits <= 8
            module.register_buffer(
                f"{n.name}_{s.name}", torch.zeros(program.shapes[n.name], dtype=torch.int8)
            )
        if n.body.keeps_spike:
            module.register_buffer(f"{n.name}_spike", torch.zeros(program.shapes[n.name], dtype=torch.int8))
    if name == "resting":
        module.register_buffer("total", torch.zeros(program.shapes["total"], dtype=torch.int32))

    class Wrapped:
        def __net__(self):
            return module

    assert footprint(Wrapped()) == footprint_bytes(program)


def test_by_hand():
    """Without the package: one image of two pixels, two timesteps."""
    nodes = (
        Input("x", (2,)),
        Dense("fc", Edge("x"), frozen([[1, 0], [2, 3]])),
        if_node("n", "fc", 2, 5),
        Readout("out", Edge("n")),
    )
    program, x = Program(nodes), np.array([[2, 1]])
    ran = run(program, x, 2)  # currents 2 and 7: the second neuron fires twice
    assert ran.spikes["n"].tolist() == [[[0, 1]], [[0, 1]]]
    found = neurobench(program, ran, x)
    assert (found.effective_macs, found.effective_acs, found.dense) == (6, 0, 8)
    assert (found.connection_sparsity, found.activation_sparsity) == (0.25, 0.5)
    assert found.membrane_updates == 4
    # weights 4, gain, bias, theta, shift and reset of 2 channels, 2 states of two bytes
    assert found.footprint == 4 + sum(2 for p in program.neurons[0].body.parameters) + 2 * 2
    assert found.footprint_bits < 8 * found.footprint
    assert found.to_dict()["SynapticOperations"] == {"Effective_MACs": 6, "Effective_ACs": 0, "Dense": 8}
    ones = np.array([[1, 0]])
    assert neurobench(program, run(program, ones, 2), ones).effective_acs == 4
