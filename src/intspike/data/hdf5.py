"""HDF5 files that are not trusted. HDF5 may point to other files and places, and its library trusts what it reads.

So only what lies in the file itself under a name of its own is read, after its size, type and filters are checked.
Lists of different lengths are read here and not by the library, which allocates what a list claims and does not end in
a damaged heap: a data set of lists holds references (length, heap, index in it), and heaps hold the values.

Format: HDF5 File Format Specification 3.0, III.E (global heap) and IV.A.2.d (variable-length types).
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadData, MissingDependency
from .readers import reading

if TYPE_CHECKING:
    import h5py

MAX_BYTES = 4 << 30
MAX_SAMPLES = 100_000
MAX_CHUNK = 1 << 20  # elements of a data set that are stored together
DEFLATE, SHUFFLE = 1, 2  # the filters that are known
HEAP, HEAP_HEAD = b"GCOL\x01\0\0\0", 16  # of a heap: signature and version, then its size
OBJECT = struct.Struct(
    "<HHIQ"
)  # of an object in a heap: index, references, nothing, size; index 0 is what is free
REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])


@dataclass(frozen=True, eq=False)
class Hdf5:
    """An open file.

    Attributes:
        path: of the file, for errors.
        file: as h5py has it; content: its bytes.
        objects: for (heap, index) the first byte and the size of what lies there.
    """

    path: Path
    file: h5py.File
    content: mmap.mmap
    objects: dict[tuple[int, int], tuple[int, int]]

    def own(self, name: str) -> Any:
        """A data set or group that lies in the file under hard links alone; a data set needs nothing from elsewhere."""
        import h5py

        at: Any = self.file
        for part in name.split("/"):
            link = at.get(part, getlink=True) if isinstance(at, h5py.Group) else None
            if not isinstance(link, h5py.HardLink):
                kind = "nothing" if link is None else type(link).__name__
                raise BadData(
                    f"{self.path} must hold {name} itself, but {part} is {kind}; give the file as published"
                )
            at = at[part]
        if isinstance(at, h5py.Dataset) and (
            at.is_virtual or at.external or not set(_filters(at)) <= {DEFLATE, SHUFFLE}
        ):
            raise BadData(
                f"{name} in {self.path} must be stored in the file itself, plain or deflated, but is virtual, external "
                f"or otherwise; give the file as published"
            )
        return at

    def find(self, name: str) -> Any:
        """A data set of the file's own that is one list in small parts."""
        import h5py

        at = self.own(name)
        if not isinstance(at, h5py.Dataset) or at.ndim != 1 or not 1 <= len(at) <= MAX_SAMPLES:
            what = f"of shape {list(at.shape or ())}" if isinstance(at, h5py.Dataset) else "a group"
            raise BadData(
                f"{name} in {self.path} must be a list of 1 to {MAX_SAMPLES:,} samples, but is {what}"
            )
        together = (at.chunks or (1,))[0]
        if together > MAX_CHUNK:
            raise BadData(
                f"{name} in {self.path} must be stored in small parts, not {together:,} elements together; give "
                f"the file as published"
            )
        return at

    def text(self, name: str, longest: int = 1 << 20) -> list[str]:
        """A data set of strings, flat: what h5py and NIR write."""
        import h5py

        found = self.own(name)
        known = h5py.check_string_dtype(found.dtype) if isinstance(found, h5py.Dataset) else None
        size = int(found.size or 0) if known is not None else 0
        if known is None or size * REFERENCE.itemsize > longest or found.chunks is not None:
            raise BadData(f"{name} in {self.path} must be text of at most {longest:,} bytes; write it anew")
        if known.length is not None:  # of fixed length
            if size * known.length > longest:
                raise BadData(f"{name} in {self.path} must be text of at most {longest:,} bytes")
            raws = [bytes(x) for x in np.asarray(found[()]).ravel()]
        else:
            offset = found.id.get_offset()
            if offset is None:
                raise BadData(f"{name} in {self.path} must have its text stored; write the file anew")
            raws = [
                self._object(name, *r) for r in np.frombuffer(self.content, REFERENCE, size, offset).tolist()
            ]
        try:
            return [raw.decode("utf8").rstrip("\0") for raw in raws]
        except UnicodeDecodeError as error:
            raise BadData(f"{name} in {self.path} must be UTF-8 text, but is not: {error}") from error

    def _object(self, name: str, length: int, heap: int, index: int) -> bytes:
        place, size = self.objects.get((heap, index), (0, 0)) if length else (0, 0)
        if length > size:
            raise BadData(
                f"{name} in {self.path} must hold its text in heaps of the file, but it does not lie there; the file "
                f"is damaged: write it anew"
            )
        return self.content[place : place + length]

    def numbers(self, name: str) -> NDArray[Any]:
        """A data set of integers, [n]."""
        found = self.find(name)
        if found.dtype.kind not in "iu":
            raise BadData(
                f"{name} in {self.path} must be integers, but is {found.dtype}; fetch the file again"
            )
        return np.asarray(found[:])

    def lists(self, name: str, kinds: str) -> list[NDArray[Any]]:
        """A data set of lists of numbers of these kinds (as numpy writes them), each as a view."""
        import h5py

        found = self.find(name)
        of = h5py.check_vlen_dtype(found.dtype)
        kind = None if of is None else np.dtype(of)
        if kind is None or kind.kind not in kinds:
            raise BadData(
                f"{name} in {self.path} must hold a list of numbers ({' or '.join(kinds)}) for each sample, but holds "
                f"{found.dtype if kind is None else kind}; give the file as published"
            )
        references = np.zeros(len(found), REFERENCE)
        for first, part in self._stored(name, found):
            references[first : first + len(part)] = part[: len(found) - first]
        made: list[NDArray[Any]] = []
        for i, (length, heap, index) in enumerate(references.tolist()):
            place, size = self.objects.get((heap, index), (0, 0)) if length else (0, 0)
            if length * kind.itemsize > size:
                raise BadData(
                    f"{name} in {self.path} must hold its lists in heaps of the file, but list {i} of {length:,} "
                    f"numbers does not lie there; the file is damaged: fetch it again"
                )
            made.append(np.frombuffer(self.content, kind, length, place))
        return made

    def _stored(self, name: str, found: Any) -> Iterator[tuple[int, NDArray[np.void]]]:
        """The stored parts of a data set of lists: first element, references."""
        if found.chunks is None:
            offset = found.id.get_offset()
            parts = [] if offset is None else [(0, 0, offset, len(found) * REFERENCE.itemsize)]
            size = len(found) * REFERENCE.itemsize
        else:
            infos = (found.id.get_chunk_info(k) for k in range(found.id.get_num_chunks()))
            parts = [(i.chunk_offset[0], i.filter_mask, i.byte_offset, i.size) for i in infos]
            size = found.chunks[0] * REFERENCE.itemsize
        for first, mask, offset, stored in parts:
            raw = (
                self.content[offset : offset + min(stored, 2 * size + 1024)]
                if 0 <= offset < MAX_BYTES
                else b""
            )
            for k, code in reversed(list(enumerate(_filters(found)))):
                raw = raw if mask >> k & 1 else _unfiltered(code, raw, size)
            if len(raw) != size or not 0 <= first < len(found):
                raise BadData(
                    f"{name} in {self.path} must have {size:,} bytes stored for element {first} and on, but has "
                    f"{len(raw):,}; the file is truncated or damaged: fetch it again"
                )
            yield first, np.frombuffer(raw, REFERENCE)


