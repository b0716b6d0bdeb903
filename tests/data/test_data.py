"""Data sets: the embedded sample, the readers of untrusted files, the splits and the download.

The real full set is needed by two tests alone: INTSPIKE_FASHION_MNIST=folder-or-npz-file runs them.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import os
import runpy
import socket
import struct
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intspike.data import (
    Dataset,
    Split,
    download,
    fashion,
    fashion_mnist,
    get_fashion_mnist,
    idx_images,
    mnist,
    readers,
    subset,
)
from intspike.data.dataset import hold_out, stratified
from intspike.errors import BadData, BadInput, MissingDependency

ROOT = Path(__file__).parents[2]
FULL = os.environ.get("INTSPIKE_FASHION_MNIST")
needs_full = pytest.mark.skipif(not FULL, reason="INTSPIKE_FASHION_MNIST names no full set")
Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return fashion_mnist()


def tiny(train: int = 40, test: int = 20) -> Arrays:
    """Arrays like those of the full set, with labels in turn and random images."""
    rng = np.random.default_rng(5)
    return {
        "train_images": rng.integers(0, 256, (train, 28, 28), dtype=np.uint8),
        "train_labels": (np.arange(train) % 10).astype(np.uint8),
        "test_images": rng.integers(0, 256, (test, 28, 28), dtype=np.uint8),
        "test_labels": (np.arange(test) % 10).astype(np.uint8),
    }


def idx_bytes(array: np.ndarray) -> bytes:
    """An array as an idx file, written from the format's description."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder: Path, arrays: Arrays, packed: bool = False) -> Path:
    """The four idx files of these arrays, gzipped where packed."""
    for name, array in arrays.items():
        content = idx_bytes(array)
        file = folder / (idx_images.IDX_NAMES[name] + (".gz" if packed else ""))
        file.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return folder


def npz(file: Path, arrays: Arrays, save: Callable[..., None] = np.savez_compressed) -> Path:
    save(file, **arrays)
    return file


