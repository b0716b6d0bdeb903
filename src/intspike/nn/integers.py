"""Where reals become integers: once a forward, in float64, rounded half up and straight through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import RangeExceeded
from ..neuron.base import OTHERS
from ..neuron.constants import constants, shift_over
from ..neuron.leaks import real_beta
from ..ops import Form
from ..ops.trace import threshold_name
from ..quant import UniformState
from .kept import kept
from .neuron import Neuron
from .rounding import half_up

Ints = NDArray[np.int64]

EXACT = 1 << 24  # float32 holds every integer below
_MOST_THETA = 1 << 21  # a gain that needs more is as good as zero


@dataclass(frozen=True)
class Integers:
    """The integers of a quantized group: what training computes with, evaluation keeps and `lower` reads.

    Attributes:
        form: traced form of the neuron.
        codes: weight codes of each synapse, [N, ...].
        constants: every parameter the neuron's body reads, per channel.
        unit: real value of one LSB of the membrane, [C].
        exact: theta, bias and levels before rounding, in LSB: what snapping moved.
        constant: channels whose gain is too near zero to matter, [C].
    """

    form: Form
    codes: tuple[Ints, ...]
    constants: dict[str, Ints]
    unit: NDArray[np.float64]
    exact: dict[str, NDArray[np.float64]]
    constant: NDArray[np.bool_]


def _biases(exact: Tensor, bits: int | None) -> Tensor:
    """Integer biases, half up: of `bits` bits times 2^p, p the smallest for the layer's largest to fit."""
    if bits is None:
        return half_up(exact)
    unit = 1.0
    while float(torch.floor(exact.detach().abs().max() / unit + 0.5)) > (1 << (bits - 1)) - 1:
        unit *= 2
    return half_up(exact / unit) * unit


def neuron_integers(
    name: str, neuron: Neuron, form: Form, gain: Tensor, offset: Tensor, bias_bits: int | None = None
) -> tuple[dict[str, Tensor], dict[str, Ints], dict[str, Any]]:
    """Integer parameters as tensors with straight-through gradients, the same as arrays, and their origin.

    unit = |gain| / 2^f, f the smallest with theta >= 2^resolution LSB, theta the first threshold; theta and bias are
    rounded half up, and levels, boundaries and carries follow from them. A shift of the outputs joins the bias.

    Args:
        name: of the layer, for errors.
        neuron: whose theta and beta are rounded, and whose state says how.
        form: traced form of the neuron.
        gain, offset: current per channel, I = gain * S + offset, in float64.
        bias_bits: width of the layer's biases, integers times one power of two; None: no bound.
    """
    state, equation = neuron.state, neuron.equation
    assert state is not None
    theta, size = neuron.theta.double().clamp_min(1e-9) * equation.first, gain.abs()
    least = 2.0**state.resolution
    constant = theta > size * _MOST_THETA
    size = torch.where(constant, theta / least, size)
    ratio = (theta / size).detach()
    f = torch.ceil(torch.log2(least / ratio)).clamp_min(0)
    f = torch.where(ratio * torch.exp2(f) < least, f + 1, f)  # log2 may round across a power of two
    unit = size / torch.exp2(f)
    exact = {"theta": theta / unit, "bias": offset / unit}
    theta_lsb = half_up(exact["theta"])
    window = neuron.window
    if window is not None:
        exact["bias"] = exact["bias"] - window * (theta_lsb * equation.taken)
    bias_lsb = _biases(exact["bias"], bias_bits)
    if float(bias_lsb.detach().abs().max()) >= EXACT:
        raise RangeExceeded(
            f"{name}: a bias must stay below 2^24 LSB, but reaches "
            f"{float(bias_lsb.detach().abs().max()):.3g}; "
            "its norm's offset is far beyond the threshold: train longer, or with a smaller learning rate"
        )
    sign = torch.where(gain < 0, -1.0, 1.0).double()
    beta = neuron.beta.double().clamp(0, 1)
    thetas = theta_lsb.detach().numpy().astype(np.int64)
    shift = None
    fractions = None
    if isinstance(state, UniformState):
        shift = shift_over(state.codec, thetas, state.low, state.high)
    else:
        fractions = state.levels_of(kept(neuron))
        exact["levels"] = fractions * exact["theta"][:, None]
    leaks = {p: a.double().clamp(0, 1) for p, a in neuron.leaks.items()}
    jump = None
    if "a" in equation.others:
        exact["jump"] = neuron.jump.double().clamp_min(0) / unit
        jump = half_up(exact["jump"])
    made = constants(
        equation,
        form,
        gain=(sign * torch.exp2(f) * ~constant).detach().numpy().astype(np.int64),
        bias=bias_lsb.detach().numpy().astype(np.int64),
        theta=thetas,
        beta=real_beta(form.leak, beta.detach().numpy()),
        fractions=None if fractions is None else fractions.detach().numpy(),
        shift=shift,
        jump=None if jump is None else jump.detach().numpy().astype(np.int64),
        leaks={s: leaks[OTHERS[s][0]].detach().numpy() for s in equation.others},
        shifts=_ranges(neuron, form, thetas),
    )
    tensors: dict[str, Tensor] = {p: torch.from_numpy(a).float() for p, a in made.items()}
    if fractions is not None and fractions.requires_grad:
        reals = fractions * theta_lsb.detach()[:, None]
        tensors["u.levels"] = tensors["u.levels"] + (reals - reals.detach()).float()
    soft = (theta_lsb - theta_lsb.detach()).float()
    factors = {threshold_name(d): m for d, m in enumerate(equation.multiples)} | {"reset": equation.taken}
    for p in made.keys() & factors.keys():
        tensors[p] = tensors[p] + soft * factors[p]
    tensors["bias"] = tensors["bias"] + (bias_lsb - bias_lsb.detach()).float()
    if jump is not None:
        tensors["jump"] = tensors["jump"] + (jump - jump.detach()).float()
    tensors |= {p: a.float() for p, a in leaks.items()}
    origin: dict[str, Any] = {"form": form, "unit": unit.detach().numpy(), "constant": constant.numpy()}
    origin["exact"] = {k: v.detach().numpy() for k, v in exact.items()}
    return tensors, made, origin


