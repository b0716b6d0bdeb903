"""snnTorch networks as intspike networks.

snnTorch's `Leaky` resets one timestep after the spike, fires on `>`, and subtracts the threshold from what is left
after the leak; `Lapicque` zeroes the input of that timestep as well. All of this are fields of `neuron.LIF`.
Threads: reset order #341, #364; per-neuron parameters #410.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .. import neuron as equations
from ..errors import MissingDependency
from ..nn import Input, Neuron
from .imported import START, SUMS, Choice, Imported, Refusal, refuse
from .parts import chain, plain
from .wired import INPUT, Constants, Wiring, start_of

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
    parts = chain(net, "from_snntorch", snn.SpikingNeuron)
    wiring, choices, refusals = Wiring(), [START, SUMS], list[Refusal]()
    last = wiring.add("codes", Input(scale, high), (INPUT,))
    layers: list[tuple[str, torch.nn.Module]] = []
    for name, m in parts:
        if isinstance(m, snn.SpikingNeuron):
            made = _neuron(snn, name, m)
            refusals += made[3]
            if made[0] is None:
                continue
            last = wiring.add(name, Neuron(made[0]), (last,))
            wiring.constants[last] = made[1]
            choices += [Choice(last, c.field, c.theirs, c.ours, c.effect) for c in made[2]]
        else:
            module, said, refused = plain(name, m)
            choices += said
            refusals += refused
            last = wiring.add(name, module, (last,))
        layers.append((last, m))
    source = f"snnTorch {snn.__version__}"
    refuse(source, refusals)
    network = wiring.network(last)
    return Imported(network, source, tuple(choices), _runner(snn, layers, scale))


def _snntorch() -> Any:
    try:
        return importlib.import_module("snntorch")
    except ImportError as e:
        raise MissingDependency(
            "from_snntorch needs snnTorch; run: pip install 'intspike[snntorch]' with the constraint file"
        ) from e


Made = tuple[equations.Neuron | None, Constants, list[Choice], list[Refusal]]


def _neuron(snn: Any, name: str, m: Any) -> Made:
    """A layer's equation, its constants, what was chosen, and why it is refused."""
    kind = type(m).__name__
    none = Constants(torch.ones(1), torch.ones(1))
    if type(m) not in (snn.Leaky, snn.Lapicque, snn.Synaptic):
        return None, none, [], [Refusal(name, _OTHERS.get(kind, f"{kind} is no neuron that is known here"))]
    refused = [Refusal(name, why) for why in _refusals(snn, m)]
    leak = 1 - m.time_step / (m.R * m.C) if isinstance(m, snn.Lapicque) else m.beta
    if refused or not bool((torch.as_tensor(m.threshold) > 0).all()):
        if not refused:
            refused = [
                Refusal(name, f"its threshold must be above 0, or rest fires, not {float(m.threshold.min())}")
            ]
        return None, none, [], refused
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
    return equation, Constants(m.threshold, beta, gain), _choices(snn, m, equation, leak, gain), []


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
    if not _is_step(m.spike_grad):
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


def _is_step(function: Callable[[Tensor], Tensor]) -> bool:
    """Whether a surrogate is the step function in its forward pass, where a spike is decided."""
    x = torch.tensor([-2.0, -1.0, -1e-3, -1e-30, 0.0, 1e-30, 1e-3, 1.0, 2.0]).repeat(8)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        return bool((function(x) == (x > 0)).all())


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
        Choice("", "theta", _range(m.threshold), "per channel" + (", learned" if e.learn_theta else "")),
        Choice(
            "",
            "beta",
            _range(leak) if kind != "Lapicque" else f"1 - time_step / (R C) = {_range(leak)}",
            "per channel" + (", learned" if e.learn_beta else ""),
        ),
    ]
    if bool(((leak < 0) | (leak > 1)).any()):
        made.append(Choice("", "beta", f"{_range(leak)}, clamped when it runs", "clamped to 0..1"))
    if kind == "Lapicque" and gain is not None:
        made.append(Choice("", "gain", f"input times {_range(gain)}", "folded into the weights", "rounding"))
    if kind == "Lapicque" and isinstance(m.beta, torch.nn.Parameter):
        made.append(
            Choice("", "beta", "learned, though R C alone decides the leak", "not learned", "training")
        )
    made.append(Choice("", "surrogate", "spike_grad", repr(e.surrogate), "training"))
    acting = int(m.reset_mechanism_val)
    if acting != snn.SpikingNeuron.reset_dict[e.reset]:
        made.append(Choice("", "reset", f"says {m.reset_mechanism!r}, does {e.reset!r}", repr(e.reset)))
    return made


def _range(x: Tensor) -> str:
    low, high = float(x.detach().min()), float(x.detach().max())
    return f"{low:g}" if low == high else f"{low:g}..{high:g}"


def _runner(
    snn: Any, layers: list[tuple[str, torch.nn.Module]], scale: float
) -> Callable[[Tensor], dict[str, Tensor]]:
    """Runs the original parts, timestep by timestep, in evaluation and from rest."""

    @torch.no_grad()
    def run(x: Tensor) -> dict[str, Tensor]:
        modes = [m.training for _, m in layers]
        spikes: dict[str, list[Tensor]] = {}
        for _, m in layers:
            m.eval()
            if isinstance(m, snn.SpikingNeuron):
                m.reset_mem()  # type: ignore[operator]
        for frame in x:
            value = frame.to(torch.get_default_dtype()) * scale
            for name, m in layers:
                value = m(value)
                if isinstance(m, snn.SpikingNeuron):
                    value = value[0] if isinstance(value, tuple) else value
                    spikes.setdefault(name, []).append(value)
        for (_, m), mode in zip(layers, modes, strict=True):
            m.train(mode)
            if isinstance(m, snn.SpikingNeuron):
                m.reset_mem()  # type: ignore[operator]
        return {name: torch.stack(s) for name, s in spikes.items()}

    return run
