"""What makes a program legal, rule by rule; every other module may rely on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from .check_neuron import check_neuron
from .clock import check_clock
from .nodes import (
    Conv,
    Dense,
    Fold,
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
from .rules import NAME, must, within

Shape = tuple[int, ...]
MOST_ELEMENTS = 1 << 28


def check(nodes: Sequence[Node]) -> dict[str, Shape]:
    """The shape of every node, or BadProgram naming the node, the rule, what was given."""
    names: set[str] = set()
    for n in nodes:
        must(NAME.match(n.name), f"a node's name must be letters, digits, _ and ., not {n.name!r}")
        must(n.name not in names, f"node names must differ, but {n.name!r} is used twice")
        names.add(n.name)
    count = [sum(isinstance(n, kind) for n in nodes) for kind in (Input, Readout)]
    must(count[0] == 1, f"a program must have one input, not {count[0]}")
    must(count[1] == 1, f"a program must have one readout, not {count[1]}")
    shapes: dict[str, Shape] = {}
    before: set[str] = set()
    ends = {n.name for n in nodes if isinstance(n, Readout)}
    for n in nodes:
        for e in n.edges:
            must(e.source in names, f"{n.name} reads {e.source!r}, which does not exist")
            must(e.source not in ends, f"{n.name} reads {e.source}, but nothing may read a readout")
            must(0 <= e.delay <= 1024, f"{n.name}: a delay must be in 0..1024 timesteps, not {e.delay}")
            if not e.delay:
                must(e.source in before, f"{n.name} reads {e.source} undelayed, so must stand behind it")
        before.add(n.name)
    check_clock(nodes)
    # delayed edges may point forwards: go round until every shape is known, in a loop from a node that has its own
    remaining = list(nodes)
    while remaining:
        ready = [n for n in remaining if all(e.source in shapes for e in n.edges)]
        for n in ready:
            shapes[n.name] = node_shape(n, shapes)
            must(
                prod(shapes[n.name]) <= MOST_ELEMENTS,
                f"{n.name}: a node must have at most {MOST_ELEMENTS} elements, not {prod(shapes[n.name])}",
            )
        known = {n.name for n in ready}
        remaining = [n for n in remaining if n.name not in known]
        if not ready:
            own = {n.name: s for n in remaining if n.name not in shapes for s in [_own_shape(n, shapes)] if s}
            must(
                own,
                f"the shapes of {', '.join(n.name for n in remaining)} cannot be known: no node of the loop has one",
            )
            shapes |= own
    return shapes


def _own_shape(n: Node, shapes: Mapping[str, Shape]) -> Shape | None:
    """The shape of a node in a loop, before all that it reads is known; checked when it is."""
    if isinstance(n, Dense) and n.weight.ndim == 2:
        return (n.weight.shape[0],)
    return next((shapes[e.source] for e in n.edges if isinstance(n, Join) and e.source in shapes), None)


def node_shape(n: Node, shapes: Mapping[str, Shape]) -> Shape:
    """The shape of a node that is legal on inputs of these shapes, or BadProgram."""
    match n:
        case Input():
            must(
                n.shape and all(isinstance(d, int) and 0 < d <= 1 << 24 for d in n.shape),
                f"{n.name}: a shape must be positive integers, not {n.shape}",
            )
            must(n.low <= n.high, f"{n.name}: a range must not be empty, but is {n.low}..{n.high}")
            must(n.low >= -(1 << 31) and n.high < 1 << 31, f"{n.name}: an input must fit 32 bits")
            return n.shape
        case Dense():
            s = shapes[n.source.source]
            must(n.weight.ndim == 2, f"{n.name}: weight must be [N, M], not {n.weight.shape}")
            must(
                n.weight.shape[1] == prod(s),
                f"{n.name}: weight {n.weight.shape} must have as many columns as its input {s} has elements",
            )
            _small(n.name, n.weight)
            return (n.weight.shape[0],)
        case Conv():
            return _conv_shape(n, shapes[n.source.source])
        case Pool():
            return _pool_shape(n, shapes[n.source.source])
        case Join():
            return _join_shape(n, [shapes[e.source] for e in n.sources])
        case Offset():
            s = shapes[n.source.source]
            must(n.offset.shape == s, f"{n.name}: offset must be {list(s)}, not {list(n.offset.shape)}")
            must(n.offset.dtype == np.int64, f"{n.name}: an offset must be int64, not {n.offset.dtype}")
            must(within(n.offset, 40), f"{n.name}: an offset must fit 40 bits")
            return s
        case Unfold() | Fold():
            return shapes[n.source.source]
        case Neuron():
            s = shapes[n.source.source]
            check_neuron(n.name, n.body, n.parameters, s[0])
            return s
        case Integrator():
            must(2 <= n.bits <= 62, f"{n.name}: the bits of an integrator must be in 2..62, not {n.bits}")
            return shapes[n.source.source]
        case Readout():
            must(n.kind in ("count", "last", "maximum"), f"{n.name}: unknown readout {n.kind!r}")
            return shapes[n.source.source]


def _small(name: str, weight: np.ndarray) -> None:
    must(weight.dtype == np.int64, f"{name}: a weight must be int64, not {weight.dtype}")
    must(weight.size > 0, f"{name}: a weight must not be empty")
    must(within(weight, 31), f"{name}: weight codes must fit 32 bits")


def _pair(name: str, what: str, pair: tuple[int, int], low: int) -> None:
    must(
        len(pair) == 2 and all(isinstance(d, int) and low <= d <= 1 << 16 for d in pair),
        f"{name}: {what} must be two integers from {low} up, not {pair}",
    )


def _conv_shape(n: Conv, s: Shape) -> Shape:
    must(len(s) == 3, f"{n.name}: a convolution must read (C, H, W), not {s}")
    must(
        n.weight.ndim == 4, f"{n.name}: weight must be [C_out, C_in / groups, H_k, W_k], not {n.weight.shape}"
    )
    _small(n.name, n.weight)
    _pair(n.name, "stride", n.stride, 1)
    _pair(n.name, "padding", n.padding, 0)
    out, per_group, kh, kw = n.weight.shape
    must(n.groups >= 1 and out % n.groups == 0, f"{n.name}: groups {n.groups} must divide {out} outputs")
    must(
        per_group * n.groups == s[0],
        f"{n.name}: weight {n.weight.shape} in {n.groups} groups reads {per_group * n.groups} channels, not {s[0]}",
    )
    h = (s[1] + 2 * n.padding[0] - kh) // n.stride[0] + 1
    w = (s[2] + 2 * n.padding[1] - kw) // n.stride[1] + 1
    must(
        kh <= s[1] + 2 * n.padding[0] and kw <= s[2] + 2 * n.padding[1],
        f"{n.name}: kernel {kh}x{kw} must fit the padded input {s[1]}x{s[2]}",
    )
    return out, h, w


def _pool_shape(n: Pool, s: Shape) -> Shape:
    must(len(s) == 3, f"{n.name}: a pool must read (C, H, W), not {s}")
    must(n.kind in ("max", "sum", "or"), f"{n.name}: a pool must be max, sum or or, not {n.kind!r}")
    _pair(n.name, "size", n.size, 1)
    _pair(n.name, "stride", n.stride, 1)
    must(n.size[0] <= s[1] and n.size[1] <= s[2], f"{n.name}: window {n.size} must fit the input {s}")
    if n.minimum is not None:
        must(n.kind == "max", f"{n.name}: only a max pool can take minima")
        must(n.minimum.shape == (s[0],), f"{n.name}: minimum must be [{s[0]}], not {n.minimum.shape}")
        must(np.isin(n.minimum, (0, 1)).all(), f"{n.name}: minimum must hold 0 and 1 alone")
    return s[0], (s[1] - n.size[0]) // n.stride[0] + 1, (s[2] - n.size[1]) // n.stride[1] + 1


def _join_shape(n: Join, inputs: list[Shape]) -> Shape:
    must(len(inputs) >= 2, f"{n.name}: a join must read at least two nodes, not {len(inputs)}")
    must(n.kind in ("add", "and", "iand"), f"{n.name}: a join must be add, and or iand, not {n.kind!r}")
    must(n.kind == "add" or len(inputs) == 2, f"{n.name}: {n.kind} must read two nodes, not {len(inputs)}")
    must(len(set(inputs)) == 1, f"{n.name}: joined shapes must be equal, not {', '.join(map(str, inputs))}")
    if n.shifts:
        must(n.kind == "add", f"{n.name}: only an add can shift its inputs")
        must(
            len(n.shifts) == len(inputs) and all(0 <= k <= 31 for k in n.shifts),
            f"{n.name}: shifts must be one number in 0..31 an input, not {n.shifts}",
        )
    return inputs[0]
