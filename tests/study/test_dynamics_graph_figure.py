"""The drawn state graph: every state once, none on another, cycles inside and transients on their rings."""

from __future__ import annotations

import numpy as np
import pytest

from integer_networks import network
from intspike.dynamics import attractors
from intspike.study.dynamics.graph_figure import places, state_graph


@pytest.mark.parametrize(
    ("neurons", "bits", "phases", "seed"), [(2, 3, 1, 1), (3, 2, 2, 5), (2, 4, 1, 2), (1, 3, 1, 0)]
)
def test_every_state_has_its_place(neurons, bits, phases, seed):
    graph = attractors(network(neurons, seed, bits=bits, leak=1, reset="subtract", phases=phases))
    at = places(graph)
    apart = np.abs(at[:, None] - at[None]).max(-1) + np.eye(len(at))
    assert apart.min() > 1e-3
    for k in range(graph.attractors):
        own = np.flatnonzero(graph.labels == k)
        ring = own[graph.transients[own] == 0]
        centre = at[ring].mean(0) if len(ring) < 3 else None
        if len(ring) == 1 and centre is not None:  # rings around a steady state are exact
            radius = np.hypot(*(at[own] - centre).T)
            assert np.allclose(radius, graph.transients[own])
    boxes = [(at[graph.labels == k].min(0), at[graph.labels == k].max(0)) for k in range(graph.attractors)]
    for a in range(len(boxes)):
        for b in range(a):
            apart = (boxes[a][0] > boxes[b][1]) | (boxes[b][0] > boxes[a][1])
            assert apart.any()  # no attractor's states lie among another's
    panel = state_graph(graph)
    assert panel is not None
    drawn = panel.data
    assert sum(len(d["x"]) for d in drawn[1:]) == len(at)
    assert len(drawn) == 1 + graph.observable_attractors
    assert len(drawn[0]["x"]) == 3 * len(at)


def test_large_graphs_are_not_drawn():
    assert state_graph(attractors(network(3, 1, bits=4))) is None
