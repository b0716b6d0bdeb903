"""Recorded benchmarks are whole and say what they claim; nothing here is timed."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from intspike.errors import BadInput

ROOT = Path(__file__).parents[1]
FIELDS = {"name", "ours_ms", "peer", "peer_ms", "ratio", "goal", "limit", "equal", "rounds", "threads"} | {
    "allocator", "machine", "compared", "firing", "pinned", "unpinned_ratio", "ours_min_ms", "peer_min_ms", "others",
    "note",
}  # fmt: skip


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch):
    """Import a module of benchmarks/, which is not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    yield lambda name: importlib.import_module(f"benchmarks.{name}")
    for name in [n for n in sys.modules if n.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    return json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))


def row(name: str, peer: str, **changed: Any) -> dict[str, Any]:
    plain: dict[str, Any] = dict.fromkeys(FIELDS) | {
        "name": name, "peer": peer, "ours_ms": 2.0, "peer_ms": 8.0, "ratio": 4.0, "equal": True, "pinned": True,
        "threads": 2, "machine": "a machine", "others": 0.01,
    }  # fmt: skip
    return plain | changed


def test_every_row_is_whole(rows, part):
    goals = {(b.name, g.peer): (b, g) for b in part("catalog").BENCHMARKS for g in b.goals}
    assert len({(r["name"], r["peer"]) for r in rows}) == len(rows) > 0
    for r in rows:
        b, goal = goals[r["name"], r["peer"]]
        assert set(r) >= FIELDS, r["name"]
        assert (r["goal"], r["limit"]) == (goal.goal, goal.limit)
        unit = b.unit.lower()
        ours, theirs = r[f"ours_{unit}"], r[f"peer_{unit}"]
        assert ours > 0
        assert theirs > 0
        assert r["ratio"] == pytest.approx(theirs / ours, rel=2e-3)  # all three are rounded to four digits
        assert r[f"ours_min_{unit}"] <= ours
        assert r[f"peer_min_{unit}"] <= theirs
        assert r["equal"] is True, f"{r['name']}: {r['compared']}"
        assert r["compared"]
        assert r["rounds"] >= 1
        assert r["threads"] >= 1
        for contender, layers in r["firing"].items():
            assert all(rate > 0 for rate in layers.values()), f"{r['name']}: {contender} is dead"


def test_the_table_and_the_page_are_printed_from_the_rows(rows, part):
    results = part("results")
    text = results.table(rows)
    assert results.TABLE.read_text("utf-8") == text
    page = results.PAGE.read_text("utf-8")
    block = page.partition(results.BEGIN)[2].partition(results.END)[0]
    assert block.strip() == text.strip()
    for b in part("catalog").BENCHMARKS:  # has a row, or is named as missing
        assert f"`{b.name}`" in text or b.name in text.partition("Not measured yet: ")[2].split(".")[0].split(
            ", "
        )


def test_names_are_unique_and_modules_exist(part):
    catalog = part("catalog")
    assert len({b.name for b in catalog.BENCHMARKS}) == len(catalog.BENCHMARKS)
    for b in catalog.BENCHMARKS:
        assert (ROOT / "benchmarks" / f"{b.module}.py").exists()
        assert len({g.peer for g in b.goals}) == len(b.goals) > 0
    with pytest.raises(BadInput, match="did you mean 'train-shd'"):
        catalog.chosen("train-sdh")


def test_layers_of_the_catalog_are_those_that_are_measured(part):
    synapses, catalog = part("synapses"), part("catalog")
    assert tuple(layer.name for layer in synapses.LAYERS) == catalog.PEAK_LAYERS
    assert set(catalog.SWITCH_LAYERS) <= set(catalog.PEAK_LAYERS)
    assert synapses.LAYERS[1].macs == 25 * 16 * 64 * 8 * 8


def test_rows_are_replaced_kept_and_ordered(part, tmp_path: Path):
    results, path = part("results"), tmp_path / "results.json"
    results.keep([row("emd-rates", "scipy"), row("emd-counts", "scipy")], path)
    assert [r["name"] for r in results.load(path)] == ["emd-counts", "emd-rates"]  # as in the catalog
    results.keep([row("emd-rates", "scipy", ratio=3.0, pinned=False)], path)
    results.keep([row("emd-counts", "scipy", ratio=5.0)], path)
    counts, rates = results.load(path)
    assert (counts["ratio"], counts["unpinned_ratio"]) == (5.0, None)
    assert (rates["ratio"], rates["unpinned_ratio"], rates["pinned"]) == (4.0, 3.0, True)
    assert "Not measured yet" in results.table([counts])
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]  # no scratch file is left


def test_an_unequal_or_slow_row_is_shown_as_such(part):
    text = part("results").table([row("emd-rates", "scipy", equal=False, goal=45.0, pinned=False)])
    assert "45 missed" in text
    assert "| NO |" in text
    assert "not pinned in: emd-rates" in text
    assert "do not trust" not in text
    assert "do not trust: emd-rates" in part("results").table([row("emd-rates", "scipy", others=0.3)])


def test_turns_are_taken_in_another_order_each_round(part):
    harness, seen = part("harness"), []
    contenders = {name: lambda name=name: seen.append(name) for name in "abc"}
    times = harness.interleave(contenders, 3, lambda *told: None, calls=2, warm=0)
    assert "".join(seen) == "aabbccbbccaaccaabb"
    assert set(times) == set("abc")
    assert harness.Times.of([3.0, 1.0, 2.0]) == harness.Times(2.0, 1.0)
