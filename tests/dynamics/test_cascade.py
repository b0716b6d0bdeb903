"""Bounds of programs without recurrence, by brute force over every state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.dynamics import ProgramMap, as_network, attractors, settle, silence
from intspike.dynamics.graph import state_of
from intspike.errors import BadInput
from intspike.ir import Dense, Edge, Input, Offset, Program, Readout, frozen
from intspike.neuron import IF, LIF
from intspike.ops import Form, Shift, Table, Uniform
from program_examples import EXAMPLES, neuron, weights

FORMS = (
    (LIF(), Form(Table(2, 1, "before reset")), {"fractions": [-0.5, 0, 0.5, 1]}),
    (LIF(reset="zero"), Form(Table(2, 1, "after reset")), {"fractions": [-0.5, 0, 0.4, 0.8]}),
    (LIF(refractory=1), Form(Uniform(2, -1), Shift()), {"shift": np.array([8])}),
    (IF(reset="subtract"), Form(Uniform(2, -1, "wrap", "before reset")), {"shift": np.array([7])}),
)


def program(seed: int, kinds: tuple[int, ...], delay: int = 0) -> Program:
    """A cascade of layers of one or two neurons."""
    nodes: list = [Input("x", (2,), 0, 3)]
    for k, kind in enumerate(kinds):
        equation, form, more = FORMS[kind]
        width = 2 if k == 0 else 1
        read = 2 if k < 2 else 1
        more = {p: np.resize(a, width) if p == "shift" else a for p, a in more.items()}
        before = Edge("x") if k == 0 else Edge(f"n{k - 1}", delay)
        nodes += [
            Dense(f"fc{k}", before, weights(width, read, seed=seed + k, most=20)),
            neuron(f"n{k}", Edge(f"fc{k}"), width, equation, form, **more),
        ]
    return Program((*nodes, Readout("out", Edge(nodes[-1].name))))


def check(net: ProgramMap) -> None:
    """Every state of the whole program, run so long as the bounds say."""
    found = settle(net)
    graph = attractors(net)
    last = max(s.within for s in found)
    assert int(graph.longest.max()) <= last
    states = state_of(net, np.arange(len(graph.successors) // net.phases))[0]
    steps = last + min(60, max(s.period for s in found))
    if len(states) * steps > 300_000:
        states = states[:: len(states) * steps // 300_000 + 1]
    run = net.run(states, steps)
    for s in found:
        sent = run.spikes[max(0, s.within - 1) :, :, net.of_layer(s.layer)]
        if s.period < len(sent):
            assert np.array_equal(sent[s.period :], sent[: -s.period])
        if s.output == "silent":
            assert not sent.any()
        if s.output == "steady":
            assert (sent == sent[0, 0]).all()


@pytest.fixture(autouse=True)
def without_compiling_every_example(monkeypatch):
    monkeypatch.setattr("intspike.dynamics.graph.compiled", lambda network: None)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 2**16), st.lists(st.integers(0, 3), min_size=1, max_size=2), st.sampled_from([0, 3]),
    st.integers(0, 1),
)  # fmt: skip
def test_every_state_is_within_the_bounds(seed, kinds, drive, delay):
    check(ProgramMap(program(seed, tuple(kinds), delay if len(kinds) > 1 else 0), drive))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from(range(4)))
def test_of_one_layer_the_bound_is_attained(seed, kind):
    net = ProgramMap(program(seed, (kind,)), [1, 2])
    assert settle(net)[0].within == int(attractors(net).longest.max())
    assert settle(net)[0].attained


def test_a_drive_that_changes_is_counted_by_states():
    net = ProgramMap(program(1, (0,)), [[0, 1], [3, 2], [1, 1]])
    (found,) = settle(net)
    assert (found.within, found.attained) == (3 * 4 * 2, False)
    check(net)


def test_silence_that_lasts_and_silence_that_does_not():
    net = ProgramMap(program(1, (1,)), 0)
    proof = silence(net)
    assert proof is not None
    states = state_of(net, np.arange(net.size))[0]
    quiet = states[~states[:, net.sends].any(1)]
    run = net.run(quiet, proof.settles + 5)
    assert not run.spikes.any()
    assert (run.states[proof.settles :] == run.states[proof.settles]).all()
    assert (
        silence(ProgramMap(EXAMPLES["dense"](), 1)) is None
        or not ProgramMap(EXAMPLES["dense"](), 1).run(None, 50).spikes.any()
    )
    strong = Program(
        (
            Input("x", (1,), 0, 3),
            Dense("fc", Edge("x"), np.array([[30]])),
            neuron("n", Edge("fc"), 1, *FORMS[0][:2], **FORMS[0][2]),
            Readout("out", Edge("n")),
        )
    )
    assert silence(ProgramMap(strong, 3)) is None
    assert silence(ProgramMap(strong, [[0], [1]])) is None


def test_a_loop_has_no_such_bound():
    with pytest.raises(BadInput, match="but this one has a loop"):
        settle(ProgramMap(EXAMPLES["recurrent"](), 0))


def test_a_constant_map_is_part_of_the_current():
    base = program(3, (0,))
    moved = (*base.nodes[:2], Offset("moved", Edge("fc0"), frozen([7, -9])))
    nodes = (*moved, replace(base["n0"], source=Edge("moved")), base.readout)
    net = ProgramMap(Program(nodes), [1, 0])
    assert settle(net)[0].within == int(attractors(net).longest.max())
    check(net)
    assert as_network(net) is None
