"""What of a network cannot be lowered, and the repair."""

from __future__ import annotations

import torch

from ..errors import NotLowerable
from ..nn import Network
from ..nn.scales import value_scales
from .report import Parameter


def refusals(net: Network) -> list[Parameter]:
    """What has no exact integer form, each with its repair; nothing where all of it has one."""
    found: list[Parameter] = []
    for s in net.steps:
        if s.kind == "other":
            what = type(s.module).__name__
            found.append(
                Parameter(
                    s.name,
                    what,
                    "refused",
                    0.0,
                    "has no integer form; replace it by a pool, a flatten, a join or a layer with neurons",
                )
            )
    for g in net.layers:
        for name, value in (("weight", g.weight), ("state", g.state)):
            if name == "state" and g.neuron.comparison is not None:
                repair = f"{g.neuron.comparison} is for comparison only and has no integer form; use ThresholdCentred"
                found.append(Parameter(g.name, name, "refused", 0.0, repair))
            elif value is None:
                repair = f"is in full precision; quantize(net, QuantConfig({name}=...)) first"
                found.append(Parameter(g.name, name, "refused", 0.0, repair))
        tensors: list[tuple[str, torch.Tensor | None]] = [("theta", g.neuron.theta), ("beta", g.neuron.beta)]
        tensors += [(p, a) for p, a in g.neuron.leaks.items() if p != "beta"]
        if "a" in g.neuron.equation.others:
            tensors.append(("jump", g.neuron.jump))
        if g.neuron.equation.has_shift:
            tensors.append(("shift", g.neuron.shift))
        tensors += [
            (f"{n}.weight", m.weight) for n, m in zip(g.synapse_names, g.modules_of_synapses, strict=True)
        ]
        for name, value in tensors:
            if value is not None and not bool(torch.isfinite(value).all()):
                found.append(
                    Parameter(g.name, name, "refused", 0.0, "must be finite, but holds NaN or infinity")
                )
    last = net.readout
    if last is not None and last.weight is None:
        repair = "is in full precision; quantize(net, QuantConfig(weight=...)) first"
        found.append(Parameter(last.name, "weight", "refused", 0.0, repair))
    if last is not None and not bool(torch.isfinite(last.synapse.weight).all()):
        found.append(
            Parameter(
                last.name,
                f"{last.synapse_name}.weight",
                "refused",
                0.0,
                "must be finite, but holds NaN or infinity",
            )
        )
    if not found:
        try:
            value_scales(net.steps, net.layers_by_name)
        except NotLowerable as e:
            found.append(Parameter("network", "scales", "refused", 0.0, str(e)))
    return found
