"""Reading arrays from files that are not trusted: unsigned bytes in idx and idx.gz, integers in npz.

A file says how large its array is before the array begins. Here that claim is compared with what is
expected, and with a cap, before anything is decompressed or allocated; afterwards the content must be
exactly as long as claimed. Everything that is wrong with a file raises BadData with its path.

Formats: idx as on the MNIST page of LeCun, Cortes and Burges (two zero bytes, type, number of dimensions,
big-endian sizes, values); npz and npy as in numpy.lib.format, versions 1 and 2.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import BadData, IntspikeError

MAX_IMAGES = 100_000  # images or labels in one file; Fashion-MNIST has 60,000
MAX_ARRAY_BYTES = 2 << 30  # of one array, unpacked
MAX_NPZ_BYTES = 256 << 20  # of the npz file itself, whose directory zipfile reads whole
MAX_NPY_HEADER = 1024  # bytes; numpy writes 118

Shape = tuple[int | None, ...]  # what is expected; None is any number of images


@dataclass(frozen=True)
class Array:
    """What an array of an npz file must be.

    Attributes:
        shape: its sizes, None for any on the first axis; without a shape, any of two to five axes.
        types: element types that are accepted, as numpy writes them.
        most: the largest size of the first axis.
    """

    shape: Shape | None = (None,)
    types: tuple[str, ...] = ("|u1", "u1")
    most: int = MAX_IMAGES


INTEGERS = ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8")

# What gzip, zipfile and the file system raise on bytes that do not fit the format
BROKEN = (OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile, struct.error)
NPY_HEADER = re.compile(
    r"\{ *'descr': *'([^']{1,16})', *'fortran_order': *(True|False), *"
    r"'shape': *\(((?:\d{1,19}, *)*(?:\d{1,19})?)\),? *\} *\n?"
)


class Stream(Protocol):
    """What gzip, zipfile and an open file have in common."""

    def read(self, n: int, /) -> bytes: ...


def read_idx(path: Path, expected: Shape) -> NDArray[np.uint8]:
    """The array in an idx file, or in a gzipped one where the name ends in .gz."""
    unpack = gzip.open if path.suffix == ".gz" else Path.open
    with reading(path, "an idx file"), unpack(path, "rb") as stream:
        magic = bytes([0, 0, 8, len(expected)])  # 8: unsigned byte
        start = stream.read(4)
        if start != magic:
            raise BadData(
                f"{path} must start with the idx magic number {magic.hex()} (unsigned bytes, "
                f"{len(expected)} dimensions), but starts with {start.hex() or 'nothing'}; give the idx "
                f"file as published, with a name in .gz where it is gzipped"
            )
        sizes = stream.read(4 * len(expected))
        if len(sizes) != 4 * len(expected):
            raise BadData(f"{path} must name {len(expected)} sizes, but ends before; fetch it again")
        shape = struct.unpack(f">{len(expected)}I", sizes)
        check_shape(str(path), shape, expected)
        return read_values(str(path), stream, shape)


def read_npz(path: Path, expected: Mapping[str, Array]) -> dict[str, NDArray[Any]]:
    """The named arrays in an npz file; other arrays in it are not looked at."""
    with _archive(path) as archive:
        return {name: read_npy(path, archive, name, array) for name, array in expected.items()}


def npz_names(path: Path) -> frozenset[str]:
    """The names of the arrays in an npz file."""
    with _archive(path) as archive:
        return frozenset(entry.filename.removesuffix(".npy") for entry in archive.infolist())


@contextmanager
def _archive(path: Path) -> Generator[zipfile.ZipFile, None, None]:
    """An npz file, whose size is checked before its directory is read."""
    with reading(path, "an npz file"):
        if path.stat().st_size > MAX_NPZ_BYTES:
            raise BadData(
                f"{path} must have at most {MAX_NPZ_BYTES:,} bytes, but has {path.stat().st_size:,}; "
                f"give a file with the arrays that are needed alone"
            )
        with zipfile.ZipFile(path) as archive:
            yield archive


def read_npy(path: Path, archive: zipfile.ZipFile, name: str, expected: Array) -> NDArray[Any]:
    """One array of an open npz file."""
    where = f"array {name} in {path}"
    entries = [entry for entry in archive.infolist() if entry.filename == f"{name}.npy"]
    if len(entries) != 1:
        known = ", ".join(entry.filename.removesuffix(".npy")[:40] for entry in archive.infolist()[:8])
        raise BadData(
            f"{path} must hold one array {name}, but holds {len(entries)} of that name "
            f"(it holds: {known or 'nothing'}); save it with numpy.savez_compressed"
        )
    (entry,) = entries
    if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadData(
            f"{where} must be stored or deflated without a password, but is encrypted or uses zip method "
            f"{entry.compress_type}; save it with numpy.savez_compressed"
        )
    with archive.open(entry) as stream:
        header, length = read_npy_header(where, stream)
        match = NPY_HEADER.fullmatch(header)
        if match is None:
            raise BadData(
                f"{where} must have a plain npy header, but has {header[:80]!r}; save it with numpy"
            )
        kind, fortran, sizes = match.groups()
        shape = tuple(int(size) for size in sizes.split(",") if size.strip())
        if kind not in expected.types:
            wanted = " or ".join(sorted({_spoken(t) for t in expected.types}))
            raise BadData(f"{where} must be {wanted}, but is {kind!r}; {_repair(kind, expected.types)}")
        check_shape(where, shape, expected.shape, expected.most)
        size = length + math.prod(shape) * np.dtype(kind).itemsize
        if entry.file_size != size:
            raise BadData(
                f"{where} must have {size:,} bytes for shape {list(shape)}, but the zip "
                f"directory says {entry.file_size:,}; fetch or save the file again"
            )
        return read_values(where, stream, shape, "F" if fortran == "True" else "C", kind)


def _spoken(kind: str) -> str:
    """An element type as numpy names it, text of any length as one."""
    return "str" if kind.startswith("<U") else np.dtype(kind).name


def _repair(kind: str, wanted: Sequence[str]) -> str:
    """How to convert without a loss that nobody sees: fractions, and numbers out of range, would vanish or wrap."""
    name = _spoken(wanted[0])
    if kind[1:2] == "f" and len({_spoken(w) for w in wanted}) > 1:
        return f"convert it with astype({name!r}), or one-hot rows with argmax(1)"
    if kind[1:2] == "f" and name == "uint8":
        return "codes are whole numbers 0..255: of inputs in 0..1 give (x * 255).round().astype('uint8')"
    if kind[1:2] in ("i", "u") and name == "uint8":
        return "where its values are 0..255, convert it with astype('uint8')"
    return f"convert it with astype({name!r})"


def read_npy_header(where: str, stream: Stream) -> tuple[str, int]:
    """The header of an npy stream as text, and how many bytes were read up to the values."""
    start = stream.read(8)
    if start[:6] != b"\x93NUMPY" or start[6:] not in (b"\x01\x00", b"\x02\x00"):
        raise BadData(
            f"{where} must be npy of version 1.0 or 2.0, but starts with {start.hex() or 'nothing'}; "
            f"save it with numpy"
        )
    width = 2 * start[6]
    length = int.from_bytes(stream.read(width), "little")
    if length > MAX_NPY_HEADER:
        raise BadData(
            f"{where} must have an npy header of at most {MAX_NPY_HEADER} bytes, but claims {length:,}; "
            f"save it with numpy"
        )
    return stream.read(length).decode("latin-1"), 8 + width + length


def read_values(
    where: str, stream: Stream, shape: Sequence[int], order: str = "C", kind: str = "|u1"
) -> NDArray[Any]:
    """All remaining values of a stream, which must be exactly as many as the shape holds."""
    size = math.prod(shape) * np.dtype(kind).itemsize
    if size > MAX_ARRAY_BYTES:
        raise BadData(
            f"{where} must have at most {MAX_ARRAY_BYTES:,} bytes, but claims {size:,} for shape {list(shape)}; "
            f"give a smaller array"
        )
    values = stream.read(size + 1)  # one more: it also makes gzip and zip check their CRC
    if len(values) != size:
        raise BadData(
            f"{where} must hold {size:,} bytes for shape {list(shape)}, but "
            f"{'holds more' if len(values) > size else f'ends after {len(values):,}'}; fetch it again"
        )
    array = np.frombuffer(values, kind).reshape(shape, order="F" if order == "F" else "C")
    return np.array(array, order="C")  # a copy, because what frombuffer gives cannot be written to


def check_shape(where: str, given: Sequence[int], expected: Shape | None, most: int = MAX_IMAGES) -> None:
    """Refuse a shape that is not the expected one, or more on the first axis than the cap."""
    if expected is None:
        expected = (None, *given[1:])
        if not 2 <= len(given) <= 5:
            raise BadData(f"{where} must have two to five axes, but claims {list(given)}; reshape it")
    wanted = str(["N" if size is None else size for size in expected]).replace("'", "")
    fits = len(given) == len(expected) and all(
        want in (None, size) for size, want in zip(given, expected, strict=True)
    )
    if not fits:
        raise BadData(f"{where} must have shape {wanted}, but claims {list(given)}; give another file")
    if given and not 1 <= given[0] <= most:
        raise BadData(
            f"{where} must have shape {wanted} with 1 <= N <= {most:,}, but claims {given[0]:,}; "
            f"give another file"
        )


@contextmanager
def reading(path: Path, what: str) -> Generator[None, None, None]:
    """Turn every error of the libraries below into BadData that names the file."""
    try:
        yield
    except IntspikeError:  # says already what is wrong; BadInput is a ValueError
        raise
    except BROKEN as error:
        reason = f"{type(error).__name__}: {error}"
        raise BadData(
            f"{path} must be {what} that can be read, but fails with {reason}; fetch it again"
        ) from error


def read_bytes(path: Path, what: str, most: int) -> bytes:
    """A whole file of at most so many bytes."""
    with reading(path, what):
        size = path.stat().st_size
        if size > most:
            raise BadData(
                f"{path} must be {what} of at most {most:,} bytes, but has {size:,}; give another file"
            )
        return path.read_bytes()
