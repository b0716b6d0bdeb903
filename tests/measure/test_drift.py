"""Drift against slow definitions, its noise floor, its gates, and what is refused."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from intspike.engine import native, reference
from intspike.errors import BadInput, DriftExceeded, MissingDependency
from intspike.measure import (
    Cost,
    FiringCounts,
    Gates,
    HalvedCounts,
    counts,
    drift,
    emd,
    emd_counts,
    emd_exact,
    firing_report,
    halves,
    judge,
    latencies,
    paired_exact,
    parse_gates,
    synops,
)
from intspike.measure import latency as latency_module
from intspike.measure.halves import in_second_half
from measure.small_programs import random_inputs, random_program

T = 5


def small(seed: int, batch: int):
    """A random program and inputs for it, [T, B, *shape]."""
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    return program, random_inputs(rng, program, T, batch, static=False)


def spikes(seed: int, batch: int, rate: float = 0.3, most: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {"a": (2, 2, 3), "b": (4,)}
    return {k: rng.binomial(most, rate, (T, batch, *s)).astype(np.uint8) for k, s in shapes.items()}


def batches(run: dict[str, np.ndarray], sizes: list[int]) -> list[dict[str, np.ndarray]]:
    ends = np.cumsum([0, *sizes])
    return [{k: v[:, a:b] for k, v in run.items()} for a, b in pairwise(ends)]


# ---------------------------------------------------------------- halves


def dealt(samples: int) -> tuple[list[int], list[int]]:
    """Places of both halves: of each pair one goes here and one there, by a hash in Python integers."""
    made: tuple[list[int], list[int]] = ([], [])
    for k in range(samples):
        h = k // 2
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
            h = ((h ^ (h >> shift)) * factor) % 2**32
        made[(h + k) % 2].append(k)
    return made


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 9))
def test_halves_do_not_depend_on_batches_and_add_up_to_the_whole(sizes, seed):
    run = spikes(seed, sum(sizes))
    streamed = halves(iter(batches(run, sizes)))  # an iterator: no batch is kept
    for half, places in zip((streamed.first, streamed.second), dealt(sum(sizes)), strict=True):
        assert (half.samples, half.steps) == (len(places), len(places) * T)
        for k, v in run.items():
            assert half.counts[k].tolist() == v[:, places].sum((0, 1), dtype=int).reshape(-1).tolist()
    whole, plain = streamed.whole, FiringCounts().add(run)
    assert (whole.samples, whole.steps) == (plain.samples, plain.steps)
    assert {k: c.tolist() for k, c in whole.counts.items()} == {
        k: c.tolist() for k, c in plain.counts.items()
    }


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 100])
@pytest.mark.parametrize("order", ["dealt", "sorted"])
def test_halves_of_a_data_set_dealt_or_sorted_by_class_hold_all_classes_alike(order, classes):
    labels = np.arange(2000) % classes
    if order == "sorted":
        labels.sort()
    second = in_second_half(np.arange(2000))
    assert second.sum() == 1000
    per_class = np.bincount(labels[second], minlength=classes)
    expected, spread = 1000 / classes, np.sqrt(2000 / classes) / 2
    assert np.abs(per_class - expected).max() < 4 * spread


def test_layers_of_a_batch_must_agree_in_time_and_batch():
    for bad in (
        {},
        {"a": np.ones((2, 3, 1), np.uint8), "b": np.ones((2, 4, 1), np.uint8)},
        {"a": np.ones(3, np.uint8)},
    ):
        with pytest.raises(BadInput, match="one number of timesteps and samples"):
            halves([bad])


def test_a_batch_of_another_shape_changes_nothing():
    running = halves([spikes(1, 3)])
    other = spikes(1, 3)
    other["a"] = other["a"].reshape(T, 3, 3, 2, 2)
    with pytest.raises(BadInput, match=r"layer a must have the same shape in this batch .* \[3, 2, 2\] and"):
        running.add(other)
    with pytest.raises(
        BadInput, match="the batches so far and this batch must have the same layers, not a, b and a"
    ):
        running.add({"a": spikes(1, 3)["a"]})
    assert running.samples == 3


# ---------------------------------------------------------------- drift


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 99), st.integers(2, 9), st.integers(1, 3))
def test_every_number_is_that_of_its_slow_definition(seed, samples, most):
    a, b = spikes(seed, samples, 0.2, most), spikes(seed + 100, samples, 0.25, most)
    found = drift(halves([a]), halves([b]), spikes=most)
    sides = {
        "drift": (a, b),
        "floor": tuple({k: v[:, places] for k, v in a.items()} for places in dealt(samples)),
    }
    for which, place in (("drift", 0), ("floor", 1)):
        x, y = sides[which]
        for entry in (rows[place] for rows in found.rows()):
            names = list(x) if entry.layer == "all layers" else [entry.layer]
            steps = [T * side[names[0]].shape[1] for side in (x, y)]
            rates = [
                [Fraction(int(n), s) for k in names for n in side[k].sum((0, 1), dtype=int).reshape(-1)]
                for side, s in zip((x, y), steps, strict=True)
            ]
            n = len(rates[0])
            moved = sum(abs(p - q) for p, q in zip(*rates, strict=True)) / n
            ordered = sum(abs(p - q) for p, q in zip(*map(sorted, rates), strict=True)) / n
            assert entry.neurons == n
            assert entry.paired_distance == float(moved)
            assert entry.emd == float(ordered)
            assert (entry.rate_before, entry.rate_after) == tuple(float(sum(r) / n) for r in rates)
            assert entry.newly_dead == sum(p > 0 and not q for p, q in zip(*rates, strict=True))
            assert (entry.dead_before, entry.dead_after) == tuple(r.count(0) for r in rates)
            assert (entry.saturated_before, entry.saturated_after) == tuple(r.count(most) for r in rates)


def test_the_noise_floor_of_equal_halves_is_zero():
    one = spikes(3, 4)
    twice = {k: np.repeat(v, 2, axis=1) for k, v in one.items()}  # each sample once in each half
    found = drift(halves([twice]), halves([spikes(4, 8)]))
    assert found.pooled.emd > 0
    for _, floor, seed in found.rows():
        assert (floor.emd, floor.paired_distance, floor.newly_dead) == (0, 0, 0)
        assert seed is None


def test_a_network_does_not_drift_from_itself():
    run = halves([spikes(3, 7)])
    found = drift(run, run, second=run)
    assert all(x.emd == x.paired_distance == x.newly_dead == 0 for x, _, _ in found.rows())
    assert found.seed is not None
    assert found.seed.pooled.emd == 0


def test_a_second_seed_is_compared_by_distributions_alone():
    a, second = spikes(3, 6), spikes(4, 6)
    found = drift(halves([a]), halves([a]), second=halves([second]), names=("fp32", "w4u4"))
    assert found.seed is not None
    assert found.seed.pooled.emd == drift(halves([a]), halves([second])).pooled.emd
    kept = json.loads(json.dumps(found.to_dict(), allow_nan=False))["noise_floor"]
    assert "paired_distance" in kept["halves"]["pooled"]
    assert not {"paired_distance", "newly_dead", "correlation"} & set(kept["seed"]["pooled"])
    assert "EMD between fp32 and second seed of fp32" in str(found)


def test_what_is_printed_and_kept():
    a, b = spikes(3, 6), spikes(3, 6)
    b["b"] = np.zeros_like(b["b"])
    found = drift(halves([a]), halves([b]), names=("fp32", "w2u2"))
    kept = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (kept["before"], kept["after"], kept["samples"]) == ("fp32", "w2u2", 6)
    assert kept["layers"]["b"]["newly_dead"] == 4
    assert kept["layers"]["b"]["correlation"] is None
    assert kept["cost"]["before"] == {"synops_per_inference": None, "latency": None}
    assert "firing drift of w2u2 against fp32, 6 samples" in str(found)
    assert len(str(found).splitlines()) == 3 + 3


def test_one_neuron_is_enough():
    fires, silent = (HalvedCounts().add({"n": np.full((T, 2, 1), v, np.uint8)}) for v in (1, 0))
    (row, _) = drift(fires, silent).rows()
    assert (row[0].emd, row[0].paired_distance, row[0].newly_dead, row[0].correlation) == (1, 1, 1, None)


@pytest.mark.parametrize(
    ("after", "second", "message"),
    [
        (halves([]), None, "at least two samples, .* but B ran on 0"),
        (halves([spikes(1, 1)]), None, "at least two samples, .* but B ran on 1"),
        (halves([spikes(1, 5)]), None, "the same samples, but A ran on 4 and B on 5"),
        (halves([{"a": spikes(1, 4)["a"]}]), None, "A and B must have the same layers, not a, b and a"),
        (
            halves([{k: v.reshape(T, 4, -1) for k, v in spikes(1, 4).items()}]),
            None,
            r"layer a must have the same shape in B as in A, not \[12\] and \[2, 2, 3\]",
        ),
        (halves([spikes(1, 4)]), halves([spikes(1, 6)]), "ran on 4 and second seed of A on 6"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(after, second, message):
    with pytest.raises(BadInput, match=message):
        drift(halves([spikes(1, 4)]), after, second=second)


# ---------------------------------------------------------------- the distances


SIDE = st.integers(1, 25).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 40), min_size=n, max_size=n)] * 2)
)


@settings(deadline=None)
@given(SIDE, st.integers(1, 60))
def test_emd_is_zero_for_equal_distributions_alone(lists, steps):
    a, b = (np.array(x) for x in lists)
    assert (emd_exact(a, b, steps) == 0) == (sorted(lists[0]) == sorted(lists[1]))
    assert (paired_exact(a, b, steps) == 0) == (lists[0] == lists[1])


@settings(deadline=None)
@given(SIDE, st.integers(1, 60), st.integers(1, 7))
def test_emd_does_not_depend_on_the_number_of_bins(lists, steps, finer):
    """A histogram with a bin for each count, or with several: width times the sum of |F_a - F_b| is the same."""
    a, b = (np.array(x) for x in lists)
    bins = np.arange(41 * finer + 1) / finer
    curves = [np.searchsorted(np.sort(x), bins, side="right") for x in (a, b)]
    moved = Fraction(int(np.abs(curves[0] - curves[1])[:-1].sum()), a.size * steps * finer)
    assert emd_exact(a, b, steps) == moved


@settings(deadline=None)
@given(st.permutations(range(12)), st.integers(12, 60))
def test_emd_is_blind_to_permutation_and_the_paired_distance_is_not(order, steps):
    a = np.arange(12)
    b = a[list(order)]
    assert emd_exact(a, b, steps) == 0
    assert (paired_exact(a, b, steps) == 0) == (list(order) == list(range(12)))


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_scipy_agrees_to_1e_12(a, b):
    assert abs(emd(a, b) - wasserstein_distance(a, b)) <= 1e-12
    x, y = (np.round(np.array(v) * 500).astype(int) for v in (a, b))
    assert abs(emd_counts(x, y, 500) - wasserstein_distance(x / 500, y / 500)) <= 1e-12


@pytest.mark.parametrize("bad", [[np.nan], [np.inf, 0.5], []])
def test_rates_that_are_no_numbers_are_refused(bad):
    for one, other in ((bad, [0.5]), ([0.5], bad)):
        with pytest.raises(BadInput, match="must be finite numbers, at least one"):
            emd(one, other)


# ---------------------------------------------------------------- engines


@pytest.mark.parametrize("seed", range(3))
def test_the_reference_and_the_native_engine_drift_by_nothing(seed):
    program, inputs = small(seed, batch=3)
    runs = [engine.run(program, inputs, T) for engine in (reference, native)]
    a, b = (halves([run]) for run in runs)
    found = drift(a, b)
    assert all((x.emd, x.paired_distance) == (0, 0) for x, _, _ in found.rows())
    for name, rates in a.whole.rates.items():
        assert rates.tolist() == b.whole.rates[name].tolist()
        assert rates.tolist() == (counts(runs[0].spikes[name]) / (3 * T)).tolist()


# ---------------------------------------------------------------- cost


def test_cost_stands_beside_drift():
    program, inputs = small(5, batch=4)
    trace = native.run(program, inputs, T)
    counted = synops(program, trace, inputs)
    run = halves([trace])
    found = drift(run, run, cost=(Cost(counted), Cost(counted)))
    assert found.to_dict()["cost"]["after"]["synops_per_inference"] == counted.per_inference
    change = " (+0.0 %)" if counted.total else ""
    n = f"{counted.per_inference:,.1f}"
    assert f"synaptic operations per inference: {n} -> {n}{change}" in str(found)


def test_latency_is_of_every_program_and_its_middle_lies_between():
    program, inputs = small(5, batch=2)
    if latency_module.compiler() is None:
        pytest.skip("there is no C compiler")
    told = []
    found = latencies(
        [program, program], inputs, T, repeats=3, progress=lambda done, of: told.append((done, of))
    )
    assert len(found) == 2
    for one in found:
        assert 0 < one.low <= one.median <= one.high
        assert (one.repeats, one.samples) == (3, 2)
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    with pytest.raises(BadInput, match="at least once on at least one sample, not 0 times on 2"):
        latencies([program], inputs, T, repeats=0)


def test_without_a_compiler_there_is_no_latency(monkeypatch):
    program, inputs = small(5, batch=2)
    monkeypatch.setattr(latency_module, "compiler", lambda: None)
    with pytest.raises(MissingDependency, match="native engine, which needs a C compiler"):
        latencies([program], inputs, T)


# ---------------------------------------------------------------- gates


def pooled(newly: int, neurons: int):
    before, after = np.ones((T, 2, neurons), np.uint8), np.ones((T, 2, neurons), np.uint8)
    after[:, :, :newly] = 0
    return drift(halves([{"a": before}]), halves([{"a": after}])).pooled


@pytest.mark.parametrize(
    ("max_emd", "newly_dead", "gates"),
    [
        (None, None, Gates()),
        (0.0, "0", Gates(0.0, 0)),
        (0.02, "12", Gates(0.02, 12)),
        (None, "0.5%", Gates(None, Fraction(1, 200))),
        (None, " 100 % ", Gates(None, Fraction(1))),
    ],
)
def test_gates_are_numbers_or_shares(max_emd, newly_dead, gates):
    assert parse_gates(max_emd, newly_dead) == gates


@pytest.mark.parametrize("bad", ["", "%", "-1", "1.5", "101%", "1e3", "nan%", "5 percent", "½%"])
def test_other_words_are_no_gates(bad):
    with pytest.raises(BadInput, match="--max-newly-dead must be a number of neurons such as 20, or a share"):
        parse_gates(None, bad)


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_a_gate_of_a_distance_is_a_distance(bad):
    with pytest.raises(BadInput, match="--max-emd must be a number from 0 up"):
        parse_gates(bad, None)
    with pytest.raises(BadInput, match="--max-paired must be a number from 0 up"):
        parse_gates(None, None, bad)


@pytest.mark.parametrize("newly_dead", [None, "3", "3%"])
def test_the_paired_gate_stands_beside_the_others(newly_dead):
    gates = parse_gates(0.5, newly_dead, 0.25)
    assert (gates.emd, gates.paired) == (0.5, 0.25)
    swapped = firing_report({"a": np.array([0, 2])}, {"a": np.array([2, 0])}, 10, 10).pooled
    assert swapped.emd == 0
    assert swapped.paired_distance == 0.2
    judge(Gates(0.0, paired=0.2), {"x": swapped})
    with pytest.raises(
        DriftExceeded, match=r"the pooled paired distance of x is 0\.2, above --max-paired 0\.1;"
    ):
        judge(Gates(0.0, paired=0.1), {"x": swapped})


def test_a_gate_holds_up_to_its_value_and_not_beyond():
    two = pooled(2, 100)  # EMD 0.02
    judge(Gates(), {"x": two})
    judge(Gates(two.emd, 2), {"x": two})
    judge(Gates(None, Fraction(2, 100)), {"x": two})
    with pytest.raises(DriftExceeded, match=r"the pooled EMD of x is 0\.02, above --max-emd 0\.01;"):
        judge(Gates(0.01), {"x": two})
    with pytest.raises(
        DriftExceeded, match=r"2 of 100 neurons \(2 %\) are newly dead in x, above --max-newly-dead 1;"
    ):
        judge(Gates(None, 1), {"x": two})
    with pytest.raises(DriftExceeded, match=r"above --max-newly-dead 1\.99%"):
        judge(Gates(None, Fraction(199, 10000)), {"x": two})


def test_all_that_is_above_a_gate_is_in_one_line():
    with pytest.raises(DriftExceeded) as e:
        judge(Gates(0.01, 1), {"x": pooled(2, 100), "y": pooled(0, 100), "z": pooled(3, 100)})
    assert str(e.value).count("newly dead in") == 2
    assert str(e.value).count("pooled EMD of") == 2
    assert "\n" not in str(e.value)
