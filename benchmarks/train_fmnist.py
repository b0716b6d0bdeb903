"""One training step of the SQUAT Fashion-MNIST network: 4-bit weights and states, or full precision.

What is equal: the loss of the first step and of the plain torch loop, to the last bit; then every spike and stored
code of the trained network, in torch, the reference and the native engine.
"""

from __future__ import annotations

import zlib

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
    return torch.from_numpy(train.inputs[:BATCH]), torch.from_numpy(train.labels[:BATCH]).long()


def our_step(name: str) -> tuple[nn.Network, torch.Tensor, steps.Step]:
    """Our network, its inputs over time, and its training step."""
    net, (images, labels) = network(name), batch()
    inputs = encode.direct(images, TIMESTEPS)
    return net, inputs, steps.step(net, steps.ours(net), inputs, labels)


_COMPARED = "loss of the first step == plain torch loops"
_COMPARED_EXACT = (
    "with weights in steps of 2^-8, all spikes and the loss of the first step == plain torch loops"
)


def fingerprint(name: str) -> str:
    """What must not depend on how it is computed: the loss of the first step.

    Sums of floats depend on their order. In full precision weights are therefore rounded so that every sum is exact,
    norms keep their statistics, and the spikes of all layers count as well.
    """
    net, inputs, step = our_step(name)
    if net.quantized:
        return step().hex()
    net.input.scale = 2.0**-8
    for layer in net.layers:
        (synapse,) = layer.synapses
        assert layer.norm is not None
        weight = synapse.get_parameter("weight")
        weight.data = (weight.detach() * 256).round() / 256
        layer.norm.load_state_dict({"running_var": torch.full((layer.channels,), 0.25)}, strict=False)
        layer.norm.eps = 0.0  # so the gain is 2
        layer.norm.eval()
    spikes = list(net.record(inputs).spikes.values())
    assert all(s.any() for s in spikes), "dead layers would be equal whatever computes them"
    return f"{step().hex()} {[zlib.crc32(s.contiguous().numpy().data) for s in spikes]}"


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
    equal = fingerprint(name) == plain.fingerprint("train_fmnist", name)
    compared = _COMPARED if net.quantized else _COMPARED_EXACT
    contenders = {"intspike": step}
    contenders |= {peer: steps.step(other, other, frames, labels) for peer, other in theirs.items()}
    times = interleave(contenders, rounds, tell)
    if net.quantized:
        done = verify(net, lower(net), images.numpy(), timesteps=TIMESTEPS, samples=16)
        equal = equal and all(c.mismatches == 0 for c in done)
        compared += "; spikes and codes: " + ", ".join(f"{c.a} == {c.b} ({c.compared:,})" for c in done)
    return [Result(peer, times["intspike"], times[peer], equal, compared, firing) for peer in theirs]
