"""Certificates hold for every trajectory, the checker refuses false ones, and it imports nothing of the provers."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from integer_networks import compiled, networks, successor
from intspike.dynamics import (
    Bounded,
    IntegerNetwork,
    Quiescent,
    Rheobase,
    Trap,
    certify,
    check,
    flaw,
    orbit,
    prove_bounded,
    prove_quiescent,
    prove_rheobase,
    prove_silence,
    prove_trap,
    raster,
    verified,
)
from intspike.errors import BadInput


def sparse(seed, neurons=12, most=9, **fields):
    r = np.random.default_rng(seed)
    weights = r.integers(-most, most + 1, (neurons, neurons)) * (r.random((neurons, neurons)) < 0.3)
    return IntegerNetwork(
        weights, **{"threshold": r.integers(20, 60, neurons), "bits": 8, "leak": 3} | fields
    )


def inside(box, count, seed):
    r = np.random.default_rng(seed)
    lows, highs = (np.array(side) for side in box)
    return r.integers(lows, highs, (count, len(lows)), endpoint=True)


# ---------------------------------------------------------------- they hold


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("signed", [True, False])
def test_quiescence_holds_for_ten_thousand_trajectories(reset, signed):
    trajectories, tightest = 0, 0.0
    for seed in range(15):
        net = sparse(seed, reset=reset, signed=signed)
        proof = prove_quiescent(net)
        if proof is None:
            continue
        states = net.random_states(200, seed)
        run = net.run(states, 60)
        spikes = np.concatenate([net.spikes(states)[None], run.spikes])
        a, theta = np.array(proof.potential, object), np.array(proof.thresholds, object)
        spent = (spikes.sum(0).astype(object) * a * theta).sum(1)
        energy = [proof.energy(u) for u in states]
        assert all(Fraction(int(s)) <= Fraction(e) / proof.decay for s, e in zip(spent, energy, strict=True))
        most = [proof.most_spikes(u) for u in states]
        assert (spikes.sum((0, 2)) <= most).all()
        busy = spikes.any(2)
        assert (busy.sum(0) <= most).all()
        assert not (busy[1:] & ~busy[:-1]).any()  # once silent, silent
        assert not busy[-1].any()
        later = net.run(run.states[-1], proof.settling).states[-1]
        assert np.array_equal(net.step(later), later)
        trajectories += len(states)
        shares = [float(s / (e / proof.decay)) for s, e in zip(spent, energy, strict=True) if e]
        tightest = max(tightest, *shares)
    assert trajectories >= 2_500
    assert tightest > 0.3


def test_the_potential_is_found_exactly_where_it_exists():
    # two neurons that give each other g of a threshold of 10: the spectral radius is g / 10
    for g in range(14):
        net = IntegerNetwork([[0, g], [g, 0]], 10, 8, reset="subtract", leak=2)
        proof = prove_quiescent(net)
        assert (proof is not None) == (g < 10)
        if proof is not None:
            assert 1 - proof.decay >= Fraction(g, 10)
    for fields in ({"reset": "none"}, {"overflow": "wrap"}, {"drive": [0, 1]}):
        assert (
            prove_quiescent(IntegerNetwork([[0, 1], [1, 0]], 10, 8, **({"reset": "zero"} | fields))) is None
        )


@settings(max_examples=40, deadline=None)
@given(compiled(most_bits=8), st.integers(0, 2**32 - 1))
def test_traps_and_boxes_hold_for_every_state_in_them(net, seed):
    found = [c for c in certify(net, starts=3, budget=300, seed=seed) if isinstance(c, (Trap, Bounded))]
    for proof in found:
        boxes = proof.boxes if isinstance(proof, Trap) else (proof.box,)
        assert flaw(net.plain(), json.loads(json.dumps(proof.plain()))) is None
        for t, box in enumerate(boxes):
            states = inside(box, 20, seed)
            for k in range(2 * len(boxes)):
                lows, highs = (np.array(side) for side in boxes[(t + k) % len(boxes)])
                assert (lows <= states).all()
                assert (states <= highs).all()
                if isinstance(proof, Trap):
                    spikes = net.spikes(states)
                    assert spikes[:, list(proof.fires[(t + k) % len(boxes)])].all()
                    assert not spikes[:, list(proof.silent[(t + k) % len(boxes)])].any()
                states = net.step(states, t + k)


def test_bounded_networks_never_overflow():
    for seed in range(20):
        few, many = (sparse(seed, 6, 3, bits=b, reset="subtract", overflow="wrap", drive=1) for b in (8, 16))
        proof = prove_bounded(few)
        if proof is not None:
            states = inside(proof.box, 50, seed)
            assert np.array_equal(few.run(states, 100).states, many.run(states, 100).states)


def test_two_traps_prove_that_a_network_is_bistable():
    n = 60
    r = np.random.default_rng(1)
    weights = r.integers(-1, 2, (n, n)) * (r.random((n, n)) < 0.1)
    weights[:8, :8] = 30 * (1 - np.eye(8, dtype=np.int64))
    net = IntegerNetwork(weights, 64, 8, reset="subtract", leak=4)
    start = net.rest()
    start[:8] = 100
    active, quiet = prove_trap(net, orbit(net, start).cycle), prove_silence(net)
    assert active.active
    assert active.fires[0] == tuple(range(8))
    assert quiet.quiet
    assert not quiet.active
    assert quiet.holds(net.rest())
    assert not quiet.holds(start)
    assert raster(net, active.boxes[0][0], 500)[:, :8].all()
    assert not raster(net, quiet.boxes[0][1], 500).any()


def test_a_trap_of_several_timesteps():
    net = IntegerNetwork([[0, 9, 0], [0, 0, 9], [9, 0, 0]], 5, 5, leak=0, reset="zero")
    cycle = orbit(net, [9, 0, 0]).cycle
    proof = prove_trap(net, cycle)
    assert len(proof.boxes) == cycle.spike_period == 3
    assert sorted(proof.fires) == [(0,), (1,), (2,)]
    assert [len(s) for s in proof.silent] == [2, 2, 2]
    assert not proof.quiet


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_the_rheobase_by_brute_force(overflow):
    drives = np.arange(70)
    for k in (None, 0, 1, 2, 3, 4):
        for theta in range(1, 71 if k == 0 else 120, 13):
            alone = np.zeros((70, 70), np.int64)
            net = IntegerNetwork(alone, theta, 9, overflow=overflow, leak=k, reset="zero", drive=drives)
            proof = prove_rheobase(net)
            expected = 1 if k is None else -(-theta // 2**k)
            assert set(proof.drives) == {expected}
            spikes = net.run(steps=200).spikes
            assert np.array_equal(spikes.any(0), drives >= expected)
            assert int(np.argmax(spikes[:, expected])) + 1 == proof.steps[0]
    assert prove_rheobase(IntegerNetwork([[0]], 99, 4)) is None


# ---------------------------------------------------------------- false ones are refused


def planted():
    quiet = IntegerNetwork([[0, 5], [5, 0]], 10, 8, reset="subtract", leak=2)
    proof = prove_quiescent(quiet)
    a = proof.plain()
    yield "decay too large", quiet, a | {"decay": [51, 100]}, "does not lower the potential"
    yield "zero potential", quiet, a | {"potential": [1, 0]}, "positive integers"
    yield "lopsided", quiet, a | {"potential": [1, 9]}, "neuron 0 does not lower"
    yield "short", quiet, a | {"potential": [1]}, "positive integers"
    yield "too fast", quiet, a | {"settling": a["settling"] - 1}, "does not settle"
    yield "driven", replace(quiet, drive=1), a, "a drive is positive"
    yield "no reset", replace(quiet, reset="none"), a, "must be reset"
    yield "wraps", replace(quiet, overflow="wrap"), a, "must be reset and the state saturate"
    yield "heavier", replace(quiet, weights=np.array([[0, 5], [9, 0]])), a, "does not lower"

    busy = IntegerNetwork([[0, 12], [12, 0]], 10, 6, reset="subtract", leak=2)
    trap = prove_trap(busy, orbit(busy, [20, 20]).cycle).plain()
    (lows, highs) = trap["boxes"][0]
    yield "weak", replace(busy, weights=np.array([[0, 9], [9, 0]])), trap, "can leave box 0"
    yield "wide", busy, trap | {"boxes": [[[9, lows[1]], highs]]}, "can leave|does not follow"
    yield "empty", busy, trap | {"boxes": [[highs, [h - 1 for h in highs]]]}, "is empty or leaves"
    yield "outside", busy, trap | {"boxes": [[lows, [99, 99]]]}, "leaves the codes"
    yield "overclaims", busy, trap | {"boxes": [[[-32, -32], [31, 31]]]}, "does not follow"
    yield "inhibited", replace(busy, drive=[0, -9]), trap, "neuron 1 can leave"
    yield "half a period", replace(busy, drive=[[0, 0], [0, -9]]), trap, "whole periods"
    yield "none", busy, trap | {"boxes": []}, "whole periods"

    small = IntegerNetwork([[1]], 5, 5, reset="subtract", leak=1, drive=3)
    box = prove_bounded(small).plain()
    yield (
        "tight",
        small,
        box | {"box": [box["box"][0], [h - 1 for h in box["box"][1]]]},
        "can leave its range",
    )
    yield "no rest", small, box | {"box": [[1], [9]]}, "rest is outside"
    yield "stronger", replace(small, drive=9), box, "can leave its range"

    base = prove_rheobase(small).plain()
    yield "low", small, base | {"drives": [base["drives"][0] - 1], "steps": [999]}, "does not fire"
    yield "high", small, base | {"drives": [base["drives"][0] + 1]}, "could fire below"
    yield "soon", small, base | {"steps": [base["steps"][0] - 1]}, "does not fire"
    yield "many", small, base | {"drives": [1, 1]}, "one drive and one time"
    yield "unknown", small, {"kind": "optimism"}, "not known"


PLANTED = list(planted())


@pytest.mark.parametrize(("net", "claim", "words"), [p[1:] for p in PLANTED], ids=[p[0] for p in PLANTED])
def test_planted_false_certificates_are_refused(net, claim, words):
    wrong = flaw(net.plain(), claim)
    assert wrong is not None
    assert any(w in wrong for w in words.split("|")), wrong


@settings(max_examples=50, deadline=None)
@given(networks(most_neurons=2, most_bits=3), st.data())
def test_what_the_checker_accepts_is_true_of_all_states(net, data):
    # any claim at all, not only those that a prover makes
    codes = st.integers(net.low, net.high)
    box = [sorted(data.draw(st.tuples(codes, codes))) for _ in range(net.neurons)]
    lows, highs = ([b[k] for b in box] for k in (0, 1))
    fires = [i for i, theta in enumerate(net.threshold) if lows[i] >= theta]
    silent = [i for i, theta in enumerate(net.threshold) if highs[i] < theta]
    p = net.phases
    claim = {"kind": "trap", "boxes": [[lows, highs]] * p, "fires": [fires] * p, "silent": [silent] * p}
    every = np.stack(np.meshgrid(*(np.arange(a, b + 1) for a, b in box), indexing="ij"), -1).reshape(
        -1, net.neurons
    )
    stays = True
    for t in range(p):
        after = net.step(every, t)
        stays &= bool((after >= lows).all() and (after <= highs).all())
    if flaw(net.plain(), claim) is None:
        assert stays
    assume(stays)  # the other way round intervals may miss something, but not for one neuron
    if net.neurons == 1 and not net.weights.any() and net.overflow == "saturate":
        assert flaw(net.plain(), claim) is None


def test_a_certificate_of_another_network_is_refused():
    net = IntegerNetwork([[0, 5], [5, 0]], 10, 8, reset="subtract", leak=2)
    proof = prove_quiescent(net)
    assert verified(net, proof) is proof
    with pytest.raises(BadInput, match="quiescent one is not: its thresholds"):
        verified(net, replace(proof, thresholds=(9, 9)))
    with pytest.raises(BadInput, match="must be true of its network"):
        verified(replace(net, weights=np.array([[0, 50], [50, 0]])), proof)


def test_the_checker_is_short_and_independent():
    text = Path(check.__file__).read_text("utf-8")
    names = {
        (n.module or "") if isinstance(n, ast.ImportFrom) else n.names[0].name
        for n in ast.walk(ast.parse(text))
        if isinstance(n, (ast.Import, ast.ImportFrom))
    }
    assert names == {"__future__", "collections.abc", "fractions", "typing"}
    assert len(text.splitlines()) < 140


def test_the_checker_s_timestep_is_the_network_s():
    net = sparse(3, 5, reset="zero", drive=[[1, 0, -1, 2, 0], [0, 0, 3, 0, 0]])
    for state in net.random_states(50, 1).tolist():
        image = check._image(net.plain(), state, state, net.drive[1].tolist())
        stored = [min(max(a, net.low), net.high) for a, b in image if a == b]
        assert stored == list(successor(net, tuple(state), 1))


def test_all_certificates_of_a_network():
    net = IntegerNetwork([[0, 5], [5, 0]], 10, 8, reset="subtract", leak=2)
    made = certify(net)
    assert [type(c) for c in made] == [Bounded, Quiescent, Rheobase, Trap]
    assert all(c.kind in str(c) for c in made)
    assert "every state falls silent" in str(made[1])
