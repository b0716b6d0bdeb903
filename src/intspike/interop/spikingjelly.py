"""SpikingJelly networks as intspike networks.

`IFNode`, `LIFNode`, `ParametricLIFNode` and `CUBALIFNode` charge, fire on v >= v_threshold and reset in the same
timestep, which is a reset before the next timestep's leak. With `decay_input` the input leaks as well: it is scaled by
1 / tau.
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
from .parts import KNOWN, chain
from .wired import Constants


def from_spikingjelly(net: Any, *, scale: float = 1.0, high: int = 255) -> Imported:
    """A SpikingJelly network as an intspike network in full precision: the same spikes, every choice listed.

    Args:
        net: a `torch.nn.Sequential`, or the list of its parts in the order of a timestep.
        scale, high: of the input, as `nn.Input` takes them; 1 reads inputs as they are.

    Raises:
        NotImportable: what has no equal here; all of it is named, with the reason.
        MissingDependency: SpikingJelly is not installed.
    """
    try:
        base = importlib.import_module("spikingjelly.activation_based.base")
        nodes = importlib.import_module("spikingjelly.activation_based.neuron")
    except ImportError as e:
        raise MissingDependency(
            "from_spikingjelly needs SpikingJelly; run: pip install --no-deps spikingjelly, with loguru and the "
            "constraint file, because its torchvision replaces torch"
        ) from e

    def is_neuron(m: torch.nn.Module) -> bool:
        return isinstance(m, base.MemoryModule)

    source = f"SpikingJelly {importlib.metadata.version('spikingjelly')}"
    tool = Tool(source, is_neuron, lambda m: _read(nodes, m), _call, lambda m: m.reset(), _torch_part)
    return imported(tool, chain(net, "from_spikingjelly", is_neuron), scale, high)


def _call(m: Any, current: Tensor, memory: dict[int, Any]) -> Tensor:
    mode, m.step_mode = m.step_mode, "s"
    try:
        return m(current)
    finally:
        m.step_mode = mode


def _torch_part(m: torch.nn.Module) -> torch.nn.Module:
    """torch's module of one that SpikingJelly wraps to take several timesteps at once, sharing its parameters."""
    if not type(m).__module__.startswith("spikingjelly.activation_based.layer"):
        return m
    for kind in KNOWN:
        if isinstance(m, kind) and type(m).__name__ == kind.__name__:
            made = kind.__new__(kind)
            made.__dict__ = m.__dict__
            return made
    return m


def _read(nodes: Any, m: Any) -> Read:
    kind = type(m).__name__
    if type(m) not in (nodes.IFNode, nodes.LIFNode, nodes.ParametricLIFNode, nodes.CUBALIFNode):
        return Read(
            refusals=(
                f"{kind} is none of IFNode, LIFNode, ParametricLIFNode and CUBALIFNode, which have an equal here",
            )
        )
    refused = _refusals(m)
    if refused:
        return Read(refusals=refused)
    reset: Any = "subtract" if m.v_reset is None else "zero"
    theta = torch.as_tensor(float(m.v_threshold))
    fields: dict[str, Any] = {"theta": float(m.v_threshold), "reset": reset, "compare": ">="}
    acts = "minus v_threshold" if m.v_reset is None else "to v_reset = 0"
    said = [
        Choice("", "neuron", kind, {"IFNode": "IF", "CUBALIFNode": "CubaLIF"}.get(kind, "LIF")),
        Choice("", "compare", "v >= v_threshold", "u >= theta"),
        Choice("", "reset", f"{acts}, in the timestep of the spike", f"{reset!r}, 'before leak'"),
        Choice("", "theta", span(theta), "per channel"),
        Choice("", "surrogate", type(m.surrogate_function).__name__, "ShiftedArctan", "training"),
    ]
    if kind == "IFNode":
        return Read(equations.IF(**fields), Constants(theta, torch.ones(1)), said)
    if kind == "CUBALIFNode":
        alpha, beta = torch.as_tensor(float(m.c_decay)), torch.as_tensor(float(m.v_decay))
        said += [
            Choice("", "alpha", span(alpha), "per channel"),
            Choice("", "beta", span(beta), "per channel"),
        ]
        cuba = equations.CubaLIF(alpha=float(alpha), beta=float(beta), **fields)
        return Read(cuba, Constants(theta, beta, alpha=alpha), said)
    rate = m.w.detach().sigmoid() if kind == "ParametricLIFNode" else torch.as_tensor(1.0 / m.tau)
    beta = 1 - rate
    said.append(Choice("", "beta", f"1 - 1 / tau, tau {span(1 / rate)}", span(beta), "rounding"))
    if m.decay_input:
        said.append(
            Choice("", "gain", f"the input leaks: times {span(rate)}", "folded into the weights", "rounding")
        )
    learned = kind == "ParametricLIFNode"
    if learned:
        said.append(Choice("", "beta", "learned, one of a layer", "learned, per channel", "training"))
    equation = equations.LIF(beta=float(beta), learn_beta=learned, **fields)
    return Read(equation, Constants(theta, beta, rate if m.decay_input else None), said)


def _refusals(m: Any) -> list[str]:
    found: list[str] = []
    if m.v_reset not in (None, 0):
        found.append(f"v_reset must be 0 or None, not {m.v_reset:g}; shift potentials so that it is")
    if not float(m.v_threshold) > 0:
        found.append(f"v_threshold must be above 0, or rest fires, not {float(m.v_threshold):g}")
    decays = {name: float(getattr(m, name, 0)) for name in ("c_decay", "v_decay")}
    found += [f"{name} must be in 0..1, not {x:g}" for name, x in decays.items() if not 0 <= x <= 1]
    if not is_step(m.surrogate_function, strict=False):
        found.append("surrogate_function must be the step function when it runs; make it spiking=True")
    return found
