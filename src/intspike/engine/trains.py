"""Spike trains of neurons whose current never changes: functions of the sum alone, so they are kept in a table.

Behind a static frame a neuron of a channel sees one sum at all timesteps. Sums are proved to stay in a range, so the
neuron's own time loop runs once on every sum of the range, and what it fires is kept as bits, 32 timesteps a word;
later runs look trains up. The table is made when a program has run long enough for it to pay.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_ENTRIES = 1 << 20  # so that a table of 32 timesteps is 4 MB at most
MOST_TIMESTEPS = 128
HEAD = 16  # words before the table: for how many timesteps it is, the least sum, entries
_ROWS = 4096  # sums that run through the time loop together

_TEXT = """
/* Trains of count elements, N elements a timestep; x holds their sums. */
static void trains{number}(int64_t count, int64_t N, int64_t T, const {kind} *restrict x,
                           const uint32_t *restrict table, uint8_t *restrict y)
{{
    enum {{ BLOCK = {block} }};
    const int32_t low = (int32_t)table[1], entries = (int32_t)table[2];
    uint32_t word[BLOCK];
    uint8_t byte[BLOCK];
    for (int64_t e0 = 0; e0 < count; e0 += BLOCK) {{
        const int here = (int)LESS(BLOCK, count - e0);
        for (int64_t w = 0; w < T; w += 32) {{
            const uint32_t *restrict of = table + {head} + w / 32 * entries;
            for (int p = 0; p < here; p += {channels})
                for (int c = 0; c < {channels}; c++)
                    word[p + c] = of[((int32_t)x[e0 + p + c] - low) * {channels} + c];
            for (int64_t t = w; t < LESS(T, w + 32); t++) {{
                uint8_t *restrict to = y + t * N + e0;
                if (t % 8 == 0)
                    for (int e = 0; e < here; e++)
                        byte[e] = (uint8_t)(word[e] >> t % 32);
                const uint8_t bit = (uint8_t)(1 << t % 8);
                for (int e = 0; e < here; e++)
                    to[e] = (byte[e] & bit) != 0;
            }}
        }}
    }}
}}

/* Bits of the spikes y [T, count] of entries first..first + count - 1. */
void keep{number}(int64_t first, int64_t count, int64_t T, const uint8_t *restrict y, uint32_t *restrict table);

void keep{number}(int64_t first, int64_t count, int64_t T, const uint8_t *restrict y, uint32_t *restrict table)
{{
    for (int64_t t = 0; t < T; t++) {{
        uint32_t *restrict to = table + {head} + t / 32 * (int32_t)table[2] + first;
        for (int64_t e = 0; e < count; e++)
            to[e] |= (uint32_t)y[t * count + e] << t % 32;
    }}
}}
"""


def text(number: int, kind: str, channels: int) -> str:
    """Functions of a node that look trains up, and that fill the table; `kind` is the C type of a sum."""
    block = max(1, 1024 // channels) * channels
    return _TEXT.format(number=number, kind=kind, channels=channels, head=HEAD, block=block)


@dataclass(frozen=True)
class Trains:
    """Of one neuron node.

    Attributes:
        number: of the node, for names in C.
        low, rows: the least sum, and how many there are.
        channels, width: of the time loop.
        kind: C type of a sum.
        place: index of the table's pointer.
        parameters: indices of the pointers that the time loop reads.
    """

    number: int
    low: int
    rows: int
    channels: int
    width: int
    kind: str
    place: int
    parameters: tuple[int, int, int]

    @property
    def entries(self) -> int:
        return self.rows * self.channels

    def make(self, library: ctypes.CDLL, pointers: Any, timesteps: int, dtype: Any) -> NDArray[np.uint32]:
        """The table for so many timesteps, a multiple of 32."""
        run, keep = library[f"neuron{self.number}"], library[f"keep{self.number}"]
        run.argtypes, run.restype = [ctypes.c_int64] * 7 + [ctypes.c_void_p] * 6, None
        keep.argtypes, keep.restype = [ctypes.c_int64] * 3 + [ctypes.c_void_p] * 2, None
        table = np.zeros(HEAD + timesteps // 32 * self.entries, np.uint32)
        table[:3] = np.array([timesteps, self.low, self.entries], np.int32).view(np.uint32)
        for first in range(0, self.rows, _ROWS):
            rows = min(_ROWS, self.rows - first)
            values = np.arange(self.low + first, self.low + first + rows)
            sums = np.repeat(values.astype(dtype), self.channels)
            spikes = np.empty((timesteps, sums.size), np.uint8)
            run(
                0, rows, self.channels, self.width, timesteps, sums.size, 0, sums.ctypes.data,
                *(pointers[k] for k in self.parameters), spikes.ctypes.data, None,
            )  # fmt: skip
            keep(first * self.channels, sums.size, timesteps, spikes.ctypes.data, table.ctypes.data)
        return table


@dataclass
class Tables:
    """The tables of a compiled program, made when they pay.

    Attributes:
        makers: each makes the table of a node for so many timesteps.
        places: index of its pointer.
        pays: neurons that must have run before.
        positions: neurons of these nodes in a sample.
    """

    makers: Sequence[Callable[[int], NDArray[np.uint32]]]
    places: Sequence[int]
    pays: int
    positions: int
    _seen: int = 0
    _timesteps: int = 0
    _kept: list[NDArray[np.uint32]] = field(default_factory=list[NDArray[np.uint32]])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self, pointers: Any, samples: int, timesteps: int) -> None:
        """Count what will run, and make the tables when it is enough."""
        if not self.makers or timesteps <= self._timesteps or timesteps > MOST_TIMESTEPS:
            return
        with self._lock:
            self._seen += samples * self.positions
            wanted = -(-timesteps // 32) * 32
            if self._seen < self.pays or wanted <= self._timesteps:
                return
            for make, place in zip(self.makers, self.places, strict=True):
                table = make(wanted)
                self._kept.append(table)  # also those before: another thread may read them now
                pointers[place] = table.ctypes.data
            self._timesteps = wanted
