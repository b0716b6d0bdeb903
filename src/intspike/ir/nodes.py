"""Nodes of a program, and the edges between them.

Shapes leave out time and batch: an image is (C, H, W), a layer of neurons (N,) or (C, H, W), axis 0 the channel.
Integer arrays are int64 and read-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import BadProgram
from ..ops.body import Body

Ints = NDArray[np.int64]


def frozen(x: Any) -> Ints:
    """A read-only int64 copy."""
    a = np.array(x)
    if a.dtype.kind not in "iub":
        raise BadProgram(f"the numbers of a program must be integers, not {a.dtype}")
    a = a.astype(np.int64)
    a.flags.writeable = False
    return a


@dataclass(frozen=True)
class Edge:
    """Where a node reads: another node's output, `delay` timesteps ago (0: this timestep). It starts at 0."""

    source: str
    delay: int = 0


@dataclass(frozen=True)
class Input:
    """What comes in: integers in low..high of a shape; in a run static (one frame) or one frame a timestep."""

    name: str
    shape: tuple[int, ...]
    low: int = 0
    high: int = 255

    @property
    def edges(self) -> tuple[Edge, ...]:
        return ()


@dataclass(frozen=True)
class Dense:
    """Every input to every output: y = weight @ x, weight [N, M]; x is flattened in C order."""

    name: str
    source: Edge
    weight: Ints

    @property
    def edges(self) -> tuple[Edge, ...]:
        return (self.source,)


@dataclass(frozen=True)
class Conv:
    """Two-dimensional convolution (cross-correlation), weight [C_out, C_in / groups, H_k, W_k], zero padding."""

    name: str
    source: Edge
    weight: Ints
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    groups: int = 1

    @property
    def edges(self) -> tuple[Edge, ...]:
        return (self.source,)


@dataclass(frozen=True)
class Pool:
    """Non-padded window over each channel: "max", "sum", or "or" (of spikes 0/1).

    Attributes:
        minimum: per channel 1 where a "max" takes the minimum instead (a norm of negative gain follows).
    """

    name: str
    source: Edge
    kind: Literal["max", "sum", "or"]
    size: tuple[int, int]
    stride: tuple[int, int]
    minimum: Ints | None = None

    @property
    def edges(self) -> tuple[Edge, ...]:
        return (self.source,)


@dataclass(frozen=True)
class Join:
    """Elementwise: "add" of x_i * 2^shift_i, or "and" / "iand" (not a, and b) of two spike tensors."""

    name: str
    sources: tuple[Edge, ...]
    kind: Literal["add", "and", "iand"] = "add"
    shifts: tuple[int, ...] = ()

    @property
    def edges(self) -> tuple[Edge, ...]:
        return self.sources


@dataclass(frozen=True)
class Offset:
    """A constant map added to sums, y = x + offset: what shifted inputs of a padded synapse lack."""

    name: str
    source: Edge
    offset: Ints

    @property
    def edges(self) -> tuple[Edge, ...]:
        return (self.source,)


@dataclass(frozen=True)
class Unfold:
    """Integers 0..substeps as spikes in thermometer order: y[d] = [x > d] at the substeps d = 0, 1, ... of a timestep.

    What it feeds runs on the substep clock, `substeps` times a timestep, up to a `Fold`.
    """

    name: str
    source: Edge
    substeps: int

    @property
    def edges(self) -> tuple[Edge, ...]:
        return (self.source,)


@dataclass(frozen=True)
class Fold:
    """Sum over the substeps of a timestep: the end of the substep clock."""

    name: str
    source: Edge

    @property
    def edges(self) -> tuple[Edge, ...]:
        return (self.source,)


@dataclass(frozen=True)
class Neuron:
    """A layer of neurons: one body, constants per channel.

    Attributes:
        body: one timestep.
        parameters: [C], [C, entries] or [C, rows, entries] for each name the body reads.
    """

    name: str
    source: Edge
    body: Body
    parameters: Mapping[str, Ints]

    @property
    def edges(self) -> tuple[Edge, ...]:
        return (self.source,)


@dataclass(frozen=True)
class Integrator:
    """Running sum over time: y[t] = y[t-1] + x[t], y[-1] = 0. Its range proof names the longest run."""

    name: str
    source: Edge
    bits: int = 32

    @property
    def edges(self) -> tuple[Edge, ...]:
        return (self.source,)


@dataclass(frozen=True)
class Readout:
    """What comes out, a number per element: "count" (sum over time), "last", or "maximum" over time.

    The class is the largest; ties go to the lowest index.
    """

    name: str
    source: Edge
    kind: Literal["count", "last", "maximum"] = "count"

    @property
    def edges(self) -> tuple[Edge, ...]:
        return (self.source,)


Node = Input | Dense | Conv | Pool | Join | Offset | Unfold | Fold | Neuron | Integrator | Readout
NODES: tuple[type[Node], ...] = (
    Input, Dense, Conv, Pool, Join, Offset, Unfold, Fold, Neuron, Integrator, Readout,
)  # fmt: skip


class Graph(Protocol):
    """Legal nodes and the shapes of their outputs: what a program is to its proofs and its listing."""

    @property
    def nodes(self) -> tuple[Node, ...]: ...

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]: ...
