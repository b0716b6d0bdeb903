"""The exported C, compiled for this machine and run on batches; numpy does it where there is no compiler."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..export.c import Layout, Renderer
from ..ir import Program
from ..native import compiler, load
from . import reference
from .trace import Trace, checked_inputs

_BATCH = """
#include <stddef.h>
#include <stdlib.h>

/* Samples first..last - 1 of a batch; traces are [T, B, C, positions], null where not wanted. */
int run_batch(int64_t first, int64_t last, int64_t batch, int64_t timesteps, int64_t frames, const int32_t *x,
              uint8_t **spikes, int32_t **codes, int64_t *readout);

int run_batch(int64_t first, int64_t last, int64_t batch, int64_t timesteps, int64_t frames, const int32_t *x,
              uint8_t **spikes, int32_t **codes, int64_t *readout)
{{
    program_state *s = malloc(sizeof *s);
    program_input *input = malloc(sizeof *input * PROGRAM_INPUTS);
    if (!s || !input) {{
        free(s);
        free(input);
        return 1;
    }}
    for (int64_t n = first; n < last; n++) {{
        program_reset(s);
        for (int64_t t = 0; t < timesteps; t++) {{
            const int fresh = t < frames;
            if (fresh) {{
                const int32_t *frame = x + (t * batch + n) * PROGRAM_INPUTS;
                for (int32_t c = 0; c < {channels}; c++)
                    for (int32_t p = 0; p < {positions}; p++)
                        input[p * {channels} + c] = (program_input)frame[c * {positions} + p];
            }}
            program_step(s, input, fresh);
{copies}
        }}
        for (int32_t c = 0; c < {out_channels}; c++)
            for (int32_t p = 0; p < {out_positions}; p++)
                readout[n * PROGRAM_OUTPUTS + c * {out_positions} + p] = s->y{out}[p * {out_channels} + c];
    }}
    free(s);
    free(input);
    return 0;
}}
"""


def _copy(target: str, index: int, field: str, k: Layout) -> str:
    return f"""            if ({target}[{index}])
                for (int32_t c = 0; c < {k.channels}; c++)
                    for (int32_t p = 0; p < {k.positions}; p++)
                        {target}[{index}][(t * batch + n) * {k.size} + c * {k.positions} + p] =
                            s->{field}[p * {k.channels} + c];"""


def source(program: Program, timesteps: int) -> str:
    """The one C file of a program and its batch loop."""
    r = Renderer(program, timesteps)
    copies: list[str] = []
    j = 0
    for i, n in enumerate(program.neurons):
        k = r.layout[n.name]
        copies.append(_copy("spikes", i, f"y{k.number}", k))
        for state in range(len(k.states)):
            copies.append(_copy("codes", j, f"s{k.number}_{state}", k))
            j += 1
    inputs, out = r.layout[program.input.name], r.layout[program.readout.name]
    batch = _BATCH.format(
        channels=inputs.channels,
        positions=inputs.positions,
        out=out.number,
        out_channels=out.channels,
        out_positions=out.positions,
        copies="\n".join(copies),
    )
    return r.header() + r.source().replace('#include "program.h"\n', "") + batch


@lru_cache(maxsize=32)
def _function(program: Program, timesteps: int) -> Any:
    """The compiled batch loop of a program."""
    cc = compiler()
    assert cc is not None
    function = load(source(program, timesteps), cc).run_batch
    function.argtypes = [ctypes.c_int64] * 5 + [ctypes.c_void_p] * 4
    return function


def _pointers(arrays: Sequence[NDArray[np.generic] | None]) -> ctypes.Array[ctypes.c_void_p]:
    kind = ctypes.c_void_p * max(1, len(arrays))
    return kind(*(None if a is None else a.ctypes.data for a in arrays))


def run(
    program: Program,
    inputs: NDArray[np.generic],
    timesteps: int,
    *,
    record: bool = True,
    threads: int | None = None,
) -> Trace:
    """Run a program from rest in compiled C; equal to `reference.run` in every integer.

    Args:
        inputs: integers [B, *shape] (static) or [T, B, *shape].
        timesteps: T.
        record: keep spikes and codes; without, only the readout is filled.
        threads: samples are split over so many threads (default: all cores); results do not depend on it.
    """
    if compiler() is None:
        return reference.run(program, inputs, timesteps)
    x = checked_inputs(program, inputs, timesteps)
    frames, batch = x.shape[:2]
    flat = np.ascontiguousarray(x, np.int32)
    function = _function(program, max(timesteps, 1024))
    shape = {n.name: (timesteps, batch, *program.shapes[n.name]) for n in program.neurons}
    spikes = {n.name: np.empty(shape[n.name], np.uint8) for n in program.neurons} if record else {}
    codes = {
        n.name: {s.name: np.empty(shape[n.name], np.int32) for s in n.body.states}
        for n in program.neurons
        if record
    }
    readout = np.empty((batch, *program.shapes[program.readout.name]), np.int64)
    count = sum(len(n.body.states) for n in program.neurons)
    spike_pointers = _pointers(list(spikes.values()) if record else [None] * len(program.neurons))
    code_pointers = _pointers([a for c in codes.values() for a in c.values()] if record else [None] * count)

    def part(first: int, last: int) -> int:
        return function(
            first,
            last,
            batch,
            timesteps,
            frames,
            flat.ctypes.data,
            spike_pointers,
            code_pointers,
            readout.ctypes.data,
        )

    workers = max(1, min(threads or os.cpu_count() or 1, batch))
    edges = np.linspace(0, batch, workers + 1).astype(int)
    with ThreadPoolExecutor(workers) as pool:  # ctypes lets go of the interpreter lock
        failed = any(pool.map(part, edges[:-1].tolist(), edges[1:].tolist()))
    if failed:
        raise MemoryError("the engine could not allocate the state of one sample")
    return Trace(spikes, codes, readout, timesteps)
