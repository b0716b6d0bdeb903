"""A strict reader and a plain writer of the safetensors format, for files that are not trusted.

Layout: 8 bytes with the length of the header (little-endian), a JSON object, then the bytes of the tensors
one behind the other. Everything the header claims is compared with the size of the file and with the caps
below before anything is allocated. A header is refused where another reader could see another content:
a key twice, gaps or overlaps between tensors, bytes that belong to nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_FILE_BYTES = 1 << 30
MOST_HEADER_BYTES = 1 << 20
MOST_JSON_TOKENS = (
    3 << 15
)  # strings, brackets, commas and colons: what bounds the memory of the parsed header
MOST_JSON_DEPTH = 16
MOST_ELEMENTS = 1 << 28  # of all tensors of a file together
MOST_DIMENSIONS = 8
CHUNK = 1 << 16  # elements converted at a time
OTHER_FILES: Mapping[bytes, str] = {
    b"PK\x03\x04": "a zip file (npz, PyTorch, ...)",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file (NIR, ...)",
    b"\x93NUMPY": "a NumPy array",
    b"\x89PNG": "a PNG image",
    b"\x1f\x8b": "a gzip file",
    b"\x7fELF": "a compiled program",
    b"%PDF": "a PDF document",
    b"\x80\x02": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
}

DTYPES: Mapping[str, np.dtype[Any]] = {
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
}
_NAME_OF = {dtype: name for name, dtype in DTYPES.items()}
# an open string reaches to the end, so that no text is scanned twice
_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{},:]', re.DOTALL)
_INTEGER = re.compile(r"-?[0-9]{1,19}\Z")


class Flaw(Exception):
    """What is wrong with a stored file, as the end of a sentence, and what to do about it."""

    def __init__(self, reason: str, advice: str = "save it again, or fetch it again"):
        super().__init__(reason)
        self.advice = advice


@dataclass(frozen=True)
class Tensor:
    """A tensor as the header of a file claims it.

    Attributes:
        name, dtype, shape: as stored.
        start: first byte, counted from the end of the header.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def must(condition: object, reason: str) -> None:
    """Raise Flaw with the reason unless the condition holds."""
    if not condition:
        raise Flaw(reason)


def shown(x: object) -> str:
    """A value from a file, short and in ASCII, for a message."""
    text = ascii(x)
    return text if len(text) <= 60 else text[:57] + "..."


def storage(a: NDArray[Any]) -> np.dtype[Any]:
    """The smallest stored dtype that holds an array: unsigned where nothing is negative; reals are F64."""
    if a.dtype.kind == "f":
        return DTYPES["F64"]
    low, high = int(a.min()), int(a.max())
    for dtype in DTYPES.values():
        if dtype.kind in "iu" and np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return dtype
    raise Flaw(f"an array reaches {low}..{high}, which does not fit 64 bits")


def chunks(a: NDArray[Any], dtype: np.dtype[Any]) -> Iterator[bytes]:
    """The bytes of an array in C order as another dtype, some at a time."""
    flat = np.ascontiguousarray(a).reshape(-1)
    for k in range(0, flat.size, CHUNK):
        yield flat[k : k + CHUNK].astype(dtype).tobytes()


