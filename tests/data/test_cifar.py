"""CIFAR readers on small files in the true formats, written here; corrupt and hostile ones are refused by name."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intspike import data
from intspike.data import Dataset, cifar_names
from intspike.data.images import decode
from intspike.errors import BadData, BadInput, MissingDependency

Read = Callable[..., Dataset]
DRAW = np.random.default_rng(0)
PIXELS = DRAW.integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)
BATCHES = [f"data_batch_{k}.bin" for k in range(1, 6)]


def records(images: np.ndarray, *labels: np.ndarray) -> bytes:
    """One label after the other, then red, green, blue; by a loop over bytes."""
    made = b""
    for k, image in enumerate(images):
        made += bytes(int(label[k]) for label in labels)
        for channel in image:
            for row in channel:
                made += row.tobytes()
    return made


def cifar10_binary(folder: Path) -> Path:
    """Six images a batch, six test images; labels 0, 1, .. in turn."""
    folder.mkdir(exist_ok=True)
    for k, name in enumerate([*BATCHES, "test_batch.bin"]):
        images = PIXELS[6 * k : 6 * k + 6]
        (folder / name).write_bytes(records(images, np.arange(6 * k, 6 * k + 6) % 10))
    (folder / "batches.meta.txt").write_text("\n".join(cifar_names.CIFAR_10))
    return folder


def cifar100_binary(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name, count in (("train.bin", 30), ("test.bin", 10)):
        fine = np.arange(count) * 3 % 100
        (folder / name).write_bytes(records(PIXELS[:count], fine // 5, fine))
    return folder


def encoded(image: np.ndarray, form: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, form, **options)
    return file.getvalue()


def image_folder(folder: Path, form: str = "PNG", classes: tuple[str, ...] = cifar_names.CIFAR_10) -> Path:
    """Two training images and one test image a class."""
    for part, each in (("train", 2), ("test", 1)):
        for label, name in enumerate(classes):
            place = folder / part / name
            place.mkdir(parents=True)
            for k in range(each):
                content = encoded(PIXELS[(label * each + k) % 40], form)
                (place / f"{k:04}.{form.lower()}").write_bytes(content)
    return folder


def jpeg_npz(file: Path, **changed: np.ndarray) -> Path:
    arrays: dict[str, np.ndarray] = {"classes": np.array(cifar_names.CIFAR_10)}
    for part, count in (("train", 20), ("test", 10)):
        files = [encoded(image, "JPEG") for image in PIXELS[:count]]
        arrays[f"{part}_jpeg"] = np.frombuffer(b"".join(files), np.uint8)
        arrays[f"{part}_offsets"] = np.cumsum([0, *map(len, files)])
        arrays[f"{part}_labels"] = (np.arange(count) % 10).astype(np.uint8)
    np.savez(file, **{**arrays, **changed})
    return file


# --- what is read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-bin"])
def test_the_binary_version_of_cifar10(tmp_path: Path, inside: str):
    cifar10_binary(tmp_path / inside if inside else tmp_path)
    made = data.cifar10(tmp_path, validation=0)
    assert (made.name, made.classes[3], made.frame, made.high) == ("CIFAR-10", "cat", (3, 32, 32), 255)
    assert np.array_equal(made.train.inputs, PIXELS[:30])
    assert np.array_equal(made.test.inputs, PIXELS[30:36])
    assert made.train.labels.tolist() == [k % 10 for k in range(30)]
    assert made.train.inputs.flags.writeable
    assert made.source == "CIFAR-10, files of the user, 30 + 6 images"


@pytest.mark.parametrize("labels", ["fine", "coarse"])
def test_the_binary_version_of_cifar100(tmp_path: Path, labels: str):
    made = data.cifar100(cifar100_binary(tmp_path), labels=labels, validation=0)
    fine = np.arange(30) * 3 % 100
    assert np.array_equal(made.train.labels, fine if labels == "fine" else fine // 5)
    assert np.array_equal(made.train.inputs, PIXELS[:30])
    assert len(made.classes) == (100 if labels == "fine" else 20)
    assert made.name == ("CIFAR-100" if labels == "fine" else "CIFAR-100 (20 coarse classes)")


def test_the_names_of_classes_are_as_published():
    assert list(cifar_names.CIFAR_100) == sorted(set(cifar_names.CIFAR_100))
    assert list(cifar_names.CIFAR_10) == sorted(set(cifar_names.CIFAR_10))
    sizes = [len(n) for n in (cifar_names.CIFAR_10, cifar_names.CIFAR_100, cifar_names.CIFAR_100_COARSE)]
    assert sizes == [10, 100, 20]
    assert [cifar_names.CIFAR_100[k] for k in (0, 19, 49, 99)] == ["apple", "cattle", "mountain", "worm"]


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_folders_of_images(tmp_path: Path, form: str):
    made = data.cifar10(image_folder(tmp_path, form), validation=0)
    assert made.name == ("CIFAR-10" if form == "PNG" else "CIFAR-10 (JPEG)")
    assert made.train.labels.tolist() == [k // 2 for k in range(20)]
    if form == "PNG":  # which keeps every bit
        assert np.array_equal(made.train.inputs, PIXELS[:20])
        assert np.array_equal(made.test.inputs, PIXELS[:10])
    else:
        expected = np.asarray(Image.open(io.BytesIO(encoded(PIXELS[3], "JPEG")))).transpose(2, 0, 1)
        assert np.array_equal(made.train.inputs[3], expected)


def test_folders_of_cifar100(tmp_path: Path):
    image_folder(tmp_path, classes=cifar_names.CIFAR_100_COARSE)
    assert len(data.cifar100(tmp_path, labels="coarse", validation=0).train) == 40
    with pytest.raises(
        BadData, match=r"train must hold one folder a class, named as CIFAR-100 names it, but"
    ):
        data.cifar100(tmp_path)


@pytest.mark.parametrize("inside", [True, False])
def test_an_npz_file_of_jpeg_images(tmp_path: Path, inside: bool):
    file = jpeg_npz(tmp_path / "cifar10_jpeg.npz")
    made = data.cifar10(tmp_path if inside else file, validation=0.5)
    assert made.name == "CIFAR-10 (JPEG)"
    assert made.source == "CIFAR-10 (JPEG), files of the user, 20 + 10 images"
    assert (len(made.train), len(made.validation), len(made.test)) == (10, 10, 10)
    expected = np.asarray(Image.open(io.BytesIO(encoded(PIXELS[7], "JPEG")))).transpose(2, 0, 1)
    assert np.array_equal(made.test.inputs[7], expected)


@pytest.mark.parametrize("form", ["binary", "folder", "npz"])
def test_a_limit_reads_the_first_of_each_class_and_decodes_no_more(tmp_path: Path, form: str, monkeypatch):
    make = {
        "binary": cifar10_binary,
        "folder": image_folder,
        "npz": lambda p: jpeg_npz(p / "cifar10_jpeg.npz"),
    }
    path = make[form](tmp_path)
    seen: list[str] = []

    def counted(content: bytes, where: str, size: tuple[int, int]) -> np.ndarray:
        seen.append(where)
        return decode(content, where, size)

    monkeypatch.setattr(sys.modules["intspike.data.cifar"], "decode", counted)
    whole, few = data.cifar10(path, validation=0), data.cifar10(path, limit=10, validation=0)
    assert sorted(few.train.labels.tolist()) == list(range(10))
    for image, label in zip(few.train.inputs, few.train.labels, strict=True):
        first = np.flatnonzero(whole.train.labels == label)[0]
        assert np.array_equal(image, whole.train.inputs[first])
    if form != "binary":
        assert len(seen) == 30 + 20
    with pytest.raises(BadInput, match="limit must be a whole number from 1"):
        data.cifar10(path, limit=0)


# --- what is refused ------------------------------------------------------------------------------------------


def refused(read: Read, path: Path, *words: str, **arguments: object) -> None:
    with pytest.raises(BadData) as e:
        read(path, **arguments)
    for word in words:
        assert word in str(e.value), str(e.value)


@pytest.mark.parametrize("damage", ["truncated", "longer", "empty"])
def test_records_of_a_wrong_length_are_refused(tmp_path: Path, damage: str):
    file = cifar10_binary(tmp_path) / "data_batch_3.bin"
    content = file.read_bytes()
    file.write_bytes({"truncated": content[:-1], "longer": content + b"\0", "empty": b""}[damage])
    refused(data.cifar10, tmp_path, str(file), "3,073 bytes an image")
    (tmp_path / "train.bin").write_bytes(content)
    (tmp_path / "test.bin").write_bytes(content)
    refused(data.cifar100, tmp_path, "train.bin", "3,074 bytes an image", "of another set")


def test_labels_out_of_range_are_refused(tmp_path: Path):
    file = cifar10_binary(tmp_path) / "test_batch.bin"
    file.write_bytes(b"\x0a" + file.read_bytes()[1:])
    refused(data.cifar10, tmp_path, str(file), "labels 0 to 9, but holds 10 at position 0")
    fine = cifar100_binary(tmp_path) / "train.bin"
    fine.write_bytes(b"\x14\x64" + fine.read_bytes()[2:])
    refused(data.cifar100, tmp_path, str(fine), "labels 0 to 99, but holds 100 at position 0")
    refused(data.cifar100, tmp_path, str(fine), "labels 0 to 19, but holds 20 at position 0", labels="coarse")
    wrong = np.full(20, 11, np.uint8)
    refused(data.cifar10, jpeg_npz(tmp_path / "a.npz", train_labels=wrong), "labels 0 to 9, but holds 11")


def test_missing_batches_are_named(tmp_path: Path):
    cifar10_binary(tmp_path)
    (tmp_path / "data_batch_2.bin").unlink()
    refused(data.cifar10, tmp_path, "must hold data_batch_2.bin as well")


class Harm:
    """What unpickling it would run."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was read",))


