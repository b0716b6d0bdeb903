"""C text of a program's nodes that runs all timesteps of a few samples layer by layer.

A buffer holds a node's output at every timestep, [frames][samples][positions][channels]; a static node has one frame
where the input has one. Synapses are the kernels of `native.synapse`, neurons the time loops of `native.loops`; what
neither covers is a loop of `plain`. Numbers that training would change are no text: they come by pointer, in
`Constants`, so programs of one structure share a library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir import Conv, Dense, Input, Join, Neuron, Pool, Program, Range, Unfold
from ..native import synapse
from ..native.loop_text import affine_of, code_kind
from ..native.loops import AFFINE, LANES, Loop, lane_of, loop, pack_rows, pack_tables, width_of
from ..ops.c import wide_type
from . import trains
from .trains import Trains

KINDS: Mapping[str, type[np.generic]] = {
    "uint8_t": np.uint8, "int8_t": np.int8, "int16_t": np.int16, "int32_t": np.int32, "int64_t": np.int64,
}  # fmt: skip
ROOM = 1 << 30  # what 32-bit lanes may hold, so that adding half a step cannot overflow


@dataclass(frozen=True)
class Buffer:
    """A node's output.

    Attributes:
        number: index of the node; every name of the node in C is made from it.
        kind: C type of an element.
        channels, positions: of a frame of one sample.
        static: whether it has one frame where the input has one.
        substeps: frames of a timestep.
    """

    number: int
    kind: str
    channels: int
    positions: int
    static: bool
    substeps: int = 1

    @property
    def size(self) -> int:
        return self.channels * self.positions

    @property
    def frames(self) -> str:
        """How many frames, in C."""
        return "frames" if self.static else "T" if self.substeps == 1 else f"T * {self.substeps}"

    def at(self, t: str) -> str:
        """The frames of all samples at frame t, in C."""
        step = " * (frames > 1)" if self.static else ""
        return f"y{self.number} + {t}{step} * m * {self.size}"


@dataclass
class Constants:
    """Arrays that the text reads by pointer, in order."""

    arrays: list[NDArray[Any]] = field(default_factory=list[NDArray[Any]])

    def add(self, a: NDArray[Any]) -> str:
        self.arrays.append(np.ascontiguousarray(a))
        return f"constant[{len(self.arrays) - 1}]"


@dataclass(frozen=True)
class Layer:
    """The text of one node.

    Attributes:
        functions: definitions before the main function.
        lines: statements of the main function.
        packs: weights that the node's own `pack` must put into an order: (index of the constant, weights).
        trains: of a neuron whose spikes can be looked up where its input is static.
    """

    functions: str
    lines: Sequence[str]
    packs: tuple[int, NDArray[np.int8]] | None = None
    trains: Trains | None = None


def kind_of(r: Range) -> str:
    """C type of a node's output."""
    return "uint8_t" if r.low >= 0 and r.high < 256 else wide_type(r.sum_low, r.sum_high)


def sum_bits(r: Range) -> int | None:
    """Width of a synapse's sums that kernels have; None where they have none."""
    if r.sum_low >= -(1 << 15) and r.sum_high < 1 << 15:
        return 16
    return 32 if r.sum_low > -(1 << 31) and r.sum_high < 1 << 31 else None


def holds_bytes(name: str, program: Program, proved: Mapping[str, Range]) -> bool:
    """Whether a node's buffer is one of bytes, as kernels read; that of a synapse's sums never is."""
    n = program[name]
    if isinstance(n, Pool):
        behind = program[n.source.source]
        return not isinstance(behind, (Dense, Conv)) and kind_of(proved[name]) == "uint8_t"
    return isinstance(n, (Input, Neuron, Join, Unfold)) and kind_of(proved[name]) == "uint8_t"


def shape_of(n: Dense | Conv, program: Program, proved: Mapping[str, Range]) -> synapse.Shape | None:
    """Sizes of a synapse that a kernel covers; None where none does."""
    x, image = proved[n.source.source], program.shapes[n.source.source]
    fits = int(n.weight.min()) >= -128 and int(n.weight.max()) < 128
    if not fits or not holds_bytes(n.source.source, program, proved) or sum_bits(proved[n.name]) is None:
        return None
    most = max(1, x.high)
    if isinstance(n, Dense):
        return synapse.DenseShape(n.weight.shape[1], n.weight.shape[0], most)
    if n.groups > 1:
        return None
    kernel = n.weight.shape[2], n.weight.shape[3]
    return synapse.ConvShape(*image, n.weight.shape[0], kernel, n.stride, n.padding, most=most)  # type: ignore[arg-type]


