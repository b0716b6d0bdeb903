"""A state graph for other tools: DOT for Graphviz, GraphML for networkx, yEd and Gephi."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import BadInput
from .graph import StateGraph, state_of

MOST_DRAWN = 1 << 13
_COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7")


def _nodes(graph: StateGraph) -> Iterator[tuple[int, str, int, int, int]]:
    """(index, membrane potentials, attractor, transient, spikes) of every state."""
    size = len(graph.successors)
    if size > MOST_DRAWN:
        raise BadInput(
            f"a graph can be drawn up to {MOST_DRAWN:,} states, not {size:,}; fewer neurons or bits have fewer"
        )
    states, phases = state_of(graph.network, range(size))
    spikes = graph.network.spikes(states).sum(-1)
    for v in range(size):
        words = ",".join(str(u) for u in states[v])
        words = f"{words};t{phases[v]}" if graph.network.phases > 1 else words
        yield v, words, int(graph.labels[v]), int(graph.transients[v]), int(spikes[v])


def dot(graph: StateGraph) -> str:
    """The graph in DOT: one colour an observable attractor's basin, cycles with thick borders, spiking states as boxes.

    Raises:
        BadInput: too many states to draw.
    """
    lines = ["digraph states {", "  node [style=filled, fontsize=9, fontcolor=white];"]
    for v, words, attractor, transient, spikes in _nodes(graph):
        colour = _COLOURS[int(graph.observable[attractor]) % len(_COLOURS)]
        looks = f'label="{words}", fillcolor="{colour}", shape={"box" if spikes else "ellipse"}'
        lines.append(f"  s{v} [{looks}, penwidth={1 if transient else 3}];")
    lines += [f"  s{v} -> s{u};" for v, u in enumerate(graph.successors)]
    return "\n".join([*lines, "}"]) + "\n"


_KEYS = (
    ("state", "string"), ("attractor", "int"), ("observable", "int"), ("transient", "int"), ("spikes", "int")
)  # fmt: skip


def graphml(graph: StateGraph) -> str:
    """The graph in GraphML: every state with its membrane potentials, attractor, observable attractor, transient and
    number of spikes.

    Raises:
        BadInput: too many states to draw.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ]
    lines += [
        f'  <key id="{name}" for="node" attr.name="{name}" attr.type="{kind}"/>' for name, kind in _KEYS
    ]
    lines.append('  <graph edgedefault="directed">')
    for v, words, attractor, transient, spikes in _nodes(graph):
        values = (words, attractor, int(graph.observable[attractor]), transient, spikes)
        data = "".join(f'<data key="{k}">{x}</data>' for (k, _), x in zip(_KEYS, values, strict=True))
        lines.append(f'    <node id="s{v}">{data}</node>')
    lines += [f'    <edge source="s{v}" target="s{u}"/>' for v, u in enumerate(graph.successors)]
    return "\n".join([*lines, "  </graph>", "</graphml>"]) + "\n"
