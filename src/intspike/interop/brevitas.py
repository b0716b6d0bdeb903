"""Layers of Brevitas, read as torch layers whose weights are integers times a scale.

Weights alone are read: activations between spikes need no quantizer, and a bias becomes an integer in lowering.
"""

from __future__ import annotations

from typing import Any

import torch

from .given import GivenSteps
from .imported import Choice, Refusal

_KINDS: dict[str, type[torch.nn.Linear] | type[torch.nn.Conv2d]] = {
    "QuantLinear": torch.nn.Linear,
    "QuantConv2d": torch.nn.Conv2d,
}


def is_brevitas(m: torch.nn.Module) -> bool:
    """Whether a part is a layer of Brevitas."""
    return type(m).__module__.startswith("brevitas.nn")


def read(name: str, m: Any) -> tuple[torch.nn.Module, list[Choice], list[Refusal], GivenSteps | None]:
    """The torch layer that computes the same, what is said about it, why it is refused, and its steps."""
    kind = type(m).__name__
    refused = _refusals(kind, m)
    if refused:
        return m, [], [Refusal(name, why) for why in refused], None
    quantized = bool(m.weight_quant.is_quant_enabled)
    coded = m.quant_weight() if quantized else None
    made = _copy(kind, m, m.weight if coded is None else coded.value)
    if coded is None:
        return made, [Choice(name, "weights", kind, "not quantized")], [], None
    steps = coded.scale.detach().reshape(-1).double()
    bits = int(coded.bit_width)
    codes = (made.weight.detach().flatten(1) / steps.float().reshape(-1, 1)).round()
    if not torch.equal(codes, coded.int().float().flatten(1)):
        why = (
            "its integers are not its weights divided by its scale; save and load it anew in evaluation mode"
        )
        return m, [], [Refusal(name, why)], None
    given = GivenSteps(bits, tuple(steps.tolist()))
    low, high = int(codes.min()), int(codes.max())
    per = "channel" if len(steps) > 1 else "layer"
    said = Choice(
        name, "weights", f"{bits}-bit integers {low}..{high}, one scale a {per}", "the same integers"
    )
    return made, [said], [], given


def _refusals(kind: str, m: Any) -> list[str]:
    if kind not in _KINDS:
        return [f"{kind} is none of {', '.join(_KINDS)}; between spikes take it out"]
    found = [
        f"{what} is quantized, which no layer between spikes is; make it with {argument}=None"
        for what, argument in (
            ("its input", "input_quant"),
            ("its output", "output_quant"),
            ("its bias", "bias_quant"),
        )
        if getattr(m, argument).is_quant_enabled
    ]
    if not m.weight_quant.is_quant_enabled:
        return found
    coded = m.quant_weight()
    if not 2 <= int(coded.bit_width) <= 8:
        found.append(f"its weights must have 2 to 8 bits, not {int(coded.bit_width)}")
    if bool((coded.zero_point != 0).any()):
        found.append("its zero point must be 0; choose a symmetric weight quantizer")
    return found


@torch.no_grad()
def _copy(kind: str, m: Any, weight: torch.Tensor) -> torch.nn.Linear | torch.nn.Conv2d:
    bias = m.bias is not None
    if kind == "QuantLinear":
        made: torch.nn.Linear | torch.nn.Conv2d = torch.nn.Linear(m.in_features, m.out_features, bias)
    else:
        made = torch.nn.Conv2d(
            m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding, m.dilation, m.groups, bias
        )
    made.weight.copy_(weight)
    if made.bias is not None:
        made.bias.copy_(m.bias)
    return made
