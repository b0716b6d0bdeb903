"""Computes one cell of the timestep study: train, then test at every T by one run: shorter ones are its beginnings."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ... import train
from ...data import Dataset, Split
from ...engine.early_exit import candidates, exits
from ...engine.trace import Trace
from ...errors import BadInput
from ...lower.drift import connections, drift, evaluated
from ...measure import Drift, synops
from ...measure.energy import Precision, ann_counts, energy, event_counts, load
from ...nn import Artificial, Network, quantize
from ...train import Epoch
from ...train.history import history_to_dict
from ..encodings import encoded
from ..grid import Outcome
from ..models import Where, augmentation, build
from ..models import load as load_data
from ..networks import AT_ONCE, NETWORK, PROGRAM, parameters, proved
from ..splits import few, split
from .cells import TimestepCell

TABLE = "horowitz-45nm"
COUNTED = 200  # test samples whose operations are counted
DRIFTED = 1000  # test samples on which firing is compared with full precision
MARGINS = 40  # that are tried, at most
Sums = NDArray[np.float64]


def compute(cell: TimestepCell, files: Mapping[str, bytes], where: Where) -> Outcome:
    """One network, from the files of its full-precision parent.

    Raises:
        Divergence: an engine disagrees with torch in any spike or stored code.
        BadInput: a loss that is not finite, or a subset that the data do not have.
    """
    dataset = samples_of(cell, where)
    torch.manual_seed(cell.seed)
    history: list[Epoch] = []
    began = time.perf_counter()
    full = net = build(where, dataset)
    if not cell.trained:
        return _artificial(net, files, dataset, cell, where)
    if cell.bits is not None:
        net.load_state_dict(load_tensors(files[NETWORK]))
        net = quantize(net, cell.config())
    net = _fit(net, dataset, cell, where, history)
    seconds = time.perf_counter() - began
    kept = {NETWORK: parameters(net)}
    exact: dict[str, Any] = {"exact": None, "size_bits": None}
    drifted: dict[str, Any] = {}
    if cell.integer:
        exact, kept[PROGRAM] = proved(net, dataset.test, cell.tested[-1], max(cell.trained))
        drifted["drift"] = drifts(full, net, dataset.test, cell).to_dict()
    record: dict[str, Any] = {
        "row": cell.row,
        "data": dataset.source,
        **_tested(net, dataset, cell.tested),
        **exact,
        **drifted,
        "history": history_to_dict(history),
        "seconds": {"train": round(seconds, 2), "all": round(time.perf_counter() - began, 2)},
    }
    return Outcome(record, kept)


def drifts(full: Network, net: Network, test: Split, cell: TimestepCell) -> Drift:
    """Firing drift of a quantized network, at the largest T that it was trained at."""
    some = test.take(min(DRIFTED, len(test)))
    return drift(full, net, some, timesteps=cell.trained[-1], names=("full precision", cell.row))


def _artificial(
    net: Network, files: Mapping[str, bytes], dataset: Dataset, cell: TimestepCell, where: Where
) -> Outcome:
    """An artificial network of the same layers: accuracy, and the energy of its multiply-accumulates."""
    history: list[Epoch] = []
    began = time.perf_counter()
    made = Artificial(net, cell.config().weight, cell.activation_bits)
    if cell.bits is not None:
        made.load_state_dict(load_tensors(files[NETWORK]), strict=False)  # steps start anew
    made = train.fit_artificial(
        made,
        dataset,
        epochs=cell.epochs,
        learning_rate=cell.quantized_learning_rate if cell.bits else cell.learning_rate,
        batch_size=cell.batch_size,
        augment=augmentation(where, cell.augmented),
        seed=cell.seed,
        history=history,
    )
    correct = train.correct_on(made, dataset.test, timesteps=1)
    program = connections(net, dataset.frame)
    joules = None
    if program is not None:
        precision = (
            Precision(cell.bits, cell.activation_bits)
            if cell.bits and cell.activation_bits
            else Precision(32, 32, real=True)
        )
        joules = energy(ann_counts(program, precision, 1), load(TABLE)).per_inference.to_dict()
    record = {
        "row": cell.row,
        "data": dataset.source,
        "n": len(dataset.test),
        "correct": correct,
        "accuracy": correct / len(dataset.test),
        "exact": None,
        "size_bits": None,
        "energy": {"table": TABLE, "unit": "pJ", "per_inference": joules},
        "history": history_to_dict(history),
        "seconds": {"all": round(time.perf_counter() - began, 2)},
    }
    return Outcome(record, {NETWORK: save_tensors({k: t.contiguous() for k, t in made.state_dict().items()})})


def samples_of(cell: TimestepCell, where: Where) -> Dataset:
    """The samples of a cell: its seed chooses what is held out for validation."""
    dataset = split(load_data(where), cell.seed)
    some = dataset if cell.subset is None else few(dataset, cell.subset)
    return encoded(some, cell.encode, cell.tested[-1], cell.seed)


def _fit(net: Network, dataset: Dataset, cell: TimestepCell, where: Where, history: list[Epoch]) -> Network:
    return train.fit(
        net,
        dataset,
        epochs=cell.epochs,
        learning_rate=cell.quantized_learning_rate if cell.integer else cell.learning_rate,
        batch_size=cell.batch_size,
        timesteps=cell.trained[0] if len(cell.trained) == 1 else cell.trained,
        augment=augmentation(where, cell.augmented),
        seed=cell.seed,
        history=history,
    )


def _tested(net: Network, dataset: Dataset, tested: tuple[int, ...]) -> dict[str, Any]:
    """Accuracy at each T, early exits, spikes a timestep, operations and energy."""
    counts, per_step = _counts(net, dataset.test, tested[-1])
    labels = dataset.test.labels
    whole = net.readout is None or net.quantized  # an integrator in full precision has no integer margins
    rights = {t: counts[t - 1].argmax(-1) == labels for t in tested}
    held, _ = _counts(net, dataset.validation, tested[-1])
    return {
        "n": len(labels),
        "accuracy": float(rights[tested[-1]].mean()),
        "correct": int(rights[tested[-1]].sum()),
        "right": {str(t): np.packbits(r).tobytes().hex() for t, r in rights.items()},
        "accuracies": {str(t): float(r.mean()) for t, r in rights.items()},
        "spikes_per_step": per_step,
        "early_exit": _exits((held, dataset.validation.labels), (counts, labels)) if whole else None,
        **_costs(net, dataset.test, tested),
    }


def _counts(net: Network, part: Split, timesteps: int) -> tuple[Sums, dict[str, list[float]]]:
    """The readout after each timestep [T, B, K], and spikes of a sample at each timestep, by layer."""
    counts: list[Sums] = []
    per_step: dict[str, NDArray[np.float64]] = {}
    batch = max(1, AT_ONCE // timesteps)
    for at in range(0, len(part), batch):
        x = part.batch(np.arange(at, min(at + batch, len(part))), timesteps)
        record = net.eval().record(torch.from_numpy(x))
        counts.append(record.output.double().cumsum(0).numpy())
        for layer, spikes in record.spikes.items():
            now = spikes.reshape(timesteps, -1).sum(1).double().numpy() / max(1, len(part))
            per_step[layer] = per_step.get(layer, np.zeros(timesteps)) + now
    if not counts:
        raise BadInput("the timestep study must have validation and test samples, but a split is empty")
    return np.concatenate(counts, 1), {k: [round(x, 6) for x in v.tolist()] for k, v in per_step.items()}


def _exits(*parts: tuple[Sums, NDArray[np.integer]]) -> dict[str, list[dict[str, float]]]:
    """Accuracy and mean timesteps of every margin that the first part, validation samples, shows; of both parts."""
    tried = candidates(parts[0][0], MARGINS).tolist()
    made: dict[str, list[dict[str, float]]] = {}
    for name, (sums, labels) in zip(("validation", "test"), parts, strict=True):
        stopped = [(m, exits(sums, m)) for m in tried]
        made[name] = [
            {
                "margin": m,
                "accuracy": float((e.classes == labels).mean()),
                "timesteps": float(e.timesteps.mean()),
            }
            for m, e in stopped
        ]
    return made


def _costs(net: Network, test: Split, tested: tuple[int, ...]) -> dict[str, Any]:
    """Synaptic operations and energy of an inference at each T, on some test samples."""
    x = test.batch(np.arange(min(COUNTED, len(test))), tested[-1])
    program = connections(net, tuple(x.shape[2:]))
    if program is None:
        return {"synops": None, "energy": None}
    whole, table = evaluated(net, x), load(TABLE)
    operations: dict[str, float] = {}
    joules: dict[str, Any] = {}
    floating: dict[str, Any] = {}
    for t in tested:
        inputs = x if x.strides[0] == 0 else x[:t]
        shown = x[0] if x.strides[0] == 0 else inputs
        trace = _beginning(whole, t)
        operations[str(t)] = synops(program, trace, shown).per_inference
        real = energy(event_counts(program, trace, shown, real=True), table).per_inference.to_dict()
        if net.quantized:
            joules[str(t)] = energy(event_counts(program, trace, shown), table).per_inference.to_dict()
            floating[str(t)] = real
        else:
            joules[str(t)] = real
    priced = {"table": TABLE, "unit": "pJ", "per_inference": joules, "same_spikes_floating": floating or None}
    return {"synops": operations, "energy": priced}


def _beginning(trace: Trace, timesteps: int) -> Trace:
    """The first timesteps of a run: nothing of them depends on what comes after."""
    spikes = {name: s[:timesteps] for name, s in trace.spikes.items()}
    return Trace(spikes, {}, trace.readout, timesteps)
