"""Asymmetric bits: which pairs are asked for, which cells they are, what the front is."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.measure import Interval
from intspike.study.grid import Finished, cell_hash
from intspike.study.squat.cells import SquatCell
from intspike.study.squat.options import Options, cells_of
from intspike.study.squat.pairs import front, gap
from intspike.study.squat.rows import Row

SMALL = {"epochs": 1, "subset": 100, "timesteps": 2}


def test_equal_pairs_are_the_cells_of_the_grid():
    """So that both studies share what they have in common."""
    cells, _ = cells_of(Options(seeds=2, bits=(4, 2), **SMALL))
    known = {cell_hash(c) for c in cells}
    some, _ = cells_of(Options(seeds=2, pairs=((4, 4), (2, 2)), **SMALL))
    assert {cell_hash(c) for c in some} <= known
    assert len(some) == len(set(some)) == 2 * (3 + 4 + 2)


def test_every_pair_is_there_once_with_its_reference_and_its_control():
    cells, _ = cells_of(Options(seeds=1, pairs=((3, 5), (3, 1), (1, 2)), **SMALL))
    both = [(c.scheme, c.weight_bits, c.state_bits) for c in cells if c.integer]
    assert sorted(both) == sorted((s, w, u) for s in ("ptq", "qat") for w, u in ((3, 5), (3, 1), (1, 2)))
    assert [(c.scheme, c.weight_bits) for c in cells if not c.memory] == [
        ("fp", None),
        ("qat", 3),
        ("qat", 1),
    ]
    assert all(c.parent in cells for c in cells if c.scheme != "fp")


@lru_cache
def a_cell() -> SquatCell:
    return cells_of(Options(seeds=1, pairs=((2, 2),), **SMALL))[0][0]


def row(bits: int, accuracies: list[float]) -> Row:
    cell = a_cell()
    record = {"size_bits": {"total": bits}, "exact": []}
    done = {
        seed: Finished(replace(cell, seed=seed), "", "done", record=record | {"accuracy": a / 100})
        for seed, a in enumerate(accuracies)
    }
    return Row(cell, done, {})


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=12))
def test_the_front_is_what_nothing_smaller_beats(points):
    rows = [row(bits, [10.0 * a, 10.0 * a]) for bits, a in points]
    best = [(r.bits, round(r.interval.value)) for r in front(rows)]
    wanted = {
        (b, 10 * a)
        for b, a in points
        if not any((b2 <= b and a2 >= a) and (b2, a2) != (b, a) for b2, a2 in points)
    }
    assert set(best) == wanted
    assert best == sorted(wanted)


def test_a_gap_is_paired_by_seed():
    full, worse = row(1, [90.0, 80.0]), row(1, [89.0, 79.0])
    found = gap(worse, full)
    assert isinstance(found, Interval)
    assert (found.value, found.n) == (pytest.approx(1.0), 2)
    assert found.high - found.low < 1e-6  # the seeds differ by ten points, the pairs do not
    assert gap(row(1, []), full) is None
