"""Range proofs: bounds of every integer of a program, and the widths that follow.

For one node with free inputs the bounds are attained; across nodes they are sound. A synaptic sum's bound also
bounds every partial sum in any order, so accumulators of the proved width cannot overflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import RangeExceeded
from ..fixed import bits_for
from ..ops.intervals import intervals
from .clock import substeps
from .nodes import (
    Conv,
    Dense,
    Edge,
    Fold,
    Graph,
    Input,
    Integrator,
    Join,
    Neuron,
    Node,
    Offset,
    Pool,
    Readout,
    Unfold,
)

Ints = NDArray[np.int64]
Bound = tuple[Ints, Ints]  # per element of a node's shape
LIMIT = 1 << 62


@dataclass(frozen=True)
class Range:
    """Bounds of a node.

    Attributes:
        low, high: smallest and largest output.
        sum_low, sum_high: of the wide sum: every partial sum of a synapse in any order, or, in a neuron, the
            membrane before it is stored (with the current that enters it).
        steps: bounds [C] of every instruction of a neuron's body, by index.
    """

    low: int
    high: int
    sum_low: int
    sum_high: int
    steps: Mapping[int, tuple[Ints, Ints]]

    @property
    def bits(self) -> int:
        """Width of the wide sum (two's complement if it can be negative)."""
        return bits_for(self.sum_low, self.sum_high)[0]


def ranges(program: Graph, timesteps: int = 1024) -> dict[str, Range]:
    """Proved bounds of every node.

    Args:
        timesteps: the longest run for which integrators and readouts are proved.

    Raises:
        RangeExceeded: a sum could leave 62 bits, or an integrator its declared width, within that run.
    """
    # what a neuron sends is declared, so a loop through one is no circle
    bounds: dict[str, Bound] = {
        n.name: (np.zeros(s, np.int64), np.full(s, n.body.spikes))
        for n in program.nodes
        if isinstance(n, Neuron)
        for s in [program.shapes[n.name]]
    }
    proved: dict[str, Range] = {}
    left = list(program.nodes)
    while left:
        ready = [n for n in left if all(e.source in bounds for e in n.edges)]
        if not ready:
            names = ", ".join(n.name for n in left)
            raise RangeExceeded(f"a loop must pass through a neuron, or its sum grows for ever: {names}")
        for n in ready:
            inputs = [_delayed(bounds[e.source], e) for e in n.edges]
            bounds[n.name], proved[n.name] = _range(n, inputs, program, timesteps)
        left = [n for n in left if n.name not in proved]
    return {n.name: proved[n.name] for n in program.nodes}


def _delayed(b: Bound, e: Edge) -> Bound:
    return (np.minimum(b[0], 0), np.maximum(b[1], 0)) if e.delay else b


def _positive_negative(weight: Ints) -> tuple[Ints, Ints]:
    return np.maximum(weight, 0), np.minimum(weight, 0)


def _range(n: Node, inputs: list[Bound], program: Graph, timesteps: int) -> tuple[Bound, Range]:
    shape = program.shapes[n.name]
    partial: Bound | None = None
    steps: Mapping[int, tuple[Ints, Ints]] = {}
    match n:
        case Input():
            out = np.full(shape, n.low, np.int64), np.full(shape, n.high, np.int64)
        case Dense():
            p, m = _positive_negative(n.weight)
            low, high = (b.reshape(-1) for b in inputs[0])
            _guard(n.name, np.abs(n.weight).sum(1).max(), low, high)
            out = p @ low + m @ high, p @ high + m @ low
            none, most = np.minimum(low, 0), np.maximum(high, 0)
            partial = p @ none + m @ most, p @ most + m @ none
        case Conv():
            p, m = _positive_negative(n.weight)
            low, high = inputs[0]
            _guard(n.name, np.abs(n.weight).reshape(len(n.weight), -1).sum(1).max(), low, high)
            none, most = np.minimum(low, 0), np.maximum(high, 0)
            out = conv(n, low, p) + conv(n, high, m), conv(n, high, p) + conv(n, low, m)
            partial = conv(n, none, p) + conv(n, most, m), conv(n, most, p) + conv(n, none, m)
        case Pool():
            low, high = (windows(n, b) for b in inputs[0])
            if n.kind == "or" and (int(low.min()) < 0 or int(high.max()) > 1):
                raise RangeExceeded(
                    f"{n.name}: an or pool must read spikes of 0 or 1, but its input could reach "
                    f"{int(low.min())}..{int(high.max())}; use a max pool"
                )
            if n.kind == "sum":
                _guard(n.name, n.size[0] * n.size[1], low, high)
                out = low.sum((-1, -2)), high.sum((-1, -2))
                none, most = np.minimum(low, 0).sum((-1, -2)), np.maximum(high, 0).sum((-1, -2))
                partial = none, most
            else:
                flip = np.zeros(shape[0], bool) if n.minimum is None else n.minimum.astype(bool)
                pick = flip[:, None, None]
                out = (
                    np.where(pick, low.min((-1, -2)), low.max((-1, -2))),
                    np.where(pick, high.min((-1, -2)), high.max((-1, -2))),
                )
        case Join():
            out = _join(n, inputs)
            partial = _join(n, [(np.minimum(low, 0), np.maximum(high, 0)) for low, high in inputs])
        case Offset():
            low, high = inputs[0]
            out = low + n.offset, high + n.offset
            # what is exported starts from the offset, or adds it last
            partial = np.minimum(np.minimum(low, 0), out[0]), np.maximum(np.maximum(high, 0), out[1])
        case Unfold():
            low, high = inputs[0]
            if int(low.min()) < 0 or int(high.max()) > n.substeps:
                raise RangeExceeded(
                    f"{n.name}: {n.substeps} substeps hold integers in 0..{n.substeps}, but its input could reach "
                    f"{int(low.min())}..{int(high.max())}; use more substeps"
                )
            out = np.zeros(shape, np.int64), np.minimum(high, 1)
        case Fold():
            low, high = inputs[0]
            count = substeps(program.nodes)
            _guard(n.name, count, low, high)
            out = low * count, high * count
            partial = np.minimum(out[0], 0), np.maximum(out[1], 0)
        case Neuron():
            low, high = (b.reshape(shape[0], -1) for b in inputs[0])
            steps = intervals(n.body, n.parameters, low.min(1), high.max(1))
            zero = np.zeros(shape, np.int64)
            out = zero, zero + n.body.spikes
            sent = steps[n.body.spike]  # must be proved, because loops rely on it
            if int(sent[0].min()) < 0 or int(sent[1].max()) > n.body.spikes:
                raise RangeExceeded(
                    f"{n.name}: the output must be proved to lie in 0..{n.body.spikes}, but could reach "
                    f"{int(sent[0].min())}..{int(sent[1].max())}; let step return what fire returns"
                )
            sums = [steps[n.body.instructions[k].args[0]] for k in n.body.stores]
            currents = [b for k, b in steps.items() if "current" in n.body.provenance[k]]
            every = [*sums, *currents]
            partial = (
                np.array([min(int(b[0].min()) for b in every)]),
                np.array([max(int(b[1].max()) for b in every)]),
            )
        case Integrator():
            low, high = inputs[0]
            _guard(n.name, timesteps, low, high)
            partial = out = np.minimum(low, 0) * timesteps, np.maximum(high, 0) * timesteps
            fits = bits_for(int(out[0].min()), int(out[1].max()))[0]
            if fits > n.bits:
                raise RangeExceeded(
                    f"{n.name}: an integrator of {n.bits} bits must hold {timesteps} timesteps, but needs {fits} "
                    "bits; declare more bits or prove a shorter run"
                )
        case Readout():
            low, high = inputs[0]
            if n.kind == "count":
                _guard(n.name, timesteps, low, high)
                low, high = np.minimum(low, 0) * timesteps, np.maximum(high, 0) * timesteps
            partial = out = low, high
    partial = partial or out
    result = Range(
        int(out[0].min()),
        int(out[1].max()),
        min(int(partial[0].min()), int(out[0].min())),
        max(int(partial[1].max()), int(out[1].max())),
        steps,
    )
    if result.sum_low <= -LIMIT or result.sum_high >= LIMIT:
        raise RangeExceeded(
            f"{n.name}: a sum must fit 62 bits, but could reach {result.sum_low}..{result.sum_high}; "
            "use smaller weights or a shorter run"
        )
    return out, result


def _guard(name: str, weight: int, low: Ints, high: Ints) -> None:
    """Refuse before int64 arithmetic itself could overflow."""
    most = max(abs(int(low.min())), abs(int(high.max())))
    if int(weight) * most >= LIMIT:
        raise RangeExceeded(
            f"{name}: a sum must fit 62 bits, but could reach {int(weight) * most}; use smaller weights"
        )


def _join(n: Join, inputs: list[Bound]) -> Bound:
    if n.kind == "add":
        shifts = n.shifts or (0,) * len(inputs)
        for b, k in zip(inputs, shifts, strict=True):
            _guard(n.name, len(inputs) << k, *b)
        low = sum(b[0] << k for b, k in zip(inputs, shifts, strict=True))
        high = sum(b[1] << k for b, k in zip(inputs, shifts, strict=True))
        return np.asarray(low), np.asarray(high)
    zero = np.zeros_like(inputs[0][0])
    return zero, zero + 1


def windows(n: Pool, x: Ints) -> Ints:
    """Sliding windows of a pool over the last two axes: [..., H_out, W_out, size_h, size_w]."""
    view = np.lib.stride_tricks.sliding_window_view(x, n.size, axis=(-2, -1))  # type: ignore[call-overload]
    return view[..., :: n.stride[0], :: n.stride[1], :, :]


def conv(n: Conv, x: Ints, weight: Ints) -> Ints:
    """Integer convolution of x [..., C, H, W] with the geometry of a node and any weight of its shape."""
    (ph, pw), (sh, sw) = n.padding, n.stride
    lead, (channels, h, w) = x.shape[:-3], x.shape[-3:]
    padded = np.zeros((*lead, channels, h + 2 * ph, w + 2 * pw), np.int64)
    padded[..., ph : ph + h, pw : pw + w] = x
    out, per_group, kh, kw = weight.shape
    ho, wo = (h + 2 * ph - kh) // sh + 1, (w + 2 * pw - kw) // sw + 1
    each = out // n.groups
    result = np.zeros((*lead, out, ho * wo), np.int64)
    for g in range(n.groups):
        # one tap at a time: a plain integer matrix product over the input channels
        for i in range(kh):
            for j in range(kw):
                tap = weight[g * each : (g + 1) * each, :, i, j]
                if not tap.any():
                    continue
                view = padded[
                    ..., g * per_group : (g + 1) * per_group, i : i + sh * ho : sh, j : j + sw * wo : sw
                ]
                view = view[..., :ho, :wo].reshape(*lead, per_group, ho * wo)
                result[..., g * each : (g + 1) * each, :] += tap @ view
    return result.reshape(*lead, out, ho, wo)