@pytest.mark.parametrize(
    ("read", "files", "path", "version"),
    [
        (data.cifar10, ["data_batch_1", "batches.meta"], "", "cifar-10-binary.tar.gz"),
        (data.cifar10, ["cifar-10-batches-py/data_batch_1"], "", "cifar-10-binary.tar.gz"),
        (data.cifar10, ["data_batch_1"], "data_batch_1", "cifar-10-binary.tar.gz"),
        (data.cifar10, ["cifar-10-python.tar.gz"], "", "cifar-10-binary.tar.gz"),
        (data.cifar100, ["train", "test", "meta"], "", "cifar-100-binary.tar.gz"),
        (data.cifar100, ["train", "test", "meta"], "train", "cifar-100-binary.tar.gz"),
        (data.cifar100, ["cifar-100-python/train"], "", "cifar-100-binary.tar.gz"),
    ],
)
def test_pickled_versions_are_refused_by_name(
    tmp_path: Path, read: Read, files: list[str], path: str, version: str
):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(pickle.dumps(Harm()))
    refused(read, tmp_path / path, "is of the version for Python, which is pickled", version)


def test_what_is_not_there_is_named(tmp_path: Path):
    refused(data.cifar10, tmp_path / "nowhere", "nowhere must be a folder or file with CIFAR-10", "not exist")
    refused(data.cifar10, tmp_path, "data_batch_1.bin", "train/CLASS/", "it holds none of them")
    image_folder(tmp_path)
    (tmp_path / "train" / "cat").rename(tmp_path / "train" / "kitten")
    refused(data.cifar10, tmp_path, "misses cat and holds kitten")
    with pytest.raises(BadInput, match="labels must be 'fine'"):
        data.cifar100(tmp_path, labels="both")


