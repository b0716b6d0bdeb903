"""The integer program: the narrow waist between training and everything else.

A program is a directed graph of named nodes over integer tensors. Everything a tool must know to reproduce a
spike is data in it. `print(program)` is a stable, readable listing.

Shapes leave out time and batch: an image is (C, H, W), a layer of neurons (N,) or (C, H, W), axis 0 the channel.
Integer arrays are int64 and read-only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadProgram, did_you_mean
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


@dataclass(frozen=True, eq=False)
class Program:
    """A checked integer program; two are equal where they are one (`ir.artifact.content_hash` compares content).

    Attributes:
        nodes: in an order in which every undelayed edge points backwards.
        units: real value of one LSB of a node's output or membrane, per channel: bookkeeping, never computed with.
        notes: short texts for people (where it came from); never reach generated code.

    Raises:
        BadProgram: a rule of `ir.check` is broken.
    """

    nodes: tuple[Node, ...]
    units: Mapping[str, NDArray[np.float64]] = field(default_factory=dict[str, NDArray[np.float64]])
    notes: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        from .check import check

        object.__setattr__(self, "_shapes", check(self))

    @cached_property
    def by_name(self) -> dict[str, Node]:
        return {n.name: n for n in self.nodes}

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of each node's output, without time and batch."""
        return self._shapes  # type: ignore[attr-defined, no-any-return]

    def __getitem__(self, name: str) -> Node:
        if name not in self.by_name:
            raise BadProgram(f"there is no node {name!r}; {did_you_mean(name, self.by_name)}")
        return self.by_name[name]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    @property
    def input(self) -> Input:
        return next(n for n in self.nodes if isinstance(n, Input))

    @property
    def readout(self) -> Readout:
        return next(n for n in self.nodes if isinstance(n, Readout))

    @property
    def substeps(self) -> int:
        """Substeps of a timestep; 1 where the program has no substep clock."""
        return next((n.substeps for n in self.nodes if isinstance(n, Unfold)), 1)

    @cached_property
    def on_substeps(self) -> frozenset[str]:
        """Nodes that send once a substep: from an `Unfold` on, up to a `Fold`, which is not among them."""
        from .clock import on_substeps

        return on_substeps(self.nodes)

    @property
    def neurons(self) -> tuple[Neuron, ...]:
        return tuple(n for n in self.nodes if isinstance(n, Neuron))

    def __str__(self) -> str:
        from .text import listing

        return listing(self)
