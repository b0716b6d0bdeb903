"""Any program as a map: its timesteps are the engine's, its orbits those of a dictionary, its states all there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integer_networks import network
from intspike.dynamics import ProgramMap, advance, attractors, classify, damage, orbit, raster
from intspike.dynamics.orbits import _Plain
from intspike.engine import reference
from intspike.errors import BadInput
from intspike.ir import Edge, Input, Integrator, Program, Readout
from program_examples import EXAMPLES

PROGRAMS = {name: make() for name, make in EXAMPLES.items()}


def driven(name: str, seed: int, phases: int) -> ProgramMap:
    program = PROGRAMS[name]
    x = np.random.default_rng(seed).integers(
        program.input.low, program.input.high + 1, (phases, *program.input.shape)
    )
    return ProgramMap(program, x)


maps = st.builds(driven, st.sampled_from(sorted(PROGRAMS)), st.integers(0, 2**32 - 1), st.integers(1, 3))


@settings(max_examples=12, deadline=None)
@given(maps, st.integers(1, 12))
def test_from_rest_it_does_what_the_engine_does(net, steps):
    run = net.run(net.rest(2), steps)
    frames = net.frames[np.arange(steps) % net.phases]
    trace = reference.run(net.source, np.repeat(frames[:, None], 2, 1), steps)
    for n in net.source.neurons:
        assert np.array_equal(
            run.spikes[:, :, net.of_layer(n.name)], trace.spikes[n.name].reshape(steps, 2, -1)
        )
        for s in n.body.states:
            codes = run.states[:, :, net.part(n.name, s.name).place]
            assert np.array_equal(codes, trace.codes[n.name][s.name].reshape(steps, 2, -1))


@settings(max_examples=12, deadline=None)
@given(maps, st.integers(0, 2**32 - 1), st.integers(0, 2), st.integers(1, 9))
def test_compiled_timesteps_are_the_definition(net, seed, phase, steps):
    states = net.random_states(4, seed)
    after = net.run(states, steps, phase).states[-1]
    assert np.array_equal(advance(net, states, steps, phase), after)
    assert np.array_equal(net.completed(after), after)  # what follows from codes is what was sent


@settings(max_examples=8, deadline=None)
@given(maps, st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_an_orbit_is_that_of_a_dictionary(net, seed, phase):
    phase %= net.phases
    u = net.random_states(1, seed)[0]
    start, seen, at = u, {}, phase
    while (tuple(u), at) not in seen:
        seen[tuple(u), at] = len(seen)
        u, at = net.step(u, at), (at + 1) % net.phases
    transient = seen[tuple(u), at]
    period = len(seen) - transient
    found = orbit(net, start, transient + period, phase)
    assert (found.transient, found.cycle.period) == (transient, period)
    on = [k for k, t in seen.items() if t >= transient and k[1] == 0]
    assert found.cycle.state.tolist() == list(min(on)[0])
    assert classify(net, found).label != "unresolved within the budget"
    plain = _Plain(net)
    assert plain.period(start, phase, transient + period) == period
    words, rails = plain.sent(found.cycle.state, period)
    assert np.array_equal(words, found.cycle.spikes)
    assert rails == round(found.cycle.rails * words.size)


def test_an_integer_network_and_its_program_are_one_map():
    net = network(3, 4, bits=4, phases=2, reset="subtract", leak=1)
    other = ProgramMap(net.program(), net.drive)
    assert (other.size, other.neurons) == (net.size, 3)
    mine, theirs = attractors(net), attractors(other)
    assert np.array_equal(mine.successors, theirs.successors)
    assert (mine.observable_attractors, mine.attractors) == (theirs.observable_attractors, theirs.attractors)
    for u in net.random_states(5, 1):
        a, b = orbit(net, u), orbit(other, other.completed(np.concatenate([u, 0 * u])))
        assert (a.transient, a.cycle.period, a.cycle.observable) == (
            b.transient,
            b.cycle.period,
            b.cycle.observable,
        )
        assert a.cycle.rails == b.cycle.rails
        assert str(classify(net, a)) == str(classify(other, b))


def test_a_whole_graph_is_that_of_single_steps(monkeypatch):
    net = ProgramMap(network(2, 1, bits=3, reset="zero", leak=1).program(), 1)
    fast = attractors(net)
    monkeypatch.setattr("intspike.dynamics.graph.compiled", lambda network: None)
    assert np.array_equal(attractors(net).successors, fast.successors)


def test_a_kick_of_a_code_changes_what_follows_from_it():
    net = driven("several_spikes", 3, 1)
    found = damage(net, net.rest(), kick=100, steps=20)
    assert found.differing[0] == 1
    assert found.distance[0] == 100
    healed = found.merged >= 0
    states = net.rest(net.neurons)
    states[np.arange(net.neurons), net.membranes] += np.where(
        states[0, net.membranes] + 100 <= 127, 100, -100
    )
    states = net.completed(states)
    assert (states[:, net.sends] != net.rest()[net.sends]).any()  # some kicks pass a threshold
    after, orbit_itself = net.run(states, 20).states[-1], net.run(net.rest(), 20).states[-1]
    assert np.array_equal((after == orbit_itself).all(1), healed)


def test_a_raster_is_what_was_sent():
    net = driven("resting", 1, 2)
    assert np.array_equal(raster(net, net.rest(), 9)[1:], net.run(net.rest(), 8).spikes)


def test_what_cannot_be_a_map():
    program = PROGRAMS["dense"]
    for drive, words in (
        (2, r"a drive must hold input codes 0\.\.1, not 2\.\.2"),
        (np.zeros((2, 5), int), r"a drive must be one integer, \[6\] or \[P, 6\], not \[2, 5\]"),
        (0.5, "a drive must be integers"),
    ):
        with pytest.raises(BadInput, match=words):
            ProgramMap(program, drive)
    empty = Program((Input("x", (2,)), Integrator("y", Edge("x")), Readout("out", Edge("y"))))
    with pytest.raises(BadInput, match="a map needs neurons"):
        ProgramMap(empty)
    resting = PROGRAMS["resting"]
    fed = replace(resting["if"], name="late", source=Edge("total"))
    channels = {k: np.resize(a, (3, *a.shape[1:])) for k, a in fed.parameters.items()}
    running = Program((*resting.nodes[:-1], replace(fed, parameters=channels), Readout("out", Edge("late"))))
    with pytest.raises(BadInput, match="neurons read the running sum total"):
        ProgramMap(running)
    with pytest.raises(BadInput, match=r"this network has 2\^114 states; follow single states with orbit"):
        attractors(ProgramMap(PROGRAMS["convolution"]))
    with pytest.raises(BadInput, match="there is no layer 'no'"):
        ProgramMap(program).of_layer("no")
