"""The Boolean form says what the network does, judged by its text alone and by another tool."""

from __future__ import annotations

import re

import numpy as np
import pytest

from integer_networks import network
from intspike.dynamics import IntegerNetwork, ProgramMap, RichNetwork, attractors, bnet
from intspike.dynamics.boolean import binary, bits_of
from intspike.errors import BadInput
from program_examples import EXAMPLES

NETWORKS = (
    network(2, 3, bits=3, leak=1, reset="subtract"),
    network(3, 1, bits=2, leak=1, reset="zero", signed=False),
    IntegerNetwork([[0, 3], [3, 0]], threshold=3, bits=3, reset="zero", leak=1),
    network(2, 5, bits=3, leak=None, reset="none", overflow="wrap"),
    RichNetwork(IntegerNetwork([[0, 3], [2, 0]], 2, 2, signed=False, leak=1, drive=[1, 0]), refractory=1),
)


def parsed(text: str) -> dict[str, str]:
    """Each bit's function as Python."""
    lines = text.splitlines()
    assert lines[0] == "targets, factors"
    rules = dict(line.split(", ", 1) for line in lines[1:])
    return {k: re.sub(r"!(\w+)", r"(1 - \1)", v) for k, v in rules.items()}


def cycles(after: list[int]) -> list[list[int]]:
    """Of a map given as a list: its cycles, by following every state."""
    found: dict[int, list[int]] = {}
    for v in range(len(after)):
        seen: dict[int, None] = {}
        while v not in seen:
            seen[v] = None
            v = after[v]
        states = list(seen)[list(seen).index(v) :]
        found[min(states)] = sorted(states)
    return [found[k] for k in sorted(found)]


@pytest.mark.parametrize("net", NETWORKS)
def test_the_text_alone_has_the_same_attractors(net):
    rules = parsed(bnet(net))
    names = bits_of(net)
    assert list(rules) == names
    every = binary(net, np.arange(net.size))
    weights = 1 << np.arange(len(names))
    at = {int(w): k for k, w in enumerate(every @ weights)}
    code = {k: compile(v, k, "eval") for k, v in rules.items()}
    after = []
    for row in every.tolist():
        values = dict(zip(names, row, strict=True))
        after.append(
            at[sum(int(w) * (eval(code[k], {}, values) & 1) for k, w in zip(names, weights, strict=True))]
        )
    graph = attractors(net)
    assert after == graph.successors.tolist()
    assert len(cycles(after)) == graph.attractors
    assert [len(c) for c in cycles(after)] == graph.periods.tolist()


@pytest.mark.parametrize("net", NETWORKS)
def test_another_tool_reads_the_same_network(net):
    aeon = pytest.importorskip("biodivine_aeon")
    read = aeon.BooleanNetwork.from_bnet(bnet(net))
    symbolic = aeon.AsynchronousGraph(read)
    names = bits_of(net)
    assert sorted(read.variable_names()) == sorted(names)
    graph = attractors(net)
    every = binary(net, np.arange(net.size))
    index = {tuple(row): k for k, row in enumerate(every.tolist())}
    # its steady states, which no order of updates changes
    found = [s.to_dict() for s in aeon.FixedPoints.symbolic(symbolic).vertices()]
    named = [{read.get_variable_name(i): int(x) for i, x in s.items()} for s in found]
    steady = {index[tuple(s[k] for k in names)] for s in named}
    assert steady == set(graph.least[graph.periods == 1].tolist())
    # which bits it would change in a state, all at once: its synchronous map, and so its cycles
    after = []
    for row in every.tolist():
        here = symbolic.mk_subspace(dict(zip(names, map(bool, row), strict=True)))
        flips = [not symbolic.var_can_post(k, here).is_empty() for k in names]
        after.append(index[tuple(x ^ f for x, f in zip(row, flips, strict=True))])
    assert after == graph.successors.tolist()
    assert [len(c) for c in cycles(after)] == graph.periods.tolist()


def test_what_has_no_boolean_form():
    with pytest.raises(BadInput, match="up to 14 bits of state as Boolean functions, not 16"):
        bnet(network(4, bits=4))
    with pytest.raises(BadInput, match="repeats after 2 timesteps"):
        bnet(network(2, bits=2, phases=2))
    with pytest.raises(BadInput, match="a power of two of values"):
        bits_of(ProgramMap(EXAMPLES["recurrent"]()))
