"""Compiled timesteps of integer networks: one neuron rendered from its body, loops of C around it.

One state moves in lanes as narrow as a range proof allows; for many there are bit planes. Weights are run-time arrays,
so one compiled library serves every network of the same semantics.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RangeExceeded
from ..native import load
from ..native.find import Compiler, compiler
from .facts import Facts, facts
from .kernel_text import source
from .map import Ints
from .network import IntegerNetwork
from .packing import aligned, tables_of_four
from .planes_kernel import PlanesKernel, planes_kernel

_LANES = (("int16_t", np.int16), ("int32_t", np.int32), ("int64_t", np.int64))
_INT = ctypes.c_int64
MOST_BY_FOURS = 512  # as in step.c
PADDED = 64  # neurons of one state come in multiples of it
CHUNK = 1 << 24  # neurons and eighths of connections, times timesteps, between two looks at Ctrl-C


class _Network(ctypes.Structure):
    _fields_ = [
        *((name, _INT) for name in ("n", "padded", "phases")),
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
        chunk: timesteps of one state, or of a block, between two looks at Ctrl-C.
    """

    network: IntegerNetwork
    lane: Any
    library: ctypes.CDLL
    chunk: int
    _facts: Facts
    _compiler: Compiler
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

    @cached_property
    def _many(self) -> PlanesKernel:
        return planes_kernel(self._facts, self.chunk, self._compiler)  # only those compile it who ask

    def advance(self, states: Ints, steps: int, phase: int, threads: int) -> Ints:
        """States [B, N] after so many timesteps."""
        return self._many.advance(states, steps, phase, threads)

    def successors(self, threads: int) -> NDArray[np.uint32]:
        """The index of every state's successor, [P * 2^(bits * N)]; see `graph`."""
        return self._many.successors(threads)


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
    found = facts(network)
    bounds = found.bounds(found.low, found.high, np.unique(found.numbers["theta"]))
    most = max(int(np.abs(b).max()) for pair in bounds.values() for b in pair) + 1
    lane = next(((c, t) for c, t in _LANES if most <= np.iinfo(t).max), None)
    if lane is None:
        raise RangeExceeded(f"a timestep must fit 62 bits, but could reach {most}; use smaller weights")
    library = load(source(network.body, bounds, lane[0], found.folded), cc)
    library.meet.restype = library.vector_size.restype = _INT
    chunk = max(1, CHUNK // (network.neurons + int(np.count_nonzero(network.weights)) // 8))
    return Kernel(network, lane[1], library, chunk, found, cc, *_packed(found, lane[1], library))


def _packed(found: Facts, lane: Any, library: ctypes.CDLL) -> tuple[tuple[NDArray[Any], ...], _Network]:
    """The network as the arrays of step.c, and the struct that points to them."""
    network, numbers = found.network, found.numbers
    n = network.neurons
    padded = -(-n // PADDED) * PADDED
    theta = np.full(padded, network.high + 1)
    theta[:n] = numbers["theta"]
    wide = lambda a: aligned(np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, padded - n)]), lane)  # noqa: E731
    tables = np.zeros(0, np.int8)
    if padded <= MOST_BY_FOURS:
        tables = tables_of_four(network.weights, padded, lane, int(library.vector_size()))
    arrays = (
        aligned(tables, tables.dtype),
        aligned(np.zeros(0) if tables.size else wide(network.weights.T), lane),
        wide(network.drive),
        aligned(theta, lane),
        wide(numbers.get("reset", np.zeros(n, np.int64))),
    )
    at = [a.ctypes.data for a in arrays]
    held = tables.itemsize if tables.size else 0
    return arrays, _Network(n, padded, network.phases, at[0], held, *at[1:])
