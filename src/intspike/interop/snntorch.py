"""snnTorch networks as intspike networks.

snnTorch's `Leaky` resets one timestep after the spike, fires on `>`, and subtracts the threshold from what is left
after the leak; `Lapicque` zeroes the input of that timestep as well. All of this are fields of `neuron.LIF`, and
`Synaptic` is `neuron.CubaLIF`; `RLeaky` and `RSynaptic` read their own spikes of the last timestep.
Threads: reset order #341, #364; per-neuron parameters #410.
"""

from __future__ import annotations

import copy
import importlib
from typing import Any

import torch
from torch import Tensor

from .. import neuron as equations
from ..errors import MissingDependency, NotImportable
from .chain import Read, Tool, imported, is_step, span
from .given import levels_of
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
    if type(m) not in (snn.Leaky, snn.Lapicque, snn.Synaptic, snn.RLeaky, snn.RSynaptic):
        return Read(refusals=(_OTHERS.get(kind, f"{kind} is no neuron that is known here"),))
    refused = _refusals(snn, m)
    if refused:
        return Read(refusals=refused)
    leak = 1 - m.time_step / (m.R * m.C) if isinstance(m, snn.Lapicque) else m.beta
    reset = _RESETS[m.state_function.__func__.__name__]
    delayed = getattr(m, "reset_delay", True)
    after = reset == "subtract" or (type(m) is not snn.Leaky and delayed)
    fields: dict[str, Any] = {
        "theta": start_of(m.threshold, 1e-30, float("inf")),
        "beta": start_of(leak, 0, 1),
        "reset": reset,
        "reset_order": "after leak" if after else "before leak",
        "compare": ">",
        "learn_theta": isinstance(m.threshold, torch.nn.Parameter),
        "learn_beta": isinstance(m.beta, torch.nn.Parameter) and not isinstance(m, snn.Lapicque),
    }
    beta, alpha = leak.detach().clamp(0, 1), None
    equation: equations.LIF | equations.CubaLIF = equations.LIF(**fields)
    if _lasts(m):
        alpha = m.alpha.detach().clamp(0, 1)
        learned = isinstance(m.alpha, torch.nn.Parameter)
        equation = equations.CubaLIF(alpha=start_of(alpha, 0, 1), learn_alpha=learned, **fields)
    gain = m.R * (1 / (m.R * m.C)) * m.time_step if isinstance(m, snn.Lapicque) else None
    constants = Constants(m.threshold, beta, gain, alpha=alpha)
    said = _choices(snn, m, equation, leak, gain)
    back = None if not hasattr(m, "recurrent") else lambda synapse: _back(m, synapse)  # pyright: ignore
    return Read(equation, constants, said, back=back, stored=levels_of(m.state_quant))


def _lasts(m: Any) -> bool:
    """Whether a neuron has a synaptic current that lasts, or may learn to."""
    alpha = getattr(m, "alpha", None)
    return alpha is not None and (isinstance(alpha, torch.nn.Parameter) or bool((alpha > 0).any()))


def _back(m: Any, synapse: Any) -> torch.nn.Linear | torch.nn.Conv2d:
    """The synapse through which a recurrent layer reads itself, behind the synapse that it has."""
    if m.all_to_all:
        return copy.deepcopy(m.recurrent)
    v = m.recurrent.V.detach()
    dense = not isinstance(synapse, torch.nn.Conv2d)
    n = synapse.out_features if dense else synapse.out_channels
    if v.numel() not in (1, n) or (not dense and v.numel() > 1 and v.shape[-2:] != (1, 1)):
        raise NotImportable(
            f"V must be one number or one for each of {n} {'neurons' if dense else 'channels, [C, 1, 1]'}, but has the "
            f"shape {list(v.shape)}"
        )
    rows = v.flatten().expand(n).to(torch.get_default_dtype())
    with torch.no_grad():
        if dense:
            made = torch.nn.Linear(n, n, bias=False)
            made.weight.copy_(torch.diag(rows))
        else:
            made = torch.nn.Conv2d(n, n, 1, groups=n, bias=False)
            made.weight.copy_(rows.reshape(n, 1, 1, 1))
    return made


