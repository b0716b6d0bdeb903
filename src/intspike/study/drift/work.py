"""Computes one cell of the drift study: train or calibrate, test, measure drift, lower and verify where it can."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.numpy import save as save_arrays
from safetensors.torch import load as load_tensors

from ... import train
from ...data import Dataset
from ...lower.drift import between
from ...nn import Network, calibrate, quantize
from ...train import Epoch, FiringRegularizer
from ...train.history import history_to_dict
from ..grid import Outcome
from ..models import Where, augmentation, build, load
from ..networks import NETWORK, PROGRAM, parameters, proved, reaching, tested
from ..splits import few, split
from .cells import DriftCell

FIRING = "firing.safetensors"  # spikes of each neuron on the test samples, [N] a layer


def compute(cell: DriftCell, files: Mapping[str, bytes], where: Where) -> Outcome:
    """One network, from the files of its full-precision parent.

    Raises:
        Divergence: an engine disagrees with torch in any spike or stored code.
        BadInput: a loss that is not finite, or a subset that the data do not have.
    """
    dataset = samples_of(cell, where)
    torch.manual_seed(cell.seed)
    history: list[Epoch] = []
    began = time.perf_counter()
    net, parent = build(where, dataset), None
    if cell.scheme != "fp":
        net.load_state_dict(load_tensors(files[NETWORK]))
        config = cell.config()
        if cell.fitted:
            config = reaching(net, config, dataset, cell.timesteps, cell.seed)
        parent, net = net, quantize(net, config)
    net = (
        calibrated(net, dataset, cell)
        if cell.scheme == "ptq"
        else _fit(net, parent, dataset, cell, where, history)
    )
    trained = time.perf_counter() - began
    found, side = tested(net, dataset.test, cell.timesteps)
    if parent is not None:
        _, before = tested(parent, dataset.test, cell.timesteps)
        found["drift"] = between(before, side, names=("full precision", cell.row)).to_dict()
    kept = {NETWORK: parameters(net)}
    exact: dict[str, Any] = {"exact": None, "size_bits": None}
    if cell.integer:
        exact, kept[PROGRAM] = proved(net, dataset.test, cell.timesteps, cell.timesteps)
    if cell.scheme == "fp":
        kept[FIRING] = save_arrays(dict(side.counts.whole.counts))
        found["steps"] = side.counts.whole.steps
    record: dict[str, Any] = {
        "row": cell.row,
        "data": dataset.source,
        **found,
        **exact,
        "weight": repr(cell.config().weight),
        "state": repr(cell.config().state),
        "history": history_to_dict(history),
        "seconds": {"train": round(trained, 2), "all": round(time.perf_counter() - began, 2)},
    }
    return Outcome(record, kept)


def samples_of(cell: DriftCell, where: Where) -> Dataset:
    """The samples of a cell: its seed chooses what is held out for validation."""
    dataset = split(load(where), cell.seed)
    return dataset if cell.subset is None else few(dataset, cell.subset)


def calibrated(net: Network, dataset: Dataset, cell: DriftCell) -> Network:
    """Batch norms estimated again from ten batches."""
    count = min(100, len(dataset.train))
    return calibrate(net, dataset, batch_size=count, timesteps=cell.timesteps, seed=cell.seed)


def _fit(
    net: Network,
    teacher: Network | None,
    dataset: Dataset,
    cell: DriftCell,
    where: Where,
    history: list[Epoch],
) -> Network:
    regularizer = None
    if cell.teacher:
        assert teacher is not None
        regularizer = FiringRegularizer(teacher, cell.teacher, cell.strength)
    return train.fit(
        net,
        dataset,
        epochs=cell.epochs,
        learning_rate=cell.learning_rate if cell.scheme == "fp" else cell.quantized_learning_rate,
        batch_size=cell.batch_size,
        timesteps=cell.timesteps,
        regularizer=regularizer,
        augment=augmentation(where, cell.augmented),
        seed=cell.seed,
        history=history,
    )
