"""Norse networks as intspike networks.

`LIFBoxCell` and `IAFCell` have one state, fire on v > v_th and reset in the same timestep. A `LIFCell` has a synaptic
current as well, which is gone after a timestep where dt = tau_syn; a `LIFRecurrentCell` has synapses of its own.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

import torch
from torch import Tensor

from .. import neuron as equations
from ..errors import MissingDependency
from .chain import Read, Tool, imported, is_step, span
from .imported import Choice, Imported
from .parts import chain
from .wired import Constants


def from_norse(net: Any, *, scale: float = 1.0, high: int = 255) -> Imported:
    """A Norse network as an intspike network in full precision: the same spikes, every choice listed.

    Args:
        net: a `SequentialState`, or the list of its parts in the order of a timestep.
        scale, high: of the input, as `nn.Input` takes them; 1 reads inputs as they are.

    Raises:
        NotImportable: what has no equal here; all of it is named, with the reason.
        MissingDependency: Norse is not installed.
    """
    try:
        norse = importlib.import_module("norse.torch")
        threshold = importlib.import_module("norse.torch.functional.threshold").threshold
        cells = importlib.import_module("norse.torch.module.snn")
    except ImportError as e:
        raise MissingDependency(
            "from_norse needs Norse; run: pip install --no-deps norse, with nir and nirtorch and the constraint file, "
            "because its torchvision replaces torch"
        ) from e
    kinds = (cells.SNN, cells.SNNCell, cells.SNNRecurrent, cells.SNNRecurrentCell)

    def is_neuron(m: torch.nn.Module) -> bool:
        return isinstance(m, kinds)

    source = f"Norse {importlib.metadata.version('norse')}"
    tool = Tool(source, is_neuron, lambda m: _read(norse, threshold, m), _call, lambda m: None)
    return imported(tool, chain(net, "from_norse", is_neuron), scale, high)


def _call(m: Any, current: Tensor, memory: dict[int, Any]) -> Tensor:
    spikes, memory[id(m)] = m(current, memory.get(id(m)))
    return spikes


def _read(norse: Any, threshold: Any, m: Any) -> Read:
    kind = type(m).__name__
    if type(m) not in (norse.LIFBoxCell, norse.IAFCell, norse.LIFCell, norse.LIFRecurrentCell):
        why = f"{kind} is none of LIFBoxCell, IAFCell, LIFCell and LIFRecurrentCell, which have an equal here"
        return Read(refusals=(why,))
    p = m.p
    refused = _refusals(norse, threshold, m)
    if refused:
        return Read(refusals=refused)
    theta = torch.as_tensor(p.v_th).detach()
    reset: Any = (
        "subtract"
        if getattr(getattr(p, "reset_method", None), "__name__", "") == "reset_subtract"
        else "zero"
    )
    fields: dict[str, Any] = {"theta": float(theta.flatten()[0]), "reset": reset, "compare": ">"}
    acts = "minus v_th" if reset == "subtract" else "to v_reset = 0"
    said = [
        Choice("", "neuron", kind, "IF" if kind == "IAFCell" else "CubaLIF" if _lasts(m) else "LIF"),
        Choice("", "compare", "v - v_th > 0", "u > theta"),
        Choice("", "reset", f"{acts}, in the timestep of the spike", f"{reset!r}, 'before leak'"),
        Choice("", "theta", span(theta), "per channel"),
        Choice("", "surrogate", p.method, "ShiftedArctan", "training"),
    ]
    if kind == "IAFCell":
        return Read(equations.IF(**fields), Constants(theta, torch.ones(1)), said)
    rate = torch.as_tensor(m.dt * p.tau_mem_inv).detach()
    beta = 1 - rate
    said.append(Choice("", "beta", f"1 - dt / tau_mem, dt {m.dt:g}", span(beta), "rounding"))
    said.append(
        Choice("", "gain", f"input times dt / tau_mem = {span(rate)}", "folded into the weights", "rounding")
    )
    fields["beta"] = float(beta.flatten()[0])
    equation, alpha = equations.LIF(**fields), None
    if _lasts(m):
        alpha = 1 - torch.as_tensor(m.dt * p.tau_syn_inv).detach()
        said.append(Choice("", "alpha", f"1 - dt / tau_syn, dt {m.dt:g}", span(alpha), "rounding"))
        equation = equations.CubaLIF(alpha=float(alpha.flatten()[0]), **fields)
    elif kind != "LIFBoxCell":
        said.append(
            Choice("", "synapse", "its current is gone after one timestep, dt = tau_syn", "no second state")
        )
    constants = Constants(theta, beta, rate, alpha=alpha)
    if kind != "LIFRecurrentCell":
        return Read(equation, constants, said)
    said.append(
        Choice("", "recurrence", "its spikes of the last timestep", "nn.Recurrent, delay 1", "rounding")
    )
    return Read(
        equation, constants, said, synapse=_dense(m.input_weights), back=lambda _: _dense(m.recurrent_weights)
    )


def _lasts(m: Any) -> bool:
    """Whether a cell has a synaptic current that lasts longer than a timestep."""
    inverse = getattr(m.p, "tau_syn_inv", None)
    return inverse is not None and not bool((torch.as_tensor(m.dt * inverse) == 1).all())


def _dense(weight: Tensor) -> torch.nn.Linear:
    made = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    with torch.no_grad():
        made.weight.copy_(weight)
    return made


def _refusals(norse: Any, threshold: Any, m: Any) -> list[str]:
    p = m.p
    found: list[str] = []
    for name in ("v_leak", "v_reset"):
        value = torch.as_tensor(getattr(p, name, 0.0))
        if bool((value != 0).any()):
            found.append(f"{name} must be 0, not {span(value)}; shift potentials so that it is")
    if not bool((torch.as_tensor(p.v_th) > 0).all()):
        found.append(f"v_th must be above 0, or rest fires, not {span(p.v_th)}")
    if p.method == "adjoint":
        found.append("method 'adjoint' has a gradient of its own; choose 'super'")
    elif not is_step(lambda x: threshold(x, p.method, p.alpha), strict=True):
        found.append(f"method {p.method!r} is no step function when it runs; choose 'super'")
    if isinstance(m, norse.IAFCell):
        return found
    rate = torch.as_tensor(m.dt * p.tau_mem_inv)
    if not bool(((rate > 0) & (rate <= 1)).all()):
        found.append(f"dt / tau_mem must be in 0..1, not {span(rate)}; use a shorter dt")
    if _lasts(m):
        falls = torch.as_tensor(m.dt * p.tau_syn_inv)
        if not bool(((falls >= 0) & (falls <= 1)).all()):
            found.append(f"dt / tau_syn must be in 0..1, not {span(falls)}; use a shorter dt")
    name = getattr(getattr(p, "reset_method", None), "__name__", "reset_value")
    if name not in ("reset_value", "reset_subtract"):
        found.append(f"reset_method must be reset_value or reset_subtract, not {name}")
    return found
