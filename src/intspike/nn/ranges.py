"""How far below rest the levels of each layer reach, found from data."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..errors import BadInput, RangeExceeded
from ..quant import QuantConfig, StateQuantizer
from .group import Group
from .network import Network
from .quantize import calibrate, calibration_inputs, quantize

LOW = (2, 4, 8, 16, 32)  # times as far below rest as the configuration says
HIGH = (2, 4, 8, 16)  # and above the threshold, where states are stored before the reset


def fit_ranges(
    net: torch.nn.Module,
    config: QuantConfig,
    data: Any,
    *,
    batch_size: int = 50,
    timesteps: int = 25,
    seed: int = 0,
) -> QuantConfig:
    """The configuration with an override for each layer whose membranes need levels further from the threshold.

    Layer by layer, the lowest level moves to 2, 4, ... 32 times what the configuration says, then the highest one
    away from the threshold. The levels with which most spikes of the layer are those of the full-precision network
    are kept, of equals the nearest. The squared error of the membrane would be the wrong measure: membranes far from
    the threshold dominate it, and those near it decide spikes.

    Args:
        net: in full precision, trained.
        data: a Dataset (its training samples are used), or inputs [T, B, ...].
        batch_size, timesteps, seed: how much of a Dataset to use, and of the choice of samples.

    Raises:
        BadInput: `net` is quantized already.
    """
    full = net if isinstance(net, Network) else Network(net)
    if any(g.state is not None or g.weight is not None for g in full.layers):
        raise BadInput("ranges are fitted to a network in full precision, but this one is quantized already")
    x = next(iter(calibration_inputs(data, 1, batch_size, timesteps, seed)), None)
    if x is None:
        raise BadInput("ranges must be fitted to at least one batch of inputs")
    with torch.no_grad():
        wanted = copy.deepcopy(full).eval().record(x).spikes
    made = quantize(full, config)
    found: dict[str, StateQuantizer] = {}
    for group in made.layers:
        start = group.state
        if start is None:
            continue
        best = start
        if start.fractions[0] < 0:
            best = _best(made, group, [best.reaching(low=times) for times in LOW], x, wanted[group.name])
        best = _best(made, group, [best.reaching(high=times) for times in HIGH], x, wanted[group.name])
        if best is not start:
            found[group.name] = best
    return _with_states(config, found)


def _best(
    net: Network, group: Group, others: list[StateQuantizer | None], x: Tensor, wanted: Tensor
) -> StateQuantizer:
    """Of a group's own state and others, what leaves fewest spikes unlike the wanted ones; the group keeps it."""
    assert group.state is not None
    options = [group.state, *(s for s in others if s is not None)]
    if len(options) == 1:
        return group.state
    best, least = group.state, None
    for state in options:
        group.neuron.store(state)
        try:
            spikes = calibrate(net, x).record(x).spikes[group.name]  # batch norms estimated anew
        except RangeExceeded:  # so long a range that sums would not be exact
            continue
        wrong = int((spikes != wanted).sum())
        if least is None or wrong < least:
            best, least = state, wrong
    group.neuron.store(best)
    return best


def _with_states(config: QuantConfig, states: dict[str, StateQuantizer]) -> QuantConfig:
    overrides = {pattern: dict(fields) for pattern, fields in config.overrides.items()}
    for layer, state in states.items():
        now = config.of(layer)
        overrides.pop(layer, None)  # the last match wins, so it moves to the end, and says all
        fields = {"leak": now.leak, "bias": now.bias, "others": now.others}
        overrides[layer] = {"weight": now.weight, "state": state, **fields}
    return replace(config, overrides=overrides)
