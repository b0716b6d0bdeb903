"""The exported C, compiled for this machine: samples one after the other, each timestep by timestep.

It runs what `plan` does not cover, and sessions that are stepped.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..export.c import Layout, Renderer
from ..ir import Program
from ..native import FAST, Compiler, compiler, default_threads, load, split
from ..native.synapse import aligned
from . import reference
from .trace import Trace, checked_inputs

_BATCH = """
#include <stddef.h>

int64_t state_bytes(void);
int64_t input_bytes(void);
void reset_batch(int64_t first, int64_t last, program_state *s);
void step_batch(int64_t first, int64_t last, program_state *s, program_input *input, const int32_t *x, int fresh);
void read_batch(int64_t first, int64_t last, const program_state *s, uint8_t **spikes, int32_t **codes,
                int64_t *readout);
void run_batch(int64_t first, int64_t last, int64_t batch, int64_t timesteps, int64_t frames, program_state *s,
               program_input *input, const int32_t *x, uint8_t **spikes, int32_t **codes, int64_t *readout);

int64_t state_bytes(void)
{{
    return sizeof(program_state);
}}

int64_t input_bytes(void)
{{
    return sizeof(program_input) * PROGRAM_INPUTS;
}}

void reset_batch(int64_t first, int64_t last, program_state *s)
{{
    for (int64_t n = first; n < last; n++)
        program_reset(&s[n]);
}}

/* x [channels, positions] of one sample; its copy must live as long as its state. */
static void step_one(program_state *s, program_input *input, const int32_t *x, int fresh)
{{
    if (fresh)
        for (int32_t c = 0; c < {channels}; c++)
            for (int32_t p = 0; p < {positions}; p++)
                input[p * {channels} + c] = (program_input)x[c * {positions} + p];
    program_step(s, input, fresh);
}}

/* Outputs and codes of a timestep as element `at` of arrays [..., C, positions]. */
static void read_one(const program_state *s, int64_t at, uint8_t **spikes, int32_t **codes)
{{
    (void)s, (void)at, (void)spikes, (void)codes;
{copies}
}}

static void read_readout(const program_state *s, int64_t *readout)
{{
    for (int32_t o = 0; o < PROGRAM_OUTPUTS; o++)
        readout[o] = program_readout(s, o);
}}

void step_batch(int64_t first, int64_t last, program_state *s, program_input *input, const int32_t *x, int fresh)
{{
    for (int64_t n = first; n < last; n++)
        step_one(&s[n], input + n * PROGRAM_INPUTS, x + n * PROGRAM_INPUTS, fresh);
}}

void read_batch(int64_t first, int64_t last, const program_state *s, uint8_t **spikes, int32_t **codes,
                int64_t *readout)
{{
    for (int64_t n = first; n < last; n++) {{
        read_one(&s[n], n, spikes, codes);
        read_readout(&s[n], readout + n * PROGRAM_OUTPUTS);
    }}
}}

/* Samples first..last - 1 of a batch, in one state; traces are [T, B, C, positions], null where not wanted. */
void run_batch(int64_t first, int64_t last, int64_t batch, int64_t timesteps, int64_t frames, program_state *s,
               program_input *input, const int32_t *x, uint8_t **spikes, int32_t **codes, int64_t *readout)
{{
    for (int64_t n = first; n < last; n++) {{
        program_reset(s);
        for (int64_t t = 0; t < timesteps; t++) {{
            step_one(s, input, x + (t < frames ? t * batch + n : 0) * PROGRAM_INPUTS, t < frames);
            read_one(s, t * batch + n, spikes, codes);
        }}
        read_readout(s, readout + n * PROGRAM_OUTPUTS);
    }}
}}
"""


def _copy(target: str, index: int, field: str, k: Layout) -> str:
    return f"""    if ({target}[{index}])
        for (int32_t c = 0; c < {k.channels}; c++)
            for (int32_t p = 0; p < {k.positions}; p++)
                {target}[{index}][at * {k.size} + c * {k.positions} + p] = s->{field}[p * {k.channels} + c];"""


def source(program: Program, timesteps: int) -> str:
    """The one C file of a program and its loops over samples."""
    r = Renderer(program, timesteps)
    copies: list[str] = []
    j = 0
    for i, n in enumerate(program.neurons):
        k = r.layout[n.name]
        copies.append(_copy("spikes", i, f"y{k.number}", k))
        for state in range(len(k.states)):
            copies.append(_copy("codes", j, f"s{k.number}_{state}", k))
            j += 1
    k = r.layout[program.input.name]
    batch = _BATCH.format(channels=k.channels, positions=k.positions, copies="\n".join(copies))
    return r.header() + r.source().replace('#include "program.h"\n', "") + batch


@lru_cache(maxsize=32)
def _library(program: Program, timesteps: int, cc: Compiler, flags: tuple[str, ...]) -> Any:
    library = load(source(program, timesteps), cc, flags)
    number, pointer = ctypes.c_int64, ctypes.c_void_p
    library.state_bytes.restype = library.input_bytes.restype = number
    library.reset_batch.argtypes = [number] * 2 + [pointer]
    library.step_batch.argtypes = [number] * 2 + [pointer] * 3 + [ctypes.c_int]
    library.read_batch.argtypes = [number] * 2 + [pointer] * 4
    library.run_batch.argtypes = [number] * 5 + [pointer] * 6
    for name in ("reset_batch", "step_batch", "read_batch", "run_batch"):
        library[name].restype = None
    return library


def pointers(arrays: Sequence[NDArray[Any] | None]) -> Any:
    """Addresses as C's array of pointers."""
    return (ctypes.c_void_p * max(1, len(arrays)))(*(None if a is None else a.ctypes.data for a in arrays))