_LSTM = "an LSTM whose membrane gates itself has no integer form; use Leaky"
_OTHERS = {
    "Alpha": "its membrane is no state but the difference of two currents, which a reset does not reach; use Synaptic, "
    "whose current rises and falls as well",
    "SLSTM": _LSTM,
    "SConv2dLSTM": _LSTM,
}


def _refusals(snn: Any, m: Any) -> list[str]:
    """Why a neuron of a kind that is known has no equal here."""
    found: list[str] = []
    if not bool((m.threshold > 0).all()):
        found.append(f"its threshold must be above 0, or rest fires, not {float(m.threshold.min())}")
    if m.inhibition:
        found.append(
            "inhibition=True lets one neuron of a layer fire, which no neuron can decide alone; leave it out"
        )
    if m.state_quant and levels_of(m.state_quant) is None:
        found.append(
            "state_quant must be what snntorch.functional.quant.state_quant makes; import without it"
        )
    elif m.state_quant and (_lasts(m) or hasattr(m, "recurrent")):
        found.append(
            "state_quant is read of neurons with one state that do not read themselves; import without it"
        )
    if bool((m.graded_spikes_factor != 1).any()):
        found.append(
            "graded_spikes_factor scales spikes; multiply the weights that read them by it, and make it 1"
        )
    if not is_step(m.spike_grad, strict=True):
        found.append("spike_grad must be 1 above 0 and else 0 when it runs, but is not; choose atan()")
    delayed = getattr(m, "reset_delay", True)
    if not delayed and isinstance(m, snn.RSynaptic):
        found.append("reset_delay=False of RSynaptic fails in snnTorch itself; choose reset_delay=True")
    elif not delayed and m.reset_mechanism == "subtract":
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


def _choices(
    snn: Any, m: Any, e: equations.LIF | equations.CubaLIF, leak: Tensor, gain: Tensor | None
) -> list[Choice]:
    """The table of a layer: field, theirs, ours."""
    kind = type(m).__name__
    undelayed = not getattr(m, "reset_delay", True)
    acts = {"subtract": "minus the threshold", "zero": "to 0", "none": "no reset"}[e.reset]
    if e.reset == "zero" and e.reset_order == "after leak":
        acts = "to 0, with the input of that timestep"
    when = (
        "" if e.reset == "none" else ", in the timestep of the spike" if undelayed else ", one timestep later"
    )
    made = [
        Choice("", "neuron", kind, type(e).__name__),
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
    if isinstance(e, equations.CubaLIF):
        made.append(
            Choice("", "alpha", span(m.alpha), "per channel" + (", learned" if e.learn_alpha else ""))
        )
    if hasattr(m, "recurrent"):
        theirs = "through a synapse" if m.all_to_all else "each neuron itself, times V"
        made.append(
            Choice("", "recurrence", f"the last spikes, {theirs}", "nn.Recurrent, delay 1", "rounding")
        )
    if bool(((leak < 0) | (leak > 1)).any()):
        made.append(Choice("", "beta", f"{span(leak)}, clamped when it runs", "clamped to 0..1"))
    if kind == "Lapicque" and gain is not None:
        made.append(Choice("", "gain", f"input times {span(gain)}", "folded into the weights", "rounding"))
    if kind == "Lapicque" and isinstance(m.beta, torch.nn.Parameter):
        made.append(
            Choice("", "beta", "learned, though R C alone decides the leak", "not learned", "training")
        )
    if (levels := levels_of(m.state_quant)) is not None:
        theirs = f"state_quant, {len(levels.levels)} levels"
        made.append(
            Choice("", "state", theirs, "the same levels, in floating point: lowerable() says what lowers")
        )
    made.append(Choice("", "surrogate", "spike_grad", repr(e.surrogate), "training"))
    acting = int(m.reset_mechanism_val)
    if acting != snn.SpikingNeuron.reset_dict[e.reset]:
        made.append(Choice("", "reset", f"says {m.reset_mechanism!r}, does {e.reset!r}", repr(e.reset)))
    return made
