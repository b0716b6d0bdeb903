"""A side that is a network's parameters: in full precision it runs in torch, quantized as the program it lowers to."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ... import models
from ...data import Dataset
from ...engine.trace import Trace
from ...errors import BadData, BadInput, did_you_mean
from ...ir import Program
from ...lower import lower
from ...lower.drift import connections, evaluated
from ...measure.membranes import MembraneCounts
from ...nn import Network, quantize
from ...quant import QuantConfig, ThresholdCentred, weight_of
from ..custom import check_fits, is_function, user_model
from .runner import Inputs, ProgramRunner, Runner


class NetworkRunner:
    """A network with a part in full precision, evaluated in torch."""

    words = "network in full precision, torch"
    program: Program | None = None

    def __init__(self, net: Network, frame: tuple[int, ...]):
        self.net = net.eval()
        self.most: Mapping[str, int] = {g.name: g.neuron.equation.spikes for g in net.layers}
        self.connections: Program | None = connections(net, frame)

    def run(self, inputs: Inputs, timesteps: int) -> Trace:
        return evaluated(self.net, inputs)

    def count_membranes(self, into: MembraneCounts, inputs: Inputs, trace: Trace) -> None:
        record = self.net.record(torch.from_numpy(np.array(inputs)))
        theta = {g.name: g.neuron.theta.detach() for g in self.net.layers}
        shown = {name: (u[0].movedim(2, -1) / theta[name]).numpy() for name, u in record.states.items()}
        into.add_real(shown, inputs.shape[1])


def network_runner(path: Path, model: str, dataset: Dataset, bits: str | None = None) -> Runner:
    """The network of a checkpoint.

    Args:
        bits: it was quantized to, such as 4-4; None: the model says.

    Raises:
        BadData: the file is damaged, or holds the parameters of another network.
        BadInput: there is no such model, or it does not fit the data.
    """
    net = built(model, dataset)
    if bits is not None:
        net = quantize(net, config_of(bits))
    load_parameters(net, path, model)
    check_fits(net, dataset, model)
    if net.quantized:
        return ProgramRunner(lower(net, input_shape=dataset.frame))
    return NetworkRunner(net, dataset.frame)


def load_parameters(net: Network, path: Path, model: str) -> None:
    """Fill a network from a checkpoint.

    Raises:
        BadData: the file is damaged, or holds the parameters of another network.
    """
    tensors = _tensors(path)
    try:
        net.load_state_dict(tensors)
    except RuntimeError as e:
        lines = [part.strip() for part in str(e).splitlines()[1:]]
        raise BadData(
            f"{path} must hold the parameters of {model}, but does not fit: {'; '.join(lines)[:300]}; give the model "
            "it was trained as, or its stored program (.intspike)"
        ) from e


def config_of(bits: str) -> QuantConfig:
    """What `--bits W-U` means: weights of W bits, threshold-centred membrane potentials of U bits.

    Raises:
        BadInput: anything else.
    """
    weights, _, states = bits.partition("-")
    if not all(b in tuple("12345678") for b in (weights, states)):
        raise BadInput(
            f"--bits must be fp32, or bits of weights and membrane potentials in 1..8 such as 4-4, not {bits!r}"
        )
    return QuantConfig(weight_of(int(weights)), ThresholdCentred(int(states)))


def built(model: str, dataset: Dataset) -> Network:
    """A new network, by the name of a model of intspike (of which the data say the shapes) or by module:function.

    Raises:
        BadInput: there is none.
    """
    if is_function(model):
        made = user_model(model)
    else:
        known = {name.replace("_", "-"): f for name, f in vars(models).items() if inspect.isfunction(f)}
        model = model.replace("_", "-")
        if model not in known:
            raise BadInput(
                f"--model must be module:function or a network of intspike; {did_you_mean(model, known)}"
            )
        frame = dataset.frame
        facts = {"classes": len(dataset.classes), "high": dataset.high, "inputs": frame[0]}
        facts |= {"channels": frame[0], "image": frame[-1]} if len(frame) == 3 else {}
        taken = inspect.signature(known[model]).parameters
        made = known[model](**{name: value for name, value in facts.items() if name in taken})
    return made if isinstance(made, Network) else Network(made)


def _tensors(path: Path) -> dict[str, Tensor]:
    """Parameters of a network; of a training's checkpoint those that were best on validation."""
    from safetensors.torch import load_file

    try:
        found = load_file(path)
    except Exception as e:  # safetensors raises its own type for damage
        raise BadData(f"{path} must be a checkpoint (safetensors), but cannot be read ({e})") from e
    for prefix in ("best.", "net."):
        below = {n.removeprefix(prefix): t for n, t in found.items() if n.startswith(prefix)}
        if below:
            return below
    return found
