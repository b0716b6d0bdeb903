"""Interval proofs against brute force: sound always, and attained by the wide sum of a neuron."""

from __future__ import annotations

import importlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.errors import RangeExceeded
from intspike.neuron.base import Neuron
from intspike.ops import Body, Carry, Dyadic, Form, Shift, Table, Uniform, intervals, step_many, trace
from intspike.ops.interpret import evaluate_many, forward_roots, live
from intspike.ops.trace import Tracer, Value
from strategies import Recipe, random_recipe

rules = importlib.import_module("intspike.ops.intervals")  # the function of that name hides it
seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=60, deadline=None)
SMALL: dict[str, Any] = {
    "extra": 0,
    "i bits": 2,
    "a bits": 2,
}  # few bits of membrane, so that every one can be tried


def recipe(seed: int, **only: Any) -> Recipe:
    """A random neuron of one channel, whose membrane is small enough to be tried in full."""
    rng = random.Random(seed)
    bits = only.pop("bits", None) or rng.choice([1, 2, 3] if only.get("stores") == "after reset" else [2, 3])
    return random_recipe(
        rng.choice, rng, 1, 2.0, {**SMALL, "bits": bits, "coarse": rng.choice([0, 1, -1]), **only}
    )


def adding(seed: int) -> str:
    """A neuron whose membrane the current is added to at once."""
    return random.Random(seed).choice(["LIF", "IF", "ILIF"])


def free(r: Recipe) -> Any:
    """Currents from one end of what can change anything to the other, and some beyond, so that wraps go round."""
    made = r.constants()
    codec = r.form.codec
    if isinstance(codec, Table):
        span = int(np.abs(made["u.levels"]).max())
    else:
        span = int(max(-codec.low, codec.high, 1) << int(made["u.shift"][0]))
    span = 3 * span + 8 * int(max(made[n].max() for n in made if n.startswith("theta")))
    return np.arange(-span, span + 1)


def reachable(body: Body, parameters: Mapping[str, Any], sums: Any) -> tuple[dict[str, Any], Any]:
    """Every (codes, output) that is reached from rest by any of the sums, by brute force."""
    names = [s.name for s in body.states]
    seen = {tuple(body.codec(s).rest for s in names) + (0,)}
    fresh = seen
    while fresh:
        stored = np.array(sorted(fresh))[:, None, :]
        shape = len(stored), len(sums)
        codes = {s: np.broadcast_to(stored[..., j], shape) for j, s in enumerate(names)}
        current, prev = np.broadcast_to(sums, shape), np.broadcast_to(stored[..., -1], shape)
        step = step_many(body, current, codes, prev, parameters, np.zeros(1, int))
        columns = [np.broadcast_to(a, shape).ravel() for a in (*(step.codes[s] for s in names), step.spike)]
        fresh = set(zip(*(c.tolist() for c in columns), strict=True)) - seen
        seen |= fresh
    every = np.array(sorted(seen))[:, :, None]
    return {s: every[:, j] for j, s in enumerate(names)}, every[:, -1]


def at_rest(r: Recipe, gain: int, bias: int) -> dict[str, Any]:
    return {**r.constants(), "gain": np.array([gain]), "bias": np.array([bias])}


def brute_force(
    body: Body, parameters: Mapping[str, Any], pairs: Any, sums: Any
) -> dict[int, tuple[int, int]]:
    """Smallest and largest of every value of a step, over all pairs and sums."""
    codes, prev = pairs
    shape = len(prev), len(sums)
    order = live(body, *forward_roots(body), *body.membranes)
    wide = {s: np.broadcast_to(c, shape) for s, c in codes.items()}
    values = evaluate_many(
        body,
        order,
        np.broadcast_to(sums, shape),
        wide,
        np.broadcast_to(prev, shape),
        parameters,
        np.zeros(1, int),
    )
    return {k: (int(np.min(v)), int(np.max(v))) for k, v in values.items()}


def membrane(body: Body) -> int:
    """Index of x, the wide sum that is compared or stored."""
    if body.keeps_spike:
        return next(i.args[0] for i in body.instructions if i.op in ("ge", "gt") and i.name == "u")
    return body.instructions[body.stores[0]].args[0]


@quick
@given(seeds, st.sampled_from(["after reset", "before reset"]), st.sampled_from(["table", "uniform"]))
def test_every_bound_holds(seed: int, stores: str, codec: str):
    """Leaks on the sum, refractory counters, wraps: whatever is reached lies within its bounds."""
    r = recipe(seed, stores=stores, codec=codec)
    body, made = trace(r.neuron, r.form), r.constants()
    rng = random.Random(seed)
    gain, bias = rng.choice([-4, -1, 1, 2]), r.bias[0]
    parameters = at_rest(r, gain, bias)
    low = rng.randint(-200, 100)
    sums = np.arange(low, low + rng.randint(1, 200))
    proved = intervals(body, parameters, sums[:1], sums[-1:])
    found = brute_force(body, parameters, reachable(body, at_rest(r, 1, 0), free(r)), sums)
    assert found.keys() <= proved.keys()
    for k, (lo, hi) in found.items():
        assert proved[k][0].item() <= lo <= hi <= proved[k][1].item(), f"%{k}\n{body}\n{made}"


@quick
@given(seeds, st.sampled_from(["after reset", "before reset"]), st.sampled_from(["table", "uniform"]))
def test_the_bounds_of_the_wide_sum_are_attained(seed: int, stores: str, codec: str):
    r = recipe(seed, stores=stores, codec=codec, refractory=0, leak_on="state", neuron=adding(seed))
    body = trace(r.neuron, r.form)
    rng = random.Random(seed)
    parameters = at_rest(r, rng.choice([-4, -1, 1, 2]), r.bias[0])
    low = rng.randint(-200, 100)
    sums = np.arange(low, low + rng.randint(1, 200))
    proved = intervals(body, parameters, sums[:1], sums[-1:])
    found = brute_force(body, parameters, reachable(body, at_rest(r, 1, 0), free(r)), sums)
    x = membrane(body)
    assert (proved[x][0].item(), proved[x][1].item()) == found[x], f"{r}\n{body}"


