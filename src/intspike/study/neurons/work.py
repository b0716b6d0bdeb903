"""Computes one cell of the neuron study: train, test, prove both forms, and count what is sent."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_tensors

from ... import train
from ...data import Dataset, Split
from ...errors import BadInput, NotLowerable, RangeExceeded
from ...lower import lower, verify
from ...lower.drift import between, evaluated, plain
from ...measure import synops
from ...measure.energy import energy, event_counts, load
from ...nn import Network, Neuron, quantize, unfold
from ...nn.quantize import norms
from ...nn.scales import sends_spikes
from ...train import Epoch
from ...train.history import history_to_dict
from ..grid import Outcome
from ..models import Where, augmentation, build
from ..networks import NETWORK, PROGRAM, parameters, proved, reaching
from . import baselines
from .cells import KINDS, ORDINARY, NeuronCell
from .tasks import task_of

TABLE = "horowitz-45nm"
COUNTED = 100  # test samples whose operations are counted, and that both forms are compared on


def compute(cell: NeuronCell, files: Mapping[str, bytes], where: Where) -> Outcome:
    """One network, from the files of its full-precision parent.

    Raises:
        Divergence: an engine disagrees with torch in any spike or stored code, in either form.
        BadInput: a loss that is not finite, or a subset that the data do not have.
    """
    task = task_of(cell, where)
    if cell.baseline:
        return baselines.compute(cell, where, task)
    dataset, tested = task.dataset, task.tested
    torch.manual_seed(cell.seed)
    history: list[Epoch] = []
    began = time.perf_counter()
    net, before = with_neurons(build(where, dataset), cell), None
    if cell.bits is not None:
        net.load_state_dict(load_tensors(files[NETWORK]))
        config = reaching(net, cell.config(), dataset, cell.timesteps, cell.seed)
        before, net = net, quantize(net, config)
    net = train.fit(
        net,
        dataset,
        epochs=cell.epochs,
        learning_rate=cell.quantized_learning_rate if cell.integer else cell.learning_rate,
        batch_size=cell.batch_size,
        timesteps=cell.timesteps,
        loss=task.loss,
        augment=augmentation(where, cell.augmented),
        seed=cell.seed,
        history=history,
    )
    seconds = time.perf_counter() - began
    found, side = tested(net, dataset.test, cell.timesteps)
    if before is not None:
        _, full = tested(before, dataset.test, cell.timesteps)
        found["drift"] = between(full, side, names=("full precision", cell.row)).to_dict()
    kept = {NETWORK: parameters(net)}
    exact: dict[str, Any] = {"exact": None, "size_bits": None}
    if cell.integer:
        exact, kept[PROGRAM] = proved(net, dataset.test, cell.timesteps, cell.timesteps)
        exact["exact"] = [*exact["exact"], *_unfolded(net, dataset.test, cell)]
    record: dict[str, Any] = {
        "row": cell.row,
        "data": dataset.source,
        **found,
        "parameters": sum(p.numel() for p in net.parameters()),
        "spikes": sum(x["rate"] * x["neurons"] for x in found["layers"].values()) * cell.timesteps,
        **_costs(net, dataset.test, cell.timesteps),
        **exact,
        "statistics": _statistics(net, dataset, cell.timesteps),
        "history": history_to_dict(history),
        "seconds": {"train": round(seconds, 2), "all": round(time.perf_counter() - began, 2)},
    }
    return Outcome(record, kept)


def with_neurons(net: Network, cell: NeuronCell) -> Network:
    """The network with the cell's neurons in every layer.

    A layer without memory (its leak is 0) stays so, and one whose leak is learned learns it, where neurons have a leak.

    Raises:
        BadInput: the network joins spikes by "and", and the neurons send integers.
    """
    for group in net.layers:
        own = group.neuron.equation
        neuron = KINDS[cell.neuron](cell.beta if getattr(own, "beta", 1.0) else 0.0, cell.spikes)
        if getattr(own, "learn_beta", False) and neuron.equation.has_leak:
            neuron = Neuron(replace(neuron.equation, learn_beta=True))  # pyright: ignore[reportCallIssue]
        neuron.build(group.channels)
        group.neuron = neuron
    for s in net.steps:
        if s.kind in ("and", "iand") and not all(
            sends_spikes(net.steps, net.layers_by_name, i) for i in s.inputs
        ):
            raise BadInput(
                f"{s.name} of {cell.model} joins spikes of 0 or 1, which {cell.neuron} neurons do not send; choose of "
                f"--neurons {','.join(ORDINARY)}, or another --model"
            )
    return net


def _unfolded(net: Network, test: Split, cell: NeuronCell) -> list[dict[str, Any]]:
    """Both forms against each other, and the program of binary spikes in both engines: what was compared."""
    if cell.substeps == 1:
        return []
    spikes = unfold(net)
    some = test.pick(np.arange(min(COUNTED, len(test))))
    compared = verify(
        spikes,
        lower(spikes, input_shape=test.frame),
        some,
        timesteps=cell.timesteps,
        samples=min(8, len(some)),
        native_samples=len(some),
    )
    x = torch.from_numpy(np.array(some.batch(np.arange(len(some)), cell.timesteps)))
    integers, sent = net.record(x), spikes.record(x)
    differing = int((integers.readout != sent.readout).sum())
    forms = {"a": "integers", "b": "binary spikes", "samples": len(some)}
    forms |= {"compared": integers.readout.numel(), "mismatches": differing}
    assert not differing, f"{differing} outputs of {cell.name} differ between integers and spikes"
    return [{**asdict(c), "a": f"unfolded {c.a}"} for c in compared] + [forms]


def _costs(net: Network, test: Split, timesteps: int) -> dict[str, Any]:
    """Operations and energy of an inference where every spike is binary, on some test samples; None: no such form."""
    x = test.batch(np.arange(min(COUNTED, len(test))), timesteps)
    try:
        made = net if net.quantized else quantize(net, plain(net))
        program = lower(unfold(made), input_shape=test.frame)
    except (NotLowerable, RangeExceeded):
        return {"synops": None, "energy": None}
    shown = x[0] if x.strides[0] == 0 else x
    trace = evaluated(net, x)
    counted = synops(program, trace, shown)
    priced = energy(event_counts(program, trace, shown, real=not net.quantized), load(TABLE)).per_inference
    return {
        "synops": counted.per_inference,
        "energy": {"table": TABLE, "unit": "pJ", "per_inference": priced.to_dict()},
    }


def _statistics(net: Network, dataset: Dataset, timesteps: int) -> dict[str, dict[str, float]]:
    """Mean outputs of each layer with the norms' statistics of a training batch, and with those of inference."""
    made = copy.deepcopy(net).eval()
    index = np.arange(min(COUNTED, len(dataset.train)))
    x = torch.from_numpy(np.array(dataset.train.batch(index, timesteps)))
    inference = {name: float(s.mean()) for name, s in made.record(x).spikes.items()}
    for n in norms(made):
        n.train()
    for g in made.layers:
        g.training = True  # integers of batch statistics, but no dropout
    training = {name: float(s.mean()) for name, s in made.record(x).spikes.items()}
    return {name: {"training": training[name], "inference": inference[name]} for name in inference}
