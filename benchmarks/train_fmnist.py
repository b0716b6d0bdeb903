"""One training step of the SQUAT Fashion-MNIST network: 4-bit weights and states, or full precision.

What is equal: the loss of the first step and of the plain torch loop, to the last bit; then every spike and stored
code of the trained network, in torch, the reference and the native engine.
"""

from __future__ import annotations

import torch

from intspike import data, encode, models, nn
from intspike.lower import lower, verify
from intspike.quant import QuantConfig, ThresholdCentred, Uniform

from . import catalog, peers, plain, steps
from .harness import Result, Tell, interleave

BETA, BATCH, TIMESTEPS = 0.75, 128, 25


def network(name: str) -> nn.Network:
    """Our network, in 4/4 bits or in full precision."""
    torch.manual_seed(0)
    full = models.squat_fmnist(beta=BETA)
    if name == "train-fmnist-float":
        return full
    return nn.quantize(full, QuantConfig(weight=Uniform(4), state=ThresholdCentred(4)))


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Images [B, 1, 28, 28] (uint8) and labels [B]."""
    train = data.fashion_mnist().train
    return torch.from_numpy(train.images[:BATCH]), torch.from_numpy(train.labels[:BATCH]).long()


def our_step(name: str) -> tuple[nn.Network, torch.Tensor, plain.Step]:
    """Our network, its inputs over time, and its training step."""
    net, (images, labels) = network(name), batch()
    inputs = encode.direct(images, TIMESTEPS)
    return net, inputs, steps.step(net, steps.ours(net), inputs, labels)


def peer_networks(name: str, net: nn.Network) -> dict[str, peers.SnnTorch | peers.SpikingJelly]:
    """The peers of a row, with our weights."""
    bits = None if name == "train-fmnist-float" else 4
    currents = peers.fmnist_currents(bits)
    peers.take_over(currents, net)
    snn = peers.SnnTorch(currents, BETA, bits)
    if bits is None:
        return {catalog.SNNTORCH_FLOAT: snn}
    floats = peers.fmnist_currents(None)
    peers.take_over(floats, net)
    return {catalog.SNNTORCH: snn, catalog.SPIKINGJELLY: peers.SpikingJelly(floats, BETA)}


def measure(name: str, rounds: int, tell: Tell) -> list[Result]:
    net, inputs, step = our_step(name)
    theirs = peer_networks(name, net)
    images, labels = batch()
    frames = encode.direct(images.float() / 255, TIMESTEPS)
    firing = {"intspike": steps.firing(net, inputs)}
    firing |= {peer: peers.firing(other, frames) for peer, other in theirs.items()}
    first, plainly = our_step(name)[2](), plain.loss("train_fmnist", name)
    equal, compared = first == plainly, f"loss of the first step == plain torch loops ({plainly:.6f})"
    contenders = {"intspike": step}
    contenders |= {peer: steps.step(other, other, frames, labels) for peer, other in theirs.items()}
    times = interleave(contenders, rounds, tell)
    if net.quantized:
        done = verify(net, lower(net), images.numpy(), timesteps=TIMESTEPS, samples=16)
        equal = equal and all(c.mismatches == 0 for c in done)
        compared += "; spikes and codes: " + ", ".join(f"{c.a} == {c.b} ({c.compared:,})" for c in done)
    return [Result(peer, times["intspike"], times[peer], equal, compared, firing) for peer in theirs]