@quick
@given(seeds, st.sampled_from(["after reset", "before reset"]), st.sampled_from(["table", "uniform"]))
def test_what_can_be_stored_is_what_is_reached(seed: int, stores: str, codec: str):
    r = recipe(seed, stores=stores, codec=codec, overflow="saturate", leak_on="state", neuron=adding(seed))
    body, parameters = trace(r.neuron, r.form), at_rest(r, 1, 0)
    codes, prev, valid = rules.storable(body, parameters)
    names = list(codes)
    allowed = {
        tuple(int(a[k, 0]) for a in (*(codes[s] for s in names), prev))
        for k in range(len(prev))
        if valid[k, 0]
    }
    found_codes, found_prev = reachable(body, parameters, free(r))
    found = {
        tuple(int(a[k, 0]) for a in (*(found_codes[s] for s in names), found_prev))
        for k in range(len(found_prev))
    }
    if r.neuron.refractory:
        assert found <= allowed
    else:
        assert found == allowed


@quick
@given(seeds, st.sampled_from(["after reset", "before reset"]))
def test_too_many_pairs_to_enumerate_only_loosen_the_bounds(seed: int, stores: str):
    r = recipe(seed, stores=stores)
    body, parameters = trace(r.neuron, r.form), r.constants()
    low, high = np.array([-50]), np.array([90])
    close = intervals(body, parameters, low, high)
    most, rules._MOST_ENUMERATED = rules._MOST_ENUMERATED, 0
    try:
        loose = intervals(body, parameters, low, high)
    finally:
        rules._MOST_ENUMERATED = most
    assert close.keys() == loose.keys()
    assert all((loose[k][0] <= close[k][0]).all() and (close[k][1] <= loose[k][1]).all() for k in close)


@quick
@given(seeds)
def test_channels_have_bounds_of_their_own(seed: int):
    rng = random.Random(seed)
    r = random_recipe(rng.choice, rng, 3, 5.0, {"bits": 3})
    body, made = trace(r.neuron, r.form), r.constants()
    low, high = np.array([-9, -1, 4]), np.array([-3, 70, 4])
    together = intervals(body, made, low, high)
    for c in range(3):
        alone = intervals(body, {n: a[c : c + 1] for n, a in made.items()}, low[c : c + 1], high[c : c + 1])
        assert {k: (b[0][c], b[1][c]) for k, b in together.items()} == {
            k: (b[0][0], b[1][0]) for k, b in alone.items()
        }


# --- a gate that is no counter -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Breather(Neuron):
    """Never fires twice in a row: silent at the timestep after a spike, without a state for it."""

    def step(self, ops: Tracer, state: Mapping[str, Value], current: Value) -> Value:
        awake = ops.value(ops.emit("ge", ops.constant(0), ops.prev().index))
        return ops.fire("u", ops.reset(state["u"], ops.prev()) + current, awake)


@pytest.mark.parametrize(
    "codec", [Table(3, 1, "before reset"), Uniform(4, -4, stores="before reset"), Table(3, 2)]
)
def test_a_code_that_fires_may_have_been_silenced(codec: Any):
    fractions = [-1 / 2, 0, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 5 / 2] if codec.stores == "before reset" else None
    fractions = fractions or [-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95]
    if isinstance(codec, Uniform):
        r = Recipe(Breather(), Form(codec), [1], [0], [160], shift=[5])
    else:
        r = Recipe(Breather(), Form(codec), [1], [0], [160], fractions=fractions)
    body, parameters = trace(r.neuron, r.form), r.constants()
    sums = np.arange(-300, 301)
    proved = intervals(body, parameters, sums[:1], sums[-1:])
    found = brute_force(body, parameters, reachable(body, parameters, free(r)), sums)
    assert all(proved[k][0].item() <= lo <= hi <= proved[k][1].item() for k, (lo, hi) in found.items())


# --- what must be refused ------------------------------------------------------------------------------------

FORMS = [Form(Table(3, 2), Carry()), Form(Uniform(8, -128), Shift()), Form(Uniform(8, -128), Dyadic())]


@pytest.mark.parametrize("form", FORMS, ids=["carry", "shift", "dyadic"])
@pytest.mark.parametrize("gain", [1 << 30, -(1 << 30), 1 << 38, 3 << 20])
def test_a_product_beyond_63_bits_is_refused_and_does_not_wrap_round(form: Form, gain: int):
    """2^33 * 2^38 is 0 in 64 bits, and would pass."""
    from intspike.neuron import LIF

    shift = None if isinstance(form.codec, Table) else [1]
    fractions = [-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95] if isinstance(form.codec, Table) else None
    r = Recipe(LIF(), form, [gain], [0], [160], [0.75], fractions, shift)
    body = trace(r.neuron, r.form)
    enough = (1 << 62) // abs(gain) + 1
    for low, high in ((0, enough), (-enough, 0), (0, 1 << 61), (0, 1 << 33)):
        if abs(gain) * max(-low, high) < 1 << 62:
            continue
        with pytest.raises(RangeExceeded, match=r"must fit 63 bits, but %.* = mul could reach"):
            intervals(body, r.constants(), np.array([low]), np.array([high]))
    assert intervals(body, r.constants(), np.array([0]), np.array([enough // 2]))