def synapse_layer(
    n: Dense | Conv,
    shape: synapse.Shape,
    pool: Pool | None,
    y: Buffer,
    x: Buffer,
    bits: int,
    constants: Constants,
) -> Layer:
    """A synapse by its kernel, with the max-pool behind it."""
    name = f"synapse{y.number}"
    weight = n.weight.astype(np.int8)
    count = f"{y.frames} * m"
    packed = constants.add(np.zeros(0, np.uint8))
    place = len(constants.arrays) - 1
    if isinstance(n, Dense):
        weight = weight.reshape(len(weight), x.channels, x.positions).swapaxes(1, 2).reshape(weight.shape)
        line = f"{name}_run(0, {count}, y{x.number}, {packed}, y{y.number}, -1);"
    else:
        flip = "0"
        if pool is not None and pool.minimum is not None:
            flip = constants.add(np.where(pool.minimum, -1, 1).astype(np.int32))
        line = f"{name}_run(0, {count}, y{x.number}, {packed}, {flip}, y{y.number}, 0, -1);"
    return Layer(synapse.source(shape, bits, name), [line], (place, weight))


def neuron_lane(n: Neuron, r: Range) -> tuple[str, str] | None:
    """Types of membranes and of currents of a neuron's time loop; None where 32 bits are too few."""
    affine = affine_of(n.body)
    outside = set() if affine is None else {affine, *n.body.instructions[affine].args}
    outside |= {k for k, i in enumerate(n.body.instructions) if i.op == "current"}
    most = {k: max(-int(low.min()), int(high.max())) for k, (low, high) in r.steps.items()}
    wide = "int32_t" if all(m < ROOM for m in most.values()) else "int64_t"
    lane = lane_of(n.body, n.parameters)
    if lane == "int32_t" and any(m >= ROOM for k, m in most.items() if k not in outside - {affine}):
        return None
    return lane, wide


def neuron_layer(
    n: Neuron, y: Buffer, x: Buffer, types: tuple[str, str], constants: Constants, currents: Range
) -> Layer:
    """A neuron's time loop; codes go to `c<number>_<state>` where they are recorded."""
    lane, wide = types
    made: Loop = loop(n.body, lane, x.kind, wide=wide)  # type: ignore[arg-type]
    width = width_of(y.channels)
    given = {"": np.zeros(y.channels, np.int64), **n.parameters}  # a body may read no parameter at all
    outside = given if affine_of(n.body) is not None else {"": given[""]}
    affine = constants.add(pack_rows(AFFINE, outside, width, KINDS[wide]))
    numbers = constants.add(pack_rows(made.numbers, given, width, LANES[made.lane]))
    tables = constants.add(pack_tables(n.body, made, given, width))
    name, states = f"neuron{y.number}", range(len(n.body.states))
    lines = [
        f"void *codes{y.number}[] = {{{', '.join(f'c{y.number}_{j}' for j in states)}}};",
        f"{name}(0, m * {y.positions}, {y.channels}, {width}, T, m * {y.size},",
        f"    {'frames > 1 ? m * ' + str(y.size) + ' : 0' if x.static else 'm * ' + str(y.size)},",
        f"    y{x.number}, {affine}, {numbers}, {tables}, y{y.number}, record ? codes{y.number} : 0);",
    ]
    found = None
    if x.static and n.body.spikes == 1:
        place = len(constants.arrays)
        table = constants.add(np.zeros(trains.HEAD, np.uint32))  # holds no timestep yet
        lines[1:] = [
            f"if (!record && frames == 1 && T <= (int64_t)*(const uint32_t *){table})",
            f"    trains{y.number}(m * {y.size}, m * {y.size}, T, y{x.number}, {table}, y{y.number});",
            "else",
            *("    " + line for line in lines[1:]),
        ]
        rows, parameters = currents.high - currents.low + 1, (place - 3, place - 2, place - 1)
        if rows * y.channels <= trains.MOST_ENTRIES:
            found = Trains(y.number, currents.low, rows, y.channels, width, x.kind, place, parameters)
    # the loop's pragmas are for itself alone, and every neuron has its own copy of the functions in it
    functions = sorted(set(re.findall(r"^(?:static inline )?void (\w+)\(", made.forward, re.MULTILINE)))
    text = [
        "#pragma GCC push_options",
        *(f"#define {f} {name if f == 'forward' else f'{name}_{f}'}" for f in functions),
        made.forward,
        *(f"#undef {f}" for f in functions),
        "#pragma GCC pop_options\n",
    ]
    if x.static and n.body.spikes == 1:
        text.append(trains.text(y.number, x.kind, y.channels))
    return Layer("\n".join(text), lines, trains=found)


def code_buffers(n: Neuron, number: int) -> list[tuple[str, str]]:
    """Names and C types of a neuron's recorded codes."""
    return [(f"c{number}_{j}", code_kind(n.body, j)) for j in range(len(n.body.states))]


def element_bytes(kind: str) -> int:
    return np.dtype(KINDS[kind]).itemsize


def elements(shape: tuple[int, ...]) -> tuple[int, int]:
    """Channels and positions."""
    return shape[0], prod(shape[1:])