def raw_npz(file: Path, **contents: bytes) -> Path:
    """An npz file whose train_images is as given and whose other arrays are fine."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in tiny().items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(f"{name}.npy", contents.get(name, buffer.getvalue()))
    return file


def npy(header: str, values: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    length = len(header).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + length + header.encode("latin-1") + values


def same(a: Split, b: Split) -> bool:
    return np.array_equal(a.inputs, b.inputs) and np.array_equal(a.labels, b.labels)


# ---------------------------------------------------------------- the embedded sample


def test_the_sample_has_its_sizes_and_is_balanced(sample: Dataset):
    assert [len(sample.train), len(sample.validation), len(sample.test)] == [9000, 1000, 2000]
    for split, each in ((sample.train, 900), (sample.validation, 100), (sample.test, 200)):
        assert split.inputs.shape == (10 * each, 1, 28, 28)
        assert split.inputs.dtype == np.uint8
        assert split.labels.dtype == np.int64
        assert split.inputs.flags.c_contiguous
        assert split.inputs.flags.writeable
        assert np.bincount(split.labels).tolist() == [each] * 10
    assert sample.name == "Fashion-MNIST"
    assert len(sample.classes) == 10
    assert sample.source == "embedded sample, 10,000 + 2,000 images"


def test_no_image_of_the_sample_occurs_twice(sample: Dataset):
    images = np.concatenate([sample.train.inputs, sample.validation.inputs, sample.test.inputs])
    assert len({image.tobytes() for image in images}) == 12000


def test_the_first_images_of_the_sample_are_balanced():
    data = fashion_mnist(validation=0)
    assert data.train.take(500).labels.tolist() == list(range(10)) * 50
    assert data.test.take(50).labels.tolist() == list(range(10)) * 5


def test_the_sample_is_small_and_its_licence_lies_beside_it():
    assert fashion.SAMPLE.stat().st_size < 6_000_000
    licence = (fashion.SAMPLE.parent / "LICENSE-FASHION-MNIST.txt").read_text(encoding="utf-8")
    assert "The MIT License (MIT) Copyright © 2017 Zalando SE, https://tech.zalando.com" in licence
    assert "Permission is hereby granted, free of charge" in licence


def test_the_sample_has_its_checksum():
    assert hashlib.sha256(fashion.SAMPLE.read_bytes()).hexdigest() == fashion.SAMPLE_SHA256


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b[:99] + bytes([b[99] ^ 1]) + b[100:]])
def test_an_altered_sample_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes]
):
    file = tmp_path / "sample.xz"
    file.write_bytes(change(fashion.SAMPLE.read_bytes()))
    monkeypatch.setattr(fashion, "SAMPLE", file)
    with pytest.raises(BadData, match=r"sample\.xz must have the SHA-256 checksum .* install intspike again"):
        fashion_mnist()


def test_a_missing_sample_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fashion, "SAMPLE", tmp_path / "sample.xz")
    with pytest.raises(BadData, match=r"sample\.xz must be readable, but .* install intspike again"):
        fashion_mnist()


def test_a_python_without_lzma_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "lzma", None)
    with pytest.raises(MissingDependency, match=r"needs the module lzma of Python.*--data DIR"):
        fashion_mnist()


def test_two_loads_share_nothing(sample: Dataset):
    other = fashion_mnist()
    assert same(other.train, sample.train)
    assert not np.shares_memory(other.train.inputs, sample.train.inputs)


def test_data_needs_no_torch():
    code = "import sys, intspike.data as d; d.fashion_mnist(); print('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


@needs_full
def test_the_sample_is_part_of_the_full_set(sample: Dataset):
    full = fashion_mnist(FULL, validation=0)
    assert full.source == "the published full set, 60,000 + 10,000 images"
    embedded = fashion_mnist(validation=0)
    for small, big in ((embedded.train, full.train), (embedded.test, full.test)):
        known = {
            (image.tobytes(), label) for image, label in zip(big.inputs, big.labels.tolist(), strict=True)
        }
        got = {
            (image.tobytes(), label) for image, label in zip(small.inputs, small.labels.tolist(), strict=True)
        }
        assert got <= known


@needs_full
def test_the_tool_makes_the_sample_again():
    # Another liblzma may pack into other bytes, so the content is compared, not the file.
    import lzma

    tool = runpy.run_path(str(ROOT / "tools" / "make_fashion_mnist_sample.py"))
    packed = tool["pack"](Path(FULL or ""))
    assert lzma.decompress(packed) == lzma.decompress(fashion.SAMPLE.read_bytes())


# ---------------------------------------------------------------- splits


def test_the_validation_split_is_part_of_the_training_set_and_disjoint(sample: Dataset):
    whole = fashion_mnist(validation=0)
    assert len(whole.validation) == 0
    parts = {name: [i.tobytes() for i in getattr(sample, name).inputs] for name in ("train", "validation")}
    assert not set(parts["train"]) & set(parts["validation"])
    assert {i.tobytes() for i in whole.train.inputs} == set(parts["train"]) | set(parts["validation"])
    assert same(whole.test, sample.test)


def test_the_seed_alone_chooses_the_validation_split(sample: Dataset):
    again, other = fashion_mnist(seed=0), fashion_mnist(seed=1)
    assert same(again.validation, sample.validation)
    assert same(again.train, sample.train)
    assert not np.array_equal(other.validation.inputs, sample.validation.inputs)
    assert np.bincount(other.validation.labels).tolist() == [100] * 10
    assert same(other.test, sample.test)


def test_a_seed_means_the_same_choice_in_every_version_of_numpy():
    labels = np.arange(40) % 4
    assert stratified(labels, 8, seed=0).tolist() == [2, 3, 11, 13, 18, 20, 21, 32]
    assert stratified(labels, 8).tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    fraction=st.integers(0, 100),
    seed=st.none() | st.integers(0, 9),
)
def test_stratified_keeps_the_proportions(labels: list[int], fraction: int, seed: int | None):
    n = len(labels) * fraction // 100
    chosen = stratified(np.array(labels), n, seed)
    assert len(chosen) == n
    assert (np.diff(chosen) > 0).all()
    for label in set(labels):
        ideal = n * labels.count(label) / len(labels)
        got = np.count_nonzero(np.array(labels)[chosen] == label)
        assert abs(got - ideal) <= 5 / 2 + 0.5  # half an image for each of the five classes


@given(each=st.integers(1, 9), classes=st.integers(1, 6), n=st.integers(0, 54), seed=st.integers(0, 9))
def test_stratified_is_balanced_where_the_classes_are(each: int, classes: int, n: int, seed: int):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(classes), each))
    chosen = stratified(labels, min(n, len(labels)), seed)
    counts = np.bincount(labels[chosen], minlength=classes)
    assert counts.max() - counts.min() <= 1


def test_an_empty_split_has_an_empty_part():
    assert stratified(np.array([], dtype=np.int64), 0, 3).tolist() == []


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan"), "0.1", None, True])
def test_a_bad_fraction_is_refused(fraction: object):
    with pytest.raises(BadInput, match="validation must be a number with 0 <= validation < 1, but is"):
        fashion_mnist(validation=fraction)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_a_fraction_that_leaves_one_side_empty_is_refused(fraction: float):
    split = Split(np.zeros((10, 1, 2, 2), np.uint8), np.arange(10))
    with pytest.raises(BadInput, match=rf"but {fraction} of 10 training samples is (0|10); give another"):
        hold_out(split, fraction, 0)


@pytest.mark.parametrize("seed", [-1, 0.5, "0", None, True])
def test_a_bad_seed_is_refused(seed: object):
    with pytest.raises(BadInput, match="seed must be a whole number from 0, but is"):
        fashion_mnist(seed=seed)  # pyright: ignore[reportArgumentType]


def test_take_gives_the_first_images(sample: Dataset):
    part = sample.test.take(7)
    assert len(part) == 7
    assert np.shares_memory(part.inputs, sample.test.inputs)
    assert np.array_equal(part.labels, sample.test.labels[:7])
    assert len(sample.test.take(0)) == 0
    assert len(sample.test.take(2000)) == 2000


@pytest.mark.parametrize("n", [-1, 2001, 1.0, True])
def test_take_refuses_what_is_not_there(sample: Dataset, n: int):
    with pytest.raises(BadInput, match="n must be a whole number from 0 to 2000, but is"):
        sample.test.take(n)


def test_subset_is_balanced_deterministic_and_nested(sample: Dataset):
    small, larger = subset(sample, 100, 50, 25), subset(sample, 200, 50, 30)
    assert [len(small.train), len(small.validation), len(small.test)] == [100, 50, 25]
    assert np.bincount(small.train.labels).tolist() == [10] * 10
    assert set(np.bincount(small.test.labels).tolist()) == {2, 3}
    assert same(subset(sample, 100, 50, 25).train, small.train)
    assert {i.tobytes() for i in small.train.inputs} <= {i.tobytes() for i in larger.train.inputs}
    assert not np.shares_memory(small.train.inputs, sample.train.inputs)
    assert small.classes == sample.classes
    assert small.source.endswith("of these 100 + 50 + 25 (training + validation + test)")


def test_subset_refuses_more_than_there_is(sample: Dataset):
    with pytest.raises(BadInput, match="validation must be a whole number from 0 to 1000, but is 1001"):
        subset(sample, 10, 1001, 10)


def test_splits_check_what_they_are_given():
    images, labels = np.zeros((3, 1, 2, 2), np.uint8), np.zeros(3, np.int64)
    with pytest.raises(BadInput, match=r"static inputs must be uint8 .* are float64 of shape \[3, 1, 2, 2\]"):
        Split(images.astype(float), labels)  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadInput, match=r"static inputs must be uint8 .* of shape \[3, 2, 2\]; .* timed=True"):
        Split(images[:, 0], labels)
    with pytest.raises(BadInput, match=r"labels must be int64 of shape \[3\].* shape \[2\]"):
        Split(images, labels[:2])
    with pytest.raises(BadInput, match=r"labels must be int64 .* are uint8"):
        Split(images, labels.astype(np.uint8))  # pyright: ignore[reportArgumentType]
    with pytest.raises(
        BadInput, match=r"inputs must be numpy arrays, but are a torch Tensor; give inputs\.numpy\(\)"
    ):
        Split(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), labels)  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadInput, match=r"labels must be numpy arrays, .* list; give np\.array\(labels\)"):
        Split(images, [0, 0, 0])  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadInput, match=r"labels must be at least 0, .* the label of sample 1 is -2; count"):
        Split(images, np.array([0, -2, -1]))
    assert repr(Split(images, labels)) == "Split(3 samples of [1, 2, 2])"
    with pytest.raises(FrozenInstanceError):
        Split(images, labels).inputs = images  # pyright: ignore[reportAttributeAccessIssue]


def test_labels_of_a_data_set_are_its_classes():
    images = np.zeros((3, 1, 2, 2), np.uint8)
    few, more = Split(images, np.array([0, 1, 1])), Split(images, np.array([0, 2, 1]))
    with pytest.raises(
        BadInput, match=r"labels must be below 2, .* sample 1 in validation is 2; name every class"
    ):
        Dataset("made", few, more, few, ("a", "b"), "made up")
    assert Dataset("made", few, more, few, ("a", "b", "c"), "made up").classes == ("a", "b", "c")
    numbered = Dataset("made", few, more, few, ("a", "b"), "made up", labelled=False)
    assert not subset(numbered, 1, 1, 1).labelled


# ---------------------------------------------------------------- the user's files


@pytest.fixture(
    params=["idx", "gz", "mixed", "npz", "stored npz", "folder with npz", "one idx file", "fortran"]
)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    arrays = tiny()
    match request.param:
        case "idx" | "gz":
            return write_idx(tmp_path, arrays, packed=request.param == "gz")
        case "mixed":
            write_idx(tmp_path, arrays, packed=True)
            packed = tmp_path / "t10k-labels-idx1-ubyte.gz"
            (tmp_path / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
            packed.unlink()
            return tmp_path
        case "npz" | "stored npz":
            return npz(
                tmp_path / "a.npz", arrays, np.savez if "stored" in request.param else np.savez_compressed
            )
        case "folder with npz":
            npz(tmp_path / "mnist.npz", tiny(30))  # another one, which must not be taken
            return npz(tmp_path / "fashion_mnist.npz", arrays).parent
        case "one idx file":
            return write_idx(tmp_path, arrays, packed=True) / "t10k-images-idx3-ubyte.gz"
        case _:
            return npz(tmp_path / "a.npz", {k: np.asfortranarray(v) for k, v in arrays.items()})


def test_every_form_of_the_files_is_read(written: Path):
    arrays, data = tiny(), fashion_mnist(str(written), validation=0)
    for split, part in ((data.train, "train"), (data.test, "test")):
        assert np.array_equal(split.inputs[:, 0], arrays[f"{part}_images"])
        assert np.array_equal(split.labels, arrays[f"{part}_labels"])
        assert split.inputs.flags.writeable
        assert split.inputs.flags.c_contiguous
    assert data.source == "files of the user that are not the published set, 40 + 20 images"


def test_the_users_files_are_split_too(tmp_path: Path):
    data = fashion_mnist(write_idx(tmp_path, tiny()), validation=0.25, seed=3)
    assert [len(data.train), len(data.validation), len(data.test)] == [30, 10, 20]
    assert np.bincount(data.validation.labels).tolist() == [1] * 10


def test_unpacked_files_win_over_packed_ones(tmp_path: Path):
    write_idx(tmp_path, tiny(30), packed=True)
    assert len(fashion_mnist(write_idx(tmp_path, tiny(20)), validation=0).train) == 20


def test_the_published_values_are_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    values = b"".join(array.tobytes() for array in tiny().values())
    known = replace(fashion.FILES, published=hashlib.sha256(values).hexdigest())
    monkeypatch.setattr(fashion, "FILES", known)
    assert fashion_mnist(write_idx(tmp_path, tiny())).source == "the published full set, 40 + 20 images"


def test_mnist_has_the_same_files_and_its_own_name(tmp_path: Path):
    npz(tmp_path / "fashion_mnist.npz", tiny(30))  # another one, which must not be taken
    data = mnist(npz(tmp_path / "mnist.npz", tiny()).parent, validation=0.25)
    assert (data.name, data.classes, data.timed, data.high) == ("MNIST", tuple("0123456789"), False, 255)
    assert [len(data.train), len(data.validation), len(data.test)] == [30, 10, 20]
    assert fashion.FILES.published != sys.modules["intspike.data.mnist"].FILES.published
    (tmp_path / "mnist.npz").unlink()
    with pytest.raises(BadData, match=r"must hold .* or mnist\.npz, but these are missing.* files of MNIST"):
        mnist(tmp_path)


def test_a_missing_path_is_named(tmp_path: Path):
    with pytest.raises(
        BadData, match=r"nowhere must be a folder or a file .* but does not exist; fetch them"
    ):
        fashion_mnist(tmp_path / "nowhere")


def test_a_path_that_no_system_has_is_refused():
    for path in ("a" * 5000, "a\0b"):
        with pytest.raises(BadData, match="must be a folder or"):
            fashion_mnist(path)


def test_missing_files_are_named(tmp_path: Path):
    write_idx(tmp_path, tiny())
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(
        BadData, match=r"must hold train-images-idx3-ubyte, .* or fashion_mnist\.npz"
    ) as caught:
        fashion_mnist(tmp_path)
    assert "but these are missing: t10k-labels-idx1-ubyte; fetch them with" in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path: Path):
    file = tmp_path / "notes.txt"
    file.write_text("hello")
    with pytest.raises(BadData, match=r"notes\.txt must be an npz file or one of train-images-idx3-ubyte"):
        fashion_mnist(file)


# ---------------------------------------------------------------- corrupt idx files

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
good = tiny()
IDX_DAMAGE = {
    "empty": (IMAGES, b"", r"must start with the idx magic number 00000803 .* but starts with nothing"),
    "short magic": (IMAGES, b"\0\0\b", r"starts with 000008;"),
    "other type": (IMAGES, b"\0\0\r\3" + idx_bytes(good["train_images"])[4:], r"but starts with 00000d03"),
    "labels as images": (IMAGES, idx_bytes(good["train_labels"]), r"00000803 .*3 dim.* starts with 00000801"),
    "images as labels": (LABELS, idx_bytes(good["train_images"]), r"00000801 .*1 dim.* starts with 00000803"),
    "gzip without .gz": (
        IMAGES,
        gzip.compress(idx_bytes(good["train_images"])),
        r"starts with 1f8b0.*in \.gz",
    ),
    "no sizes": (IMAGES, idx_bytes(good["train_images"])[:10], r"must name 3 sizes, but ends before"),
    "32x32": (
        IMAGES,
        idx_bytes(np.zeros((40, 32, 32), np.uint8)),
        r"shape \[N, 28, 28\], but claims \[40, 32, 32\]",
    ),
    "no images": (IMAGES, idx_bytes(np.zeros((0, 28, 28), np.uint8)), r"1 <= N <= 100,000, but claims 0;"),
    "too many": (IMAGES, struct.pack(">4I", 0x803, 2**32 - 1, 28, 28), r"but claims 4,294,967,295;"),
    "truncated": (
        IMAGES,
        idx_bytes(good["train_images"])[:-1],
        r"must hold 31,360 bytes .* ends after 31,359;",
    ),
    "too long": (IMAGES, idx_bytes(good["train_images"]) + b"\0", r"must hold 31,360 bytes .* holds more;"),
    "label 10": (
        LABELS,
        idx_bytes(good["train_labels"] + 1),
        r"labels 0 to 9, but holds 10 at position 9 \(4 such",
    ),
    "other count": (
        LABELS,
        idx_bytes(good["test_labels"]),
        r"one label for each of the 40 samples, but holds 20;",
    ),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("damage", IDX_DAMAGE)
def test_a_damaged_idx_file_is_refused(tmp_path: Path, damage: str, packed: bool):
    name, content, message = IDX_DAMAGE[damage]
    file = write_idx(tmp_path, tiny(), packed) / (name + (".gz" if packed else ""))
    file.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(BadData, match=message) as caught:
        fashion_mnist(tmp_path)
    assert str(caught.value).startswith(str(file))


GZ_DAMAGE = {
    "truncated": (lambda b: b[:-200], "EOFError: Compressed file ended"),
    "without its end": (lambda b: b[:-8], "EOFError: Compressed file ended"),
    "wrong CRC": (lambda b: b[:-8] + bytes(4) + b[-4:], "BadGzipFile: CRC check failed"),
    "not gzip": (gzip.decompress, "BadGzipFile: Not a gzipped file"),
    "followed by junk": (lambda b: b + b"junk", "BadGzipFile: Not a gzipped file"),
    "broken inside": (lambda b: b[:40] + bytes(200) + b[240:], "(error: Error -3|BadGzipFile: CRC check)"),
}


@pytest.mark.parametrize("damage", GZ_DAMAGE)
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, damage: str):
    change, message = GZ_DAMAGE[damage]
    file = write_idx(tmp_path, tiny(), packed=True) / f"{IMAGES}.gz"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(BadData, match=message) as caught:
        fashion_mnist(tmp_path)
    assert str(caught.value).startswith(f"{file} must be an idx file that can be read, but fails with")


# ---------------------------------------------------------------- corrupt npz files

HEADER = "{'descr': '|u1', 'fortran_order': False, 'shape': (40, 28, 28), }\n"
PIXELS = bytes(40 * 784)
NPY_DAMAGE = {
    "empty": (b"", "npy of version 1.0 or 2.0, but starts with nothing"),
    "not npy": (b"hello world", "but starts with 68656c6c6f20776f"),
    "version 3": (npy(HEADER, PIXELS, b"\x03\x00"), "but starts with 934e554d50590300"),
    "long header": (npy(HEADER + " " * 1024, PIXELS), "header of at most 1024 bytes, but claims 1,090"),
    "huge header": (npy("", b"", b"\x02\x00")[:8] + b"\xff" * 4, "but claims 4,294,967,295"),
    "code as header": (npy("__import__('os')"), "must have a plain npy header, but has"),
    "cut header": (npy(HEADER)[:40], "must have a plain npy header, but has"),
    "pickled": (npy(HEADER.replace("|u1", "|O"), PIXELS), r"must be uint8, but is '\|O'; convert it"),
    "float": (npy(HEADER.replace("|u1", "<f8"), PIXELS), r"but is '<f8'; codes are .* \(x \* 255\)\.round"),
    "32x32": (npy(HEADER.replace("28, 28", "32, 32")), r"shape \[N, 28, 28\], but claims \[40, 32, 32\]"),
    "flat": (npy(HEADER.replace("40, 28, 28", "31360,")), r"shape \[N, 28, 28\], but claims \[31360\]"),
    "scalar": (npy(HEADER.replace("40, 28, 28", "")), r"shape \[N, 28, 28\], but claims \[\]"),
    "too many": (npy(HEADER.replace("40,", "4000000000,")), "<= 100,000, but claims 4,000,000,000"),
    "no images": (npy(HEADER.replace("40,", "0,")), "with 1 <= N <= 100,000, but claims 0"),
    "too short": (npy(HEADER, PIXELS[:-1]), r"must have 31,436 bytes .* the zip directory says 31,435"),
    "too long": (npy(HEADER, PIXELS + b"\0"), r"must have 31,436 bytes .* the zip directory says 31,437"),
}


@pytest.mark.parametrize("damage", NPY_DAMAGE)
def test_a_damaged_array_is_refused(tmp_path: Path, damage: str):
    content, message = NPY_DAMAGE[damage]
    file = raw_npz(tmp_path / "a.npz", train_images=content)
    with pytest.raises(BadData, match=message) as caught:
        fashion_mnist(file)
    assert str(caught.value).startswith(f"array train_images in {file} must ")


def test_headers_of_other_writers_are_read(tmp_path: Path):
    header = "{'descr':'u1','fortran_order':False,'shape':(40,28,28)}"
    for version in (b"\x01\x00", b"\x02\x00"):
        file = raw_npz(tmp_path / "a.npz", train_images=npy(header, PIXELS, version))
        assert not fashion_mnist(file, validation=0).train.inputs.any()


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32, np.bool_])
def test_another_type_than_uint8_is_refused(tmp_path: Path, dtype: type):
    arrays = tiny()
    file = npz(tmp_path / "a.npz", arrays | {"test_labels": arrays["test_labels"].astype(dtype)})
    with pytest.raises(
        BadData, match=r"array test_labels in .*a\.npz must be uint8, but is '.*astype\('uint8'\)"
    ):
        fashion_mnist(file)


def test_pickled_objects_are_never_loaded(tmp_path: Path):
    file = npz(tmp_path / "a.npz", tiny() | {"train_labels": np.array([print] * 40, dtype=object)})
    with pytest.raises(BadData, match=r"array train_labels .* must be uint8, but is '\|O'"):
        fashion_mnist(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"train_labels": np.zeros(39, np.uint8)},
            r"train_labels in .* each of the 40 samples, but holds 39;",
        ),
        ({"test_labels": np.full(20, 255, np.uint8)}, r"test_labels in .* holds 255 at position 0 \(20 such"),
        ({"train_labels": np.zeros((40, 1), np.uint8)}, r"must have shape \[N\], but claims \[40, 1\]"),
    ],
)
def test_labels_must_fit_the_images(tmp_path: Path, change: Arrays, message: str):
    with pytest.raises(BadData, match=message):
        fashion_mnist(npz(tmp_path / "a.npz", tiny() | change))


def test_missing_arrays_are_named(tmp_path: Path):
    file = npz(tmp_path / "a.npz", {"x_train": np.zeros(3), "y_train": np.zeros(3)})
    with pytest.raises(
        BadData, match=r"one array train_images, but holds 0 .*\(it holds: x_train, y_train\)"
    ):
        fashion_mnist(file)


def test_an_array_stored_twice_is_refused(tmp_path: Path):
    file = raw_npz(tmp_path / "a.npz")
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("train_images.npy", b"")
    with pytest.raises(BadData, match="one array train_images, but holds 2 of that name"):
        fashion_mnist(file)


def test_other_zip_methods_are_refused(tmp_path: Path):
    file = tmp_path / "a.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("train_images.npy", npy(HEADER, PIXELS))
    with pytest.raises(BadData, match=r"stored or deflated without a password, but .* zip method 12"):
        fashion_mnist(file)


def test_an_encrypted_array_is_refused(tmp_path: Path):
    file = raw_npz(tmp_path / "a.npz")
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1  # the flag in the directory's first entry
    file.write_bytes(content)
    with pytest.raises(BadData, match="without a password, but is encrypted"):
        fashion_mnist(file)


@pytest.mark.parametrize(
    "change", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"PK\3\4" + b[4:-30]]
)
def test_a_broken_zip_file_is_refused(tmp_path: Path, change: Callable[[bytes], bytes]):
    file = npz(tmp_path / "a.npz", tiny())
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(
        BadData, match=r"a\.npz must be an npz file that can be read, but fails with BadZipFile"
    ):
        fashion_mnist(file)


def test_a_wrong_zip_checksum_is_refused(tmp_path: Path):
    file = npz(tmp_path / "a.npz", tiny(), np.savez)
    content = bytearray(file.read_bytes())
    content[500] ^= 1  # a pixel
    file.write_bytes(content)
    with pytest.raises(BadData, match=r"BadZipFile: Bad CRC-32 for file 'train_images\.npy'"):
        fashion_mnist(file)


def test_a_large_npz_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readers, "MAX_NPZ_BYTES", 1000)
    with pytest.raises(BadData, match=r"a\.npz must have at most 1,000 bytes, but has"):
        fashion_mnist(npz(tmp_path / "a.npz", tiny()))


def peak(function: Callable[[], object]) -> int:
    """The most bytes that Python and numpy held at once during a call."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_bombs_are_refused_before_memory_is_taken(tmp_path: Path):
    zeros = bytes(1 << 26)
    claims = HEADER.replace("40,", "90000,")
    small = [  # more than claimed; claimed, but absent
        raw_npz(tmp_path / "a.npz", train_images=npy(HEADER, zeros)),
        raw_npz(tmp_path / "b.npz", train_images=npy(claims)),
    ]
    lying = raw_npz(tmp_path / "c.npz", train_images=npy(HEADER, zeros))
    content = bytearray(lying.read_bytes())
    at = content.index(b"PK\1\2") + 24  # the uncompressed size in the directory's first entry
    content[at : at + 4] = (31436).to_bytes(4, "little")
    lying.write_bytes(content)
    folder = write_idx(tmp_path, tiny(), packed=True)
    (folder / f"{IMAGES}.gz").write_bytes(gzip.compress(idx_bytes(tiny()["train_images"]) + zeros))

    def refuse() -> None:
        for path in (*small, lying, folder):
            with pytest.raises(BadData):
                fashion_mnist(path)

    assert peak(refuse) < 4_000_000


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(data=st.data())
def test_random_damage_is_refused_or_harmless(tmp_path: Path, data: st.DataObject):
    folder = tmp_path / "fuzz"
    folder.mkdir(exist_ok=True)
    kind = data.draw(st.sampled_from(["idx", "gz", "npz", "stored npz"]))
    if kind in ("idx", "gz"):
        for old in folder.iterdir():
            old.unlink()
        write_idx(folder, tiny(10, 10), packed=kind == "gz")
        file = data.draw(st.sampled_from(sorted(folder.iterdir())))
        path = folder
    else:
        path = file = npz(
            tmp_path / "a.npz", tiny(10, 10), np.savez if kind == "stored npz" else np.savez_compressed
        )
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # near an end, because headers and directories are there
        at = data.draw(st.integers(0, 200) | st.integers(-500, -1) | st.integers(0, len(content) - 1))
        content[at % len(content)] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    file.write_bytes(content)
    try:
        loaded = fashion_mnist(path, validation=0)
    except BadData as error:
        message = str(error)
    else:
        message = str(path)
        assert loaded.train.inputs.shape == (10, 1, 28, 28)
        assert loaded.train.labels.max() <= 9
    assert str(tmp_path) in message


