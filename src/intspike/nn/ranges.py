"""How far below rest the levels of each layer reach, found from data."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..errors import BadInput
from ..quant import QuantConfig, StateQuantizer
from .network import Network
from .quantize import calibrate, calibration_inputs, quantize

REACHES = (1, 2, 4, 8, 16, 32)  # times as far as the configuration says


def fit_ranges(
    net: torch.nn.Module,
    config: QuantConfig,
    data: Any,
    *,
    batch_size: int = 50,
    timesteps: int = 25,
    seed: int = 0,
) -> QuantConfig:
    """The configuration with an override for each layer whose membranes need levels further below rest.

    Layer by layer, the lowest level moves to 1, 2, 4, ... 32 times what the configuration says, and the one with
    which most spikes of the layer are those of the full-precision network is kept; of equals the nearest. The squared
    error of the membrane would be the wrong measure: membranes far from the threshold dominate it, and those near it
    decide spikes.

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
        options = list(_further(group.state))
        if len(options) < 2:
            continue
        wrong: list[int] = []
        for state in options:
            group.neuron.store(state)
            wrong.append(_differing(made, x, group.name, wanted[group.name]))
        best = options[wrong.index(min(wrong))]
        group.neuron.store(best)
        if best is not options[0]:
            found[group.name] = best
    return _with_states(config, found)


def _further(state: StateQuantizer | None) -> Iterator[StateQuantizer]:
    """A state's quantizer and those that reach further below rest."""
    if state is None:
        return
    yield state
    low = state.fractions[0]
    for times in REACHES[1:] if low < 0 else ():
        further = state.reaching(low * times)
        if further is not None:
            yield further


def _differing(net: Network, x: Tensor, layer: str, wanted: Tensor) -> int:
    """How many spikes of a layer are not the wanted ones, with batch norms estimated anew."""
    return int((calibrate(net, x).record(x).spikes[layer] != wanted).sum())


def _with_states(config: QuantConfig, states: dict[str, StateQuantizer]) -> QuantConfig:
    overrides = {pattern: dict(fields) for pattern, fields in config.overrides.items()}
    for layer, state in states.items():
        now = config.of(layer)
        overrides.pop(layer, None)  # the last match wins, so it moves to the end, and says all
        overrides[layer] = {"weight": now.weight, "state": state, "leak": now.leak, "bias": now.bias}
    return replace(config, overrides=overrides)
