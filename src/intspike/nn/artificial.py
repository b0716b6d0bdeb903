"""The artificial network of a spiking one: the same layers, with rectified numbers in place of spikes and time."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ..errors import BadInput
from ..quant import QuantConfig, WeightQuantizer
from . import uncompiled
from .between import on_tensors
from .group import Group
from .network import Network


class Artificial(torch.nn.Module):
    """What a spiking network is compared with: synapses, pools and norms of the same shapes, run once a sample.

    A layer sends max(0, I) of its current I; the last one sends I itself, and the class is the largest. Quantized,
    weights are those of a weight quantizer, and what a hidden layer sends is one of 2^bits multiples of a step,
    s clamp(round(I / s), 0, 2^bits - 1), whose s is learned as LSQ learns it (arXiv 1902.08153). It is a baseline: it
    has no integer program.

    Args:
        net: in full precision; its parameters are copied.
        weight: quantizer of the weights; None: full precision.
        activation_bits: 1..8; None: full precision.

    Raises:
        BadInput: a network that is quantized already, or bits that do not exist.
    """

    def __init__(
        self, net: Network, weight: WeightQuantizer | None = None, activation_bits: int | None = None
    ):
        super().__init__()
        if any(g.weight is not None or g.state is not None for g in net.layers):
            raise BadInput(
                "an artificial network is made of a spiking one in full precision, not a quantized one"
            )
        if any(g.delay for g in net.layers):
            raise BadInput(
                "an artificial network has no time, so no recurrent layers; compare one without them"
            )
        if activation_bits is not None and not 1 <= activation_bits <= 8:
            raise BadInput(f"activation_bits must be in 1..8 (or None), not {activation_bits}")
        self.net, self.activation_bits = copy.deepcopy(net), activation_bits
        if weight is not None:
            config = QuantConfig(weight)
            for group in self.net.layers:
                group.quantize(config)
            if self.net.readout is not None:
                self.net.readout.quantize(config)
        hidden = [g.name for g in self.net.layers if g.name != self.net.output]
        made = {name: torch.nn.Parameter(torch.full((), float("nan"))) for name in hidden}
        self.log_steps = torch.nn.ParameterDict(made if activation_bits is not None else {})

    @property
    def layers(self) -> list[Group]:
        """The groups of the spiking network."""
        return self.net.layers

    @property
    def quantized(self) -> bool:
        return self.activation_bits is not None or any(g.weight is not None for g in self.layers)

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """Of one frame, known once it has run."""
        return self.net.input_shape

    @input_shape.setter
    def input_shape(self, shape: tuple[int, ...]) -> None:
        self.net.input_shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Logits [1, B, K] of inputs [1, B, ...]: one frame a sample.

        Raises:
            BadInput: more than one timestep.
        """
        if len(x) != 1:
            raise BadInput(
                f"an artificial network reads one frame [1, B, ...], not {len(x)}; timed data have no rival"
            )
        values: dict[str, Tensor] = {}
        self.net.input_shape = tuple(x.shape[2:])
        for s in self.net.steps:
            inputs = [values[i] for i in s.inputs]
            match s.kind:
                case "input":
                    values[s.name] = x.to(torch.get_default_dtype()) * self.net.input.scale
                case "group":
                    group = self.net.groups[s.name]
                    assert isinstance(group, Group)
                    current = uncompiled.currents(group, inputs)
                    values[s.name] = current if s.name == self.net.output else self._sent(s.name, current)
                case "readout":
                    assert self.net.readout is not None
                    values[s.name] = self.net.readout(inputs[0], None, 1.0, 1)
                case _:
                    values[s.name] = on_tensors(s, inputs, self.training, integer=False)
        return values[self.net.output]

    def _sent(self, layer: str, current: Tensor) -> Tensor:
        """What a hidden layer sends."""
        if self.activation_bits is None:
            return torch.relu(current)
        most, log_step = (1 << self.activation_bits) - 1, self.log_steps[layer]
        if bool(log_step.isnan()):  # the first batch gives the start
            with torch.no_grad():
                log_step.copy_((2 * torch.relu(current).mean() / most**0.5).clamp_min(1e-6).log())
        scale = (current.numel() / current.shape[1] * most) ** -0.5
        step = log_step.exp()
        step = step.detach() + scale * (step - step.detach())
        inside = (current / step).clamp(0, most)
        return (inside + (inside.round() - inside).detach()) * step