# ---------------------------------------------------------------- the download


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with tiny files that is served on this machine in place of Zalando's address."""
    folder = tmp_path / "served"
    folder.mkdir()
    write_idx(folder, tiny(), packed=True)
    sums = {f.name: hashlib.md5(f.read_bytes(), usedforsecurity=False).hexdigest() for f in folder.iterdir()}
    assert set(sums) == set(download.MD5)
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setattr(download, "URL", f"http://127.0.0.1:{running.server_port}/")
        monkeypatch.setattr(download, "MD5", sums)
        monkeypatch.setattr(download, "RETRIES", 0)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield folder
        running.shutdown()
        thread.join()


def test_the_download_is_what_was_served(tmp_path: Path, server: Path, capsys: pytest.CaptureFixture[str]):
    folder = get_fashion_mnist(tmp_path / "got")
    assert folder == tmp_path / "got"
    assert sorted(f.name for f in folder.iterdir()) == sorted(download.MD5)
    assert same(fashion_mnist(folder).train, fashion_mnist(server).train)
    said = capsys.readouterr()
    assert said.out == ""
    assert "train-images-idx3-ubyte.gz" in said.err


def test_what_is_there_is_not_fetched_again(tmp_path: Path, server: Path):
    folder = get_fashion_mnist(tmp_path / "got")
    for file in server.iterdir():
        file.unlink()
    assert get_fashion_mnist(folder) == folder


