"""The modules a user puts into a model: neurons and the input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .. import neuron as equations
from ..errors import BadInput
from ..ops import Form, Leak, trace
from ..ops.trace import Kept, threshold_name
from ..quant import ComparisonState, OtherState, StateQuantizer
from .kept import keep
from .rounding import half_up


class Neuron(torch.nn.Module):
    """A layer of neurons: the one module that owns a neuron's parameters.

    In a model's `forward` it maps a current [B, C, ...] to spikes of the same shape; `Network` gives it time. The
    number of channels is known when a network is made of the model.

    Attributes:
        equation: fields and step, a value.
        state, leak: how the membrane is stored; None is full precision (or what `quantize` says).
        comparison: another's way to store the membrane, in floating point; `state` is None then.
        others: how states beside the membrane are stored, by name; those that are not named as `Form.kept` says.
        theta, beta: per channel [C]; parameters where the equation learns them, else buffers.
        alpha, rho, jump: the same, of equations that have them.
        shift: of the window of an integer neuron's outputs, [1], where the equation has one; rounded by `window`.

    What the state quantizer keeps (learned levels) are parameters and buffers, too, under its names.
    """

    theta: Tensor
    beta: Tensor
    alpha: Tensor
    rho: Tensor
    jump: Tensor

    def __init__(
        self,
        equation: equations.Neuron,
        state: StateQuantizer | None = None,
        leak: Leak | None = None,
        others: Mapping[str, OtherState] | None = None,
    ):
        super().__init__()
        self.equation, self.state, self.leak = equation, state, leak
        self.others = dict(others or {})
        for name in self.others:
            if name not in equation.others:
                raise BadInput(
                    f"others must name states that {type(equation).__name__} has beside its membrane "
                    f"({', '.join(equation.others) or 'it has none'}), not {name!r}"
                )
        self.comparison: ComparisonState | None = None
        self.register_buffer("theta", torch.empty(0))
        self.register_buffer("beta", torch.empty(0))
        if equation.has_shift:
            start = torch.tensor([float(getattr(equation, "shift", 0.0))])
            if getattr(equation, "learn_shift", False):
                self.shift = torch.nn.Parameter(start)
            else:
                self.register_buffer("shift", start)

    @property
    def window(self) -> Tensor | None:
        """The shift [1] as the integer that is computed with, float64, rounded straight through; None: none."""
        return half_up(self.shift.double()) if self.equation.has_shift else None

    def build(self, channels: int) -> None:
        """Make theta and beta for so many channels; what is there already is kept."""
        if self.theta.numel() == channels:
            return
        if self.theta.numel():
            raise BadInput(
                f"a neuron module must serve one number of channels, not {self.theta.numel()} and {channels}"
            )
        e = self.equation
        thresholds = [threshold_name(d) for d in range(e.spikes)]
        known = [*thresholds, "reset", *self._leaks, *(["jump"] if "a" in e.others else [])]
        equations.base.check_parameters(e, trace(e, Form()).parameters, known)
        numbers = {"theta": e.theta, "beta": getattr(e, "beta", None)}
        numbers |= {p: getattr(e, p, None) for p in ("alpha", "rho", "jump")}
        for name, value in numbers.items():
            learned = getattr(e, f"learn_{name}", False) and value is not None
            if value is None:
                if name != "beta":
                    continue
                value = 1.0
            start = torch.full((channels,), float(value))
            if learned:
                if hasattr(self, name):
                    delattr(self, name)
                setattr(self, name, torch.nn.Parameter(start))
            else:
                self.register_buffer(name, start)
        self._keep()

    @property
    def leaks(self) -> dict[str, Tensor]:
        """The real leaks [C] that the equation has, by name."""
        return {name: getattr(self, name) for name in self._leaks}

    @property
    def _leaks(self) -> list[str]:
        e = self.equation
        return ["beta"] * e.has_leak + [equations.base.OTHERS[s][0] for s in e.others]

    def others_stored(self, state: StateQuantizer) -> tuple[Kept, ...]:
        """How states beside a membrane that is quantized so are stored: by default in as many bits, at least 2."""
        e = self.equation
        default = OtherState(max(state.bits, 2))
        signed = {s: equations.base.OTHERS[s][1] for s in e.others}
        return tuple(self.others.get(s, default).kept(s, signed[s], self.leak) for s in e.others)

    def store(self, state: StateQuantizer | ComparisonState) -> None:
        """Quantize the membrane so, from the start."""
        compared = isinstance(state, ComparisonState)
        self.state, self.comparison = (None, state) if compared else (state, None)
        self._keep()

    def _keep(self) -> None:
        channels = self.theta.numel()
        if channels and self.state is not None:
            keep(self, self.state.start(channels), self.state.learned)
        else:
            keep(self, {}, ())

    def forward(self, current: Tensor) -> Tensor:
        raise BadInput(
            "a neuron owns time and runs only inside a network; wrap the model: nn.Network(model), then call it "
            "with inputs [T, B, ...] (encode.direct makes them)"
        )

    def extra_repr(self) -> str:
        stored = repr(self.state or self.comparison or "full precision")
        others = f", {self.others}" if self.others else ""
        return f"{self.equation}, {stored}{others}"


def CubaLIF(
    state: StateQuantizer | None = None,
    leak: Leak | None = None,
    others: Mapping[str, OtherState] | None = None,
    **fields: Any,
) -> Neuron:
    """A layer of current-based leaky integrate-and-fire neurons; fields are those of `neuron.CubaLIF`."""
    return Neuron(equations.CubaLIF(**fields), state, leak, others)


def AdaptiveLIF(
    state: StateQuantizer | None = None,
    leak: Leak | None = None,
    others: Mapping[str, OtherState] | None = None,
    **fields: Any,
) -> Neuron:
    """A layer of neurons whose threshold adapts; fields are those of `neuron.AdaptiveLIF`."""
    return Neuron(equations.AdaptiveLIF(**fields), state, leak, others)


def LIF(state: StateQuantizer | None = None, leak: Leak | None = None, **fields: Any) -> Neuron:
    """A layer of leaky integrate-and-fire neurons; fields are those of `neuron.LIF`."""
    return Neuron(equations.LIF(**fields), state, leak)


def IF(state: StateQuantizer | None = None, **fields: Any) -> Neuron:
    """A layer of integrate-and-fire neurons; fields are those of `neuron.IF`."""
    return Neuron(equations.IF(**fields), state)


def PLIF(state: StateQuantizer | None = None, leak: Leak | None = None, **fields: Any) -> Neuron:
    """LIF neurons that learn their leak, one a channel; it is rounded to what the program holds as every leak is.

    Source: Fang et al. (arXiv 2007.05785), whose leak is one a layer.
    """
    fields.setdefault("learn_beta", True)
    return LIF(state, leak, **fields)


def ILIF(D: int = 4, state: StateQuantizer | None = None, leak: Leak | None = None, **fields: Any) -> Neuron:
    """Integer neurons that send floor(u / theta + 1/2) in 0..D; fields are those of `neuron.ILIF`."""
    return Neuron(equations.ILIF(spikes=D, **fields), state, leak)


def NILIF(D: int = 4, state: StateQuantizer | None = None, leak: Leak | None = None, **fields: Any) -> Neuron:
    """I-LIF neurons whose readers see s / D."""
    fields.setdefault("divisor", D)
    return ILIF(D, state, leak, **fields)


def ASN(D: int = 4, state: StateQuantizer | None = None, leak: Leak | None = None, **fields: Any) -> Neuron:
    """I-LIF neurons that learn where their window of D + 1 outputs begins, one shift a layer."""
    fields.setdefault("learn_shift", True)
    return ILIF(D, state, leak, **fields)


def NASN(D: int = 4, state: StateQuantizer | None = None, leak: Leak | None = None, **fields: Any) -> Neuron:
    """ASN neurons whose readers see S / D."""
    fields.setdefault("learn_shift", True)
    return NILIF(D, state, leak, **fields)


class Input(torch.nn.Module):
    """What comes in: integer codes that stand for code * scale; it comes first in a model.

    Attributes:
        scale: real value of one code (1/255 for images in 0..1; 1 for spikes and event counts).
        high: largest code.
    """

    def __init__(self, scale: float = 1.0, high: int = 255):
        super().__init__()
        if not (math.isfinite(scale) and scale > 0):
            raise BadInput(f"the scale of an input must be a positive number, not {scale!r}")
        if not 1 <= high < 1 << 16:
            raise BadInput(f"the largest input code must be in 1..65535, not {high}")
        self.scale, self.high = float(scale), int(high)

    def forward(self, x: Tensor) -> Tensor:
        return x.to(torch.get_default_dtype()) * self.scale

    def extra_repr(self) -> str:
        return f"scale={self.scale:g}, high={self.high}"