def test_folders_without_images_are_refused(tmp_path: Path):
    for name in cifar_names.CIFAR_10:
        (tmp_path / "train" / name).mkdir(parents=True)
    refused(data.cifar10, tmp_path, "must hold 1 to 100,000 images in .jpeg, .jpg, .png, but holds 0")


def test_classes_in_another_order_are_refused(tmp_path: Path):
    file = jpeg_npz(tmp_path / "a.npz", classes=np.array(cifar_names.CIFAR_10[::-1]))
    refused(data.cifar10, file, "array classes in", "must be airplane, automobile", "but is truck, ship")


def png(width: int, height: int, colour: int = 2, bits: int = 8) -> bytes:
    """A PNG file that claims a size, with hardly any content."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG file that claims a size."""
    content = bytearray(encoded(PIXELS[0], "JPEG"))
    at = content.index(b"\xff\xc0") + 5  # the start of the frame: height, then width
    content[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(content)


GREY = Image.fromarray(PIXELS[0, 0])


def saved(image: Image.Image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "must be a PNG or JPEG file, but starts with nothing"),
        (b"GIF89a" + b"\0" * 50, "must be a PNG or JPEG file, but starts with 474946383961"),
        (encoded(PIXELS[0])[:-900], "must be an image that can be read, but fails with"),
        (encoded(PIXELS[0], "JPEG")[:-300], "must be an image that can be read, but fails with"),
        (encoded(PIXELS[0])[:20], "must be an image that can be read, but fails with"),
        (encoded(PIXELS[0], "JPEG")[:30], "must be an image that can be read, but fails with"),
        (png(32, 32), "must be an image that can be read, but fails with"),
        (png(60_000, 60_000), "must be 32 x 32 pixels, but claims 60000 x 60000"),
        (jpeg_of(65_000, 65_000), "must be 32 x 32 pixels, but claims 65000 x 65000"),
        (jpeg_of(32, 31), "must be 32 x 32 pixels, but claims 32 x 31"),
        (saved(GREY), "must hold RGB of 8 bits, but holds L of 8 bits"),
        (saved(GREY, "JPEG"), "must hold RGB of 8 bits, but holds L;"),
        (saved(GREY.convert("RGBA")), "must hold RGB of 8 bits, but holds RGBA of 8 bits"),
        (saved(GREY.convert("CMYK"), "JPEG"), "must hold RGB of 8 bits, but holds CMYK"),
        (saved(GREY.convert("P")), "must hold RGB of 8 bits, but holds P of 8 bits"),
        (png(32, 32, bits=16), "must hold RGB of 8 bits, but holds RGB of 16 bits"),
    ],
)
def test_images_that_are_no_such_are_refused(content: bytes, words: str):
    with pytest.raises(BadData) as e:
        decode(content, "image 7", (32, 32))
    assert str(e.value).startswith("image 7 ")
    assert words in str(e.value)