def strict_json(text: str) -> Any:
    """JSON without duplicate keys, huge numbers, infinities, or more tokens and depth than the caps.

    Raises:
        Flaw: the text is not such JSON.
    """
    depth = 0
    for count, token in enumerate(_TOKENS.finditer(text), 1):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        must(depth <= MOST_JSON_DEPTH, f"its JSON is nested deeper than {MOST_JSON_DEPTH} levels")
        must(count <= MOST_JSON_TOKENS, f"its JSON has more than {MOST_JSON_TOKENS} tokens")
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
        )
    except (ValueError, RecursionError) as error:
        raise Flaw(f"its JSON cannot be read: {type(error).__name__} {shown(str(error))}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    must(len(made) == len(pairs), "its JSON names a key twice in one object")
    return made


def _integer(text: str) -> int:
    must(_INTEGER.match(text), f"its JSON holds the integer {shown(text)}, which does not fit 64 bits")
    return int(text)


def _real(text: str) -> float:
    value = float(text)
    must(math.isfinite(value), f"its JSON holds the number {shown(text)}, which is not finite")
    return value


def _constant(text: str) -> float:
    raise Flaw(f"its JSON holds {text}, which is not a number")


def header_bytes(arrays: Mapping[str, NDArray[Any]], key: str, metadata: str) -> tuple[bytes, list[Tensor]]:
    """The bytes before the tensors, and the tensors in the order in which they must follow.

    Raises:
        Flaw: more than the caps allow, so that nothing is written that cannot be read.
    """
    stored = {name: storage(a) for name, a in arrays.items()}
    header: dict[str, Any] = {"__metadata__": {key: metadata}}
    tensors: list[Tensor] = []
    start = 0
    # wide numbers first: every tensor is then aligned, as readers that map the file expect
    for name in sorted(arrays, key=lambda name: (-stored[name].itemsize, name)):
        tensor = Tensor(name, stored[name], arrays[name].shape, start)
        end = start + tensor.elements * tensor.dtype.itemsize
        header[name] = {
            "dtype": _NAME_OF[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        tensors.append(tensor)
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    parsed_header(text.decode(), start, key)
    must(8 + len(text) + start <= MOST_FILE_BYTES, f"it would have {8 + len(text) + start:,} bytes")
    return len(text).to_bytes(8, "little") + text, tensors


def _check_kind(first: bytes) -> None:
    """Refuse what begins as another kind of file does; no length of a header that is allowed begins so.

    Raises:
        Flaw: which kind it is.
    """
    if int.from_bytes(first, "little") <= MOST_HEADER_BYTES:
        return
    found = next((kind for start, kind in OTHER_FILES.items() if first.startswith(start)), None)
    if found is None and all(b in b"\t\n\r" or 32 <= b < 127 for b in first):
        found = f"text, which begins with {shown(first.decode('ascii'))}"
    if found is not None:
        raise Flaw(
            f"it is {found}, and does not begin with the length of a header in 8 bytes",
            "name a file that intspike saved, such as model.intspike; intspike import reads NIR files",
        )


def read_header(file: BufferedReader, size: int, key: str) -> tuple[str, list[Tensor]]:
    """The metadata under a key and the tensors of an open file of `size` bytes, in the order of their bytes.

    Raises:
        Flaw: the header is not strict safetensors, claims what the file does not hold, or exceeds a cap.
    """
    must(
        size <= MOST_FILE_BYTES, f"it has {size:,} bytes, more than the {MOST_FILE_BYTES:,} that are allowed"
    )
    must(size >= 8, f"it has {size} bytes, too few for a header")
    first = file.read(8)
    _check_kind(first)
    length = int.from_bytes(first, "little")
    must(length <= MOST_HEADER_BYTES, f"its header claims {length:,} bytes of at most {MOST_HEADER_BYTES:,}")
    must(8 + length <= size, f"its header claims {length:,} bytes, but {size - 8:,} follow")
    raw = file.read(length)
    must(len(raw) == length, "it ends within its header")
    must(raw.isascii(), "its header holds other bytes than ASCII")
    return parsed_header(raw.decode("ascii"), size - 8 - length, key)


def parsed_header(text: str, data: int, key: str) -> tuple[str, list[Tensor]]:
    """The metadata under a key and the tensors of a header, for a file with `data` bytes behind it."""
    must(len(text) <= MOST_HEADER_BYTES, f"its header has more than {MOST_HEADER_BYTES:,} bytes")
    must(text.startswith("{"), "its header is not a JSON object")
    header = strict_json(text)
    metadata = header.pop("__metadata__", None)
    must(
        isinstance(metadata, dict) and metadata.keys() == {key} and isinstance(metadata[key], str),
        f"its metadata is not one text under the key {key!r}: it holds no program",
    )
    must(metadata[key].isascii(), "its metadata holds other characters than ASCII")
    tensors = sorted((_tensor(name, entry) for name, entry in header.items()), key=lambda t: t.start)
    end = 0
    for t in tensors:
        must(t.start == end, f"the bytes of tensor {shown(t.name)} begin at {t.start:,} and not at {end:,}")
        end += t.elements * t.dtype.itemsize
    must(end == data, f"its tensors claim {end:,} bytes, but {data:,} follow the header")
    elements = sum(t.elements for t in tensors)
    must(elements <= MOST_ELEMENTS, f"it has {elements:,} numbers, more than the {MOST_ELEMENTS:,} allowed")
    return metadata[key], tensors


def _tensor(name: str, entry: Any) -> Tensor:
    what = f"tensor {shown(name)}"
    must(
        isinstance(entry, dict) and entry.keys() == {"dtype", "shape", "data_offsets"},
        f"{what} must have a dtype, a shape and data_offsets, but is {shown(entry)}",
    )
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    must(isinstance(dtype, str) and dtype in DTYPES, f"{what} has the unknown dtype {shown(dtype)}")
    for numbers in (shape, offsets):
        fits = isinstance(numbers, list) and all(type(d) is int and 0 <= d < 1 << 62 for d in numbers)
        must(fits, f"{what} needs lists of sizes and offsets, but has {shown(numbers)}")
    must(len(shape) <= MOST_DIMENSIONS, f"{what} has {len(shape)} dimensions of at most {MOST_DIMENSIONS}")
    made = Tensor(name, DTYPES[dtype], tuple(shape), offsets[0] if offsets else 0)
    must(0 < made.elements <= MOST_ELEMENTS, f"{what} of shape {shown(shape)} is empty or too large")
    claimed = [made.start, made.start + made.elements * made.dtype.itemsize]
    must(offsets == claimed, f"{what} must lie at {claimed} by its shape, not at {shown(offsets)}")
    return made


def read_tensors(file: BufferedReader, tensors: list[Tensor]) -> dict[str, NDArray[Any]]:
    """The tensors that follow a header, in their stored dtypes."""
    made: dict[str, NDArray[Any]] = {}
    for t in tensors:
        flat = np.empty(t.elements, t.dtype)
        view = flat.view(np.uint8).data
        filled = 0
        while filled < len(view):
            count = file.readinto(view[filled:])
            must(count, f"it ends within tensor {shown(t.name)}")
            filled += count
        made[t.name] = flat.reshape(t.shape)
    return made
