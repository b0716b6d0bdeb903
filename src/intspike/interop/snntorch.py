"""snnTorch networks as intspike networks.

snnTorch's `Leaky` resets one timestep after the spike, fires on `>`, and subtracts the threshold from what is left
after the leak; `Lapicque` zeroes the input of that timestep as well. All of this are fields of `neuron.LIF`.
Threads: reset order #341, #364; per-neuron parameters #410.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor

from .. import neuron as equations
from ..errors import MissingDependency
from .chain import Read, Tool, imported, is_step, span
from .imported import Choice, Imported
from .parts import chain
from .wired import Constants, start_of

_RESETS = {"_base_sub": "subtract", "_base_zero": "zero", "_base_int": "none"}


def from_snntorch(net: Any, *, scale: float = 1.0, high: int = 255) -> Imported:
    """A snnTorch network as an intspike network in full precision: the same spikes, every choice listed.

    Args:
        net: a `torch.nn.Sequential`, or the list of its parts in the order of a timestep.
        scale, high: of the input, as `nn.Input` takes them; 1 reads inputs as they are.

    Raises:
        NotImportable: what has no equal here; all of it is named, with the reason.
        MissingDependency: snnTorch is not installed.
    """
    snn = _snntorch()
    parts = chain(net, "from_snntorch", lambda m: isinstance(m, snn.SpikingNeuron))
    tool = Tool(
        f"snnTorch {snn.__version__}",
        lambda m: isinstance(m, snn.SpikingNeuron),
        lambda m: _read(snn, m),
        _call,
        lambda m: m.reset_mem(),
    )
    return imported(tool, parts, scale, high)


def _call(m: Any, current: Tensor, memory: dict[int, Any]) -> Tensor:
    out = m(current)
    return out[0] if isinstance(out, tuple) else out


def _snntorch() -> Any:
    try:
        return importlib.import_module("snntorch")
    except ImportError as e:
        raise MissingDependency(
            "from_snntorch needs snnTorch; run: pip install 'intspike[snntorch]' with the constraint file"
        ) from e


def _read(snn: Any, m: Any) -> Read:
    """A layer's equation, its constants, what was chosen, or why it is refused."""
    kind = type(m).__name__
    if type(m) not in (snn.Leaky, snn.Lapicque, snn.Synaptic):
        return Read(refusals=(_OTHERS.get(kind, f"{kind} is no neuron that is known here"),))
    refused = _refusals(snn, m)
    if refused:
        return Read(refusals=refused)
    leak = 1 - m.time_step / (m.R * m.C) if isinstance(m, snn.Lapicque) else m.beta
    reset = _RESETS[m.state_function.__func__.__name__]
    after = reset == "subtract" or isinstance(m, (snn.Lapicque, snn.Synaptic))
    learn_beta = isinstance(m.beta, torch.nn.Parameter) and not isinstance(m, snn.Lapicque)
    equation = equations.LIF(
        theta=start_of(m.threshold, 1e-30, float("inf")),
        beta=start_of(leak, 0, 1),
        reset=reset,  # pyright: ignore[reportArgumentType]
        reset_order="after leak" if after else "before leak",
        compare=">",
        learn_theta=isinstance(m.threshold, torch.nn.Parameter),
        learn_beta=learn_beta,
    )
    beta = leak.detach().clamp(0, 1)
    gain = m.R * (1 / (m.R * m.C)) * m.time_step if isinstance(m, snn.Lapicque) else None
    return Read(equation, Constants(m.threshold, beta, gain), _choices(snn, m, equation, leak, gain))


_TWO = "its synaptic current is a second state, which no neuron here has; use Leaky"
_OTHERS = {
    "Alpha": "its two synaptic currents are further states, which no neuron here has; use Leaky",
    "RLeaky": "its recurrence inside the layer has no place in a network here; use Leaky",
    "RSynaptic": f"{_TWO}, and it is recurrent",
    "SLSTM": "an LSTM whose membrane gates itself has no integer form; use Leaky",
    "SConv2dLSTM": "an LSTM whose membrane gates itself has no integer form; use Leaky",
}


