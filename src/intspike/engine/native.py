"""A program in compiled C: all timesteps of a few samples layer by layer; timestep by timestep where it has loops.

numpy does it where there is no compiler. A program is compiled once; a call is one C call for each thread.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..ir import Program
from ..native import FAST, Compiler, compiler, default_threads, split
from . import plan as plans
from . import reference, stepwise
from .stepwise import Session, empty_traces, pointers
from .trace import Trace, check_inputs

__all__ = ["Session", "run"]

PROVED = 1024  # timesteps for which widths are proved at least, so that one library serves all shorter runs


def run(
    program: Program,
    inputs: NDArray[np.generic],
    timesteps: int,
    *,
    record: bool = True,
    threads: int | None = None,
    flags: tuple[str, ...] = FAST,
) -> Trace:
    """Run a program from rest in compiled C; equal to `reference.run` in every integer.

    Args:
        inputs: integers [B, *shape] (static) or [T, B, *shape].
        timesteps: T.
        record: keep spikes and codes; without, only the readout is filled.
        threads: samples are split over so many threads (default: all cores); results do not depend on it.
        flags: of the compiler; they choose the instruction set.
    """
    cc = compiler()
    if cc is None:
        return reference.run(program, inputs, timesteps)
    given = check_inputs(program, inputs, timesteps)
    made = _plan(program, max(timesteps, PROVED), cc, flags)
    threads = threads or default_threads()
    if made is None:
        return stepwise.run(program, inputs, timesteps, record=record, threads=threads, flags=flags)
    x = np.ascontiguousarray(given, np.uint8)
    frames, batch = x.shape[:2]
    spikes, codes = empty_traces(program, (timesteps, batch)) if record else ({}, {})
    readout = np.empty((batch, *program.shapes[program.readout.name]), np.int64)
    threads = max(1, min(threads, batch))
    samples, size = _tile(made, batch // threads, timesteps, frames, record, plans.TILE_BYTES)
    if frames == 1 and not record:
        made.tables.prepare(made.pointers, batch, timesteps)
    sizes = (ctypes.c_int64 * 5)(batch, timesteps, frames, samples, record)
    spike_pointers = pointers(list(spikes.values()))
    code_pointers = pointers([a for c in codes.values() for a in c.values()])
    source, target = x.ctypes.data, readout.ctypes.data

    def part(first: int, last: int) -> None:
        memory = made.take(size)
        made.function(
            first, last, sizes, made.pointers, source, spike_pointers, code_pointers, target, memory.address
        )
        made.memories.append(memory)

    if threads == 1:
        part(0, batch)
    else:
        split(part, batch, threads)
    return Trace(spikes, codes, readout, timesteps)


@lru_cache(maxsize=32)
def _plan(program: Program, timesteps: int, cc: Compiler, flags: tuple[str, ...]) -> plans.Plan | None:
    return plans.plan(program, timesteps, cc, flags)


@lru_cache(maxsize=64)  # calls repeat their sizes
def _tile(
    made: plans.Plan, most: int, timesteps: int, frames: int, record: bool, limit: int
) -> tuple[int, int]:
    return made.tile(most, timesteps, frames, record, limit)
