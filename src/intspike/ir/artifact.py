"""Programs in files: one safetensors file with a versioned JSON header and a content hash, and no pickle.

Arrays are stored in the smallest integers that hold them; the hash covers their values, not their storage.
A file is treated as hostile: what it claims is bounded before anything is allocated, everything must be known
and of its exact type, and what it makes must pass `ir.check`. An artifact written today loads in every later
version; one of a later version is refused and says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadArtifact, BadInput, BadProgram, IntspikeError
from ..files import write_atomic
from .container import DTYPES, Flaw, chunks, header_bytes, must, read_header, read_tensors, shown, strict_json
from .document import VERSION, document, program_parts
from .program import Program

KEY = "intspike"


def content_hash(program: Program) -> str:
    """SHA-256 (hexadecimal) of everything a program is: nodes, bodies, numbers, units and notes.

    It depends on values alone, not on dtypes, memory layout or the order of a mapping.

    Raises:
        BadProgram: a part of the program cannot be stored.
    """
    return _storable(program)[0]["hash"]


def save(program: Program, path: str | os.PathLike[str]) -> None:
    """Write a program to a file, whole or not at all: what was at the path stays until the new file is complete.

    Raises:
        BadProgram: the program holds what an artifact cannot (odd names, units that are not finite, more than
            the caps of `ir.container`).
        BadInput: the file cannot be written, with the reason of the system.
    """
    made, arrays = _storable(program)
    text = json.dumps(made, separators=(",", ":"))
    try:
        strict_json(text)  # the caps hold for what is written too
        header, tensors = header_bytes(arrays, KEY, text)
    except Flaw as flaw:
        raise _unstorable(flaw) from flaw
    parts = (part for t in tensors for part in chunks(arrays[t.name], t.dtype))
    write_whole(Path(path), chain([header], parts))


def load(path: str | os.PathLike[str]) -> Program:
    """Read a program from a file that is not trusted.

    Raises:
        BadArtifact: the file cannot be read, is truncated, altered, hostile, or of another version.
    """
    try:
        return _load(Path(path))
    except Flaw as flaw:
        raise BadArtifact(f"{path} must be a program stored by intspike, but {flaw}; {flaw.advice}") from flaw
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise BadArtifact(
            f"{path} must be a stored program that can be read, but: {why}; check the path"
        ) from error
    except MemoryError as error:
        raise BadArtifact(f"{path} needs more memory than there is; use a larger machine") from error


def _load(path: Path) -> Program:
    # before it is opened: opening a pipe or a device could wait for ever
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        raise Flaw("it is a folder", "give the file itself, whose name ends in .intspike")
    must(stat.S_ISREG(kind), "it is not a regular file")
    with path.open("rb") as file:
        text, tensors = read_header(file, os.fstat(file.fileno()).st_size, KEY)
        given = strict_json(text)
        must(isinstance(given, dict) and type(given.get("version")) is int, "it holds no format version")
        if given["version"] != VERSION:
            raise Flaw(
                f"it has format version {given['version']} and this intspike reads version {VERSION}",
                "install the newest intspike" if given["version"] > VERSION else "fetch it again",
            )
        claimed = given.pop("hash", None)
        # arrays that hold nothing: the document is judged before anything is allocated
        program_parts(given, {t.name: np.broadcast_to(np.zeros((), t.dtype), t.shape) for t in tensors})
        stored = read_tensors(file, tensors)
    digest = _digest(given, stored)
    must(
        claimed == digest, f"its content has the hash {digest[:12]} and not {shown(claimed)}: it was altered"
    )
    arrays = {name: stored.pop(name).astype(t) for name, t in [(t.name, _wide(t.dtype)) for t in tensors]}
    for a in arrays.values():
        a.flags.writeable = False
    return _checked(given, arrays)


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float64 if dtype.kind == "f" else np.int64)


def _checked(given: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Program:
    """The program of a document and its arrays, or Flaw with the rule that it breaks."""
    nodes, units, notes = program_parts(given, arrays)
    must(all(np.isfinite(a).all() for a in units.values()), "a unit is not a finite number")
    try:
        return Program(nodes, units, notes)
    except IntspikeError as error:
        raise Flaw(f"it breaks a rule of programs: {str(error)[:500]}") from error
    except Exception as error:  # a rule that `check` forgot must not become another error for the caller
        raise Flaw(f"it breaks a rule of programs: {type(error).__name__} {shown(str(error))}") from error


def _storable(program: Program) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The document of a program, with its hash, and its arrays, after trying whether `load` would take them."""
    try:
        made, arrays = document(program)
        _checked(made, arrays)
    except Flaw as flaw:
        raise _unstorable(flaw) from flaw
    return {**made, "hash": _digest(made, arrays)}, arrays


def _unstorable(flaw: Flaw) -> BadProgram:
    return BadProgram(f"a program must be one that can be stored, but {flaw}; change that part of it")


def _digest(given: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of the canonical document, the names, kinds and shapes of the arrays, and their wide numbers."""
    names = sorted(arrays)
    claims = [[name, arrays[name].dtype.kind == "f", list(arrays[name].shape)] for name in names]
    text = json.dumps([given, claims], sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    digest = hashlib.sha256(len(text).to_bytes(8, "little") + text)
    for name in names:
        for part in chunks(arrays[name], DTYPES["F64" if arrays[name].dtype.kind == "f" else "I64"]):
            digest.update(part)
    return digest.hexdigest()


def write_whole(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file, whole or not at all.

    Raises:
        BadInput: the system refuses, with its reason; what was at the path is then unchanged.
    """

    def write(passing: Path) -> None:
        with passing.open("xb") as file:
            file.writelines(parts)

    try:
        path.parent.stat()  # a folder that is missing may be a typing error: it is not made
        write_atomic(path, write)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} must be a file that can be written, but: {error}; free space or choose another path "
            "(what was there is unchanged)"
        ) from error