def _refusals(snn: Any, m: Any) -> list[str]:
    """Why a Leaky, Lapicque or Synaptic has no equal here."""
    found: list[str] = []
    if isinstance(m, snn.Synaptic) and bool((m.alpha > 0).any()):
        found.append(f"Synaptic: {_TWO}, or alpha=0")
    if not bool((m.threshold > 0).all()):
        found.append(f"its threshold must be above 0, or rest fires, not {float(m.threshold.min())}")
    if m.inhibition:
        found.append(
            "inhibition=True lets one neuron of a layer fire, which no neuron can decide alone; leave it out"
        )
    if m.state_quant:
        found.append(
            "state_quant holds no exact level for rest and threshold; import without it, then "
            "quantize(net, QuantConfig(state=ThresholdCentred(4))), or SnnTorchState(bits) to compare with it"
        )
    if bool((m.graded_spikes_factor != 1).any()):
        found.append(
            "graded_spikes_factor scales spikes; multiply the weights that read them by it, and make it 1"
        )
    if not is_step(m.spike_grad, strict=True):
        found.append("spike_grad must be 1 above 0 and else 0 when it runs, but is not; choose atan()")
    delayed = getattr(m, "reset_delay", True)
    if not delayed and m.reset_mechanism == "subtract":
        found.append(
            "reset_delay=False with subtract resets twice where a membrane is above two thresholds, which needs a "
            "second state; choose reset_delay=True or reset_mechanism='zero'"
        )
    acts = _RESETS.get(m.state_function.__func__.__name__)
    named = snn.SpikingNeuron.reset_dict
    if acts is None or (not delayed and named[acts] != int(m.reset_mechanism_val)):
        found.append(
            "reset_mechanism was changed after it was made, which changes a part of its resets; make it anew"
        )
    if isinstance(m, snn.Lapicque):
        leak = 1 - m.time_step / (m.R * m.C)
        if not bool(((leak >= 0) & (leak <= 1)).all()):
            found.append(
                f"its leak 1 - time_step / (R C) must be in 0..1, not {float(leak.min()):g}; use a shorter time_step"
            )
    return found


def _choices(snn: Any, m: Any, e: equations.LIF, leak: Tensor, gain: Tensor | None) -> list[Choice]:
    """The table of a layer: field, theirs, ours."""
    kind = type(m).__name__
    undelayed = not getattr(m, "reset_delay", True)
    acts = {"subtract": "minus the threshold", "zero": "to 0", "none": "no reset"}[e.reset]
    if kind != "Leaky" and e.reset == "zero":
        acts = "to 0, with the input of that timestep"
    when = (
        "" if e.reset == "none" else ", in the timestep of the spike" if undelayed else ", one timestep later"
    )
    made = [
        Choice("", "neuron", kind, "LIF"),
        Choice("", "compare", "mem - threshold > 0", "u > theta"),
        Choice("", "reset", acts + when, f"{e.reset!r}, {e.reset_order!r}"),
        Choice("", "theta", span(m.threshold), "per channel" + (", learned" if e.learn_theta else "")),
        Choice(
            "",
            "beta",
            span(leak) if kind != "Lapicque" else f"1 - time_step / (R C) = {span(leak)}",
            "per channel" + (", learned" if e.learn_beta else ""),
        ),
    ]
    if bool(((leak < 0) | (leak > 1)).any()):
        made.append(Choice("", "beta", f"{span(leak)}, clamped when it runs", "clamped to 0..1"))
    if kind == "Lapicque" and gain is not None:
        made.append(Choice("", "gain", f"input times {span(gain)}", "folded into the weights", "rounding"))
    if kind == "Lapicque" and isinstance(m.beta, torch.nn.Parameter):
        made.append(
            Choice("", "beta", "learned, though R C alone decides the leak", "not learned", "training")
        )
    made.append(Choice("", "surrogate", "spike_grad", repr(e.surrogate), "training"))
    acting = int(m.reset_mechanism_val)
    if acting != snn.SpikingNeuron.reset_dict[e.reset]:
        made.append(Choice("", "reset", f"says {m.reset_mechanism!r}, does {e.reset!r}", repr(e.reset)))
    return made
