"""Hysteresis, pulses and proved bistability of networks whose memory is known by construction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integer_networks import compiled
from intspike.dynamics import (
    IntegerNetwork,
    ProgramMap,
    attractors,
    basins,
    bistable,
    hysteresis,
    orbit,
    pulse,
)
from intspike.errors import BadInput
from program_examples import EXAMPLES

# each keeps the other firing; alone, a neuron needs a drive of ceil(6 / 4) = 2
PAIR = IntegerNetwork([[0, 6], [6, 0]], threshold=6, bits=5, reset="zero", leak=2)


def test_a_pair_that_keeps_itself_going_has_a_loop():
    found = hysteresis(PAIR, range(-3, 4))
    rising, falling = found.rates()
    assert rising[:5] == [0, 0, 0, 0, 0]  # -3..1: below the rheobase nothing begins
    assert min(rising[5:]) > 0
    assert falling[3] > 0  # at 0 it goes on
    assert set(found.loop) >= {0, 1}
    assert falling[0] == 0  # and inhibition ends it
    # the same through its program
    inputs = IntegerNetwork(PAIR.weights, 6, 5, reset="zero", leak=2, drive=[[-3, -3], [3, 3]]).program()
    again = hysteresis(ProgramMap(inputs), range(-3, 4))
    assert again.loop == found.loop
    assert again.rates() == found.rates()


def test_without_recurrence_the_drive_alone_decides():
    alone = IntegerNetwork([[0, 0], [0, 0]], threshold=6, bits=5, reset="zero", leak=2)
    assert hysteresis(alone, range(5)).loop == ()


@settings(max_examples=15, deadline=None)
@given(compiled(most_bits=4, most_neurons=3), st.integers(1, 6), st.integers(-3, 3))
def test_each_level_goes_on_from_the_last(net, budget, first):
    found = hysteresis(net, [first, first + 1, first + 3], budget=budget)
    u = net.rest()
    orbits = [*found.rising, *reversed(found.falling)]
    for d, seen in zip([*found.drives, *reversed(found.drives)], orbits, strict=True):
        now = IntegerNetwork(
            net.weights, net.threshold, net.bits, net.overflow, net.reset, net.signed, net.leak, d
        )
        made = orbit(now, u, budget)
        assert (made.transient, made.resolved) == (seen.transient, seen.resolved)
        u = now.run(u, budget).states[-1] if made.cycle is None else made.cycle.state


def test_a_pulse_sets_and_a_pulse_resets():
    up = pulse(PAIR, 5, 6)
    assert up.switched
    assert up.after.cycle.spikes.any()
    down = pulse(PAIR, -9, 4, state=up.state)
    assert down.switched
    assert not down.after.cycle.spikes.any()
    assert pulse(PAIR, 1, 50).switched is False  # below the rheobase, however long
    assert pulse(PAIR, [5, 0], 3, state=[0, 0]).drive.tolist() == [5, 0]
    slow = pulse(PAIR, 5, 1, budget=1)
    assert slow.switched is None or slow.after.resolved


def test_bistability_is_seen_and_proved():
    found = bistable(PAIR, basins(PAIR, 400, budget=500, seed=1))
    assert found.certain
    assert found.seen(0.05)
    graph = attractors(PAIR)
    quiet = sum(
        int(b)
        for b, k in zip(graph.basins, range(graph.attractors), strict=True)
        if not PAIR.spikes(graph.cycle(k)).any()
    )
    shares = (quiet / PAIR.size, 1 - quiet / PAIR.size)
    for proved, share, sampled in zip(found.proved, shares, (found.quiet, found.active), strict=True):
        assert 2**proved <= share  # a proof never claims more than there is
        assert sampled is not None
    assert found.quiet.share.low < shares[0] < found.quiet.share.high
    weak = IntegerNetwork([[0, 1], [1, 0]], threshold=6, bits=5, reset="zero", leak=2)
    alone = bistable(weak, basins(weak, 50, budget=500))
    assert alone.active is None
    assert not alone.certain
    assert not alone.seen()


def test_what_cannot_be():
    with pytest.raises(BadInput, match=r"that rise, not \[3, 2\]"):
        hysteresis(PAIR, [3, 2])
    with pytest.raises(BadInput, match="at least two"):
        hysteresis(PAIR, [3])
    with pytest.raises(BadInput, match="at least 1 timestep, not 0"):
        pulse(PAIR, 1, 0)
    with pytest.raises(BadInput, match="repeats after 2"):
        pulse(IntegerNetwork(np.zeros((1, 1), int), 3, 4, drive=[[0], [1]]), 1, 1)
    with pytest.raises(BadInput, match="a drive must hold input codes"):
        hysteresis(ProgramMap(EXAMPLES["recurrent"]()), [0, 9])