@contextmanager
def opened(path: Path) -> Generator[Hdf5, None, None]:
    """An HDF5 file of bounded size; whatever the library finds wrong with it is BadData."""
    try:
        import h5py
    except ImportError as error:
        raise MissingDependency(
            "reading HDF5 needs h5py, but it is not installed; `pip install intspike[torch]` brings it"
        ) from error
    with reading(path, "an HDF5 file"):
        size = path.stat().st_size
        if not 0 < size <= MAX_BYTES:
            raise BadData(f"{path} must have 1 to {MAX_BYTES:,} bytes, but has {size:,}; give another file")
        if not h5py.is_hdf5(path):
            raise BadData(f"{path} must begin as an HDF5 file does, but is no HDF5 file; give another file")
        try:
            with path.open("rb") as stream, h5py.File(path, "r") as file:
                content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)  # views of it keep it open
                made = file.id.get_create_plist()
                if made.get_sizes() != (8, 8) or made.get_userblock():
                    raise BadData(
                        f"{path} must have addresses of 8 bytes from its first byte on; write it anew with h5py"
                    )
                yield Hdf5(path, file, content, heaps(path, content))
        except (KeyError, TypeError, AttributeError, MemoryError, OverflowError, zlib.error) as error:
            raise BadData(
                f"{path} must be an HDF5 file that can be read, but fails with {type(error).__name__}: {error}; "
                f"fetch it again"
            ) from error


def heaps(path: Path, content: mmap.mmap) -> dict[tuple[int, int], tuple[int, int]]:
    """What lies in all heaps: for (place of the heap, index of the object) its first byte and its size."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    at = content.find(HEAP)
    while at >= 0:
        (size,) = (
            struct.unpack_from("<Q", content, at + len(HEAP)) if at + HEAP_HEAD <= len(content) else (0,)
        )
        place, end, index = at + HEAP_HEAD, at + size, -1
        while index and place + OBJECT.size <= end <= len(content):
            index, _, _, length = OBJECT.unpack_from(content, place)
            found[at, index] = place + OBJECT.size, length
            place += OBJECT.size + (length + 7) // 8 * 8 if index else length
        if size < HEAP_HEAD or not end - OBJECT.size < place <= end <= len(content):
            raise BadData(
                f"{path} must have heaps whose objects fill them, but the one at byte {at} is damaged or truncated; "
                f"fetch it again"
            )
        found.pop((at, 0), None)
        at = content.find(HEAP, end)
    return found


def _filters(found: Any) -> list[int]:
    made = found.id.get_create_plist()
    return [made.get_filter(k)[0] for k in range(made.get_nfilters())]


def _unfiltered(code: int, raw: bytes, size: int) -> bytes:
    """Undo one filter on references."""
    if code == DEFLATE:
        return zlib.decompressobj().decompress(raw, size + 1)
    if len(raw) % REFERENCE.itemsize:
        return raw
    return np.frombuffer(raw, np.uint8).reshape(REFERENCE.itemsize, -1).T.tobytes()
