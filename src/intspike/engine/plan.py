"""A program as one compiled function that runs a few samples at a time through all layers and timesteps."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..ir import (
    Conv,
    Dense,
    Input,
    Integrator,
    Neuron,
    Pool,
    Program,
    Range,
    Readout,
    ranges,
    static_nodes,
)
from ..native import Compiler, load, synapse
from . import layers
from .layers import Buffer, Constants, Layer
from .plain import plain_layer, readout_layer
from .trains import Tables

TILE_BYTES = 512 << 10  # working memory of the samples that go through the layers together
MOST_SAMPLES = 32

_RUN = """
typedef struct {{ int64_t batch, T, frames, samples, record; }} sizes;

/* Channel last to channel first. */
#define WRITE(type, from, kind, to, C, P) \\
    do {{ \\
        const kind *f = (from); \\
        type *o = (to); \\
        for (int p = 0; p < (P); p++) \\
            for (int c = 0; c < (C); c++) \\
                o[c * (P) + p] = (type)f[p * (C) + c]; \\
    }} while (0)

/* Samples first..last - 1 of a batch. x is [frames, batch, ...] and traces [T, batch, ...], channel first. */
void run(int64_t first, int64_t last, const sizes *z, const void *const *constant, const uint8_t *x,
         uint8_t *const *spikes, int32_t *const *codes, int64_t *readout, char *memory);

