"""Comparing two traces: every spike, every stored code, every readout, and the first place where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput, Divergence
from .trace import Trace


@dataclass(frozen=True)
class Comparison:
    """Two engines that were compared.

    Attributes:
        a, b: their names.
        samples: how many samples were compared.
        compared: how many integers.
        mismatches: how many differ.
    """

    a: str
    b: str
    samples: int
    compared: int
    mismatches: int

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(
            self.a,
            self.b,
            self.samples + other.samples,
            self.compared + other.compared,
            self.mismatches + other.mismatches,
        )


def _fields(trace: Trace) -> Mapping[tuple[str, str], NDArray[np.generic]]:
    """Arrays [T, B, ...] in the order of a timestep: for each layer its stored codes, then its spikes."""
    fields: dict[tuple[str, str], NDArray[np.generic]] = {}
    for layer, spikes in trace.spikes.items():
        for state, codes in trace.codes.get(layer, {}).items():
            fields[layer, f"stored code of {state}"] = codes
        fields[layer, "spike"] = spikes
    return fields


def common(a: Trace, b: Trace) -> tuple[Trace, Trace, list[str]]:
    """What both traces hold: the layers and states of both, and what is left out, in words."""
    layers = [name for name in a.spikes if name in b.spikes]
    states = {n: [s for s in a.codes.get(n, {}) if s in b.codes.get(n, {})] for n in layers}

    def part(x: Trace) -> Trace:
        codes = {n: {s: x.codes[n][s] for s in kept} for n, kept in states.items() if kept}
        return Trace({n: x.spikes[n] for n in layers}, codes, x.readout, x.timesteps)

    left = sorted({f"layer {n}" for n in {**a.spikes, **b.spikes} if n not in layers})
    left += [
        f"state {s} of {n}"
        for n in layers
        for s in {**a.codes.get(n, {}), **b.codes.get(n, {})}
        if s not in states[n]
    ]
    return part(a), part(b), left


def _spoken(field: NDArray[np.generic] | None) -> str:
    if field is None:
        return "none"
    return f"{len(field)} timesteps of {field.shape[1]} samples of shape {list(field.shape[2:])}"


def compare(a: Trace, b: Trace, names: tuple[str, str]) -> Comparison:
    """Count what was compared; two traces must agree in everything.

    Raises:
        Divergence: at the first difference in time, then in the order of the layers.
        BadInput: traces of different layers, shapes or lengths.
    """
    x, y = _fields(a), _fields(b)
    for k in (k for k in {**x, **y} if k not in x or k not in y or x[k].shape != y[k].shape):
        raise BadInput(
            f"compared traces must have the same layers and shapes, but of {k[1]} of {k[0]!r} {names[0]} has "
            f"{_spoken(x.get(k))} and {names[1]} {_spoken(y.get(k))}"
        )
    if a.readout.shape != b.readout.shape:
        raise BadInput(
            f"compared traces must have the same readout, but {names[0]} has {list(a.readout.shape)} and {names[1]} "
            f"{list(b.readout.shape)}, samples first"
        )
    compared = sum(v.size for v in x.values()) + a.readout.size
    different = {k: x[k] != y[k] for k in x}
    mismatches = sum(int(d.sum()) for d in different.values()) + int((a.readout != b.readout).sum())
    samples = len(a.readout)
    if not mismatches:
        return Comparison(*names, samples, compared, 0)
    first: tuple[int, tuple[str, str]] | None = None
    for k, d in different.items():
        steps = d.reshape(len(d), -1).any(1)
        if steps.any() and (first is None or int(steps.argmax()) < first[0]):
            first = int(steps.argmax()), k
    if first is None:  # only the readout differs
        at = tuple(int(i) for i in np.argwhere(a.readout != b.readout)[0])
        raise Divergence(
            timestep=a.timesteps - 1, layer="readout", neuron=at[1:], sample=at[0], quantity="sum over time",
            expected=int(a.readout[at]), got=int(b.readout[at]), names=names, compared=compared, mismatches=mismatches,
        )  # fmt: skip
    t, (layer, quantity) = first
    where = tuple(int(i) for i in np.argwhere(different[layer, quantity][t])[0])
    raise Divergence(
        timestep=t, layer=layer, neuron=where[1:], sample=where[0], quantity=quantity,
        expected=int(x[layer, quantity][(t, *where)]), got=int(y[layer, quantity][(t, *where)]),
        names=names, compared=compared, mismatches=mismatches,
    )  # fmt: skip
