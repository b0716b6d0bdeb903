"""The firing report and the streaming counts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intspike.engine.trace import Trace
from intspike.errors import BadInput
from intspike.measure import FiringCounts, counts, emd_exact, firing_report


def spikes(seed: int, batch: int, rate: float = 0.2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "a": (rng.random((7, batch, 2, 3, 3)) < rate).astype(np.uint8),
        "b": (rng.random((7, batch, 5)) < rate).astype(np.uint8),
    }


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_batches_add_up_to_the_whole(sizes):
    whole = spikes(1, sum(sizes))
    streamed, first = FiringCounts(), 0
    for size in sizes:
        part = {k: v[:, first : first + size] for k, v in whole.items()}
        codes = {k: {} for k in part}
        streamed.add(Trace(part, codes, np.zeros((size, 5), np.int64), 7) if size % 2 else part)
        first += size
    assert (streamed.steps, streamed.samples) == (7 * sum(sizes), sum(sizes))
    for k, v in whole.items():
        assert streamed.counts[k].tolist() == counts(v).tolist()
        assert streamed.rates[k].tolist() == (counts(v) / streamed.steps).tolist()


def test_batches_of_another_network_are_refused():
    running = FiringCounts().add(spikes(1, 2))
    with pytest.raises(BadInput, match="same layers, not a, b and a"):
        running.add({"a": spikes(1, 2)["a"]})
    with pytest.raises(BadInput, match=r"layer b must have as many neurons in this batch .* not 4 and 5"):
        running.add({"a": spikes(1, 2)["a"], "b": spikes(1, 2)["b"][..., :4]})
    with pytest.raises(BadInput, match="one number of timesteps and samples"):
        running.add({"a": spikes(1, 2)["a"], "b": spikes(1, 3)["b"]})
    assert running.samples == 2


def test_a_report_by_hand():
    before = {"a": np.array([0, 5, 10, 5]), "b": np.array([2, 2])}
    after = {"a": np.array([0, 0, 10, 10]), "b": np.array([2, 2])}
    report = firing_report(before, after, 10, names=("fp32", "w4u4"))
    a, b = report.layers
    assert (a.layer, a.neurons, a.rate_before, a.rate_after) == ("a", 4, 0.5, 0.5)
    assert (a.dead_before, a.dead_after, a.newly_dead) == (1, 2, 1)
    assert (a.saturated_before, a.saturated_after) == (1, 2)
    assert (a.emd, a.paired_distance) == (0.25, 0.25)
    assert (b.emd, b.paired_distance, b.correlation) == (0, 0, None)
    assert report.pooled.neurons == 6
    assert report.pooled.emd == float(emd_exact([0, 5, 10, 5, 2, 2], [0, 0, 10, 10, 2, 2], 10))
    assert report.pooled.rate_before == 24 / 60
    assert json.loads(json.dumps(report.to_dict()))["layers"]["a"]["newly_dead"] == 1
    assert "w4u4 against fp32" in str(report)
    assert "all layers" in str(report)


def test_neurons_that_swap_rates_show_in_the_paired_distance_only():
    report = firing_report({"a": np.array([0, 8])}, {"a": np.array([8, 0])}, 8)
    assert (report.pooled.emd, report.pooled.paired_distance) == (0, 1)
    assert report.pooled.correlation == pytest.approx(-1)


def test_saturation_knows_the_largest_output():
    run = {"a": np.array([20, 10]), "b": np.array([10])}
    report = firing_report(run, run, 10, spikes={"a": 2})
    assert [x.saturated_after for x in (*report.layers, report.pooled)] == [1, 1, 2]


def test_runs_of_different_length_compare_by_rate():
    report = firing_report({"a": np.array([2, 4])}, {"a": np.array([4, 8])}, 4, 8)
    assert (report.pooled.emd, report.pooled.paired_distance) == (0, 0)
    assert (report.pooled.saturated_before, report.pooled.saturated_after) == (1, 1)


def test_reports_need_the_same_layers():
    with pytest.raises(BadInput, match="fp32 and ptq must have the same layers, not a and none"):
        firing_report({"a": np.array([1])}, {}, 4, names=("fp32", "ptq"))
    with pytest.raises(BadInput, match="at least one layer"):
        firing_report({}, {}, 4)
