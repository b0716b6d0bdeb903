"""Weights as the compiled timesteps read them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .network import Ints


def aligned(a: NDArray[Any], kind: Any) -> NDArray[Any]:
    """A copy of a type that begins where a vector may."""
    room = np.empty(a.size * np.dtype(kind).itemsize + 64, np.uint8)
    start = -room.ctypes.data % 64
    made = room[start : start + room.size - 64].view(kind).reshape(a.shape)
    made[...] = a
    return made


def bit_planes(a: Ints, planes: int) -> NDArray[np.uint64]:
    """Words of zeros or ones by the lowest bits of numbers, [..., planes]."""
    return -(a[..., None] >> np.arange(planes) & 1).astype(np.int64).view(np.uint64)


def senders(weights: Ints, planes: int) -> tuple[NDArray[np.uint32], int, Ints]:
    """Who sends to every neuron, plane by plane of its sum, as planes.c reads it.

    Returns:
        For every neuron and plane: how many eights, fours and twos of bits are added (4 e + 2 f + t), and which. Bit
        2 j is neuron j where it fires, 2 j + 1 where it does not (for negative weights), 2 N nobody; behind them come
        the carries in the order of their making. The most carries of a neuron; and what is counted too much for every
        neuron, [N].
    """
    nobody, most = 2 * len(weights), 1
    made: list[NDArray[np.uint32]] = []
    sizes = np.abs(weights)
    for row, size in zip(weights, sizes, strict=True):
        who = np.flatnonzero(row)
        numbers, size = 2 * who + (row[who] < 0), size[who]
        carried: list[list[int]] = [
            [] for _ in range(planes + 3)
        ]  # into each plane; what leaves them is lost
        carries = 0
        for plane in range(planes):
            mine = np.concatenate([numbers[size >> plane & 1 == 1], carried[plane]])
            pairs = -(-len(mine) // 2)
            counts = pairs // 4, pairs // 2 % 2, pairs % 2
            for count, further in zip(
                counts, (3, 2, 1), strict=True
            ):  # an eight carries three planes further
                first = nobody + 1 + carries
                carried[min(plane + further, planes)] += range(first, first + count)
                carries += count
            head = 4 * counts[0] + 2 * counts[1] + counts[2]
            made.append(np.concatenate([[head], mine, [nobody] * (2 * pairs - len(mine))]).astype(np.uint32))
        most = max(most, carries)
    return np.concatenate(made), most, np.where(weights < 0, sizes, 0).sum(1)


def tables_of_four(weights: Ints, padded: int, lane: Any, vector: int) -> NDArray[Any]:
    """What every four neurons send to a vector of neurons, by the 16 ways in which they fire, as step.c reads it.

    Numbers are bytes where all sums of weights fit, else lanes.

    Args:
        vector: its bytes.
    """
    n = len(weights)
    sums = (np.minimum(weights, 0).sum(1), np.maximum(weights, 0).sum(1))
    kind = np.int8 if min(sums[0]) >= -128 and max(sums[1]) <= 127 else lane
    columns = np.zeros((-(-n // 16) * 16, padded), np.int64)
    columns[:n, :n] = weights.T
    fires = np.arange(16)[:, None] >> np.arange(4) & 1
    entries = fires @ columns.reshape(-1, 4, padded)
    tiles = entries.reshape(*entries.shape[:2], -1, vector // np.dtype(kind).itemsize)
    return np.ascontiguousarray(tiles.transpose(2, 0, 1, 3), kind)
