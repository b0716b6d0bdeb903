"""A side that is a network's parameters: in full precision it runs in torch, quantized as the program it lowers to."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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
from ...train.checkpoint import said
from ...train.fingerprint import quantizers
from ..bits import AFTER, config_of, parse_bits
from ..custom import check_fits, is_function, user_model
from ..trained_for import NOTE, noted, trained_timesteps
from .misfit import misfit
from .runner import Inputs, ProgramRunner, Runner

_FACTS = ("classes", "high", "inputs", "channels", "image")  # which the data say
# what needs more than the data say, such as a vocabulary, is not made by its name
NETWORKS: Mapping[str, Callable[..., torch.nn.Module]] = {
    name.replace("_", "-"): f
    for name, f in vars(models).items()
    if inspect.isfunction(f)
    and all(p.default is not p.empty or p.name in _FACTS for p in inspect.signature(f).parameters.values())
}


class NetworkRunner:
    """A network with a part in full precision, evaluated in torch."""

    words = "network in full precision, torch"
    program: Program | None = None

    def __init__(self, net: Network, frame: tuple[int, ...], timesteps: int | None = None):
        self.net, self.timesteps = net.eval(), timesteps
        self.most: Mapping[str, int] = {g.name: g.neuron.equation.spikes for g in net.layers}
        self.connections: Program | None = connections(net, frame)

    def run(self, inputs: Inputs, timesteps: int) -> Trace:
        return evaluated(self.net, inputs)

    def count_membranes(self, into: MembraneCounts, inputs: Inputs, trace: Trace) -> None:
        record = self.net.record(torch.from_numpy(np.array(inputs)))
        theta = {g.name: g.neuron.theta.detach() for g in self.net.layers}
        shown = {name: (u[0].movedim(2, -1) / theta[name]).numpy() for name, u in record.states.items()}
        into.add_real(shown, inputs.shape[1])


def network_runner(
    path: Path, model: str, dataset: Dataset, bits: str | None = None, codec: str = AFTER
) -> Runner:
    """The network of a checkpoint.

    Args:
        bits, codec: it was quantized to, as `parse_bits` takes them; None: the model says.

    Raises:
        BadData: the file is damaged, or holds the parameters of another network.
        BadInput: there is no such model, it does not fit the data, or it was trained with other quantizers.
    """
    net = built(model, dataset)
    given = None if bits is None else parse_bits(bits)
    if given is not None:
        net = quantize(net, config_of(given, codec))
    load_parameters(net, path, model)
    record = said(path)
    _check_quantizers(net, path, record.get("quantizers"))
    check_fits(net, dataset, model)
    asked: Any = record.get("arguments")
    timesteps = trained_timesteps({NOTE: str(asked.get("timesteps"))} if isinstance(asked, dict) else {})
    if not net.quantized:
        return NetworkRunner(net, dataset.frame, timesteps)
    program = lower(net, input_shape=dataset.frame)
    return ProgramRunner(program if timesteps is None else noted(program, timesteps))


def _check_quantizers(net: Network, path: Path, trained: Any) -> None:
    """Parameters fit a network of other quantizers too, but are no use there. A file may name none."""
    if not isinstance(trained, dict):
        return
    for layer, now in quantizers(net).items():
        before: Mapping[str, str] = trained.get(layer, {})
        wrong = [(before[part], text) for part, text in now.items() if before.get(part, text) != text]
        if wrong:
            there, here = _unlike(*wrong[0])
            raise BadInput(
                f"{path} must be run as it was trained, and {layer} was trained with {there}, not {here}; give the "
                "--bits and --codec of its training (train.json says them), or its stored program"
            )


def _unlike(there: str, here: str) -> tuple[str, str]:
    """The arguments that differ, of two texts of one quantizer; both texts, where they are of two."""
    (kind, _, a), (other, _, b) = there.partition("("), here.partition("(")
    if kind != other:
        return there, here
    before, now = a.removesuffix(")").split(", "), b.removesuffix(")").split(", ")
    return ", ".join(x for x in before if x not in now) or there, ", ".join(
        x for x in now if x not in before
    ) or here


def load_parameters(net: Network, path: Path, model: str) -> None:
    """Fill a network from a checkpoint.

    Raises:
        BadData: the file is damaged, or holds the parameters of another network.
    """
    tensors = _tensors(path)
    try:
        net.load_state_dict(tensors)
    except RuntimeError as e:
        has = net.state_dict()
        why = misfit(has, tensors) or " ".join(str(e).split())
        coded = any(name.endswith(".log_step") and name not in has for name in tensors)
        raise BadData(
            f"{path} must hold the parameters of {model}, but does not fit: {why}; "
            f"{'it was quantized, so give the --bits' if coded else 'give the model'} it was trained as, or its stored "
            "program (.intspike)"
        ) from e


def built(model: str, dataset: Dataset) -> Network:
    """A new network, by the name of a model of intspike (of which the data say the shapes) or by module:function.

    Raises:
        BadInput: there is none.
    """
    if is_function(model):
        made = user_model(model)
    else:
        known = NETWORKS
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
