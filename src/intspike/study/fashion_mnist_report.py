"""What the report of a Fashion-MNIST run shows."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .. import native as compilers
from ..engine import native
from ..engine.trace import Trace
from ..ir import Neuron, Program
from ..lower import Lowering
from ..measure import size_bits
from ..measure.codes import decay
from ..measure.codes import levels as levels_of
from ..ops import Table as TableCodec
from .fashion_mnist_result import MAIN, REFERENCE, VARIANTS, Result
from .report import MembraneTrace, QuantizerPicture, Raster, ReportContent, Table, Variant

Reals = NDArray[np.float64]


def content(
    result: Result, histories: Mapping[str, Sequence[Mapping[str, Any]]], timesteps: int
) -> ReportContent:
    """The report of a run: everything in it is a number of the run."""
    s = result.summary
    x = result.dataset.test.batch(np.arange(1), timesteps)
    net = result.networks[REFERENCE].eval()
    record = net.record(torch.from_numpy(x))
    before = {name: spikes.numpy()[:, 0] for name, spikes in record.spikes.items()}
    after = native.run(result.programs[MAIN], x, timesteps)
    exact = sum(c["compared"] for c in s["exact"])
    accuracy = {k: f"{v:.1%}" for k, v in s["accuracy"].items()}
    return ReportContent(
        title="Fashion-MNIST: from a spiking network to exact integers",
        summary=(
            f"Full precision reaches {accuracy[REFERENCE]}, 8-bit weights and states {accuracy['ptq-w8u8']} after "
            f"calibration, 4-bit ones {accuracy[MAIN]} and 2-bit ones {accuracy['qat-w2u2']} after training; {exact:,} "
            "spikes and stored codes were compared between torch, the reference interpreter, the native engine and the "
            "exported C, and "
            f"{sum(c['mismatches'] for c in s['exact'])} differ."
        ),
        variants=[_variant(name, result, histories.get(name, [])) for name in result.networks],
        membranes=[_membrane(layer, result.programs[MAIN], record.states, before, after) for layer in before],
        rasters=[
            Raster(layer, 0, (REFERENCE, MAIN), before[layer], after.spikes[layer][:, 0]) for layer in before
        ],
        quantizers=[_quantizer(v.name, result.programs[v.name]) for v in VARIANTS],
        lowering=[_lowering(name, x) for name, x in result.lowerings.items()],
        exact=s["exact"],
        listings={name: str(p) for name, p in result.programs.items()},
        environment={
            "data": s["data"],
            "test images": str(s["test_images"]),
            "timesteps": str(s["timesteps"]),
            "epochs": str(s["epochs"]),
            "seed": str(result.options.seed),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "machine": platform.machine(),
            "compiler": "yes" if compilers.compiler() else "none: numpy and torch did the work",
            "seconds": f"{s['seconds']['total']:.0f}",
        },
        command="intspike run fashion-mnist "
        + " ".join(f"--{k.replace('_', '-')} {v}" for k, v in s["options"].items() if v not in (None, False)),
        notes=[
            f"Data: {s['data']}. Models are chosen on a validation split; test images serve only for these numbers.",
            f"States: 8 bits are uniform and stored {s['codec']['ptq-w8u8']}; 4 and 2 bits are threshold-centred and "
            f"stored {s['codec'][MAIN]}. Only what is stored between timesteps is so narrow: the sum inside a step is "
            "wide.",
        ],
    )


def _variant(name: str, result: Result, history: Sequence[Mapping[str, Any]]) -> Variant:
    s = result.summary
    interval = s["accuracy_interval"][name]
    size: dict[str, int] = {}
    operations: dict[str, float] = {}
    multiplies: list[str] = []
    if name in result.programs:
        report = size_bits(result.programs[name])
        size = {
            part: report.part(part)
            for part in ("weights", "biases", "thresholds", "tables", "shifts", "states")
            if report.part(part)
        }
    else:
        size = {"float32": size_bits(result.programs[MAIN]).float32}
    for layer, counted in s["synops"][name]["layers"].items():
        operations[layer] = counted["operations"] / s["test_images"]
        if counted["kind"] == "multiply-accumulate":
            multiplies.append(layer)
    drift = result.drift.get(name)
    description = next((v.description for v in VARIANTS if v.name == name), "full precision, trained")
    compared = [c for c in s["exact"] if c.get("variant") == name]
    return Variant(
        name=name,
        accuracy=interval["value"],
        low=interval["low"],
        high=interval["high"],
        n=interval["n"],
        description=description,
        size=size,
        synops=operations,
        multiplies=multiplies,
        exact="exact" if compared and not any(c["mismatches"] for c in compared) else "",
        train_loss=[e["loss"] for e in history],
        validation_accuracy=[e["validation"] for e in history],
        rates=result.firing[name].whole.rates,
        firing=None if drift is None else drift.firing,
        floor=result.drift[MAIN].halves if name == REFERENCE else None,
        latency=None if drift is None else drift.cost[1].latency,
    )


def _levels(node: Neuron, channel: int) -> tuple[Reals, Reals, int]:
    """Levels and boundaries of one channel in units of theta, and the index of rest."""
    theta = float(node.parameters["theta"][channel])
    codec = node.body.codec("u")
    levels = levels_of(node)[:, channel]
    if isinstance(codec, TableCodec):
        edges = node.parameters["u.boundaries"][channel]
    else:
        edges = levels[1:] - ((1 << int(node.parameters["u.shift"][channel])) >> 1)
    return levels / theta, edges / theta, codec.rest - codec.low


def _membrane(
    layer: str,
    program: Program,
    states: Mapping[str, Sequence[torch.Tensor]],
    before: Mapping[str, NDArray[np.generic]],
    after: Trace,
) -> MembraneTrace:
    """The neuron that says most: it fires about every third timestep in full precision."""
    node = program[layer]
    assert isinstance(node, Neuron)
    spikes = np.asarray(before[layer], np.int64)
    rate = spikes.reshape(len(spikes), -1).mean(0)
    pick = np.unravel_index(int(np.abs(rate - 0.3).argmin()), spikes.shape[1:])
    index = tuple(int(i) for i in pick)
    levels, _, rest = _levels(node, index[0])
    codes = after.codes[layer]["u"][(slice(None), 0, *index)].astype(int)
    fired = after.spikes[layer][(slice(None), 0, *index)].astype(int)
    codec = node.body.codec("u")
    quantized = levels[codes - codec.low]
    above: Reals = np.empty(0)
    if codec.stores == "after reset":  # what fired is what was stored plus what the reset took
        quantized = quantized + fired
        above = levels[rest:] + 1.0
    reference = states[layer][0].numpy()[(slice(None), 0, *index)]
    return MembraneTrace(
        layer, index, 0, (REFERENCE, MAIN), reference, quantized,
        np.asarray(before[layer])[(slice(None), *index)], fired, levels, above,
    )  # fmt: skip


def _quantizer(variant: str, program: Program) -> QuantizerPicture:
    node = program.neurons[min(1, len(program.neurons) - 1)]
    codec = node.body.codec("u")
    levels, edges, rest = _levels(node, 0)
    _, after = decay(node)
    return QuantizerPicture(
        variant, node.name, 0, levels, edges, rest, codec.stores, [int(c) - codec.low for c in after[:, 0]]
    )


def _lowering(name: str, lowering: Lowering) -> Table:
    rows: list[list[str]] = [
        [p.layer, p.name, p.status, f"{p.lsb:.3f}" if p.status == "snapped" else "", p.detail]
        for p in lowering.parameters
    ]
    for x in lowering.layers:
        stuck = ", ".join(map(str, x.stuck)) or "none"
        rows.append(
            [
                x.name,
                "widths",
                "proved",
                "",
                f"state {x.state_bits} bits, synaptic sum {x.sum_bits} bits, wide sum {x.membrane_bits} bits; "
                f"stuck codes: {stuck}" + (f"; {x.constant} constant neurons" if x.constant else ""),
            ]
        )
    return Table(name, ("layer", "parameter", "status", "moved, LSB", "detail"), rows)
