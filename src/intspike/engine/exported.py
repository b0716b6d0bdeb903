"""The exported C program, compiled with every warning an error and run as its own process."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import BuildFailed, MissingDependency
from ..export.c import export_c
from ..ir import Program
from ..native import STRICT, compile_command, compiler
from .trace import Trace, checked_inputs


def run(
    program: Program, inputs: NDArray[np.generic], timesteps: int, folder: Path | str | None = None
) -> Trace:
    """Export (unless `folder` holds the files already), compile strictly, run, read the trace back.

    Raises:
        MissingDependency: there is no C compiler.
        BuildFailed: the compiler gave a warning, or the process failed.
    """
    cc = compiler()
    if cc is None:
        raise MissingDependency("compiling the exported C needs a C compiler; install gcc or clang")
    x = checked_inputs(program, inputs, timesteps)
    with tempfile.TemporaryDirectory(prefix="intspike-") as scratch:
        if folder is None:
            folder = Path(scratch) / "c"
            export_c(program, folder, timesteps=timesteps)
        binary = Path(scratch) / "program"
        sources = [str(Path(folder).resolve() / name) for name in ("main.c", "program.c")]
        compile_command(cc, [*STRICT, "-O2", *sources, "-o", str(binary)], Path(scratch))
        static = len(x) == 1
        frames = x[0] if static else x.transpose(1, 0, *range(2, x.ndim))
        head = np.array([timesteps, x.shape[1], static], "<i4").tobytes()
        done = subprocess.run(
            [str(binary)], input=head + frames.astype("<i4").tobytes(), capture_output=True, check=False
        )
        if done.returncode:
            raise BuildFailed(f"the exported program must end with 0, but ended with {done.returncode}")
    return _trace(program, np.frombuffer(done.stdout, "<i8"), x.shape[1], timesteps)


def _trace(program: Program, words: NDArray[np.int64], batch: int, timesteps: int) -> Trace:
    """The process's output as a trace."""
    fields: list[tuple[str, str, tuple[int, ...]]] = []
    for n in program.neurons:
        shape = program.shapes[n.name]
        fields.append((n.name, "", shape))
        fields += [(n.name, s.name, shape) for s in n.body.states]
    step = sum(int(np.prod(shape)) for *_, shape in fields)
    outputs = program.shapes[program.readout.name]
    size = int(np.prod(outputs))
    if words.size != batch * (timesteps * step + size + 1):
        raise BuildFailed(
            f"the exported program must write {batch * (timesteps * step + size + 1)} numbers, not {words.size}"
        )
    per_sample = words.reshape(batch, -1)
    steps = per_sample[:, : timesteps * step].reshape(batch, timesteps, step)
    spikes: dict[str, NDArray[np.uint8]] = {}
    codes: dict[str, dict[str, NDArray[np.int32]]] = {n.name: {} for n in program.neurons}
    at = 0
    for name, state, shape in fields:
        part = steps[:, :, at : at + int(np.prod(shape))].reshape(batch, timesteps, *shape).swapaxes(0, 1)
        at += int(np.prod(shape))
        if state:
            codes[name][state] = part.astype(np.int32)
        else:
            spikes[name] = part.astype(np.uint8)
    readout = per_sample[:, timesteps * step : -1].reshape(batch, *outputs)
    trace = Trace(spikes, codes, readout.astype(np.int64), timesteps)
    if not np.array_equal(trace.classes, per_sample[:, -1]):
        raise BuildFailed(
            "the exported program's class must be the largest readout, ties to the lowest index"
        )
    return trace
