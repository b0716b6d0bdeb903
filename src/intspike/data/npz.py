"""One's own arrays in an npz file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import BadData, BadInput
from .checks import checked_labels
from .dataset import Dataset, Split, hold_out, whole
from .readers import INTEGERS, Array, npz_names, read_npz


def npz(
    path: Path | str,
    *,
    timed: bool = False,
    high: int = 255,
    classes: tuple[str, ...] | None = None,
    name: str | None = None,
    validation: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """A Dataset of the arrays in an npz file.

    The file holds uint8 train_inputs and test_inputs (static [N, F] or [N, C, H, W], timed [N, T, F] or
    [N, T, C, H, W]) and integer train_labels and test_labels [N]. Where it also holds validation_inputs and
    validation_labels, these are the validation split.

    Args:
        timed: whether the second axis is time.
        high: the largest code: 1 for spikes.
        classes: names of the labels 0, 1, ..; None: their numbers, up to the largest label.
        name: of the data set; None: the file's.
        validation, seed: the share of the training samples that becomes the validation split, and which; not used
            where the file brings one.

    Raises BadData for a missing, corrupt or otherwise unexpected file, BadInput for the other arguments.
    """
    path, high = Path(path), whole("high", high, 1, 255)
    names = npz_names(path)
    parts = [p for p in ("train", "validation", "test") if p != "validation" or f"{p}_inputs" in names]
    expected = {f"{part}_inputs": Array(None) for part in parts}
    arrays = read_npz(path, expected | {f"{part}_labels": Array(types=INTEGERS) for part in parts})
    most = max(int(arrays[f"{part}_labels"].max()) for part in parts)
    known = classes if classes is not None else tuple(str(k) for k in range(min(most, 0xFFFF) + 1))
    splits: dict[str, Split] = {}
    for part in parts:
        inputs = arrays[f"{part}_inputs"]
        if inputs.max(initial=0) > high:
            raise BadData(
                f"array {part}_inputs in {path} must hold codes up to {high}, but holds {inputs.max()}; say high="
            )
        labels = checked_labels(
            f"array {part}_labels in {path}", arrays[f"{part}_labels"], len(known), len(inputs)
        )
        try:
            splits[part] = Split(np.ascontiguousarray(inputs), labels, timed)
        except BadInput as error:
            raise BadData(f"array {part}_inputs in {path}: {error}") from error
    train, held = splits["train"], splits.get("validation")
    if held is None:
        train, held = hold_out(train, validation, seed)
    counts = " + ".join(f"{len(s):,}" for s in (train, held, splits["test"]))
    source = f"{path.name}, {counts} samples (training + validation + test)"
    return Dataset(name or path.stem, train, held, splits["test"], known, source, high)
