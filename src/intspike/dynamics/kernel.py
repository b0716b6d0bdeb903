"""Compiled timesteps of integer networks: one neuron rendered from its body, loops of C around it.

Many states move as bit planes, 512 in a vector; one state moves in lanes as narrow as a range proof allows. Weights
are run-time arrays, so one compiled library serves every network of the same semantics.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RangeExceeded
from ..native import load, split
from ..native.find import Compiler, compiler
from ..ops import intervals
from .kernel_text import source
from .map import Ints
from .network import IntegerNetwork
from .packing import aligned, bit_planes, senders, tables_of_four

_LANES = (("int16_t", np.int16), ("int32_t", np.int32), ("int64_t", np.int64))
_FOLDED = ("gain", "bias", "u.shift", "leak.shift")  # the same for all neurons: constants of the text
_INT = ctypes.c_int64
MOST_BY_FOURS = 512  # as in step.c
PADDED = 64  # neurons of one state come in multiples of it
CHUNK = 1 << 24  # neurons and eighths of connections, times timesteps, between two looks at Ctrl-C


class _Network(ctypes.Structure):
    _fields_ = [
        *((name, _INT) for name in ("n", "padded", "phases")),
        *((name, ctypes.c_void_p) for name in ("senders", "begins", "theta_planes", "reset_planes")),
        ("carries", _INT),
        ("tables", ctypes.c_void_p),
        ("tables_hold", _INT),
        *((name, ctypes.c_void_p) for name in ("columns", "drive", "theta", "reset")),
    ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Kernel:
    """A network ready for compiled code.

    Attributes:
        lane: numpy type of a state in compiled code.
        library: the functions of the loops.
        block: how many states advance together.
        chunk: timesteps of one state, or of a block, between two looks at Ctrl-C.
    """

    network: IntegerNetwork
    lane: Any
    library: ctypes.CDLL
    block: int
    chunk: int
    _arrays: tuple[NDArray[Any], ...]  # kept alive: the struct points into them
    _struct: _Network

    @property
    def net(self) -> Any:
        """Pointer to the network, the argument `net` of every function."""
        return ctypes.byref(self._struct)

    def buffers(self, *states: Ints) -> NDArray[Any]:
        """Room for the functions that move single states, [5, padded], holding these states first."""
        made = aligned(np.zeros((5, self._struct.padded), np.int64), self.lane)
        made[: len(states), : self.network.neurons] = states
        return made

    def advance(self, states: Ints, steps: int, phase: int, threads: int) -> Ints:
        """States [B, N] after so many timesteps."""
        blocks = -(-len(states) // self.block)
        states = np.ascontiguousarray(states)
        made = np.empty_like(states)

        def work(first: int, last: int) -> None:
            at_once = max(1, self.chunk // steps)
            for block in range(first, last, at_once):
                source = states
                for begun in range(0, steps, self.chunk):
                    _memory(
                        self.library.advance(
                            _INT(block), _INT(min(last, block + at_once)), self.net,
                            _INT(min(self.chunk, steps - begun)), _INT((phase + begun) % self.network.phases),
                            _INT(len(states)), ctypes.c_void_p(source.ctypes.data), ctypes.c_void_p(made.ctypes.data),
                        )
                    )  # fmt: skip
                    source = made

        split(work, blocks, threads)
        return made

    def successors(self, threads: int) -> NDArray[np.uint32]:
        """The index of every state's successor, [P * 2^(bits * N)]; see `graph`."""
        each = self.network.size // self.network.phases
        blocks = -(-each // self.block) * self.network.phases
        following = np.empty(self.network.size, np.uint32)

        def work(first: int, last: int) -> None:
            _memory(
                self.library.successors(
                    _INT(first), _INT(last), self.net, _INT(each), ctypes.c_void_p(following.ctypes.data)
                )
            )  # 2^26 states at the most: a tenth of a second

        split(work, blocks, threads)
        return following


def _memory(failed: int) -> None:
    if failed:
        raise MemoryError("no memory for the states of a block; use a smaller network")


def kernel(network: IntegerNetwork) -> Kernel | None:
    """The compiled form of a network; None where there is no compiler."""
    cc = compiler()
    if cc is None:
        return None
    made: Kernel | None = network.__dict__.get("_kernel")
    if made is None:
        made = _kernel(network, cc)
        object.__setattr__(network, "_kernel", made)
    return made


def _kernel(network: IntegerNetwork, cc: Compiler) -> Kernel:
    # a threshold that no code reaches is as good as the first above the codes, which fits the lanes
    limit = np.int64(network.high + 1)
    numbers = {
        name: np.minimum(a, limit) if name in ("theta", "reset") else a
        for name, a in network.parameters.items()
    }
    positive, negative = np.maximum(network.weights, 0).sum(1), np.minimum(network.weights, 0).sum(1)
    low = min(0, int((negative + network.drive.min(0)).min()), int(negative.min()))
    high = max(0, int((positive + network.drive.max(0)).max()), int(positive.max()))
    low, high = min(low, int(network.drive.min())), max(high, int(network.drive.max()))
    rows, _ = np.unique(numbers["theta"], return_index=True)
    first = [int(np.argmax(numbers["theta"] == t)) for t in rows]
    few = {name: a[first] for name, a in numbers.items()}
    bounds = intervals(network.body, few, np.full(len(first), low), np.full(len(first), high))
    most = max(int(np.abs(b).max()) for pair in bounds.values() for b in pair) + 1
    lane = next(((c, t) for c, t in _LANES if most <= np.iinfo(t).max), None)
    if lane is None:
        raise RangeExceeded(f"a timestep must fit 62 bits, but could reach {most}; use smaller weights")
    text = source(network.body, bounds, lane[0], {p: int(few[p][0]) for p in _FOLDED if p in few})
    library = load(text, cc)
    for asked in (library.block_size, library.meet, library.plane_size):
        asked.restype = ctypes.c_int64
    chunk = max(1, CHUNK // (network.neurons + int(np.count_nonzero(network.weights)) // 8))
    return Kernel(
        network,
        lane[1],
        library,
        int(library.block_size()),
        chunk,
        *_packed(network, numbers, lane[1], library),
    )


def _packed(
    network: IntegerNetwork, numbers: dict[str, Ints], lane: Any, library: ctypes.CDLL
) -> tuple[tuple[NDArray[Any], ...], _Network]:
    """The network as the arrays of network.c, and the struct that points to them."""
    n = network.neurons
    padded = -(-n // PADDED) * PADDED
    theta = np.full(padded, network.high + 1)
    theta[:n] = numbers["theta"]
    reset = numbers.get("reset", np.zeros(n, np.int64))
    wide = lambda a: aligned(np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, padded - n)]), lane)  # noqa: E731
    planes, levels = int(library.current_planes()), int(library.threshold_planes())
    who, carries, too_much = senders(network.weights, planes)
    many = (
        who,
        bit_planes(network.drive - too_much, planes),
        bit_planes(numbers["theta"], levels),
        bit_planes(reset, levels),
    )
    tables = np.zeros(0, np.int8)
    if padded <= MOST_BY_FOURS:
        tables = tables_of_four(network.weights, padded, lane, int(library.plane_size()))
    one = (
        aligned(tables, tables.dtype),
        aligned(np.zeros(0) if tables.size else wide(network.weights.T), lane),
        wide(network.drive),
        aligned(theta, lane),
        wide(reset),
    )
    at = [a.ctypes.data for a in (*many, *one)]
    held = tables.itemsize if tables.size else 0
    return (*many, *one), _Network(n, padded, network.phases, *at[:4], carries, at[4], held, *at[5:])
