"""SHD in files as published, plain, deflated and contiguous; links and lies refused; damage never hangs or crashes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intspike.data import hdf5, shd
from intspike.encode import Bins
from intspike.errors import BadData, BadInput

Samples = list[tuple[np.ndarray, np.ndarray]]


def samples(count: int, seed: int = 0) -> Samples:
    draw = np.random.default_rng(seed)
    sizes = draw.integers(0, 40, count)
    return [
        (np.sort(draw.random(k) * 1.3).astype(np.float16), draw.integers(0, 700, k).astype(np.uint16))
        for k in sizes
    ]


def write(file: Path, made: Samples, labels: np.ndarray | None = None, **options: Any) -> Path:
    """A file as published: lists of times and units, and labels."""
    with h5py.File(file, "w") as f:
        group = f.create_group("spikes")
        for k, (name, kind) in enumerate((("times", np.float16), ("units", np.uint16))):
            lists = group.create_dataset(name, (len(made),), dtype=h5py.vlen_dtype(kind), **options)
            for i, sample in enumerate(made):
                lists[i] = sample[k]
        f.create_dataset(
            "labels", data=np.arange(len(made), dtype=np.uint16) % 20 if labels is None else labels
        )
        f.create_group("extra").create_dataset("speaker", data=np.zeros(len(made), np.uint16))
    return file


def folder(path: Path, **options: Any) -> Path:
    write(path / "shd_train.h5", samples(40), **options)
    write(path / "shd_test.h5", samples(20, 1), **options)
    return path


STORED = {
    "contiguous": {},
    "chunked": {"chunks": (7,), "maxshape": (None,)},
    "one a chunk": {"chunks": (1,)},
    "deflated": {"chunks": (5,), "compression": "gzip"},
    "deflated and shuffled": {"chunks": (8,), "compression": "gzip", "shuffle": True},
}


@pytest.mark.parametrize("options", STORED.values(), ids=STORED)
def test_files_are_read(options, tmp_path: Path):
    data = shd(folder(tmp_path, **options), bins=Bins(50_000, 20, 3), validation=0)
    assert (data.name, data.timed, data.high, data.frame) == ("SHD", True, 3, (700,))
    assert len(data.classes) == len(set(data.classes)) == 20
    for split, made in ((data.train, samples(40)), (data.test, samples(20, 1))):
        assert split.labels.tolist() == [k % 20 for k in range(len(made))]
        expected = np.zeros((len(made), 20, 700), np.int64)
        for i, (times, units) in enumerate(made):
            for time, unit in zip(times.tolist(), units.tolist(), strict=True):
                if time < 1.0:
                    expected[i, int(time * 1e6) // 50_000, unit] += 1
        assert np.array_equal(split.inputs, np.minimum(expected, 3))
        assert expected.sum() > 100


def test_lists_are_those_of_the_library(tmp_path: Path):
    """The judge: h5py itself, on every stored form and other number types."""
    for k, options in enumerate(STORED.values()):
        for kind in ("<f2", "<f4", "<f8", "|u1", "<i4"):
            with h5py.File(tmp_path / f"{k}.h5", "w") as f:
                lists = f.create_dataset("x", (9,), dtype=h5py.vlen_dtype(np.dtype(kind)), **options)
                for i in range(0, 9, 2):  # what is never written is empty
                    lists[i] = np.arange(3 * i, dtype=kind)
                expected = [np.asarray(lists[i]) for i in range(9)]
            with hdf5.opened(tmp_path / f"{k}.h5") as file:
                found = [np.array(a) for a in file.lists("x", "fiu")]
            assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
            assert {a.dtype for a in found} == {np.dtype(kind)}


def test_numbers_of_the_other_byte_order(tmp_path: Path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f.create_dataset("x", (1,), dtype=h5py.vlen_dtype(np.dtype(">f4")))[0] = np.arange(6, dtype=">f4")
    with hdf5.opened(tmp_path / "a.h5") as file:
        assert file.lists("x", "f")[0].tolist() == [0, 1, 2, 3, 4, 5]


def test_defaults(tmp_path: Path):
    data = shd(folder(tmp_path))
    assert data.train.inputs.shape == (36, 30, 700)
    assert len(data.validation) == 4
    assert data.train.inputs.max() == 1
    assert data.source == "Spiking Heidelberg Digits, 40 + 20 samples, 40 ms a timestep"


def replaced(path: Path, name: str, put: Callable[[h5py.File, str], None]) -> Path:
    """A folder whose training file has something else under a name."""
    with h5py.File(folder(path) / "shd_train.h5", "a") as f:
        f.move(name, "kept")
        put(f, name)
    return path


def virtual(f: h5py.File, name: str) -> None:
    layout = h5py.VirtualLayout((40,), "u2")
    layout[:] = h5py.VirtualSource(f.filename, "kept", (40,))
    f.create_virtual_dataset(name, layout)


def soft(f: h5py.File, name: str) -> None:
    f[name] = h5py.SoftLink("/kept")


def external(f: h5py.File, name: str) -> None:
    f[name] = h5py.ExternalLink("shd_test.h5", "/labels")


def outside(f: h5py.File, name: str) -> None:
    f.create_dataset(name, (40,), "u2", external=[("/etc/hostname", 0, 80)])


@pytest.mark.parametrize(
    ("name", "put", "message"),
    [
        ("labels", soft, r"must hold labels itself, but labels is SoftLink"),
        ("spikes", soft, r"must hold spikes/times itself, but spikes is SoftLink"),
        ("spikes/units", external, r"must hold spikes/units itself, but units is ExternalLink"),
        ("labels", virtual, "labels in .* is virtual, external or otherwise"),
        ("labels", outside, "labels in .* is virtual, external or otherwise"),
        ("labels", lambda f, name: None, "must hold labels itself, but labels is nothing"),
        ("spikes", lambda f, name: f.create_dataset(name, data=[1]), "spikes/times itself, but times is nothing"),
        ("labels", lambda f, name: f.create_group(name), "labels in .* must be a list .*, but is a group"),
        ("labels", lambda f, name: f.create_dataset(name, data=np.zeros((40, 2))), r"but is of shape \[40, 2\]"),
        ("labels", lambda f, name: f.create_dataset(name, data=np.zeros(40)), "must be integers, but is float64"),
        ("labels", lambda f, name: f.create_dataset(name, data=np.zeros(39, int)), "holds 40, 40 and 39"),
        ("labels", lambda f, name: f.create_dataset(name, (1 << 40,), "u1", chunks=(1 << 16,)), "1 to 100,000 samples"),
        ("spikes/times", lambda f, name: f.create_dataset(name, data=np.zeros(40)), "a list of numbers"),
        ("spikes/units", lambda f, name: f.move("spikes/times", name), "itself, but times is nothing"),
    ],
)  # fmt: skip
def test_what_points_elsewhere_or_is_something_else_is_refused(name, put, message, tmp_path: Path):
    with pytest.raises(BadData, match=message):
        shd(replaced(tmp_path, name, put))


@pytest.mark.parametrize(
    ("times", "units", "message"),
    [
        ([0.1, np.nan], [1, 2], "must have times of 0 to 3600 seconds"),
        ([-0.1], [1], "must have times of 0 to 3600 seconds"),
        ([np.inf], [1], "must have times of 0 to 3600 seconds"),
        ([0.1], [700], "must have units 0 to 699, but has 700 to 700"),
        ([0.1, 0.2], [1], "one time and one unit for each .* has 2 and 1"),
    ],
)
def test_spikes_that_cannot_be_are_refused(times, units, message, tmp_path: Path):
    made = samples(40)
    made[7] = np.array(times, np.float16), np.array(units, np.uint16)
    write(folder(tmp_path) / "shd_train.h5", made)
    with pytest.raises(BadData, match=f"sample 7 in .*{message}"):
        shd(tmp_path)


def test_labels_and_files_that_cannot_be_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    labels = np.arange(40) % 20
    labels[5] = 20
    write(folder(tmp_path) / "shd_train.h5", samples(40), labels)
    with pytest.raises(BadData, match="must hold labels 0 to 19, but holds 20 at position 5"):
        shd(tmp_path)
    monkeypatch.setattr(hdf5, "MAX_BYTES", 1000)
    with pytest.raises(BadData, match="must have 1 to 1,000 bytes, but has"):
        shd(tmp_path)
    (tmp_path / "shd_train.h5").write_bytes(b"")
    with pytest.raises(BadData, match="but has 0"):
        shd(tmp_path)
    (tmp_path / "shd_train.h5").write_bytes(b"import torch")
    with pytest.raises(
        BadData, match=r"shd_train\.h5 must begin as an HDF5 file does, but is no HDF5 file; give another"
    ):
        shd(tmp_path)
    (tmp_path / "shd_train.h5").unlink()
    with pytest.raises(BadData, match=r"shd_train\.h5 must be an HDF5 file that can be read"):
        shd(tmp_path)


def test_frames_too_large_for_memory_are_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="the frames of a split must have at most"):
        shd(folder(tmp_path), bins=Bins(1, 1 << 20))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    made = {}
    for name, options in STORED.items():
        path = tmp_path_factory.mktemp("good")
        made[name] = write(path / "a.h5", samples(12), **options).read_bytes()
    return made


def check_damaged(path: Path, content: bytes) -> None:
    """Read in full or refused; nothing else, and never without an end."""
    file = path / "damaged.h5"
    file.write_bytes(content)
    with contextlib.suppress(BadData), hdf5.opened(file) as f:
        lists = [*f.lists("spikes/times", "fu"), *f.lists("spikes/units", "iu")]
        assert all(0 <= a.nbytes <= len(content) for a in lists)
        f.numbers("labels")


@given(name=st.sampled_from(sorted(STORED)), data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.timeout(60)
def test_damaged_files_are_read_or_refused(name, data, good, tmp_path: Path):
    content = bytearray(good[name])
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 4)) if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    check_damaged(tmp_path, bytes(content))


@pytest.mark.timeout(30)
def test_a_heap_that_does_not_end_and_a_list_that_claims_gigabytes(good, tmp_path: Path):
    content = good["contiguous"]
    heap = content.index(b"GCOL")
    index, _, _, length = hdf5.OBJECT.unpack_from(content, heap + 16)
    assert index == 1
    reference = np.array([(length // 2, heap, 1)], hdf5.REFERENCE).tobytes()
    assert content.count(reference) == 1
    endless = bytearray(content)
    endless[heap + 16 : heap + 32] = bytes(16)  # an object of nothing that is free, for ever
    claims = content.replace(reference, np.array([(1 << 31, heap, 1)], hdf5.REFERENCE).tobytes())
    nowhere = content.replace(reference, np.array([(2, heap + 8, 1)], hdf5.REFERENCE).tobytes())
    for damaged, message in (
        (endless, "heaps whose objects fill them"),
        (claims, "list 0 of 2,147,483,648 numbers does not lie there"),
        (nowhere, "list 0 of 2 numbers does not lie there"),
    ):
        (tmp_path / "shd_train.h5").write_bytes(damaged)
        with pytest.raises(BadData, match=message):
            shd(tmp_path)