def test_the_default_folder_is_the_users_cache(tmp_path: Path, server: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)
    assert get_fashion_mnist() == tmp_path / "cache" / "intspike" / "fashion_mnist"


def test_a_file_with_another_checksum_is_refused(tmp_path: Path, server: Path):
    (server / f"{LABELS}.gz").write_bytes(b"something else")
    with pytest.raises(BadData, match=rf"{LABELS}\.gz must be fetched from .* that failed \(MD5 hash of"):
        get_fashion_mnist(tmp_path / "got")
    assert not (tmp_path / "got" / f"{LABELS}.gz").exists()


def test_a_file_that_is_not_served_is_named(tmp_path: Path, server: Path):
    (server / f"{IMAGES}.gz").unlink()
    with pytest.raises(BadData, match=rf"{IMAGES}\.gz must be fetched .* that failed \(404 Client Error"):
        get_fashion_mnist(tmp_path / "got")


def test_a_failed_download_is_tried_again(tmp_path: Path, server: Path, monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []

    def repair(seconds: float) -> None:  # what pooch calls between two tries
        waits.append(seconds)
        (server / "hidden").rename(server / f"{IMAGES}.gz")

    (server / f"{IMAGES}.gz").rename(server / "hidden")
    monkeypatch.setattr(download, "RETRIES", 2)
    monkeypatch.setattr("time.sleep", repair)
    get_fashion_mnist(tmp_path / "got")
    assert len(waits) == 1


def test_offline_the_message_says_what_else_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as unused:  # bound but not listening: connections are refused
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(download, "URL", f"http://127.0.0.1:{unused.getsockname()[1]}/")
        monkeypatch.setattr(download, "RETRIES", 0)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(BadData, match="Check the network and try again") as caught:
            get_fashion_mnist(tmp_path / "got")
    assert "--data DIR, or fashion_mnist(DIR)" in str(caught.value)
    assert "The embedded sample, fashion_mnist(), needs no network" in str(caught.value)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, server: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadData, match=r"must be fetched .* but that failed \(.*file"):
        get_fashion_mnist(tmp_path / "file" / "got")


@pytest.mark.parametrize("package", ["pooch", "rich.progress"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependency, match=rf"need pooch and rich, but {package} .*pip install"):
        get_fashion_mnist()


def test_the_published_addresses_and_checksums():
    assert download.URL == "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    assert set(download.MD5) == {f"{name}.gz" for name in idx_images.IDX_NAMES.values()}
    assert all(len(digest) == 32 for digest in download.MD5.values())
