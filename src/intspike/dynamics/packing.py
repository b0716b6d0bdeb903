"""Weights as the compiled timesteps read them: what several neurons send together, looked up by which of them fire."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ops import step_many
from .network import IntegerNetwork, Ints


def aligned(a: NDArray[Any], kind: Any) -> NDArray[Any]:
    """A copy of a type that begins where a vector may."""
    room = np.empty(a.size * np.dtype(kind).itemsize + 64, np.uint8)
    start = -room.ctypes.data % 64
    made = room[start : start + room.size - 64].view(kind).reshape(a.shape)
    made[...] = a
    return made


def six_by_six(weights: Ints) -> tuple[NDArray[np.int8], int] | None:
    """What every neuron receives from six neurons, by the 64 ways in which they fire: [N, ceil(N / 6), 64], and how
    many such entries add up within eight bits; None where one does not fit."""
    n = len(weights)
    groups = -(-n // 6)
    padded = np.zeros((n, 6 * groups), np.int64)
    padded[:, :n] = weights
    fires = np.arange(64) >> np.arange(6)[:, None] & 1
    entries = padded.reshape(n, groups, 6) @ fires
    most = int(np.abs(entries).max())
    return (entries.astype(np.int8), 127 // max(1, most)) if most <= 127 else None


def what_stays(network: IntegerNetwork) -> NDArray[np.int8]:
    """What every neuron keeps of each signed code of eight bits when it receives nothing, [N, 256], at the place of the
    code's low eight bits: by the neuron's own body, without current."""
    codes = np.broadcast_to((np.arange(256) + 128) % 256 - 128, (network.neurons, 256))
    nothing, fires = np.zeros_like(codes), (codes >= network.threshold[:, None]).astype(np.int64)
    each = np.arange(network.neurons)[:, None]
    return (
        step_many(network.body, nothing, {"u": codes}, fires, network.parameters, each)
        .codes["u"]
        .astype(np.int8)
    )


def four_by_four(columns: Ints) -> Ints:
    """What four neurons send, by the 16 ways in which they fire: [N, N] to [N / 4, 16, N]."""
    fires = np.arange(16)[:, None] >> np.arange(4) & 1
    return fires @ columns.reshape(len(columns) // 4, 4, -1)
