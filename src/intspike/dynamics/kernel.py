"""Compiled timesteps of integer networks: one neuron rendered from its body, the loops of step.c around it.

Lanes are as narrow as a range proof allows, so that most states fit a register; weights are run-time arrays, so one
compiled library serves every network of the same semantics.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RangeExceeded
from ..native import default_threads, load, split
from ..native.find import Compiler, compiler
from ..ops import Body, intervals
from ..ops.body import Instruction
from ..ops.c import helpers, render
from ..ops.interpret import live
from .network import IntegerNetwork, Ints

_LANES = (("int16_t", np.int16), ("int32_t", np.int32), ("int64_t", np.int64))
_FOLDED = ("gain", "bias", "u.shift", "leak.shift")  # the same for all neurons: constants of the text
CHUNK = 1 << 18  # timesteps between two looks at Ctrl-C


class _Network(ctypes.Structure):
    _fields_ = [
        ("n", ctypes.c_int64),
        ("phases", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("starts", "sources", "weights", "columns", "drive", "theta", "reset")),
    ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Kernel:
    """A network ready for compiled code.

    Attributes:
        lane: numpy type of a state in compiled code.
        library: the functions of step.c.
        block: how many states advance together.
    """

    network: IntegerNetwork
    lane: Any
    library: ctypes.CDLL
    block: int
    _arrays: tuple[NDArray[Any], ...]  # kept alive: the struct points into them
    _struct: _Network

    @property
    def net(self) -> Any:
        """Pointer to the network, the argument `net` of every function."""
        return ctypes.byref(self._struct)

    def advance(self, states: Ints, steps: int, phase: int, threads: int) -> Ints:
        """States [B, N] after so many timesteps."""
        blocks = -(-len(states) // self.block)
        padded = np.zeros((blocks * self.block, self.network.neurons), self.lane)
        padded[: len(states)] = states
        failed = np.zeros(blocks, np.int32)

        def work(first: int, last: int) -> None:
            for b, count in _portions(first, last, steps):
                failed[b] |= self._advance(padded, b, count, phase)

        split(work, blocks, threads)
        _memory(failed)
        return padded[: len(states)].astype(np.int64)

    def _advance(self, padded: NDArray[Any], block: int, steps: tuple[int, int], phase: int) -> int:
        begun, count = steps
        at = (phase + begun) % self.network.phases
        return self.library.advance(
            ctypes.c_int64(block), ctypes.c_int64(block + 1), self.net, ctypes.c_int64(count), ctypes.c_int64(at),
            ctypes.c_void_p(padded.ctypes.data),
        )  # fmt: skip

    def successors(self, threads: int) -> NDArray[np.uint32]:
        """The index of every state's successor, [P * 2^(bits * N)]; see `graph`."""
        each = self.network.size // self.network.phases
        blocks = -(-each // self.block) * self.network.phases
        following = np.empty(self.network.size, np.uint32)
        failed = np.zeros(blocks, np.int32)

        def work(first: int, last: int) -> None:
            for start in range(first, last, 1 << 14):
                failed[start] = self.library.successors(
                    ctypes.c_int64(start), ctypes.c_int64(min(last, start + (1 << 14))), self.net,
                    ctypes.c_int64(each), ctypes.c_void_p(following.ctypes.data),
                )  # fmt: skip

        split(work, blocks, threads)
        _memory(failed)
        return following


def _portions(first: int, last: int, steps: int) -> Iterator[tuple[int, tuple[int, int]]]:
    for b in range(first, last):
        for begun in range(0, steps, CHUNK):
            yield b, (begun, min(CHUNK, steps - begun))


def _memory(failed: NDArray[np.int32]) -> None:
    if failed.any():
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


def advance(
    network: IntegerNetwork, states: Ints, steps: int, phase: int = 0, *, threads: int | None = None
) -> Ints:
    """States [B, N] after so many timesteps: as `run(...).states[-1]`, by compiled code where there is a compiler."""
    u = network.checked(states)
    made = kernel(network)
    if made is not None and steps > 0:
        flat = made.advance(
            u.reshape(-1, network.neurons), steps, phase, default_threads() if threads is None else threads
        )
        return flat.reshape(u.shape)
    for t in range(steps):
        u = network.step(u, phase + t)
    return u


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
    library.block_size.restype = ctypes.c_int64
    library.meet.restype = ctypes.c_int64
    entries = network.weights != 0
    starts = np.concatenate([[0], np.cumsum(entries.sum(1))]).astype(np.int64)
    reset = numbers.get("reset", np.zeros(network.neurons, np.int64))
    arrays = (
        starts,
        np.nonzero(entries)[1].astype(np.int64),
        *(
            np.ascontiguousarray(a, lane[1])
            for a in (network.weights[entries], network.weights.T, network.drive, numbers["theta"], reset)
        ),
    )
    struct = _Network(network.neurons, network.phases, *(a.ctypes.data for a in arrays))
    return Kernel(network, lane[1], library, int(library.block_size()), arrays, struct)


def source(body: Body, bounds: Any, lane: str, folded: dict[str, int]) -> str:
    """The C of a network: a neuron's timestep in one lane, and the loops around it."""

    def leaf(i: Instruction) -> str:
        match i.op:
            case "current":
                return "current"
            case "state":
                return "code"
            case "prev":
                return "fired"
            case "parameter":
                return str(folded[i.name]) if i.name in folded else i.name
            case _:
                return str(int(i.immediate))

    codec = body.codec("u")
    order = [k for k in live(body, body.stores[0]) if k in bounds]
    text = "\n    ".join(render(body, order, bounds, {}, leaf, str, {}))
    # a shift whose width is a parameter is folded too, but `encode` asks for it by its own name
    text = f"""{helpers()}
static inline lane next_code(lane code, lane fired, lane current, lane theta, lane reset)
{{
    (void)fired, (void)current, (void)theta, (void)reset;
    {text}
    return (lane)v{body.stores[0]};
}}
"""
    if lane != "int64_t":  # the proof says that nothing is wider than a lane
        text = re.sub(r"\bint32_t\b", "lane", text)
        text = re.sub(r"\buint32_t\b", f"u{lane}", text)
    head = (
        f"#include <stdint.h>\ntypedef {lane} lane;\n#define LOW ({codec.low})\n#define BITS {codec.bits}\n"
    )
    return head + text + Path(__file__).with_name("step.c").read_text("utf-8")