def test_a_large_file_is_not_even_read(tmp_path: Path):
    image_folder(tmp_path)
    file = tmp_path / "train" / "dog" / "0001.png"
    with file.open("ab") as more:
        more.truncate(2 << 20)
    refused(data.cifar10, tmp_path, str(file), "at most 1,048,576 bytes, but has 2,097,152")


@pytest.mark.parametrize("seed", range(60))
def test_damaged_images_are_read_or_refused_and_nothing_else(seed: int):
    draw = np.random.default_rng(seed)
    content = bytearray(encoded(PIXELS[seed % 40], "JPEG" if seed % 2 else "PNG"))
    for _ in range(4):
        content[int(draw.integers(4, len(content)))] = int(draw.integers(0, 256))
    try:
        assert decode(bytes(content), "image", (32, 32)).shape == (3, 32, 32)
    except BadData as e:
        assert str(e).startswith("image must")  # noqa: PT017


def test_offsets_that_do_not_rise_are_refused(tmp_path: Path):
    wrong = np.arange(21)[::-1].copy()
    refused(data.cifar10, jpeg_npz(tmp_path / "a.npz", train_offsets=wrong), "train_offsets", "must rise")


def test_without_pillow_images_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("PIL", "PIL.JpegImagePlugin", "PIL.PngImagePlugin"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependency, match="run `pip install pillow`, or give the binary version"):
        data.cifar10(image_folder_of(tmp_path))
    assert len(data.cifar10(cifar10_binary(tmp_path / "binary"), validation=0).test) == 6


def image_folder_of(folder: Path) -> Path:
    """As `image_folder`, with files that need no Pillow to be written."""
    for name in cifar_names.CIFAR_10:
        (folder / "train" / name).mkdir(parents=True)
        (folder / "train" / name / "0.png").write_bytes(png(32, 32))
    return folder
