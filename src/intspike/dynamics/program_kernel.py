"""Compiled timesteps of any program: the exported C, with its state taken out and put back as a vector."""

from __future__ import annotations

import ctypes
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..export.c import Renderer
from ..ir import Conv, Dense
from ..native import load, split
from ..native.find import Compiler, compiler
from .kernel_text import loops
from .map import Ints
from .packing import aligned
from .program_map import ProgramMap
from .program_parts import Part

_INT = ctypes.c_int64
_ADDITIONS = 1 << 26  # about as many between two looks at Ctrl-C
_HORIZON = 1024  # a pruned program holds no sums over time, so any number does
_ids = itertools.count(1)


class _Network(ctypes.Structure):
    _fields_ = [
        *((name, _INT) for name in ("n", "width", "padded", "phases", "id")),
        *((name, ctypes.c_void_p) for name in ("drive", "sends", "membranes", "lows", "highs")),
    ]  # fmt: skip


_STRUCT = """
typedef struct {
    int64_t n, width, padded, phases, id;
    const program_input *drive; /* [P, inputs], channel last */
    const int64_t *sends, *membranes; /* [N] into a state */
    const lane *lows, *highs; /* [width] */
} network;
"""


@dataclass(frozen=True, eq=False)
class ProgramKernel:
    """A program under its drive, ready for compiled code; methods as those of `kernel.Kernel`.

    Attributes:
        lane: numpy type of an integer of a state.
        library: the functions of walk.c and program.c.
        chunk: timesteps of one state between two looks at Ctrl-C.
    """

    network: ProgramMap
    lane: Any
    library: ctypes.CDLL
    chunk: int
    _arrays: tuple[NDArray[Any], ...]  # kept alive: the struct points into them
    _struct: _Network

    @property
    def net(self) -> Any:
        """Pointer to the network, the argument `net` of every function."""
        return ctypes.byref(self._struct)

    def buffers(self, *states: Ints) -> NDArray[Any]:
        """Room for the functions that move single states, [5, width], holding these states first."""
        made = aligned(np.zeros((5, self.network.width), np.int64), self.lane)
        made[: len(states)] = states
        return made

    def advance(self, states: Ints, steps: int, phase: int, threads: int) -> Ints:
        """States [B, width] after so many timesteps."""
        made = np.ascontiguousarray(states, self.lane).copy()

        def work(first: int, last: int) -> None:
            at_once = max(1, self.chunk // steps)
            for begin in range(first, last, at_once):
                for begun in range(0, steps, self.chunk):
                    self.library.advance(
                        _INT(begin), _INT(min(last, begin + at_once)), self.net,
                        _INT(min(self.chunk, steps - begun)), _INT((phase + begun) % self.network.phases),
                        ctypes.c_void_p(made.ctypes.data),
                    )  # fmt: skip

        split(work, len(made), threads)
        return made.astype(np.int64)

    def successors(self, threads: int) -> None:
        """None: `graph` numbers the states itself."""


def program_kernel(network: ProgramMap) -> ProgramKernel | None:
    """The compiled form of a program; None where there is no compiler."""
    cc = compiler()
    if cc is None:
        return None
    made: ProgramKernel | None = network.__dict__.get("_kernel")
    if made is None:
        made = _kernel(network, cc)
        object.__setattr__(network, "_kernel", made)
    return made


def _kernel(network: ProgramMap, cc: Compiler) -> ProgramKernel:
    program = network.program
    r = Renderer(program, _HORIZON)
    wide = max(int(np.abs(network.lows).max()), int(network.highs.max())) > np.iinfo(np.int32).max
    lane, name = (np.int64, "int64_t") if wide else (np.int32, "int32_t")
    text = "\n".join([
        r.header(), r.source().replace('#include "program.h"\n', ""), f"typedef {name} lane;", _STRUCT,
        *(_between(network, r, store) for store in (False, True)), loops("program.c"), loops("walk.c"),
    ])  # fmt: skip
    library = load(text, cc)
    library.meet.restype = _INT
    k = r.layout[program.input.name]
    frames = network.frames.reshape(network.phases, k.channels, k.positions).swapaxes(1, 2)
    kinds = {f"{s}int{b}_t": np.dtype(f"{s}int{b}") for s in ("u", "") for b in (8, 16, 32, 64)}
    arrays = (
        np.ascontiguousarray(frames, kinds[k.kind]), np.ascontiguousarray(network.sends),
        np.ascontiguousarray(network.membranes), network.lows.astype(lane), network.highs.astype(lane),
    )  # fmt: skip
    struct = _Network(
        network.neurons, network.width, network.width, network.phases, next(_ids), *(a.ctypes.data for a in arrays)
    )  # fmt: skip
    additions = network.width + sum(
        int(n.weight.size) * (1 if isinstance(n, Dense) else int(np.prod(program.shapes[n.name][1:])))
        for n in program
        if isinstance(n, (Dense, Conv))
    )
    return ProgramKernel(network, lane, library, max(1, _ADDITIONS // additions), arrays, struct)


def _between(network: ProgramMap, r: Renderer, store: bool) -> str:
    """load_state or store_state, part by part; a state holds the channel first, the struct last."""
    lines: list[str] = []
    for name in dict.fromkeys(p.node for p in network.parts):
        k = r.layout[name]
        if k.delay and not store:
            lines.append(f"s->i{k.number} = 0;")
    for p in network.parts:
        for field, kind in _fields(network, r, p, store):
            k = r.layout[p.node]
            inside, outside = f"{field} + o * {k.channels} + c]", f"u[{p.begin} + c * {k.positions} + o]"
            line = f"{outside} = (lane){inside};" if store else f"{inside} = ({kind}){outside};"
            lines += [
                f"for (int32_t o = 0; o < {k.positions}; o++)", f"    for (int32_t c = 0; c < {k.channels}; c++)",
                f"        {line}",
            ]  # fmt: skip
    head = (
        "store_state(const program_state *s, lane *u)"
        if store
        else "load_state(program_state *s, const lane *u)"
    )
    return f"static void {head}\n{{\n" + "\n".join(f"    {line}" for line in lines) + "\n}\n"


def _fields(network: ProgramMap, r: Renderer, p: Part, store: bool) -> list[tuple[str, str]]:
    """Where in the struct a part stands, up to its index, and of which C type."""
    k = r.layout[p.node]
    ring = lambda back: f"s->d{k.number}[(s->i{k.number} + {k.delay - back}) % {k.delay} * {k.size}"  # noqa: E731
    if p.what.startswith("past "):
        return [(ring(int(p.what.split()[1])), k.kind)]
    if p.what == "spikes":
        own = [(f"s->y{k.number}[0", k.kind)]
        return own + [(ring(1), k.kind)] if k.delay and not store else own
    node = next(n for n in network.program.neurons if n.name == p.node)
    j = next(j for j, s in enumerate(node.body.states) if s.name == p.what)
    return [(f"s->s{k.number}_{j}[0", k.states[j])]
