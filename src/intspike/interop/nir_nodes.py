"""NIR's nodes as torch modules and intspike equations, for one reading of what NIR leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .. import neuron as equations
from ..errors import BadInput
from .wired import Constants, start_of

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """What a NIR graph leaves open.

    Attributes:
        timestep: dt, in the unit of the graph's time constants (seconds).
        reset: "zero" is what NIR's equations say (v = v_reset); tools that subtract, snnTorch among them, write the
            same file.
        reset_order: the reset before or behind the leak, as in `neuron.LIF`.
        compare: NIR's equations say v > v_threshold.
        discretisation: "euler", beta = 1 - dt / tau; or "exact", beta = exp(-dt / tau).
    """

    timestep: float
    reset: Literal["zero", "subtract"] = "zero"
    reset_order: Literal["before leak", "after leak"] = "before leak"
    compare: Literal[">=", ">"] = ">"
    discretisation: Literal["euler", "exact"] = "euler"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.timestep) and self.timestep > 0):
            raise BadInput(
                f"the timestep must be a positive time, such as 1e-3 (seconds), not {self.timestep!r}"
            )
        for name, known in _KNOWN.items():
            if getattr(self, name) not in known:
                raise BadInput(f"{name} must be {' or '.join(known)}, not {getattr(self, name)!r}")


_KNOWN = {
    "reset": ("zero", "subtract"), "reset_order": ("before leak", "after leak"), "compare": (">=", ">"),
    "discretisation": ("euler", "exact"),
}  # fmt: skip


class Refused(Exception):
    """Why a node has no equal here."""


WHY = {
    "CubaLI": "a readout that leaks has no node in a program; end in I, or in a CubaLIF whose spikes are counted",
    "LI": "a readout that leaks has no node in a program; end in I, or in a LIF whose spikes are counted",
    "Conv1d": "convolutions here have two dimensions; write it as Conv2d of height 1",
    "Delay": "a network here has no delays",
}


def discrete(
    kind: str, f: dict[str, Reals], r: Reading, scale: Reals | None
) -> tuple[Constants, equations.Neuron]:
    """Equation and constants of a neuron for a timestep."""
    theta = f["threshold" if kind == "Threshold" else "v_threshold"]
    if not (theta > 0).all():
        raise Refused(f"its threshold must be above 0, or rest fires, not {float(theta.min()):g}")
    if "v_reset" in f and (f["v_reset"] != 0).any():
        raise Refused(f"v_reset must be 0, not {span(f['v_reset'])}; shift potentials so that it is")
    first = start_of(tensor(theta), 1e-30, float("inf"))
    fields: dict[str, Any] = {"theta": first, "compare": r.compare}
    waiting = np.ones(1) if scale is None else scale
    if kind == "Threshold":
        return Constants(tensor(theta), torch.zeros(1), tensor(waiting)), equations.LIF(
            beta=0.0, reset="none", **fields
        )
    fields["reset"] = r.reset
    if kind == "IF":
        if r.reset_order == "after leak" and r.reset == "zero":
            raise Refused(
                "an IF has no leak, so its reset is before the input; use reset_order='before leak'"
            )
        gain = f["r"] * r.timestep * waiting
        return Constants(tensor(theta), torch.ones(1), tensor(gain)), equations.IF(**fields)
    beta, share = _leak(f["tau_mem" if kind == "CubaLIF" else "tau"], r)
    gain, start = f["r"] * share * waiting, start_of(tensor(beta), 0, 1)
    if kind == "CubaLIF":
        if f["v_leak"].any():
            raise Refused(f"v_leak must be 0, not {span(f['v_leak'])}; shift potentials so that it is")
        alpha, rise = _leak(f["tau_syn"], r)
        cuba = equations.CubaLIF(
            alpha=start_of(tensor(alpha), 0, 1), beta=start, reset_order=r.reset_order, **fields
        )
        gain = gain * f["w_in"] * rise
        return Constants(tensor(theta), tensor(beta), tensor(gain), alpha=tensor(alpha)), cuba
    offset = tensor((1 - beta) * f["v_leak"]) if f["v_leak"].any() else None
    equation = equations.LIF(beta=start, reset_order=r.reset_order, **fields)
    return Constants(tensor(theta), tensor(beta), tensor(gain), offset), equation


def _leak(tau: Reals, r: Reading) -> tuple[Reals, Reals]:
    """What is left after a timestep, and the share of its drive that is added in it."""
    if not (tau > 0).all() or (r.discretisation == "euler" and (tau < r.timestep).any()):
        raise Refused(
            f"time constants must be at least the timestep {r.timestep:g}, or 1 - dt / tau is negative, not "
            f"{float(tau.min()):g}; take a shorter timestep or discretisation='exact'"
        )
    if r.discretisation == "euler":
        return 1 - r.timestep / tau, r.timestep / tau
    return np.exp(-r.timestep / tau), 1 - np.exp(-r.timestep / tau)


def linear(f: Any, scale: Reals | None) -> torch.nn.Linear:
    weight = f["weight"].astype(np.float64)
    if weight.ndim != 2:
        raise Refused(f"its weight must be [outputs, inputs], not {list(weight.shape)}")
    if scale is not None:
        columns = flat(scale)
        if columns.size not in (1, weight.shape[1]):
            raise Refused(f"reads a scale of {columns.size} values, but has {weight.shape[1]} inputs")
        weight = weight * columns
    made = torch.nn.Linear(weight.shape[1], weight.shape[0], "bias" in f)
    _fill(made, weight, f.get("bias"))
    return made


def conv(f: Any, scale: Reals | None) -> torch.nn.Conv2d:
    weight = f["weight"].astype(np.float64)
    if weight.ndim != 4:
        raise Refused(f"its weight must be [channels, inputs, height, width], not {list(weight.shape)}")
    groups, kernel = int(f["groups"]), (weight.shape[2], weight.shape[3])
    if groups < 1 or weight.shape[0] % groups:
        raise Refused(f"its {weight.shape[0]} channels must be a multiple of its groups, not of {groups}")
    inputs = weight.shape[1] * groups
    if scale is not None:
        rows = scale.reshape(len(scale), -1) if scale.ndim > 1 else scale.reshape(-1, 1)
        if len(rows) not in (1, inputs) or not (rows == rows[:, :1]).all():
            raise Refused("reads a scale that differs within a channel; scale behind it instead")
        column = np.broadcast_to(rows[:, 0], (inputs,)).reshape(groups, 1, -1, 1, 1)
        weight = (weight.reshape(groups, -1, *weight.shape[1:]) * column).reshape(weight.shape)
    padding = f["padding"]
    if isinstance(padding, str):
        if padding not in ("valid", "same") or (padding == "same" and not all(k % 2 for k in kernel)):
            raise Refused(f"padding must be numbers, 'valid', or 'same' of odd kernels, not {padding!r}")
        padding = np.array([0, 0] if padding == "valid" else [k // 2 for k in kernel])
    stride, dilation = _pair(f["stride"]), _pair(f["dilation"])
    made = torch.nn.Conv2d(
        inputs, weight.shape[0], kernel, stride, _pair(padding), dilation, groups, bias="bias" in f
    )
    _fill(made, weight, f.get("bias"))
    return made


def pool(f: Any) -> torch.nn.AvgPool2d:
    size, stride, padding = (_pair(f[k]) for k in ("kernel_size", "stride", "padding"))
    if min(size) < 1 or min(stride) < 1 or padding != (0, 0):
        raise Refused(
            f"must have a positive window and stride and no padding, not {size}, {stride}, {padding}"
        )
    return torch.nn.AvgPool2d(size, stride)


@torch.no_grad()
def _fill(made: torch.nn.Linear | torch.nn.Conv2d, weight: Reals, bias: Any) -> None:
    made.weight.copy_(tensor(weight))
    if bias is None:
        return
    if bias.size not in (1, len(weight)):
        raise Refused(f"its bias must be one for each of {len(weight)} outputs, not {bias.size}")
    assert made.bias is not None
    made.bias.copy_(tensor(np.broadcast_to(bias.astype(np.float64).ravel(), (len(weight),))))


def _pair(x: Any) -> tuple[int, int]:
    values = np.asarray(x).ravel().astype(np.int64).tolist()
    if len(values) not in (1, 2):
        raise Refused(f"sizes must be one or two numbers, not {values}")
    return int(values[0]), int(values[-1])


def flat(x: Reals) -> Reals:
    return np.asarray(x, np.float64).ravel()


def tensor(x: Any) -> Tensor:
    return torch.from_numpy(np.array(x, np.float64)).to(torch.get_default_dtype())


def span(x: Any) -> str:
    low, high = float(np.min(x)), float(np.max(x))
    return f"{low:g}" if low == high else f"{low:g}..{high:g}"
