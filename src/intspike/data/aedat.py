"""Event-camera recordings in AEDAT 3.1: text lines, then packets of a 28-byte head and events of equal size.

A polarity event is two little-endian words of 32 bits: bit 0 says that it is valid, bit 1 its polarity, bits 2 to 16
are y and bits 17 to 31 x; then microseconds, of which the packet's head has the bits above the 31st. Packets of other
kinds are skipped. (Format: inivation's AEDAT file formats, version 3.1.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import BadData
from .readers import read_bytes

FIRST_LINE, LAST_LINE = b"#!AER-DAT3.1\r\n", b"#!END-HEADER\r\n"
MAX_HEADER = 1 << 16  # bytes of the text
MAX_AEDAT_BYTES = 1 << 30
HEAD = struct.Struct("<hhiiiiii")  # type, source, event size, time offset, overflow, capacity, number, valid
POLARITY, EVENT_BYTES, TIME_OFFSET = 1, 8, 4


@dataclass(frozen=True, eq=False)
class Events:
    """Valid events in the order of the file; all [E].

    Attributes:
        times: int64, microseconds.
        x, y, polarity: int64; polarity is 0 or 1.
    """

    times: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    polarity: NDArray[np.int64]

    def between(self, first: int, last: int) -> Events:
        """The events with first <= time < last, their times counted from `first`."""
        kept = (self.times >= first) & (self.times < last)
        return Events(self.times[kept] - first, self.x[kept], self.y[kept], self.polarity[kept])


def read_aedat(path: Path) -> Events:
    """The polarity events of a file.

    Raises BadData for a file that is missing, of another version, truncated, or whose packets claim what cannot be.
    """
    content = read_bytes(path, "an AEDAT 3.1 file", MAX_AEDAT_BYTES)
    if not content.startswith(FIRST_LINE):
        raise BadData(
            f"{path} must start with the line #!AER-DAT3.1, but starts with {content[:16]!r}; give a recording as "
            f"published"
        )
    end = content.find(LAST_LINE, 0, MAX_HEADER)
    if end < 0:
        raise BadData(
            f"{path} must have the line #!END-HEADER in its first {MAX_HEADER:,} bytes; fetch it again"
        )
    at, packets = end + len(LAST_LINE), [np.zeros((0, 3), np.int64)]
    while at < len(content):
        at, events = _packet(path, content, at)
        if events is not None:
            packets.append(events)
    words, low, overflow = np.concatenate(packets).T
    kept = words & 1 == 1
    words = words[kept]
    times = overflow[kept] << 31 | low[kept]
    return Events(times, words >> 17, words >> 2 & 0x7FFF, words >> 1 & 1)


def _packet(path: Path, content: bytes, at: int) -> tuple[int, NDArray[np.int64] | None]:
    """Where the packet at a place ends, and its events [E, 3] (word, time, overflow of the clock)."""
    if len(content) - at < HEAD.size:
        raise BadData(
            f"{path} must end with a whole packet, but ends in the head of one at byte {at}; fetch it again"
        )
    kind, _, size, offset, overflow, capacity, number, valid = HEAD.unpack_from(content, at)
    last = at + HEAD.size + size * capacity
    if size < 1 or not 0 <= valid <= number <= capacity or overflow < 0 or last > len(content):
        raise BadData(
            f"{path} must hold {number:,} events in a packet for {capacity:,} of {size} bytes at byte {at}, but that "
            f"cannot be with {len(content) - at - HEAD.size:,} bytes left; it is truncated or damaged: fetch it again"
        )
    if kind != POLARITY:
        return last, None
    if (size, offset) != (EVENT_BYTES, TIME_OFFSET):
        raise BadData(
            f"{path} must hold polarity events of {EVENT_BYTES} bytes with the time at byte {TIME_OFFSET}, but the "
            f"packet at byte {at} has {size} and {offset}; fetch it again"
        )
    events = np.empty((number, 3), np.int64)
    events[:, :2] = np.frombuffer(content, "<u4", 2 * number, at + HEAD.size).reshape(number, 2)
    events[:, 2] = overflow
    if (events[:, 1] >> 31).any():
        raise BadData(
            f"{path} must hold times of 31 bits, but the packet at byte {at} does not; fetch it again"
        )
    return last, events
