"""Timed data sets out of static ones."""

from __future__ import annotations

from dataclasses import replace

from ..encode import rows
from ..errors import BadInput
from .dataset import Dataset, Split


def by_rows(dataset: Dataset) -> Dataset:
    """A set of images whose samples come one row a timestep: inputs [N, T, F] with T = H and F = C * W.

    A network without memory sees only one row at a time and can but count; sequential (Fashion-)MNIST is this.
    """
    if dataset.timed or len(dataset.frame) != 3:
        raise BadInput(
            f"by_rows must be given static images [N, C, H, W], but {dataset.name} holds {dataset.train}; give "
            "another data set"
        )

    def of(split: Split) -> Split:
        return Split(rows(split.inputs), split.labels, timed=True)

    return replace(
        dataset,
        name=f"{dataset.name} by rows",
        train=of(dataset.train),
        validation=of(dataset.validation),
        test=of(dataset.test),
        source=f"{dataset.source}; one row a timestep",
    )
