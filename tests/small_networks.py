"""Random small networks for tests: structure from a choice (hypothesis or a generator), numbers from a seed.

They fire: weights are drawn so that currents are of the order of the threshold, whatever the input's scale.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from intspike import nn
from intspike.kernels import fused
from intspike.nn import Network, calibrate, compiled, quantize
from intspike.ops import Dyadic, Shift, Triangle
from intspike.quant import (
    LSQ,
    Binary,
    LearnedLevels,
    LQNet,
    PowerOfTwo,
    PowerOfTwoState,
    QuantConfig,
    Ternary,
    ThresholdCentred,
    Uniform,
    UniformState,
)

Choose = Callable[[Sequence[Any]], Any]  # one of the options; the first is the simplest


@dataclass(frozen=True)
class Made:
    """A quantized network, inputs for it, and how it was quantized."""

    net: Network
    images: np.ndarray
    config: QuantConfig

    def __repr__(self) -> str:
        return f"{self.config}\n{self.net}\ninputs {self.images.shape}, to {self.images.max()}"


class Layers(torch.nn.Module):
    """Layers one after the other; a layer may have two synapses, and its spikes may join those before it."""

    def __init__(self, first: torch.nn.Module, layers: list[torch.nn.ModuleDict]):
        super().__init__()
        self.input = first
        self.layers = torch.nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.input(x)
        for layer in self.layers:
            if "dense" in layer:
                x = torch.flatten(x, 1)
            current = layer["synapse" if "synapse" in layer else "dense"](x)
            if "second" in layer:
                current = current + layer["second"](x)
            for stage in ("pool", "norm", "late_pool"):
                if stage in layer:
                    current = layer[stage](current)
            spikes = layer["neuron"](current)
            x = layer["joins"](spikes, x) if "joins" in layer else spikes
        return self.layers[-1]["last"](x) if "last" in self.layers[-1] else x


def random_config(choose: Choose) -> tuple[QuantConfig, int]:
    """A configuration, and the most spikes that a neuron can store under it."""
    weight = Uniform(choose([4, 2, 3, 6, 8]), choose(["channel", "tensor"]), choose(["mse", "absmax"]))
    weight = Uniform(weight.bits, weight.per, weight.range, full_range=choose([False, True]))
    others = [
        Binary(),
        Ternary(),
        PowerOfTwo(3),
        PowerOfTwo(4),
        LQNet(2),
        LQNet(4),
        Uniform(3, mid_rise=True),
        LSQ(4),
    ]
    weight = choose([weight, weight, *others])
    bias = choose([None, None, 4, 8])
    stores, decay = choose(["after reset", "before reset"]), choose(["guaranteed", "nearest"])
    if choose(["table", "uniform"]) == "table":
        bits = choose([3, 1, 2, 4, 5, 6, 7, 8])
        kind = choose(["threshold-centred", "power of two", "learned"])
        state: Any = ThresholdCentred(bits, stores, choose(["even", "exponential", "compander"]), decay=decay)
        if kind == "power of two":
            state = PowerOfTwoState(min(bits, 3), stores, decay)
        elif kind == "learned":
            state = LearnedLevels(bits, stores, decay, per=choose(["channel", "layer"]))
        even = isinstance(state, ThresholdCentred) and state.spacing == "even"
        several = stores == "after reset" or (bits >= 4 and even)
    else:
        bits = choose([4, 8, 2, 3, 5, 6, 7, 9, 12])
        state = UniformState(
            bits, stores=stores, high=3.5, overflow=choose(["saturate", "wrap"]), decay=decay
        )
        several = stores == "after reset" or bits >= 4
    leak = choose([None, Shift(), Dyadic(6)])
    return QuantConfig(weight, state, leak, bias), choose([1, 2]) if several else 1


def random_neuron(choose: Choose, config: QuantConfig, spikes: int) -> nn.Neuron:
    """LIF or IF with any fields that the configuration allows, theta and beta learned or not."""
    assert config.state is not None
    resets = ["subtract", "zero"] + ["none"] * (config.state.stores == "before reset")
    fields: dict[str, Any] = {
        "reset": choose(resets),
        "compare": choose([">=", ">"]),
        "spikes": spikes,
        "refractory": choose([0, 0, 1, 3]),
        "theta": choose([1.0, 0.37, 2.9]),
        "learn_theta": choose([False, True]),
        "surrogate": Triangle(),
    }
    if choose(["LIF", "IF"]) == "IF":
        return nn.IF(**fields)
    carries = config.leak is None and config.state.bits <= 8
    return nn.LIF(
        **fields,
        beta=choose([0.75, 0.9, 0.5, 1.0]),
        learn_beta=choose([False, True]),
        reset_order=choose(["before leak", "after leak"]),
        leak_on=choose(["state"] if carries else ["state", "sum"]),
    )


def random_network(choose: Choose, numbers: random.Random) -> Made:
    """A quantized network in evaluation, with batch norms of either sign and some gains near zero."""
    torch_random = torch.Generator().manual_seed(numbers.getrandbits(32))
    config, spikes = random_config(choose)
    high = choose([255, 1, 15])
    scale = choose([1.0, 1 / 255, 10.0 ** numbers.uniform(-4, 2)])
    image = choose(["flat", "image"]) == "image"
    shape: tuple[int, ...] = (choose([1, 2]), 7, 6) if image else (choose([5, 1, 9]),)
    layers: list[torch.nn.ModuleDict] = []
    now, typical = shape, scale * high / 2
    binary = False  # whether what the next layer reads is 0 or 1
    for _ in range(choose([1, 2, 3])):
        layer = torch.nn.ModuleDict()
        channels = choose([3, 1, 4])
        conv = len(now) == 3 and min(now[1:]) >= 2 and choose([True, False])
        joins = bool(layers) and (conv or len(now) == 1) and choose([False, True])
        if conv:
            kernel, stride, padding = (3, 1, 1) if joins else (2, choose([1, 2]), choose([0, 1]))
            groups = choose([1, now[0]])
            channels = now[0] if joins else channels * groups
            layer["synapse"] = torch.nn.Conv2d(
                now[0], channels, kernel, stride, padding, groups=groups, bias=choose([False, True])
            )
            now = (channels, *((d + 2 * padding - kernel) // stride + 1 for d in now[1:]))
        else:
            channels = now[0] if joins else channels
            inputs = int(np.prod(now))
            layer["dense"] = torch.nn.Linear(inputs, channels, bias=choose([False, True]))
            if choose([False, True]):
                layer["second"] = torch.nn.Linear(inputs, channels, bias=False)
            now = (channels,)
        if joins:
            layer["joins"] = nn.Join(choose(["add", "and", "iand"] if binary and spikes == 1 else ["add"]))
        binary = spikes == 1 and (not joins or layer["joins"].kind != "add")
        norm = choose(["none", "norm"]) == "norm"
        pools = conv and not joins and min(now[1:]) >= 2
        kind = choose(["none", "max", "average"]) if pools else "none"
        if kind != "none":
            pool = {"max": torch.nn.MaxPool2d, "average": torch.nn.AvgPool2d}[kind](2, choose([2, 1]))
            layer["late_pool" if norm and choose([False, True]) else "pool"] = pool
            now = (channels, *((d - 2) // pool.stride + 1 for d in now[1:]))
        if norm:
            layer["norm"] = (torch.nn.BatchNorm2d if conv else torch.nn.BatchNorm1d)(channels)
        layer["neuron"] = random_neuron(choose, config, spikes)
        for m in layer.values():
            if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear)):
                fan = m.weight[0].numel()
                size = layer["neuron"].equation.theta / (typical * fan**0.5)
                with torch.no_grad():
                    m.weight.copy_(torch.randn(m.weight.shape, generator=torch_random) * size + size / 2)
                    if m.bias is not None:
                        m.bias.copy_(torch.randn(m.bias.shape, generator=torch_random) * typical * size)
        layers.append(layer)
        typical = 0.5
    if "joins" in layers[-1]:  # a network ends in neurons
        layers[-1]["last"] = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(int(np.prod(now)), 2), nn.IF(spikes=spikes)
        )
    net = Network(Layers(nn.Input(scale, high), layers))
    draw = np.random.default_rng(numbers.getrandbits(64))
    images = draw.integers(0, high, (5, *shape), endpoint=True).astype(np.uint8)
    images[0] = high
    images[1] = 0
    net.eval()(torch.from_numpy(images)[None])  # so that its input shape is known
    for g in net.layers:
        if g.norm is not None:
            with torch.no_grad():
                g.norm.weight.copy_(torch.randn(g.channels, generator=torch_random) * g.neuron.equation.theta)
                g.norm.bias.copy_(
                    torch.randn(g.channels, generator=torch_random) * g.neuron.equation.theta / 2
                )
                if choose([False, True]):
                    g.norm.weight[0] = choose([0.0, 1e-12, -1e-9])
        with torch.no_grad():
            if g.neuron.equation.learn_theta:
                g.neuron.theta.mul_(0.5 + torch.rand(g.channels, generator=torch_random))
            if getattr(g.neuron.equation, "learn_beta", False):
                g.neuron.beta.mul_(0.5 + torch.rand(g.channels, generator=torch_random) / 2)
    start = quantize(net, config)
    for g in start.layers:
        if isinstance(config.state, LearnedLevels):  # as training would have moved them
            with torch.no_grad():
                g.neuron.gaps.add_(torch.randn(g.neuron.gaps.shape, generator=torch_random) / 2)
    made = calibrate(start, [torch.from_numpy(images).expand(4, *images.shape)])
    return Made(made, images, config)


def without_kernels(monkeypatch: Any) -> None:
    """Torch alone computes: no compiling, for tests of many networks (kernels have tests of their own)."""
    for module in (fused, compiled):
        monkeypatch.setattr(module, "compiler", lambda: None)


def seeded(seed: int) -> Made:
    """One random network a seed."""
    numbers = random.Random(seed)
    return random_network(numbers.choice, numbers)
