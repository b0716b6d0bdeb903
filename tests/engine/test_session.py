"""Compiled sessions, stepped one timestep at a time: every integer equals the reference's."""

from __future__ import annotations

import random

import numpy as np
import pytest

from intspike import native as compilers
from intspike.engine import reference, stepwise
from intspike.engine.native import Session
from intspike.errors import BadInput
from program_examples import EXAMPLES
from strategies import random_inputs

needs_a_compiler = pytest.mark.skipif(compilers.compiler() is None, reason="no C compiler")


@pytest.mark.parametrize("compiled", [pytest.param(True, marks=needs_a_compiler), False])
@pytest.mark.parametrize("name", EXAMPLES)
def test_sessions_equal_the_reference(name: str, compiled: bool, monkeypatch: pytest.MonkeyPatch):
    if not compiled:
        monkeypatch.setattr(stepwise, "compiler", lambda: None)
    program = EXAMPLES[name]()
    ours, theirs = Session(program, 3, threads=2), reference.Session(program, 3)
    assert ours.readout is None
    for seed in (1, 2):
        x = random_inputs(random.Random(seed), program, 3, 8, static=False)
        for t in range(8):
            static = t in (0, 3, 4)  # the first has no frame before it
            frame = x[2] if t in (3, 4) else x[t]
            spikes = ours.step(frame, static)
            theirs.step(frame, static)
            assert ours.t == theirs.t == t + 1
            for n in program.neurons:
                assert (spikes[n.name] == theirs.spikes[n.name]).all(), (n.name, t)
                for s in n.body.states:
                    assert (ours.codes[n.name][s.name] == theirs.codes[n.name][s.name]).all(), (n.name, t)
            assert ours.readout is not None
            assert (ours.readout == theirs.readout).all()
        ours.reset()
        theirs.reset()
        assert ours.t == 0
        assert ours.readout is None
        for n in program.neurons:
            assert not ours.spikes[n.name].any()
            for s in n.body.states:
                assert (ours.codes[n.name][s.name] == n.body.codec(s.name).rest).all()


@needs_a_compiler
def test_what_a_session_gave_stays():
    program = EXAMPLES["convolution"]()
    session, x = Session(program, 1), random_inputs(random.Random(3), program, 1, 2, static=False)
    first = {k: v.copy() for k, v in session.step(x[0]).items()}
    kept = session.spikes
    session.step(x[1])
    assert all((kept[k] == first[k]).all() for k in first)


def test_a_session_refuses_other_batches():
    with pytest.raises(BadInput, match="at least one"):
        Session(EXAMPLES["dense"](), 0)
    with pytest.raises(BadInput, match="3 samples, not 2"):
        Session(EXAMPLES["dense"](), 3).step(np.zeros((2, 6), np.uint8))
