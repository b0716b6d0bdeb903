"""The order in which the nodes of a NIR graph are read, and which of its circles are recurrent layers."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping

from ..errors import NotImportable
from .nir_file import INSIDE, Graph

NEURONS = ("LIF", "IF", "CubaLIF", "Threshold")
SYNAPSES = ("Linear", "Affine", "Conv2d")


def loops(g: Graph) -> Mapping[str, str]:
    """The layers of neurons that read themselves through a synapse, and that synapse.

    Raises:
        NotImportable: a layer with several of them.
    """
    found: dict[str, str] = {}
    for name, node in g.nodes.items():
        before, behind = [a for a, b in g.edges if b == name], [b for a, b in g.edges if a == name]
        if (
            node.kind in SYNAPSES
            and len(before) == 1
            and before == behind
            and g.nodes[before[0]].kind in NEURONS
        ):
            (layer,) = before
            if layer in found:
                raise NotImportable(
                    f"{g.where}: {layer} reads itself through {found[layer]} and {name}; add them up to one synapse"
                )
            found[layer] = name
    return found


def order(g: Graph, loop: Mapping[str, str]) -> list[str]:
    """Nodes in an order in which each reads earlier ones; synapses of loops are left out.

    Raises:
        NotImportable: more or fewer than one input and one output, or a circle of several layers.
    """
    ends = {
        kind: [n for n, x in g.nodes.items() if x.kind == kind and INSIDE not in n]
        for kind in ("Input", "Output")
    }
    for kind, found in ends.items():
        if len(found) != 1:
            raise NotImportable(f"{g.where} must have one {kind} node, not {len(found)}")
    own = set(loop.values())
    reads = {
        name: [a for a, b in g.edges if b == name and a not in own] for name in g.nodes if name not in own
    }
    try:
        return list(graphlib.TopologicalSorter(reads).static_order())
    except graphlib.CycleError as e:
        circle = " -> ".join(e.args[1])
        raise NotImportable(
            f"{g.where} is recurrent: {circle}; a network here is recurrent within a layer alone, through one synapse "
            "from its neurons to themselves"
        ) from None
