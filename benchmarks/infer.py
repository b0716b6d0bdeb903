"""Inference with the 4/4 Fashion-MNIST network: the native engine on the lowered program, against the peers' torch.

Images are distinct, and the first layer's work counts. What is equal: every spike and stored code of torch, the
reference and the native engine; and the spike counts of every timed image with those of our torch network.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from intspike import data, encode, models, nn
from intspike.engine import native
from intspike.lower import lower, verify
from intspike.quant import QuantConfig, ThresholdCentred, Uniform

from . import catalog, peers, steps
from .harness import Result, Tell, interleave

BETA, TIMESTEPS = 0.75, 25
BATCH = {"infer-b1": 1, "infer-b128": 128, "infer-b128-sparse": 128}
RATE = {"infer-b1": 0.08, "infer-b128-sparse": 0.02}  # of the hidden layers; otherwise as it comes
CALLS = {1: 20, 128: 1}  # timed calls of each a round


def network(images: data.Dataset, rate: float | None) -> nn.Network:
    """The network in 4/4 bits, its hidden layers brought to a firing rate by the biases of their norms."""
    torch.manual_seed(0)
    config = QuantConfig(weight=Uniform(4), state=ThresholdCentred(4))
    net = nn.calibrate(nn.quantize(models.squat_fmnist(beta=BETA), config), images, batches=2)
    for layer in net.layers[:-1] if rate is not None else []:
        assert rate is not None
        assert layer.norm is not None
        low, high = -4.0, 4.0
        for _ in range(12):  # more bias, more spikes
            with torch.no_grad():
                layer.norm.bias.fill_((low + high) / 2)
            frames = encode.direct(torch.from_numpy(images.train.inputs[:32]), TIMESTEPS)
            fires = float(net.record(frames).spikes[layer.name].mean())
            low, high = (low, (low + high) / 2) if fires > rate else ((low + high) / 2, high)
    return net.eval()


def in_torch(net: torch.nn.Module, frames: torch.Tensor) -> Any:
    """Spike counts [B, K] of a peer for real images [B, ...]."""
    with torch.inference_mode():
        return net(encode.direct(frames, TIMESTEPS))


def measure(name: str, rounds: int, tell: Tell) -> list[Result]:
    images = data.fashion_mnist()
    net = network(images, RATE.get(name))
    program = lower(net)
    batch, test = BATCH[name], images.test.inputs
    real = torch.from_numpy(test).float() / 255
    quantized, full = peers.fmnist_currents(4), peers.fmnist_currents(None)
    peers.take_over(quantized, net)
    peers.take_over(full, net)
    theirs = {
        catalog.SNNTORCH: peers.SnnTorch(quantized, BETA, 4).eval(),
        catalog.SPIKINGJELLY: peers.SpikingJelly(full, BETA).eval(),
    }
    counts: list[tuple[slice, np.ndarray]] = []

    def ours(at: slice) -> None:
        readout = native.run(program, test[at], TIMESTEPS, record=False).readout
        counts.append((at, readout))

    contenders: dict[str, Callable[[], Any]] = {"intspike": each(ours, batch, len(test))}
    for peer, other in theirs.items():
        contenders[peer] = each(lambda at, other=other: in_torch(other, real[at]), batch, len(test))
    times = interleave(contenders, rounds, tell, calls=CALLS[batch], warm=2)

    done = verify(net, program, test[:256], timesteps=TIMESTEPS, samples=16)
    same = all(np.array_equal(readout, torch_counts(net, test[at])) for at, readout in counts)
    compared = "spikes and codes: " + ", ".join(f"{c.a} == {c.b} ({c.compared:,})" for c in done)
    compared += f"; spike counts of {len(counts) * batch} timed images == torch"
    frames = encode.direct(torch.from_numpy(test[:128]), TIMESTEPS)
    firing = {"intspike": steps.firing(net, frames)}
    firing |= {p: peers.firing(o, encode.direct(real[:128], TIMESTEPS)) for p, o in theirs.items()}
    equal = same and all(c.mismatches == 0 for c in done)
    return [Result(peer, times["intspike"], times[peer], equal, compared, firing) for peer in theirs]


def each(run: Callable[[slice], Any], batch: int, of: int) -> Callable[[], Any]:
    """Calls `run` with the next batch of images each time, the same batches for every contender."""
    starts = itertools.cycle(range(0, of - batch + 1, batch))

    def call() -> Any:
        first = next(starts)
        return run(slice(first, first + batch))

    return call


def torch_counts(net: nn.Network, images: np.ndarray) -> np.ndarray:
    """Spike counts [B, K] of our torch network."""
    with torch.inference_mode():
        return net(encode.direct(torch.from_numpy(images), TIMESTEPS)).sum(0).numpy().astype(np.int64)
