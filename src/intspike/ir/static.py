"""What of a program need not be computed again while its input stays the same."""

from __future__ import annotations

from .nodes import Input, Integrator, Neuron, Readout, Unfold
from .program import Program


def static_nodes(program: Program) -> frozenset[str]:
    """Nodes that depend on nothing but this timestep's input, so are computed once while it does not change."""
    static: set[str] = set()
    for n in program:
        if isinstance(n, (Neuron, Integrator, Readout, Unfold)):
            continue
        if isinstance(n, Input) or all(e.source in static and not e.delay for e in n.edges):
            static.add(n.name)
    return frozenset(static)
