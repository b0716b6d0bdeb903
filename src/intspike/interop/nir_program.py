"""The integer program in the metadata of a NIR file that intspike wrote (docs/formats.md, quantized NIR)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadArtifact, BadData
from ..export.nir import PROFILE, PROFILE_VERSION
from ..ir import Program
from ..ir.artifact import content_hash, load
from .nir_file import of


def program_in(graph: Any) -> Program | None:
    """The program that a graph carries, bit by bit; None where it carries none.

    Args:
        graph: a `nir.NIRGraph`, or the path of a file.

    Raises:
        BadData: no NIR graph, a profile of a later version, or a damaged one.
    """
    given = of(graph)
    found = given.metadata
    if _text(found.get("profile")) != PROFILE:
        return None
    version = np.asarray(found.get("profile_version", 0)).ravel()
    if version.size != 1 or int(version[0]) != PROFILE_VERSION:
        raise BadData(
            f"{given.where} has version {version.tolist()} of the profile {PROFILE!r}, and this intspike reads "
            f"{PROFILE_VERSION}; install the newest, or give --timestep in another tool's way"
        )
    content = np.asarray(found.get("program", ()))
    if content.dtype != np.uint8 or content.ndim != 1:
        raise BadData(
            f"{given.where} must hold its program as bytes, not {content.dtype} {list(content.shape)}"
        )
    with tempfile.TemporaryDirectory(prefix="intspike-") as scratch:
        path = Path(scratch) / "program"
        path.write_bytes(content.tobytes())
        try:
            program = load(path)
        except BadArtifact as e:
            why = str(e).replace(str(path), "its program")
            raise BadData(f"{given.where} must hold the program that it was written with, but {why}") from e
    if content_hash(program) != _text(found.get("program_hash")):
        raise BadData(f"{given.where} must hold the program of its hash, but holds another; export it again")
    return program


def _text(x: Any) -> str | None:
    return x.decode("utf8", "replace") if isinstance(x, bytes) else x if isinstance(x, str) else None
