"""Many states of an integer network at once, in compiled bit planes: as many as a vector has bits.

Weights are run-time arrays, so one compiled library serves many networks of the same semantics.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..native import load, split
from ..native.find import Compiler
from ..ops.planes import width_of
from .facts import Facts
from .map import Ints
from .network import IntegerNetwork
from .packing import bit_planes, senders
from .planes_text import source

_INT = ctypes.c_int64


class _Network(ctypes.Structure):
    _fields_ = [
        *((name, _INT) for name in ("n", "phases")),
        *((name, ctypes.c_void_p) for name in ("senders", "begins", "theta", "reset")),
        ("carries", _INT),
    ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class PlanesKernel:
    """A network ready for planes.c.

    Attributes:
        block: how many states advance together.
        chunk: timesteps of a block between two looks at Ctrl-C.
    """

    network: IntegerNetwork
    library: ctypes.CDLL
    block: int
    chunk: int
    _arrays: tuple[NDArray[Any], ...]  # kept alive: the struct points into them
    _struct: _Network

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
                            _INT(block), _INT(min(last, block + at_once)), ctypes.byref(self._struct),
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
                    _INT(first),
                    _INT(last),
                    ctypes.byref(self._struct),
                    _INT(each),
                    ctypes.c_void_p(following.ctypes.data),
                )
            )  # 2^26 states at the most: a tenth of a second

        split(work, blocks, threads)
        return following


def _memory(failed: int) -> None:
    if failed:
        raise MemoryError("no memory for the states of a block; use a smaller network")


def planes_kernel(facts: Facts, chunk: int, cc: Compiler) -> PlanesKernel:
    """The compiled form of a network for many states."""
    network, numbers = facts.network, facts.numbers
    # bounds are of all currents and thresholds of as many bits, so that few texts serve all networks of one semantics
    planes = width_of(facts.low, facts.high)
    planes += planes % 2
    most = min((1 << int(numbers["theta"].max()).bit_length()) - 1, network.high + 1)
    bounds = facts.bounds(-1 << (planes - 1), (1 << (planes - 1)) - 1, np.arange(1, most + 1))
    library = load(source(network.body, bounds, planes, facts.folded), cc)
    for asked in (library.block_size, library.current_planes, library.threshold_planes):
        asked.restype = _INT
    planes, levels = int(library.current_planes()), int(library.threshold_planes())
    who, carries, too_much = senders(network.weights, planes)
    arrays = (
        who,
        bit_planes(network.drive - too_much, planes),
        bit_planes(numbers["theta"], levels),
        bit_planes(numbers.get("reset", np.zeros_like(numbers["theta"])), levels),
    )
    struct = _Network(network.neurons, network.phases, *(a.ctypes.data for a in arrays), carries)
    return PlanesKernel(network, library, int(library.block_size()), chunk, arrays, struct)
