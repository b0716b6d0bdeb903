"""The way back of gradients between compiled layers: tiles of samples, pushed into the value that was read.

The layer that read spikes pushes their gradient, a tile at a time, into the sink of what sent them; behind the last
reader the sender's loop over time runs on each tile at once, while it is in the cache.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray

from ..native import split

Tile = NDArray[np.float32]  # [T, samples, elements of a frame]

# Gradients are summed over so many parts of the batch, whatever the threads, so their bits do not depend on them.
PARTS = 8
_TILE_BYTES = 1 << 20  # a tile stays in the second cache


def part(batch: int, k: int) -> tuple[int, int]:
    """Samples of the k-th part of a batch."""
    return batch * k // PARTS, batch * (k + 1) // PARTS


# Takes (part, b0, b1, tile): samples b0..b1 - 1; it may change the tile.
Deliver = Callable[[int, int, int, Tile], None]


class Sink:
    """Takes the gradient of one value from everything that reads it.

    Args:
        shape: [T, B, elements] of the value.
        begin: called once before the first tile.
        receive: takes (part, b0, b1, tile): the whole gradient of samples b0..b1 - 1.
    """

    def __init__(self, shape: tuple[int, int, int], begin: Callable[[], None], receive: Deliver):
        self.shape, self._begin, self._receive = shape, begin, receive
        self.readers = 0
        self._arrived = 0
        self._waiting: Tile | None = None  # gradients of the readers before the last
        self._alike: NDArray[np.float32] | None = None  # and those that are alike, [elements]

    def arrive(self) -> Deliver:
        """One reader's gradient comes now: each tile, once. Those of the last reader are passed on at once."""
        self._arrived += 1
        waiting, alike, receive = self._waiting, self._alike, self._receive
        if self._arrived == self.readers:
            self._begin()

            def last(k: int, a: int, b: int, tile: Tile) -> None:
                if waiting is not None:
                    tile += waiting[:, a:b]
                if alike is not None:
                    tile += alike
                receive(k, a, b, tile)

            return last
        if waiting is not None:

            def more(k: int, a: int, b: int, tile: Tile) -> None:
                waiting[:, a:b] += tile

            return more
        first = self._waiting = np.empty(self.shape, np.float32)

        def keep(k: int, a: int, b: int, tile: Tile) -> None:
            first[:, a:b] = tile

        return keep

    def push(self, produce: Deliver) -> None:
        """One reader's gradient: `produce(part, b0, b1, tile)` fills a tile."""
        pour(self, produce)

    def push_alike(self, each: NDArray[np.float32]) -> None:
        """One reader's gradient that is alike at all timesteps and samples, [elements]; no more than that waits."""
        self._arrived += 1
        self._alike = each if self._alike is None else self._alike + each
        if self._arrived == self.readers:
            self._pass_on()

    def close(self) -> None:
        """Everything that will come has come: run on what waits where a reader sent nothing; ready for another pass."""
        if self._arrived < self.readers and not (self._waiting is None and self._alike is None):
            self._pass_on()
        self._arrived, self._waiting, self._alike = 0, None, None

    def _pass_on(self) -> None:
        """Pass on what waits."""
        waiting, alike = self._waiting, self._alike
        timesteps, batch, elements = self.shape
        self._begin()

        def run(first: int, end: int) -> None:
            for k in range(first, end):
                for a, b in tiles(*part(batch, k), timesteps * elements):
                    with workspace(timesteps, b - a, elements) as tile:
                        tile[:] = 0 if waiting is None else waiting[:, a:b]
                        if alike is not None:
                            tile += alike
                        self._receive(k, a, b, tile)

        split(run, PARTS, torch.get_num_threads())


class Masked:
    """A sink before which elements of each sample are taken out, for all timesteps.

    Args:
        sink: of the value that was masked.
        kept: float32 [B, elements], 1 where an element is kept and 0 where not.
    """

    def __init__(self, sink: AnySink, kept: Tile):
        self._sink, self._kept, self.shape = sink, kept, sink.shape

    @property
    def readers(self) -> int:
        """Of the value that was masked: who reads this reads that."""
        return self._sink.readers

    @readers.setter
    def readers(self, count: int) -> None:
        self._sink.readers = count

    def arrive(self) -> Deliver:
        """See `Sink.arrive`."""
        deliver = self._sink.arrive()

        def masked(k: int, a: int, b: int, tile: Tile) -> None:
            tile *= self._kept[a:b]
            deliver(k, a, b, tile)

        return masked

    def push(self, produce: Deliver) -> None:
        """See `Sink.push`."""
        pour(self, produce)


AnySink = Sink | Masked


def tiles(first: int, last: int, elements: int) -> Iterator[tuple[int, int]]:
    """Samples of a part in tiles; `elements` is the size of one sample over time."""
    step = max(1, _TILE_BYTES // (4 * elements))
    for a in range(first, last, step):
        yield a, min(last, a + step)


def pour(sink: AnySink, produce: Deliver) -> None:
    """Fill tile after tile and deliver it. Parts run in several threads; the tiles of one part come in order."""
    timesteps, batch, elements = sink.shape
    deliver = sink.arrive()

    def run(first: int, end: int) -> None:
        for k in range(first, end):
            for a, b in tiles(*part(batch, k), timesteps * elements):
                with workspace(timesteps, b - a, elements) as tile:
                    produce(k, a, b, tile)
                    deliver(k, a, b, tile)

    split(run, PARTS, torch.get_num_threads())


_local = threading.local()


@contextmanager
def workspace(*shape: int) -> Generator[Tile]:
    """A buffer of the thread, kept for the next who asks; one who asks meanwhile gets another."""
    kept: list[Tile] = _local.__dict__.setdefault("buffers", [])
    size = prod(shape)
    buffer = kept.pop() if kept else np.empty(0, np.float32)
    if buffer.size < size:
        buffer = torch.empty(size).numpy()  # at a multiple of 64, where vectors load fastest
    try:
        yield buffer[:size].reshape(shape)
    finally:
        kept.append(buffer)
