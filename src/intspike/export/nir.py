"""A program as a NIR file: dequantized parameters for every tool, and the integer program itself in the metadata.

NIR knows continuous neurons and no bits. What it can say of a program is said: weights, biases, thresholds and leaks as
real numbers, in units where thresholds keep their real value. What it cannot is in the metadata of the graph, as a
profile of its own (docs/formats.md), so that a reader who knows it gets every integer back.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInput, MissingDependency
from ..files import write_atomic
from ..ir import Program
from ..ir.artifact import content_hash, save
from .nir_graph import NirGraph, Snap

PROFILE, PROFILE_VERSION = "intspike quantized NIR", 1


def export_nir(
    program: Program,
    path: Path | str,
    *,
    timestep: float = 1e-3,
    program_only: bool = False,
    force: bool = False,
) -> list[Snap]:
    """Write a program as a NIR file.

    Args:
        timestep: dt of the time constants, tau = dt / (1 - beta).
        program_only: write the input, the output and the metadata alone: for programs that NIR cannot say.
        force: replace a file.

    Returns:
        For each leak of a layer of neurons, how well one real number says it.

    Raises:
        NotLowerable: the program does what no NIR node can say, with its name.
        MissingDependency: the nir package is not installed.
        BadInput: the file exists and `force` is not given, or cannot be written.
    """
    path = Path(path)
    if path.exists() and not force:
        raise BadInput(f"{path} exists; choose another, or force=True")
    if not (np.isfinite(timestep) and timestep > 0):
        raise BadInput(f"the timestep must be a positive time, such as 1e-3 (seconds), not {timestep!r}")
    nir = _nir()
    made = NirGraph(nir, program, timestep, program_only)
    metadata = {
        "profile": PROFILE,
        "profile_version": PROFILE_VERSION,
        "program_only": int(program_only),
        "program": np.frombuffer(_stored(program), np.uint8),
        "program_hash": content_hash(program),
        "timestep": float(timestep),
        **{
            f"{name}.{field}": text for name, e in made.equations.items() for field, text in e.words().items()
        },
    }
    graph = nir.NIRGraph(made.nodes, made.edges, metadata=metadata)
    try:
        write_atomic(path, lambda passing: nir.write(str(passing), graph))
    except OSError as error:
        raise BadInput(f"{path} must be a file that can be written, but: {error}; choose another") from error
    return made.snaps


def _nir() -> Any:
    try:
        import nir
    except ImportError as e:
        raise MissingDependency("NIR files need the nir package; run: pip install 'intspike[nir]'") from e
    return nir


def _stored(program: Program) -> bytes:
    """The program as its artifact."""
    with tempfile.TemporaryDirectory(prefix="intspike-") as scratch:
        save(program, Path(scratch) / "model.intspike")
        return (Path(scratch) / "model.intspike").read_bytes()