def empty_traces(
    program: Program, lead: tuple[int, ...]
) -> tuple[dict[str, NDArray[np.uint8]], dict[str, dict[str, NDArray[np.int32]]]]:
    """Arrays [*lead, *shape] for the spikes and the codes of each layer of neurons."""
    spikes = {n.name: np.empty((*lead, *program.shapes[n.name]), np.uint8) for n in program.neurons}
    codes = {
        n.name: {s.name: np.empty((*lead, *program.shapes[n.name]), np.int32) for s in n.body.states}
        for n in program.neurons
    }
    return spikes, codes


def run(
    program: Program,
    inputs: NDArray[np.generic],
    timesteps: int,
    *,
    record: bool = True,
    threads: int = 1,
    flags: tuple[str, ...] = FAST,
) -> Trace:
    """Run a program from rest; arguments as `native.run`, and there must be a compiler."""
    cc = compiler()
    assert cc is not None
    x = checked_inputs(program, inputs, timesteps)
    frames, batch = x.shape[:2]
    flat = np.ascontiguousarray(x, np.int32)
    library = _library(program, max(timesteps, 1024), cc, flags)
    spikes, codes = empty_traces(program, (timesteps, batch)) if record else ({}, {})
    readout = np.empty((batch, *program.shapes[program.readout.name]), np.int64)
    states = [None] * sum(len(n.body.states) for n in program.neurons)
    spike_pointers = pointers(list(spikes.values()) or [None] * len(program.neurons))
    code_pointers = pointers([a for c in codes.values() for a in c.values()] or states)

    def part(first: int, last: int) -> None:
        state, copy = aligned(library.state_bytes()), aligned(library.input_bytes())
        library.run_batch(
            first, last, batch, timesteps, frames, state.ctypes.data, copy.ctypes.data, flat.ctypes.data,
            spike_pointers, code_pointers, readout.ctypes.data,
        )  # fmt: skip

    split(part, batch, threads)
    return Trace(spikes, codes, readout, timesteps)


class Session:
    """A program that is run step by step: `reset()`, then `step(x)` once a timestep; equal to `reference.Session`.

    Args:
        program: what to run.
        batch: number of samples B.
        timesteps: the longest run, for which widths are proved.
        threads: samples are split over so many threads (default: all cores).

    Attributes:
        t: timesteps since the last reset.
        spikes: outputs [B, *shape] of each layer of neurons at the last timestep.
        codes: their stored codes.
        readout: [B, *shape]; None before the first timestep.
    """

    def __init__(self, program: Program, batch: int, timesteps: int = 1024, threads: int | None = None):
        if batch < 1:
            raise BadInput(f"a session must have at least one sample, not {batch}")
        self.program, self.batch, self.timesteps = program, batch, timesteps
        self._threads = threads or default_threads()
        self._slow: reference.Session | None = None
        cc = compiler()
        if cc is None:
            self._slow = reference.Session(program, batch, timesteps)
        else:
            self._library = _library(program, max(timesteps, 1024), cc, FAST)
            self._state = aligned(self._library.state_bytes() * batch)
            self._input = aligned(self._library.input_bytes() * batch)
        self.reset()

    def reset(self) -> None:
        """Back to rest."""
        self.t = 0
        self.readout: NDArray[np.int64] | None = None
        self.spikes, self.codes = empty_traces(self.program, (self.batch,))
        for n in self.program.neurons:
            self.spikes[n.name][:] = 0
            for s in n.body.states:
                self.codes[n.name][s.name][:] = n.body.codec(s.name).rest
        if self._slow is not None:
            self._slow.reset()
        else:
            self._library.reset_batch(0, self.batch, self._state.ctypes.data)

    def step(self, x: NDArray[np.generic], static: bool = False) -> Mapping[str, NDArray[np.uint8]]:
        """One timestep on inputs [B, *shape]; returns the outputs of each layer of neurons.

        Args:
            static: the input is the one of the last timestep, so what depends on it alone is kept.
        """
        given = checked_inputs(self.program, x, 1)[0]
        if len(given) != self.batch:
            raise BadInput(
                f"a session of batch {self.batch} must be given {self.batch} samples, not {len(given)}"
            )
        if self._slow is not None:
            self._slow.step(given, static)
            self.spikes = {k: v.astype(np.uint8) for k, v in self._slow.spikes.items()}
            self.codes = {
                k: {s: c.astype(np.int32) for s, c in v.items()} for k, v in self._slow.codes.items()
            }
            self.readout = self._slow.readout
        else:
            self._step(np.ascontiguousarray(given, np.int32), not (static and self.t))
        self.t += 1
        return self.spikes

    def _step(self, x: NDArray[np.int32], fresh: bool) -> None:
        self.spikes, self.codes = empty_traces(self.program, (self.batch,))
        readout = np.empty((self.batch, *self.program.shapes[self.program.readout.name]), np.int64)
        spikes = pointers(list(self.spikes.values()))
        codes = pointers([a for c in self.codes.values() for a in c.values()])

        def part(first: int, last: int) -> None:
            state = self._state.ctypes.data
            self._library.step_batch(first, last, state, self._input.ctypes.data, x.ctypes.data, fresh)
            self._library.read_batch(first, last, state, spikes, codes, readout.ctypes.data)

        split(part, self.batch, self._threads)
        self.readout = readout
