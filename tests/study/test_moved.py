"""Pictures of drift are true to their numbers: curves, dots, maps, membranes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.measure import emd
from intspike.measure.membranes import bin_edges
from intspike.study.report import Page, Section, moved, render

NAMES = ("fp32", "<b>w2u2</b>")
RATES = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 20), min_size=n, max_size=n)] * 2)
)


@settings(deadline=None, max_examples=50)
@given(RATES)
def test_the_area_between_the_drawn_curves_is_the_emd(lists):
    a, b = (np.array(x) / 20 for x in lists)
    panel = moved.distribution("n", NAMES, a, b, 0.0, 0.0)
    x, first = (np.array(panel.data[0][k]) for k in "xy")
    second = np.array(panel.data[1]["y"])
    area = (np.abs(first - second)[:-1] * np.diff(x)).sum() / 100
    assert area == pytest.approx(emd(a, b), abs=2e-5)  # figures hold six digits
    assert first[-1] == second[-1] == 100


def test_long_curves_are_exact_at_fewer_points():
    rng = np.random.default_rng(0)
    a, b = rng.random(5000), rng.random(5000) ** 2
    panel = moved.distribution("n", NAMES, a, b, 0.0, 0.0)
    for side, rates in zip(panel.data, (a, b), strict=True):
        assert len(side["x"]) == moved.POINTS
        for x, y in list(zip(side["x"], side["y"], strict=True))[5:395:30]:
            assert y == pytest.approx(100 * (rates <= x).mean(), abs=0.05)


def test_dots_are_neurons_and_newly_dead_ones_are_always_drawn():
    size = 3 * moved.NEURONS
    a, b = np.linspace(0.1, 0.9, size), np.linspace(0.2, 0.8, size)
    b[7] = b[size - 2] = 0
    dots, silent = moved.neurons("n", NAMES, a, b).data
    assert silent["customdata"] == [7, size - 2]
    assert silent["y"] == [0, 0]
    assert len(dots["customdata"]) <= moved.NEURONS
    for k, x, y in zip(dots["customdata"], dots["x"], dots["y"], strict=True):
        assert (x, y) == (pytest.approx(a[k], rel=1e-5), pytest.approx(b[k], rel=1e-5))
    title = moved.neurons("n", NAMES, a, b).title
    assert title == f"n: 2 newly dead, {moved.NEURONS:,} of {size:,} drawn"
    assert moved.neurons("n", NAMES, a[:9], a[:9]).title == "n: 0 newly dead"


SHAPES = st.one_of(
    st.tuples(st.integers(1, 70)), st.tuples(st.integers(1, 9), st.integers(1, 6), st.integers(1, 6))
)


@settings(deadline=None, max_examples=50)
@given(SHAPES, st.integers(0, 99))
def test_maps_show_every_neuron_once_at_its_place(shape, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.random(math.prod(shape)) < 0.4 for _ in range(2))
    panel = moved.dead_map("n", shape, a, b)
    z = np.array([[-1 if v is None else v for v in row] for row in panel.data[0]["z"]])
    kind = a * 1 + b * 2
    assert sorted(z[z >= 0].tolist()) == sorted(kind.tolist())
    assert f"{int((b & ~a).sum())} newly dead" in panel.title
    if len(shape) == 3:
        _, h, w = shape
        columns = (z.shape[1] + 1) // (w + 1)
        for c, tile in enumerate(kind.reshape(shape)):
            top, left = (c // columns) * (h + 1), (c % columns) * (w + 1)
            assert z[top : top + h, left : left + w].tolist() == tile.tolist()
    else:
        assert z.reshape(-1)[: shape[0]].tolist() == kind.tolist()


def test_maps_of_large_layers_say_what_is_left_out():
    shape = (900, 10, 10)
    dead = np.zeros(math.prod(shape), bool)
    panel = moved.dead_map("n", shape, dead, ~dead)
    assert "the first 400 channels are drawn" in panel.title
    assert "90,000 newly dead" in panel.title  # counted in all of them
    flat = np.zeros(moved.CELLS + 5, bool)
    assert "the first 40,000 are drawn" in moved.dead_map("n", flat.shape, flat, flat).title


def test_membranes_are_shares_and_the_threshold_is_marked():
    a, b = np.zeros(120, int), np.zeros(120, int)
    a[60:80] = 5
    b[70], b[85] = 30, 10
    panel = moved.membranes("n", NAMES, a, b)
    edges = bin_edges()
    x, y = (np.array(panel.data[1][k]) for k in "xy")
    peak = x[1:-1][y[1:-1] == y.max()]
    assert (peak.min(), peak.max()) == (pytest.approx(edges[70]), pytest.approx(edges[71]))
    assert y.max() == 75
    assert panel.layout["shapes"][0]["x0"] == 1
    assert y.min() == moved.FAINTEST
    assert moved.membranes("n", NAMES, a * 0, b * 0).data  # nothing counted is no error


@settings(deadline=None, max_examples=3)
@given(RATES)
def test_a_page_of_them_is_safe_and_needs_nothing(lists):
    a, b = (np.array(x) / 20 for x in lists)
    panels = [
        moved.distribution("<script>", NAMES, a, b, 0.1, 0.2), moved.neurons("n", NAMES, a, b),
        moved.dead_map("n", a.shape, a == 0, b == 0), moved.membranes("n", NAMES, np.ones(120), np.ones(120)),
    ]  # fmt: skip
    text = render(Page("t", "s", [Section("k", "K", "look", panels)], NAMES))
    assert "<b>w2u2" not in text
    assert "<script src" not in text
