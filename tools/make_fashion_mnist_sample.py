"""Make the Fashion-MNIST sample that travels with intspike. A rerun gives the same bytes.

    python tools/make_fashion_mnist_sample.py --source fashion_mnist.npz --out src/intspike/data/samples

The sample holds 1,000 images of each class from the original training set and 200 of each from the
original test set, chosen by SEED and kept in the order of the original. It is one xz-compressed npy array,
uint8 [class 10, image 1200, column 28, row 28]: the training images of a class come first, then its test
images, and labels need not be stored. Columns come before rows because that packs 5 % better; predictors
(left, above, their average, median edge detection) made the file larger. The exact bytes also depend on the
version of liblzma; the checksum to write into src/intspike/data/fashion.py is printed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import lzma
from pathlib import Path

import numpy as np

from intspike.data.dataset import stratified
from intspike.data.fashion import CLASSES, FILES, SAMPLE
from intspike.data.idx_images import checksum, read_arrays

SEED = 0
PER_CLASS = {"train": 1000, "test": 200}
# lc=4: four bits of the pixel before, not three, are the context; pb=0: bytes, not 32-bit words
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}]


def pack(source: Path) -> bytes:
    """The bytes of the sample, from a folder or file with the published Fashion-MNIST."""
    arrays, _ = read_arrays(source, FILES)
    values = checksum(arrays)
    if values != FILES.published:
        raise SystemExit(f"{source} is not the published Fashion-MNIST: SHA-256 of its values is {values}")
    chosen: list[np.ndarray] = []
    for part, n in PER_CLASS.items():
        images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        index = stratified(labels, n * len(CLASSES), SEED)
        chosen.append(np.stack([images[index[labels[index] == label]] for label in range(len(CLASSES))]))
    stored = np.concatenate(chosen, axis=1).swapaxes(-1, -2)
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(stored), version=(1, 0), allow_pickle=False)
    return lzma.compress(stream.getvalue(), lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=FILTERS)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the embedded Fashion-MNIST sample.")
    parser.add_argument("--source", type=Path, required=True, help="the full set: npz file or folder of idx")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write the sample into")
    arguments = parser.parse_args()
    packed = pack(arguments.source)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / SAMPLE.name).write_bytes(packed)
    print(f"{arguments.out / SAMPLE.name}: {len(packed):,} bytes")
    print(f'SAMPLE_SHA256 = "{hashlib.sha256(packed).hexdigest()}"')


if __name__ == "__main__":
    main()
