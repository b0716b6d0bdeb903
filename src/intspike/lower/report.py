"""What lowering did to every parameter of a network: the lowerability report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from ..ir import Neuron, Program, ranges
from ..measure import Packing
from ..measure.codes import stuck_codes
from ..nn import Group, Integers
from ..ops import Carry, Dyadic, Leak
from ..ops.body import REAL_LEAKS, leak_prefix


@dataclass(frozen=True)
class Parameter:
    """What lowering did to one parameter of a layer.

    Attributes:
        layer, name: whose.
        status: "exact", "snapped" (rounded to the integer that training and evaluation already compute with), or
            "refused".
        lsb: the largest distance that rounding moved it, in LSB of the membrane.
        detail: what it became, or the repair.
    """

    layer: str
    name: str
    status: Literal["exact", "snapped", "refused"]
    lsb: float
    detail: str


@dataclass(frozen=True)
class Layer:
    """What a layer became.

    Attributes:
        name: of the neurons.
        theta: smallest and largest integer threshold.
        stuck: codes that map to themselves without input though they are not rest, and in how many channels.
        others: the same of states beside the membrane, by name.
        constant: channels whose gain was too near zero to matter.
        sum_bits, membrane_bits: proved widths of the synaptic sum and of the wide sum inside a step.
        state_bits: width of the stored code of the membrane.
    """

    name: str
    theta: tuple[int, int]
    stuck: Mapping[int, int]
    constant: int
    sum_bits: int
    membrane_bits: int
    state_bits: int
    others: Mapping[str, Mapping[int, int]] = field(default_factory=dict[str, Mapping[int, int]])

    def stuck_text(self) -> str:
        """Stuck codes of all states in words."""
        told = {"": self.stuck, **{f"; of {name}: ": codes for name, codes in self.others.items()}}
        each = {
            head: ", ".join(f"{code} ({n} channels)" for code, n in codes.items()) or "none"
            for head, codes in told.items()
        }
        return "".join(head + text for head, text in each.items())


@dataclass(frozen=True)
class Lowering:
    """The lowerability report of a network.

    Attributes:
        parameters, layers: what became of each.
        packing: how the quantizers pack weights and biases, by node; `measure.size_bits` counts so.
    """

    parameters: tuple[Parameter, ...]
    layers: tuple[Layer, ...]
    packing: Mapping[str, Packing] = field(default_factory=dict[str, Packing])

    @property
    def refused(self) -> tuple[Parameter, ...]:
        return tuple(p for p in self.parameters if p.status == "refused")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "parameters": [asdict(p) for p in self.parameters],
            "layers": [asdict(x) for x in self.layers],
            "packing": {name: asdict(p) for name, p in self.packing.items()},
        }

    def __str__(self) -> str:
        lines = [f"{'layer':<10} {'parameter':<18} {'status':<8} {'moved':>9}  detail"]
        for p in self.parameters:
            moved = f"{p.lsb:.3f} LSB" if p.status == "snapped" else ""
            lines.append(f"{p.layer:<10} {p.name:<18} {p.status:<8} {moved:>9}  {p.detail}")
        for x in self.layers:
            stuck = x.stuck_text()
            lines.append(
                f"{x.name}: state {x.state_bits} bits, theta {x.theta[0]}..{x.theta[1]} LSB, synaptic sum "
                f"{x.sum_bits} bits, wide sum {x.membrane_bits} bits (proved); stuck codes: {stuck}"
                + (f"; {x.constant} constant neurons" if x.constant else "")
            )
        return "\n".join(lines)


def report(
    program: Program,
    integers: Mapping[str, tuple[Group, Integers]],
    readout: tuple[str, str, np.ndarray] | None,
    packing: Mapping[str, Packing],
) -> Lowering:
    """The report of a lowered network.

    Args:
        integers: each layer and the integers it became, by name.
        readout: name of the integrator, of its synapse, and its codes.
        packing: of weights and biases.
    """
    parameters: list[Parameter] = []
    layers: list[Layer] = []
    proved = ranges(program)
    for name, (group, made) in integers.items():
        for synapse, codes in zip(group.synapse_names, made.codes, strict=True):
            parameters.append(_weights(name, synapse, codes))
        parameters += _snaps(name, group, made)
        node = program[name]
        assert isinstance(node, Neuron)
        theta = made.constants["theta"]
        codec = node.body.codec("u")
        layers.append(
            Layer(
                name,
                (int(theta.min()), int(theta.max())),
                stuck_codes(node),
                int(made.constant.sum()),
                proved[node.source.source].bits,
                proved[name].bits,
                codec.bits,
                {s: stuck_codes(node, s) for s in group.neuron.equation.others},
            )
        )
    if readout is not None:
        parameters.append(_weights(*readout))
    return Lowering(tuple(parameters), tuple(layers), packing)


def _weights(layer: str, synapse: str, codes: np.ndarray) -> Parameter:
    detail = f"codes {codes.min()}..{codes.max()}, the ones training computes with"
    return Parameter(layer, f"{synapse}.weight", "exact", 0.0, detail)


def _snaps(layer: str, group: Group, made: Integers) -> list[Parameter]:
    found: list[Parameter] = []
    for name in ("theta", "bias", *(["jump"] if "jump" in made.constants else [])):
        lsb = float(np.abs(made.constants[name] - made.exact[name])[~made.constant].max(initial=0.0))
        share = float((lsb / made.constants["theta"].min()) * 100)
        status = "exact" if lsb == 0 else "snapped"
        found.append(Parameter(layer, name, status, lsb, f"at most {share:.2g} % of theta"))
    equation = group.neuron.equation
    forms = {"u": made.form.leak} if equation.has_leak else {}
    for kept in made.form.others:
        forms[kept.state] = kept.leak
        shifts = made.constants[f"{kept.state}.shift"]
        step = f"2^{shifts.min()}..2^{shifts.max()} LSB in {kept.codec.bits} bits"
        found.append(Parameter(layer, f"{kept.state} step", "exact", 0.0, step))
    for state, leak in forms.items():
        found.append(_leak(layer, state, leak, made, group.neuron.leaks[REAL_LEAKS[state]]))
    if "u.levels" in made.constants:
        exact = made.exact["levels"]
        lsb = float(np.abs(made.constants["u.levels"] - exact)[~made.constant].max(initial=0.0))
        found.append(
            Parameter(layer, "levels", "snapped" if lsb else "exact", lsb, f"{exact.shape[1]} a channel")
        )
    else:
        shifts = made.constants["u.shift"]
        found.append(Parameter(layer, "step", "exact", 0.0, f"2^{shifts.min()}..2^{shifts.max()} LSB"))
    return found


def _leak(layer: str, state: str, leak: Leak, made: Integers, wanted: torch.Tensor) -> Parameter:
    """What became of the leak of a state."""
    name, prefix = REAL_LEAKS[state], leak_prefix(state)
    if isinstance(leak, Carry):
        return Parameter(layer, name, "exact", 0.0, f"carry table, {leak.decay} decay")
    beta = wanted.detach().double().numpy()
    if isinstance(leak, Dyadic):
        real = made.constants[f"{prefix}leak.multiplier"] / 2.0**leak.bits
    else:
        real = 1 - 0.5 ** made.constants[f"{prefix}leak.shift"].astype(float)
    moved = float(np.abs(real - beta).max())
    lsb = moved * float(made.constants["theta"].max())
    kind, asked = type(leak).__name__.lower(), f"{beta.min():g}..{beta.max():g}"
    what = f"{kind} leak {real.min():g}..{real.max():g} for {name} {asked}"
    return Parameter(layer, name, "exact" if moved == 0 else "snapped", lsb, what)
