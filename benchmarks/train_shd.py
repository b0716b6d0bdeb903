"""One training step of a dense network of the size used for spoken digits, 700-1000-20, on random input spikes.

What is equal: as in `train_fmnist`.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch

from intspike import nn
from intspike.lower import lower, verify
from intspike.quant import QuantConfig, ThresholdCentred, Uniform

from . import catalog, peers, plain, steps
from .harness import Result, Tell, interleave

BETA, BATCH, TIMESTEPS, SIZES, DENSITY = 0.9, 256, 25, (700, 1000, 20), 0.03
# With torch's initial weights nothing would fire: 21 of 700 inputs are active
GAINS = (8.0, 4.0)


def network() -> nn.Network:
    torch.manual_seed(0)
    layers = OrderedDict[str, torch.nn.Module](
        input=nn.Input(high=1),
        dense1=torch.nn.Linear(SIZES[0], SIZES[1], bias=False),
        lif1=nn.LIF(beta=BETA),
        dense2=torch.nn.Linear(SIZES[1], SIZES[2], bias=False),
        lif2=nn.LIF(beta=BETA),
    )
    for name, gain in zip(("dense1", "dense2"), GAINS, strict=True):
        layers[name].get_parameter("weight").data.mul_(gain)
    full = nn.Network(torch.nn.Sequential(layers))
    return nn.quantize(full, QuantConfig(weight=Uniform(4), state=ThresholdCentred(4)))


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes [T, B, 700] (uint8) and labels [B]."""
    r = np.random.default_rng(0)
    spikes = r.random((TIMESTEPS, BATCH, SIZES[0]), np.float32) < DENSITY
    return torch.from_numpy(spikes.astype(np.uint8)), torch.from_numpy(r.integers(0, SIZES[2], BATCH))


def our_step(name: str) -> tuple[nn.Network, torch.Tensor, steps.Step]:
    """Our network, its inputs over time, and its training step."""
    net, (spikes, labels) = network(), batch()
    return net, spikes, steps.step(net, steps.ours(net), spikes, labels)


def fingerprint(name: str) -> str:
    """What must not depend on how it is computed."""
    return our_step(name)[2]().hex()


def measure(name: str, rounds: int, tell: Tell) -> list[Result]:
    net, spikes, step = our_step(name)
    currents = peers.dense_currents(SIZES, 4)
    peers.take_over(currents, net)
    other = peers.SnnTorch(currents, BETA, 4)
    inputs, labels = spikes.float(), batch()[1]
    firing = {"intspike": steps.firing(net, spikes), catalog.SNNTORCH: peers.firing(other, inputs)}
    equal = fingerprint(name) == plain.fingerprint("train_shd", name)
    compared = "loss of the first step == plain torch loops"
    contenders = {"intspike": step, catalog.SNNTORCH: steps.step(other, other, inputs, labels)}
    times = interleave(contenders, rounds, tell)
    done = verify(net, lower(net), spikes[0].numpy(), timesteps=TIMESTEPS, samples=16)
    equal = equal and all(c.mismatches == 0 for c in done)
    compared += "; spikes and codes: " + ", ".join(f"{c.a} == {c.b} ({c.compared:,})" for c in done)
    return [Result(catalog.SNNTORCH, times["intspike"], times[catalog.SNNTORCH], equal, compared, firing)]
