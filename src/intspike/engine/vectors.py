"""Test vectors: inputs and every spike and stored code of a program, for people who build their own hardware.

The reference engine makes them. Files are text: decimal integers for `fscanf` and people, and 32-bit words in
two's complement, one a line, for Verilog's `$readmemh`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..files import write_atomic
from ..ir import Program
from ..ir.artifact import content_hash, save
from . import reference
from .trace import Trace, checked_inputs
from .trace_text import FIRST, records, shapes_of, write_trace

MANIFEST, INPUTS, EXPECTED, PROGRAM = "manifest.json", "inputs.txt", "expected.trace", "model.intspike"
FILES = (PROGRAM, INPUTS, "inputs.hex", EXPECTED, "expected.hex", MANIFEST)
ORDER = {
    "inputs.txt": "a line a frame: sample, timestep (0 alone where inputs are static), then the values, channel first",
    "inputs.hex": "the values of inputs.txt in its order, one 32-bit word in two's complement a line",
    "expected.trace": "the trace as text, see its header",
    "expected.hex": "for each sample and timestep, for each layer its output, then its stored codes; after the last "
    "timestep of a sample its readout; channel first, one 32-bit word a line",
}


def random_inputs(
    program: Program, samples: int, timesteps: int, *, timed: bool, seed: int
) -> NDArray[np.int64]:
    """Inputs [B, *shape] (timed: [T, B, *shape]) of every code alike; the first two are all low and all high."""
    declared = program.input
    shape = (samples, *declared.shape)
    random = np.random.default_rng(seed)
    x = random.integers(declared.low, declared.high + 1, (timesteps, *shape) if timed else shape)
    flat = x.swapaxes(0, 1) if timed else x
    for k, value in enumerate((declared.low, declared.high)):
        if samples > k + 1:
            flat[k] = value
    return x


def write_vectors(
    program: Program, inputs: NDArray[np.generic], timesteps: int, folder: Path | str, *, force: bool = False
) -> Trace:
    """Run a program by the definition and write its inputs, its trace, the program and a manifest into a folder.

    Args:
        inputs: integers [B, *shape] (static) or [T, B, *shape].
        force: write into a folder that holds files.

    Raises:
        BadInput: the folder holds files and `force` is not given, inputs do not fit, values that 32 bits do not hold.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not force:
        raise BadInput(
            f"the output folder must be new or empty, but {folder} is not; choose another, or force=True"
        )
    x = checked_inputs(program, inputs, timesteps)
    trace = reference.run(program, inputs, timesteps)
    expected = [values for *_, values in records(trace)]
    if any(np.abs(v).max(initial=0) >= 1 << 31 for v in (x, *expected)):
        raise BadInput("test vectors must be of 32-bit words, but a value does not fit; take fewer timesteps")
    frames = [(b, t, x[t, b].ravel()) for b in range(x.shape[1]) for t in range(len(x))]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)  # without it a folder is unfinished
        save(program, folder / PROGRAM)
        _text(folder / INPUTS, (" ".join(map(str, (b, t, *v.tolist()))) for b, t, v in frames))
        _text(folder / "inputs.hex", _hex(v for *_, v in frames))
        write_trace(trace, folder / EXPECTED)
        _text(folder / "expected.hex", _hex(expected))
        _text(folder / MANIFEST, [json.dumps(_manifest(program, trace, static=len(x) == 1), indent=1)])
    except OSError as error:
        raise BadInput(
            f"{folder} must be a folder that can be written, but: {error}; choose another"
        ) from error
    return trace


def _text(path: Path, lines: Iterable[str]) -> None:
    write_atomic(path, lambda passing: passing.write_text("".join(x + "\n" for x in lines), "utf-8"))


def _hex(parts: Iterable[NDArray[np.int64]]) -> Iterable[str]:
    for values in parts:
        yield from (f"{v & 0xFFFFFFFF:08x}" for v in values.tolist())


def _manifest(program: Program, trace: Trace, *, static: bool) -> dict[str, Any]:
    shapes = shapes_of(trace)
    return {
        "format": "intspike vectors",
        "version": 1,
        "content_hash": content_hash(program),
        "program": PROGRAM,
        "trace_format": FIRST,
        "timesteps": trace.timesteps,
        "samples": shapes.samples,
        "input": {
            "name": program.input.name, "shape": list(program.input.shape), "static": static,
            "low": program.input.low, "high": program.input.high, "values": prod(program.input.shape),
        },
        "layers": [
            {"layer": k, "name": name, "shape": list(shape), "neurons": prod(shape), "fields": ["output", *states]}
            for k, (name, shape, states) in enumerate(shapes.layers)
        ],
        "readout": {"shape": list(shapes.readout), "kind": program.readout.kind},
        "classes": trace.classes.tolist(),
        "files": ORDER,
    }  # fmt: skip