def _ranges(neuron: Neuron, form: Form, theta: Ints) -> dict[str, Ints]:
    """Shifts of states beside the membrane whose quantizer names a range."""
    found: dict[str, Ints] = {}
    for k in form.others:
        q = neuron.others.get(k.state)
        if q is not None and q.low is not None and q.high is not None:
            found[k.state] = shift_over(k.codec, theta, q.low, q.high)
    return found


def real_current_numbers(
    name: str, neuron: Neuron, form: Form, gain: Tensor, offset: Tensor
) -> tuple[dict[str, Tensor], dict[str, Ints]]:
    """As `neuron_integers` for a quantized state and currents that stay real, in units of theta / 2^resolution.

    `gain` and `bias` are real; every boundary is an integer, so a real current needs no rounding.
    """
    state = neuron.state
    assert state is not None
    unit = neuron.theta.detach().double().clamp_min(1e-9) * neuron.equation.first / 2.0**state.resolution
    tensors, made, _ = neuron_integers(name, neuron, form, unit, torch.zeros_like(unit))
    return tensors | {"gain": gain / unit, "bias": offset / unit + tensors["bias"]}, made


def prove_exact(name: str, form: Form, spikes: int, sums: NDArray[np.float64], made: dict[str, Ints]) -> None:
    """Refuse what float32 could round: every partial sum and every step of the neuron must stay below 2^24.

    Args:
        spikes: the largest output of the neuron.
        sums: per channel, the largest absolute sum that the synapses (and a summing pool) can reach.
        made: integer parameters of the neuron.

    Raises:
        RangeExceeded: which layer, and by how much.
    """
    membrane = np.max(
        [np.abs(a).reshape(len(a), -1).max(1) for n, a in made.items() if n in ("carry", "u.levels")]
        or [0.0 * sums],
        0,
    )
    if "u.shift" in made:
        codec = form.codec
        assert codec is not None
        membrane = np.maximum(membrane, max(-codec.low, codec.high) * 2.0 ** made["u.shift"])
    thresholds = [a for n, a in made.items() if n in ("reset", "theta")]
    for k in form.others:
        membrane = membrane + max(-k.codec.low, k.codec.high) * 2.0 ** made[f"{k.state}.shift"]
    most_step = (
        sums * np.abs(made["gain"]) + np.abs(made["bias"]) + membrane + (spikes + 1) * np.max(thresholds, 0)
    )
    multipliers = [a for n, a in made.items() if n.endswith("leak.multiplier")]
    if multipliers:
        most_step = most_step * np.max(multipliers, 0)
    worst = float(max(most_step.max(), sums.max()))
    if worst >= EXACT:
        raise RangeExceeded(
            f"{name}: sums must stay below 2^24 = 16777216 to be exact in float32, but could reach "
            f"{worst:.0f} ({worst / EXACT:.2f} times as much); use fewer weight or state bits, fewer inputs, or "
            "a smaller input range"
        )