void run(int64_t first, int64_t last, const sizes *z, const void *const *constant, const uint8_t *x,
         uint8_t *const *spikes, int32_t *const *codes, int64_t *readout, char *memory)
{{
    const int64_t batch = z->batch, T = z->T, frames = z->frames, record = z->record;
    (void)record, (void)spikes, (void)codes, (void)T, (void)constant;
    for (int64_t n0 = first; n0 < last; n0 += z->samples) {{
        const int64_t m = LESS(z->samples, last - n0);
        char *next = memory;
{buffers}
        for (int64_t t = 0; t < frames; t++)
            for (int64_t s = 0; s < m; s++)
                WRITE(uint8_t, x + (t * batch + n0 + s) * {inputs}, uint8_t, y{input} + (t * m + s) * {inputs},
                      {positions}, {channels});
{lines}
        if (record)
            for (int64_t t = 0; t < T; t++)
                for (int64_t s = 0; s < m; s++) {{
                    const int64_t at = t * m + s, to = t * batch + n0 + s;
                    (void)at, (void)to;
{writes}
                }}
        (void)next;
    }}
}}
"""


class Memory:
    """Working memory of one call."""

    def __init__(self, size: int):
        self.bytes = synapse.aligned(size)
        self.size, self.address = size, self.bytes.ctypes.data


@dataclass(frozen=True, eq=False)
class Plan:
    """A compiled program.

    Attributes:
        function: `run` of the text above.
        constants: what it reads by pointer, kept alive here.
        pointers: their addresses.
        static, dynamic, codes: bytes that a frame of a sample takes in the working memory, in static buffers, in
            others, and in recorded codes; each entry is one buffer.
        tables: of spike trains that can be looked up.
        memories: working memories that no call uses now.
    """

    function: Any
    constants: Sequence[Any]
    pointers: Any
    static: tuple[int, ...]
    dynamic: tuple[int, ...]
    codes: tuple[int, ...]
    tables: Tables
    memories: list[Memory] = field(default_factory=list[Memory])

    def tile(self, most: int, timesteps: int, frames: int, record: bool, limit: int) -> tuple[int, int]:
        """How many of at most `most` samples go through the layers together, and their working memory in bytes."""
        each = self._bytes(1, timesteps, frames, record)
        samples = max(1, min(most, MOST_SAMPLES, limit // max(1, each)))
        return samples, self._bytes(samples, timesteps, frames, record)

    def _bytes(self, samples: int, timesteps: int, frames: int, record: bool) -> int:
        each = [(n, frames) for n in self.static] + [(n, timesteps) for n in self.dynamic]
        each += [(n, timesteps) for n in self.codes if record]
        return sum(-(-n * k * samples // 64) * 64 for n, k in each)

    def take(self, size: int) -> Memory:
        """A working memory that no other call uses; whoever took it appends it to `memories`."""
        try:
            memory = self.memories.pop()
        except IndexError:
            return Memory(size)
        return memory if memory.size >= size else Memory(size)


def plan(program: Program, timesteps: int, cc: Compiler, flags: tuple[str, ...]) -> Plan | None:
    """Compile a program; None where it runs timestep by timestep instead.

    Those are programs with delays, inputs that are no bytes, and neurons that need 64 bits.

    Args:
        timesteps: the longest run for which widths are proved.
    """
    proved = ranges(program, timesteps)
    made = _layers(program, proved)
    if made is None:
        return None
    buffers, texts, constants = made
    library = load(_source(program, buffers, texts), cc, flags)
    for number, (place, weight) in ((b.number, t.packs) for b, t in texts if t.packs):
        size = library[f"synapse{number}_packed_bytes"]
        size.restype = ctypes.c_int64
        packed = synapse.aligned(size())
        pack = library[f"synapse{number}_pack"]
        pack.argtypes, pack.restype = [ctypes.c_void_p] * 2, None
        weight = np.ascontiguousarray(weight)
        pack(weight.ctypes.data, packed.ctypes.data)
        constants.arrays[place] = packed
    function = library.run
    function.argtypes = [ctypes.c_int64] * 2 + [ctypes.c_void_p] * 7
    function.restype = None
    pointers = (ctypes.c_void_p * max(1, len(constants.arrays)))(*(a.ctypes.data for a in constants.arrays))
    sizes = [(b.static, b.size * b.substeps * layers.element_bytes(b.kind)) for b in buffers.values()]
    codes = [
        buffers[n.name].size * layers.element_bytes(kind)
        for n in program.neurons
        for _, kind in layers.code_buffers(n, buffers[n.name].number)
    ]
    return Plan(
        function, constants.arrays, pointers, tuple(n for s, n in sizes if s), tuple(n for s, n in sizes if not s),
        tuple(codes), _tables(library, texts, pointers),
    )  # fmt: skip


def _tables(library: ctypes.CDLL, texts: Sequence[tuple[Buffer, Layer]], pointers: Any) -> Tables:
    found = [(b, t.trains) for b, t in texts if t.trains is not None]
    makers = [partial(t.make, library, pointers, dtype=layers.KINDS[t.kind]) for _, t in found]
    pays = sum(t.entries for _, t in found) // 2  # making a table costs about that
    return Tables(makers, [t.place for _, t in found], pays, sum(b.size for b, _ in found))


def _layers(
    program: Program, proved: Mapping[str, Range]
) -> tuple[dict[str, Buffer], list[tuple[Buffer, Layer]], Constants] | None:
    """Buffers by node, and the text of each node in order."""
    if proved[program.input.name].low < 0 or proved[program.input.name].high > 255:
        return None
    static = static_nodes(program)
    if any(e.delay for n in program for e in n.edges) or static & program.on_substeps:
        return None
    fused = _fused(program, proved)
    buffers: dict[str, Buffer] = {}
    constants, texts = Constants(), list[tuple[Buffer, Layer]]()
    for number, n in enumerate(program.nodes):
        if n.name in fused or isinstance(n, Readout):
            continue
        r, (channels, positions) = proved[n.name], layers.elements(program.shapes[n.name])
        substeps = program.substeps if n.name in program.on_substeps else 1
        buffer = Buffer(number, layers.kind_of(r), channels, positions, n.name in static, substeps)
        behind: Pool | None = None
        synapse_node = n
        if isinstance(n, Pool) and n.source.source in fused:
            behind, synapse_node = n, program[n.source.source]
        if isinstance(synapse_node, (Dense, Conv)):
            shape, bits = (
                layers.shape_of(synapse_node, program, proved),
                layers.sum_bits(proved[synapse_node.name]),
            )
            if shape is not None and bits is not None:
                if behind is not None:
                    assert isinstance(shape, synapse.ConvShape)
                    shape = _pooled(shape, behind)
                buffer = replace(buffer, kind=f"int{bits}_t")
                x = buffers[synapse_node.source.source]
                texts.append(
                    (buffer, layers.synapse_layer(synapse_node, shape, behind, buffer, x, bits, constants))
                )
                buffers[n.name] = buffer
                continue
        if isinstance(n, Neuron):
            types = layers.neuron_lane(n, r)
            if types is None:
                return None
            buffer = Buffer(number, "uint8_t", channels, positions, False)
            source, currents = buffers[n.source.source], proved[n.source.source]
            texts.append((buffer, layers.neuron_layer(n, buffer, source, types, constants, currents)))
        elif isinstance(n, Integrator):
            buffer = Buffer(number, "int64_t", channels, positions, False)
        if not isinstance(n, (Input, Neuron)):
            sources = [buffers[e.source] for e in n.edges]
            texts.append((buffer, plain_layer(n, buffer, sources, program, constants)))
        buffers[n.name] = buffer
    last = buffers[program.readout.source.source]
    texts.append((last, readout_layer(program.readout, last)))
    return buffers, texts, constants


def _pooled(shape: synapse.ConvShape, n: Pool) -> synapse.ConvShape:
    return synapse.ConvShape(
        shape.channels, shape.height, shape.width, shape.out_channels, shape.kernel, shape.stride, shape.padding,
        n.size, shape.most,
    )  # fmt: skip


def _fused(program: Program, proved: Mapping[str, Range]) -> frozenset[str]:
    """Convolutions whose sums nothing but a max-pool of plain windows reads."""
    found: set[str] = set()
    for n in program:
        if not (
            isinstance(n, Pool) and n.kind == "max" and n.size == n.stride and n.size[0] * n.size[1] < 256
        ):
            continue
        source = program[n.source.source]
        readers = [other for other in program for e in other.edges if e.source == source.name]
        if isinstance(source, Conv) and len(readers) == 1 and layers.shape_of(source, program, proved):
            found.add(source.name)
    return frozenset(found)


def _source(program: Program, buffers: Mapping[str, Buffer], texts: Sequence[tuple[Buffer, Layer]]) -> str:
    allocated = [(b.kind, f"y{b.number}", f"{b.size} * m * {b.frames}", "") for b in buffers.values()]
    writes: list[str] = []
    j = 0
    for i, n in enumerate(program.neurons):
        b = buffers[n.name]
        fields = [("uint8_t", f"spikes[{i}]", b.kind, f"y{b.number}")]
        for name, kind in layers.code_buffers(n, b.number):
            allocated.append((kind, name, f"{b.size} * m * T", "record * "))
            fields.append(("int32_t", f"codes[{j}]", kind, name))
            j += 1
        writes += [
            f"WRITE({to}, {name} + at * {b.size}, {kind}, {target} + to * {b.size}, {b.channels}, {b.positions});"
            for to, target, kind, name in fields
        ]
    lines: list[str] = []
    for kind, name, count, condition in allocated:
        size = f"{condition}UP({count} * (int64_t)sizeof({kind}), 64) * 64"
        lines += [f"{kind} *{name} = ({kind} *)(void *)next;", f"next += {size};"]
    k = buffers[program.input.name]
    body = _RUN.format(
        buffers=_indented(lines, 8), inputs=k.size, input=k.number, positions=k.positions, channels=k.channels,
        lines=_indented([line for _, t in texts for line in t.lines], 8), writes=_indented(writes, 20),
    )  # fmt: skip
    return "\n".join([synapse.lanes(), *(t.functions for _, t in texts), body])


def _indented(lines: Sequence[str], by: int) -> str:
    return "\n".join(" " * by + line for line in lines)
