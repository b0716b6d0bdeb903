"""quantize and calibrate: from a full-precision network to one that computes in integer codes."""

from __future__ import annotations

import copy
import fnmatch
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from ..errors import BadInput, did_you_mean
from ..quant import QuantConfig
from .network import Network
from .parts import Norm


def quantize(net: torch.nn.Module, config: QuantConfig) -> Network:
    """A new network whose layers are quantized as configured; it needs no data.

    Weight steps are searched; states keep their static ranges. The result can be calibrated, trained, or both.

    Raises:
        BadInput: weights that are not finite, a pattern that no layer matches, fields without meaning together.
    """
    if not isinstance(config, QuantConfig):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(
            f"a network must be quantized by a QuantConfig, such as QuantConfig(Uniform(4), ThresholdCentred(4)), not "
            f"{config!r}"
        )
    made = copy.deepcopy(net) if isinstance(net, Network) else Network(copy.deepcopy(net))
    names = [g.name for g in made.layers] + ([] if made.readout is None else [made.readout.name])
    for pattern in config.overrides:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            raise BadInput(
                f"override {pattern!r} must match a layer, named after its neuron; {did_you_mean(pattern, names)}"
            )
    for group in made.layers:
        group.quantize(config.of(group.name))
    if made.readout is not None:
        made.readout.quantize(config.of(made.readout.name))
    return made


def norms(net: Network) -> list[Norm]:
    """The batch norms of a network."""
    return [g.norm for g in net.layers if g.norm is not None]


def calibrate(
    net: torch.nn.Module,
    data: Any,
    *,
    batches: int = 10,
    batch_size: int = 100,
    timesteps: int = 25,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Network:
    """A new network whose batch norms are estimated again from training data, with everything quantized.

    Args:
        data: a Dataset (its training samples are used), or inputs [T, B, ...], one batch or several.
        batches, batch_size, timesteps: how much of a Dataset to use.
        seed: of the choice of samples.
    """
    made = copy.deepcopy(net) if isinstance(net, Network) else Network(copy.deepcopy(net))
    inputs = list(calibration_inputs(data, batches, batch_size, timesteps, seed))
    if not inputs:
        raise BadInput("calibration must see at least one batch of inputs")
    made.eval()
    kept = [n.momentum for n in norms(made)]
    for n in norms(made):
        n.reset_running_stats()
        n.momentum = None  # a plain average over the batches
        n.train()
    for g in made.layers:
        g.training = True  # integers from batch statistics, layer by layer
    with torch.no_grad():
        for k, x in enumerate(inputs):
            made(x)
            if progress is not None:
                progress(k + 1, len(inputs))
    for n, momentum in zip(norms(made), kept, strict=True):
        n.momentum = momentum
    return made.eval()


def calibration_inputs(
    data: Any, batches: int, batch_size: int, timesteps: int, seed: int
) -> Iterable[Tensor]:
    """Batches [T, B, ...] to calibrate on: of a Dataset's training samples in random order, or what is given."""
    if not hasattr(data, "train"):
        yield from [data] if isinstance(data, Tensor) else data
        return
    count = len(data.train)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).numpy()
    for k in range(min(batches, max(1, count // batch_size))):
        picked = order[k * batch_size : (k + 1) * batch_size]
        if len(picked):
            yield torch.from_numpy(data.train.batch(picked, timesteps))
