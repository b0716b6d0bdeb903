"""Neurons with more state: the equations in Python integers, the engines, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integer_networks import network
from intspike.dynamics import IntegerNetwork, RichNetwork, advance, attractors, basins, damage, orbit
from intspike.engine import native, reference
from intspike.errors import BadInput

KINDS = (
    {"refractory": 3}, {"synapse": 1}, {"adaptation": (3, 2)}, {"refractory": 1, "synapse": 2, "adaptation": (2, 1)}
)  # fmt: skip
FIELDS = (
    {"overflow": "saturate", "reset": "zero", "leak": 2, "bits": 4},
    {"overflow": "wrap", "reset": "subtract", "leak": None, "bits": 5},
    {"overflow": "saturate", "reset": "none", "signed": False, "leak": 1, "bits": 4},
)


@st.composite
def rich(draw: st.DrawFn) -> RichNetwork:
    base = network(
        draw(st.integers(1, 4)), draw(st.integers(0, 2**32 - 1)), phases=draw(st.integers(1, 2)),
        **draw(st.sampled_from(FIELDS)),
    )  # fmt: skip
    return RichNetwork(base, **draw(st.sampled_from(KINDS)))


def successor(net: RichNetwork, state: list[int], phase: int) -> list[int]:
    """One timestep in plain Python integers, written from the equation alone."""
    base, n = net.base, net.neurons
    rest = list(state)
    take = lambda: [rest.pop(0) for _ in range(n)]  # noqa: E731
    u = take()
    r = take() if net.refractory else [0] * n
    i = take() if net.synapse is not None else [0] * n
    a = take() if net.adaptation is not None else [0] * n
    sent = take()
    jump, ka = net.adaptation or (0, 0)

    def held(x: int, low: int, wrap: bool) -> int:
        size = 2**base.bits
        return (x - low) % size + low if wrap else min(max(x, low), low + size - 1)

    wraps = base.overflow == "wrap"
    made: dict[str, list[int]] = {k: [] for k in ("u", "r", "i", "a", "s")}
    for j in range(n):
        current = sum(int(w) * s for w, s in zip(base.weights[j], sent, strict=True))
        current += int(base.drive[phase % len(base.drive)][j])
        if net.synapse is not None:
            current = held(i[j] - (i[j] >> net.synapse) + current, -(2 ** (base.bits - 1)), wraps)
            made["i"].append(current)
        left = net.refractory if sent[j] else max(r[j] - 1, 0)
        made["r"].append(left)
        v = u[j]
        if sent[j] and base.reset != "none":
            v = 0 if base.reset == "zero" else v - int(base.threshold[j])
        if base.leak is not None:
            v -= v >> base.leak
        v = held(v + (0 if left else current), base.low, wraps)
        made["u"].append(v)
        extra = held(a[j] - (a[j] >> ka) + jump * sent[j], 0, False) if net.adaptation is not None else 0
        made["a"].append(extra)
        made["s"].append(int(v - extra >= int(base.threshold[j]) and not left))
    there = {
        "u": True,
        "r": net.refractory > 0,
        "i": net.synapse is not None,
        "a": net.adaptation is not None,
    }
    return [x for k, has in [*there.items(), ("s", True)] if has for x in made[k]]


@settings(max_examples=40, deadline=None)
@given(rich(), st.integers(0, 2**32 - 1), st.integers(0, 1))
def test_a_step_is_the_equation_in_python_integers(net, seed, phase):
    states = net.random_states(5, seed)
    assert net.step(states, phase).tolist() == [successor(net, u, phase) for u in states.tolist()]
    assert net.whole.step(states, phase).tolist() == net.step(states, phase).tolist()


@settings(max_examples=12, deadline=None)
@given(rich(), st.integers(1, 25))
def test_the_program_is_the_network(net, steps):
    run = net.run(steps=steps)
    trace = reference.run(net.program(), net.base.drive_for(steps), steps)
    assert np.array_equal(trace.spikes["neurons"][:, 0], run.spikes)
    assert np.array_equal(trace.codes["neurons"]["u"][:, 0], run.states[..., : net.neurons])


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_and_native_are_the_same(kind):
    net = RichNetwork(network(6, 1, bits=4, leak=2, reset="subtract", drive=3), **kind)
    states = net.random_states(20, 2)
    assert np.array_equal(advance(net, states, 15), net.run(states, 15).states[-1])
    trace = native.run(net.program(), net.base.drive_for(40), 40)
    run = net.run(steps=40)
    assert np.array_equal(trace.spikes["neurons"][:, 0], run.spikes)
    assert run.spikes.any()
    found = orbit(net, states[0], 3000)
    if found.cycle is not None:
        assert np.array_equal(advance(net, found.cycle.state, found.cycle.period), found.cycle.state)


def test_what_the_states_are_for():
    drive = IntegerNetwork([[0]], threshold=4, bits=6, reset="zero", leak=None, drive=4)
    assert orbit(drive).cycle.rate == 1.0
    assert orbit(RichNetwork(drive, refractory=3)).cycle.rate == 1 / 4
    adapting = RichNetwork(drive, adaptation=(8, 3)).run(steps=60).spikes[:, 0]
    waits = np.diff(np.flatnonzero(adapting))
    assert waits[0] < waits[-1]  # it fires ever more seldom, until jump and decay balance
    alone = IntegerNetwork([[0]], threshold=4, bits=6, reset="zero", leak=1, drive=[[3], *[[0]] * 19])
    assert not alone.run(steps=19).spikes.any()
    assert RichNetwork(alone, synapse=2).run(steps=19).spikes.any()  # a short input lasts


def test_small_ones_are_enumerated_and_sampled():
    net = RichNetwork(IntegerNetwork([[0, 3], [3, 0]], 2, 2, signed=False, leak=1), refractory=1)
    graph = attractors(net)
    assert len(graph.successors) == net.size == (4 * 2) ** 2
    sampled = basins(net, 60, budget=200)
    assert {b.cycle.id for b in sampled.attractors} <= {
        orbit(net, graph.cycle(k)[0]).cycle.id for k in range(graph.attractors)
    }
    assert damage(net, net.rest(), steps=5).differing[0] == 1


def test_what_cannot_be():
    base = IntegerNetwork([[0]], 3, 4)
    with pytest.raises(BadInput, match="needs refractory, synapse or adaptation"):
        RichNetwork(base)
    with pytest.raises(BadInput, match=r"synapse must be a shift in 0\.\.15, not 16"):
        RichNetwork(base, synapse=16)
    with pytest.raises(BadInput, match=r"the jump of adaptation must be in 1\.\.15 LSB, not 0"):
        RichNetwork(base, adaptation=(0, 1))
    with pytest.raises(BadInput, match="refractory must be in"):
        RichNetwork(base, refractory=-1)
