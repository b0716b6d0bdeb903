"""What a neuron's stored codes do on their own: where they decay to, and which stay stuck."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..ir import Neuron
from ..ops import step_many

Ints = NDArray[np.int64]


def decay(node: Neuron, state: str = "u") -> tuple[Ints, Ints]:
    """The next code of every code without current and bias: (codes [K], next codes [K, C]).

    The last output is the one that the code itself stands for (none, where the spike is stored beside the code).
    """
    codec = node.body.codec(state)
    channels = len(node.parameters["theta"])
    codes = np.arange(codec.low, codec.high + 1)
    quiet = {**node.parameters, "gain": np.zeros(channels, np.int64), "bias": np.zeros(channels, np.int64)}
    shape = (len(codes), channels)
    stored = {
        s.name: np.broadcast_to(codes[:, None], shape) if s.name == state else np.zeros(shape, np.int64)
        for s in node.body.states
    }
    if "u.high" in node.parameters and state == "u":  # codes above the channel's top cannot occur
        stored["u"] = np.minimum(stored["u"], node.parameters["u.high"][None, :])
    prev = np.zeros(shape, np.int64)
    if codec.stores == "before reset" and state in node.body.firing:
        prev = _fires(node, state, stored[state])
    step = step_many(node.body, np.zeros(shape, np.int64), stored, prev, quiet, np.arange(channels))
    return codes, np.broadcast_to(step.codes[state], shape)


def _fires(node: Neuron, state: str, codes: Ints) -> Ints:
    channel = np.arange(codes.shape[1])
    value = levels(node, state)[codes - node.body.codec(state).low, channel]
    total = np.zeros_like(codes)
    for name, theta in node.parameters.items():
        if name == "theta" or name.startswith("theta."):
            total = total + (value >= theta[channel] + int(node.body.strict))
    return total


def levels(node: Neuron, state: str = "u") -> Ints:
    """What every code stands for in every channel, in LSB of the membrane, lowest code first: [K, C]."""
    if f"{state}.levels" in node.parameters:
        return node.parameters[f"{state}.levels"].T
    codec = node.body.codec(state)
    return np.arange(codec.low, codec.high + 1)[:, None] << node.parameters[f"{state}.shift"][None, :]


def membranes(node: Neuron, codes: NDArray[np.integer], spikes: NDArray[np.integer]) -> Ints:
    """The membrane potentials that stored codes stand for, in LSB: [T, B, C, ...].

    Where a codec stores the membrane after its reset, what fired is that and what the reset took: L[code] + reset * s.

    Args:
        codes, spikes: of a trace, [T, B, C, ...].
    """
    codec = node.body.codec("u")
    channel = np.arange(codes.shape[2]).reshape(-1, *(1,) * (codes.ndim - 3))
    made = levels(node)[codes.astype(np.int64) - codec.low, channel]
    if codec.stores == "before reset":
        return made
    taken = node.parameters.get("reset", node.parameters["theta"])
    return made + taken[channel] * spikes


def stuck_codes(node: Neuron, state: str = "u") -> dict[int, int]:
    """Codes that map to themselves without input though they are not rest: {code: number of channels}."""
    codes, after = decay(node, state)
    rest = node.body.codec(state).rest
    counts = (after == codes[:, None]).sum(1)
    if "u.high" in node.parameters and state == "u":
        counts = ((after == codes[:, None]) & (codes[:, None] <= node.parameters["u.high"][None, :])).sum(1)
    return {int(c): int(n) for c, n in zip(codes, counts, strict=True) if n and c != rest}
