"""Computes one cell of the study: train or calibrate, test, and, where all is integers, lower and verify exactly."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_tensors

from ... import train
from ...data import Dataset, Split
from ...errors import BadInput
from ...lower.drift import between
from ...nn import Network, calibrate, quantize
from ...quant import QuantConfig
from ...train.fit import history_to_dict
from ..grid import Outcome
from ..networks import NETWORK, PROGRAM, parameters, proved, reaching, tested
from ..splits import few, fold, split
from .cells import TRAINED_TWICE, SquatCell
from .tasks import LOSSES, Where, build, load

CALIBRATION = 10  # batches, of 100 samples
COVERED = (
    1.0,
    1.25,
    1.5,
    2.0,
    3.0,
    4.0,
    5.0,
    8.0,
    10.0,
    15.0,
    20.0,
    30.0,
)  # thresholds, for the clipping study


def compute(cell: SquatCell, files: Mapping[str, bytes], where: Where) -> Outcome:
    """One network, from the files of its full-precision parent.

    Raises:
        Divergence: an engine disagrees with torch in any spike or stored code.
        BadInput: a loss that is not finite, a subset or folds that the data do not have.
    """
    dataset = split_of(cell, where)
    cell = _shortest(cell, dataset)
    torch.manual_seed(cell.seed)
    seconds: dict[str, float] = {}
    history: list[train.Epoch] = []
    began = time.perf_counter()
    net, config = build(where, dataset), cell.config()
    _set_beta(net, cell)
    parent: Network | None = None
    if cell.scheme != "fp":
        net.load_state_dict(load_tensors(files[NETWORK]))
        parent = net
        config = _config(net, dataset, cell)
        net = quantize(net, config)
    if cell.scheme == "ptq":
        net = calibrate(
            net, dataset, batches=CALIBRATION, batch_size=min(100, len(dataset.train)), timesteps=cell.timesteps,
            seed=cell.seed,
        )  # fmt: skip
    else:
        net = _fit(net, dataset, cell, history)
    seconds["train"] = time.perf_counter() - began
    began = time.perf_counter()
    found, side = tested(net, dataset.test, cell.test_timesteps)
    if parent is not None:
        _, before = tested(parent, dataset.test, cell.test_timesteps)
        found["drift"] = between(before, side, names=("full precision", cell.row)).to_dict()
    seconds["test"] = time.perf_counter() - began
    kept = {NETWORK: parameters(net)}
    began = time.perf_counter()
    exact: dict[str, Any] = {"exact": None, "size_bits": None}
    if cell.integer:
        exact, kept[PROGRAM] = proved(net, dataset.test, cell.test_timesteps, cell.timesteps)
    seconds["verify"] = time.perf_counter() - began
    if cell.scheme == "fp":
        found["covered"] = _covered(net, dataset.test, cell.test_timesteps)
    record: dict[str, Any] = {
        "row": cell.row,
        "data": dataset.source,
        **found,
        **exact,
        "weight": repr(config.weight),
        "state": repr(config.state),
        "fitted": {layer: repr(fields["state"]) for layer, fields in config.overrides.items()},
        "history": history_to_dict(history),
        "seconds": {k: round(s, 2) for k, s in seconds.items()},
    }
    return Outcome(record, kept)


def _shortest(cell: SquatCell, dataset: Dataset) -> SquatCell:
    """One timestep where it says all: without memory a static frame makes the same spikes at every timestep."""
    return cell if cell.memory or dataset.timed else replace(cell, timesteps=1, test_timesteps=1)


def _config(net: Network, dataset: Dataset, cell: SquatCell) -> QuantConfig:
    """How a cell's network is quantized, with the ranges of its states."""
    config = cell.config()
    return reaching(net, config, dataset, cell.timesteps, cell.seed) if cell.fitted else config


def split_of(cell: SquatCell, where: Where) -> Dataset:
    """The samples of a cell: its fold or the data set's own splits, and its subset of them."""
    whole = load(where)
    dataset = split(whole, cell.seed) if cell.folds is None else fold(whole, cell.folds, cell.seed, cell.seed)
    return dataset if cell.subset is None else few(dataset, cell.subset)


def _set_beta(net: Network, cell: SquatCell) -> None:
    """The leak the cell asks for; without memory it is 0, and nothing is left of a timestep."""
    beta = cell.beta if cell.memory else 0.0
    if beta is None:
        return
    for group in net.layers:
        equation, neuron = group.neuron.equation, group.neuron
        if not hasattr(equation, "beta"):
            what = "the memoryless control" if not cell.memory else f"beta = {beta:g}"
            raise BadInput(
                f"{group.name}: {what} needs neurons with a leak (beta), but {type(equation).__name__} has none; "
                "use nn.LIF"
            )
        neuron.equation = replace(equation, beta=beta, **({} if cell.memory else {"learn_beta": False}))
        with torch.no_grad():
            learned = isinstance(neuron.beta, torch.nn.Parameter)
            if learned and not cell.memory:
                del neuron.beta
                neuron.register_buffer("beta", torch.zeros(group.channels))
            neuron.beta.fill_(beta)


def _fit(net: Network, dataset: Dataset, cell: SquatCell, history: list[train.Epoch]) -> Network:
    again = cell.scheme in TRAINED_TWICE
    return train.fit(
        net,
        dataset,
        epochs=cell.epochs,
        learning_rate=cell.quantized_learning_rate if again else cell.learning_rate,
        batch_size=cell.batch_size,
        timesteps=cell.timesteps,
        test_timesteps=cell.test_timesteps,
        loss=LOSSES[cell.loss](),
        seed=cell.seed,
        history=history,
    )


def _covered(net: Network, test: Split, timesteps: int) -> dict[str, float]:
    """Share of all membranes within so many thresholds of rest, by that number, on some test samples."""
    index = np.arange(min(100, len(test)))
    record = net.eval().record(torch.from_numpy(test.batch(index, timesteps)))
    theta = {g.name: g.neuron.theta.detach() for g in net.layers}
    sizes = torch.cat(
        [(u[0].movedim(2, -1) / theta[name]).abs().flatten() for name, u in record.states.items()]
    )
    return {f"{r:g}": float((sizes <= r).float().mean()) for r in COVERED}
