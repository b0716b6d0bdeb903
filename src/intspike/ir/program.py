"""The integer program: the narrow waist between training and everything else.

A program is a directed graph of named nodes over integer tensors. Everything a tool must know to reproduce a
spike is data in it. `print(program)` is a stable, readable listing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import BadProgram, did_you_mean
from .check import check
from .clock import on_substeps, substeps
from .nodes import Input, Neuron, Node, Readout
from .text import listing


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
        object.__setattr__(self, "_shapes", check(self.nodes))

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
        return substeps(self.nodes)

    @cached_property
    def on_substeps(self) -> frozenset[str]:
        """Nodes that send once a substep: from an `Unfold` on, up to a `Fold`, which is not among them."""
        return on_substeps(self.nodes)

    @property
    def neurons(self) -> tuple[Neuron, ...]:
        return tuple(n for n in self.nodes if isinstance(n, Neuron))

    def __str__(self) -> str:
        return listing(self)
