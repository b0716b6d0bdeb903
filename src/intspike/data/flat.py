"""Samples of different lengths, end to end in the arrays of an npz file, as recordings and events are best kept.

Sample i of a part is `values[offsets[i] : offsets[i + 1]]`; arrays are named train_x, train_offsets, train_labels and
so on, and the same for test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadData
from .checks import checked_labels
from .readers import INTEGERS, MAX_ARRAY_BYTES, Array, read_npz


@dataclass(frozen=True, eq=False)
class Flat:
    """One part of such a file.

    Attributes:
        values: by name, [offsets[-1]].
        offsets: int64 [N + 1], from 0 upwards.
        labels: int64 [N].
    """

    values: Mapping[str, NDArray[Any]]
    offsets: NDArray[np.int64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def sample(self, i: int) -> dict[str, NDArray[Any]]:
        """The values of sample i, as views."""
        first, last = self.offsets[i], self.offsets[i + 1]
        return {name: array[first:last] for name, array in self.values.items()}


def read_flat(path: Path, part: str, values: Mapping[str, tuple[str, ...]], classes: int) -> Flat:
    """One part, "train" or "test", of a file whose value arrays have these names and element types."""
    expected = {f"{part}_{name}": Array(types=types, most=MAX_ARRAY_BYTES) for name, types in values.items()}
    expected |= {f"{part}_{name}": Array(types=INTEGERS) for name in ("offsets", "labels")}
    arrays = {name.removeprefix(f"{part}_"): array for name, array in read_npz(path, expected).items()}
    offsets, labels = arrays.pop("offsets"), arrays.pop("labels")
    ends = {len(array) for array in arrays.values()}
    fits = len(ends) == 1 and len(offsets) >= 2 and offsets[0] == 0 and int(offsets[-1]) in ends
    if not fits or not bool((offsets[1:] >= offsets[:-1]).all()):
        raise BadData(
            f"array {part}_offsets in {path} must rise from 0 to the length of {part}_{f' and {part}_'.join(values)}, "
            f"but does not; save the file again"
        )
    labels = checked_labels(f"array {part}_labels in {path}", labels, classes, len(offsets) - 1)
    return Flat(arrays, offsets.astype(np.int64), labels)
