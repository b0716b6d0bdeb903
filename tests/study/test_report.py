"""The report: self-contained, true to its numbers, safe with hostile strings, and small."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intspike.errors import BadInput
from intspike.measure import FiringReport, Latency
from intspike.study.report import (
    QuantizerPicture,
    Raster,
    ReportContent,
    Table,
    Variant,
    render,
    tables,
    write_report,
)
from intspike.study.report import page as page_module
from intspike.study.report.bars import drift, sizes, synops
from intspike.study.report.charts import rates
from intspike.study.report.figures import quantizer as draw_quantizer
from intspike.study.report.sections import sections
from intspike.study.report.style import apart, short, size, text
from study.example_report import EDGES, LAYERS, LEVELS, NAMES, content, quantizer

MEGABYTES = 8 * 1024 * 1024


class Page(HTMLParser):
    """Tags, attributes, visible text and scripts of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.texts: list[str] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.styles = ""
        self._inside: tuple[str, str | None] = ("", None)
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, k, v) for k, v in attrs]
        self._inside = (tag, dict(attrs).get("type"))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ("", None)

    def handle_data(self, data: str) -> None:
        if self._inside[0] == "script":
            self.scripts.append((self._inside[1], data))
        elif self._inside[0] == "style":
            self.styles += data
        else:
            self.texts.append(data)

    @property
    def figures(self) -> list[dict[str, Any]]:
        return [json.loads(data) for kind, data in self.scripts if kind == "application/json"]


@pytest.fixture(scope="module")
def html() -> str:
    return render(content())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def strings(figure: Any) -> Iterator[str]:
    """Every string in a figure."""
    if isinstance(figure, str):
        yield figure
    elif isinstance(figure, Mapping):
        for value in figure.values():
            yield from strings(value)
    elif isinstance(figure, list):
        for value in figure:
            yield from strings(value)


# ---------------------------------------------------------------- self-contained


def test_nothing_is_loaded(page: Page):
    for tag, name, value in page.attributes:
        assert name not in ("src", "srcset", "action", "data", "poster"), f"<{tag} {name}={value!r}>"
        assert name != "href" or (value or "").startswith("#"), f"<{tag} href={value!r}>"
    assert not {"link", "iframe", "img", "object", "embed", "base"} & set(page.tags)
    assert "url(" not in page.styles
    assert "@import" not in page.styles
    (policy,) = [
        v for t, k, v in page.attributes if t == "meta" and k == "content" and "default-src" in (v or "")
    ]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_links_lead_to_sections(page: Page):
    targets = {v for _, k, v in page.attributes if k == "id"}
    links = [v[1:] for _, k, v in page.attributes if k == "href" and v]
    assert links
    assert set(links) <= targets
    assert len(targets) == len([v for _, k, v in page.attributes if k == "id"])


def test_size_of_a_usual_report(html: str):
    assert len(html.encode()) < 5.5e6


def test_everything_is_in_it(page: Page, html: str):
    shown = " ".join(page.texts)
    for expected in (
        *NAMES,
        *LAYERS,
        "86.8",
        "exact",
        "333,800,000",
        "intspike run fashion-mnist",
        "newly dead",
    ):
        assert expected in shown
    assert [s.title for s in sections(content())] == [
        "Results",
        "Training",
        "One neuron",
        "Spikes",
        "Firing rates",
        "Drift",
        "Operations",
        "Packed size",
        "Membrane codes",
        "Lowering",
        "Exactness",
        "Program",
        "This run",
    ]
    assert html.count("Plotly.react") == 1


def test_sections_without_content_do_not_appear():
    bare = ReportContent("A title", "A sentence.", [Variant("fp32", 0.5)])
    assert [s.title for s in sections(bare)] == ["Results"]
    assert "A sentence." in " ".join(Page(render(bare)).texts)


# ---------------------------------------------------------------- figures


def test_plotly_accepts_every_figure(page: Page):
    from plotly import graph_objects

    colour = re.compile(r"^\$(ink|muted|grid|paper|\d)(/[\d.]+)?$")
    assert len(page.figures) > 15

    def resolved(x: Any) -> Any:
        if isinstance(x, str):
            assert not x.startswith("$") or colour.match(x), x
            return "#123456" if x.startswith("$") else x
        if isinstance(x, dict):
            return {k: resolved(v) for k, v in x.items()}
        return [resolved(v) for v in x] if isinstance(x, list) else x

    for figure in page.figures:
        graph_objects.Figure(**resolved(figure))  # raises for an unknown property or a bad value


def test_a_variant_has_one_colour(page: Page):
    for figure in page.figures:
        for trace in figure["data"]:
            for k, name in enumerate(NAMES):
                if trace.get("name") == name or str(trace.get("hovertemplate", "")).startswith(f"{name}:"):
                    used = {s.partition("/")[0] for s in strings(trace) if re.match(r"\$\d", s)}
                    assert used == {f"${k}"}


def test_histograms_hold_every_neuron():
    variants = content().variants
    for panel, layer in zip(rates(variants), LAYERS, strict=True):
        for trace, v in zip(panel.data, variants, strict=True):
            if trace["mode"] == "markers":
                assert trace["x"] == pytest.approx(np.asarray(v.rates[layer]), rel=1e-5)
                continue
            y = np.array(trace["y"])
            assert y[1:-1:2].sum() == pytest.approx(100, abs=1e-3)
            assert (y[1:-1:2] == y[2:-1:2]).all()


def test_bars_are_as_long_as_their_numbers():
    variants = content().variants
    (panel,) = drift(variants)
    reports = [v.firing for v in variants if isinstance(v.firing, FiringReport)]
    layers = [x for r in reports for x in (*r.layers, r.pooled)]
    lengths = [t["x"][0] for t in panel.data]
    assert lengths == pytest.approx([x.paired_distance for x in layers] + [x.emd for x in layers], rel=1e-5)
    places = [t["y"][0] for t in panel.data]
    assert places[: len(layers)] == places[len(layers) :]  # the EMD lies inside its paired distance
    (panel,) = synops(variants)
    assert [t["x"][0] for t in panel.data] == pytest.approx([n for v in variants for n in v.synops.values()])
    (panel,) = sizes(variants)
    for row, v in enumerate(variants):
        parts = [t for t in panel.data if t["y"] == [len(variants) - 1 - row]]
        assert [t["x"][0] * 8192 for t in parts] == pytest.approx(list(v.size.values()), rel=1e-5)
        ends = [t["base"][0] + t["x"][0] for t in parts]
        assert [t["base"][0] for t in parts] == pytest.approx([0, *ends[:-1]], rel=1e-5)


@given(st.floats(-1.2, 1.9))
def test_the_stair_is_the_codec(x: float):
    fires = x >= 1
    expected = LEVELS[np.searchsorted(EDGES, x - fires, "right")] + fires
    below, above = draw_quantizer(quantizer(True), 0)[0].data
    steps = above if fires else below
    corners = np.array(steps["x"])
    if np.abs(corners - x).min() > 1e-4:  # corners are drawn with six digits
        at = np.searchsorted(corners, x)
        assert steps["y"][at] == pytest.approx(expected, abs=1e-5)


def test_codes_that_a_channel_cannot_reach_are_left_out():
    levels = np.arange(-4, 12) / 8  # the top four at and above threshold
    picture = QuantizerPicture(
        "a", "l", 0, levels, (levels[1:] + levels[:-1]) / 2, 4, "after reset", range(16)
    )
    stairs, decay = draw_quantizer(picture, 0)
    assert "12 levels" in stairs.title
    assert max(stairs.data[0]["y"]) == 0.875
    assert len(decay.data[0]["x"]) == 12
    assert decay.data[1]["customdata"] == [c for c in range(12) if c != 4]


def test_stuck_codes_are_ringed():
    assert quantizer(True).stuck == []
    nearest = quantizer(False)
    assert nearest.stuck == [c for c, after in enumerate(nearest.silent) if c == after and c != 4]
    assert nearest.stuck
    ring = draw_quantizer(nearest, 0)[1].data[1]
    assert ring["customdata"] == nearest.stuck
    words = " ".join(strings(draw_quantizer(nearest, 0)[1].layout["annotations"]))
    assert f"stuck codes (ringed): {nearest.stuck[0]}" in words


# ---------------------------------------------------------------- hostile strings

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}"
    "\"' onload=alert(3) <!-- $ink \u2028"
)


def poisoned(value: Any) -> Any:
    """The same content with every free string hostile; names stay distinct."""
    if isinstance(value, str):
        return value if value in ("after reset", "before reset") else HOSTILE + value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        made = copy.copy(value)
        for f in dataclasses.fields(value):
            object.__setattr__(made, f.name, poisoned(getattr(value, f.name)))
        return made
    if isinstance(value, Mapping):
        keep = {"a", "b", "compared", "mismatches", "samples", "variant", "weights", "constants", "states"}
        return {k if k in keep else poisoned(k): poisoned(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(poisoned(v) for v in value)
    return value


def test_hostile_strings_stay_text(page: Page):
    hostile = Page(render(poisoned(content())))
    assert hostile.tags == page.tags
    assert not [name for _, name, _ in hostile.attributes if name.startswith("on")]
    assert {name for _, name, _ in hostile.attributes} == {name for _, name, _ in page.attributes}
    shown = "".join(hostile.texts)
    assert "<img src=x onerror=alert(2)>" in shown
    assert "{{ 7 * 7 }}" in shown
    assert len(hostile.figures) == len(page.figures)
    for figure in hostile.figures:
        for found in strings(figure):
            assert "<img" not in found, "plotly reads tags in labels"
            assert "<script" not in found


def test_labels_cannot_name_colours():
    assert not text("$ink").startswith("$")
    assert text("<b>a&b</b>") == "&lt;b&gt;a&amp;b&lt;/b&gt;"


# ---------------------------------------------------------------- large and odd content


def test_large_content_stays_small():
    rng = np.random.default_rng(0)
    wide = np.sort(rng.normal(0, 0.4, 1 << 16))
    wide[np.argmin(np.abs(wide))] = 0
    many = ReportContent(
        "Large",
        "All of it.",
        [
            Variant(
                "a", 0.9, rates={f"layer{k}": rng.random(200_000) for k in range(4)}, train_loss=[1.0] * 2000
            ),
            Variant("b", 0.8, rates={f"layer{k}": rng.random(200_000) for k in range(4)}),
        ],
        rasters=[Raster("layer0", 0, ("a", "b"), *(rng.random((2, 3000, 500)) < 0.5))],
        quantizers=[
            QuantizerPicture(
                "b",
                "layer0",
                0,
                wide,
                (wide[1:] + wide[:-1]) / 2,
                int(np.argmin(np.abs(wide))),
                "before reset",
                range(1 << 16),
            )
        ],
        lowering=[Table("all", ("node", "verdict"), [[f"node{k}", "exact"] for k in range(100_000)])],
        listings={"b": "x" * 50 + "\n" + "y\n" * 4_000_000},
    )
    made = render(many)
    assert len(made.encode()) < MEGABYTES
    assert "and 99600 more rows" in made
    assert "more characters" in made


@pytest.mark.parametrize("stores", ["after reset", "before reset"])
def test_odd_numbers_are_drawn(stores: Any):
    odd = content(
        variants=[
            Variant(
                "fp32",
                0.0,
                train_loss=[np.nan, np.inf, 1.0],
                validation_accuracy=[0.5],
                rates={"l": [np.nan, 0.0]},
            ),
            Variant(
                "w1u1", 1.0, 0.0, 1.0, 1, size={"weights": 0}, synops={"l": 0.0}, rates={"l": [0.0, 0.0]}
            ),
        ],
        membranes=[],
        rasters=[Raster("l", 0, ("fp32", "w1u1"), np.zeros((1, 1), np.uint8), np.full((1, 1), 3, np.uint8))],
        quantizers=[QuantizerPicture("w1u1", "l", 0, [0.0, 1.5], [1.0], 0, stores, [0, 0])],
        exact=[{"a": "torch", "b": "C", "compared": 10, "mismatches": 2}],
    )
    made = Page(render(odd))
    assert "refused: they differ" in " ".join(made.texts)
    assert all(np.isfinite(f["layout"]["height"]) for f in made.figures)


# ---------------------------------------------------------------- writing and refusing


def test_writing_replaces_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bare = ReportContent("First", "One.", [Variant("fp32", 0.5)])
    path = write_report(tmp_path / "new" / "report.html", bare)
    assert path == tmp_path / "new" / "report.html"
    before = path.read_text(encoding="utf-8")
    monkeypatch.setattr(page_module, "render", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(path, bare)
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == before
    write_report(path, dataclasses.replace(bare, title="Second"))
    assert "Second" in path.read_text(encoding="utf-8")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_bad_content_is_refused():
    good = Variant("fp32", 0.5)
    with pytest.raises(
        BadInput, match=r"fp32: an accuracy must be in 0\.\.1, not 86\.8; divide per cent by 100"
    ):
        Variant("fp32", 86.8)
    with pytest.raises(BadInput, match="at least one variant"):
        ReportContent("t", "s", [])
    with pytest.raises(BadInput, match="different names, not fp32, fp32"):
        ReportContent("t", "s", [good, good])
    with pytest.raises(BadInput, match=r"lacks \['mismatches'\]"):
        ReportContent("t", "s", [good], exact=[{"a": 1, "b": 2, "compared": 3}])
    with pytest.raises(BadInput, match=r"pictures must be of the variants \['fp32'\], not of \['w4u4'\]"):
        ReportContent(
            "t", "s", [good], rasters=[Raster("l", 0, ("fp32", "w4u4"), np.zeros((2, 2)), np.zeros((2, 2)))]
        )
    with pytest.raises(BadInput, match=r"rasters of l must both be \[T, \*shape\]"):
        Raster("l", 0, ("a", "b"), np.zeros((2, 2)), np.zeros((3, 2)))
    with pytest.raises(BadInput, match="with 2 levels must have 1 boundaries"):
        QuantizerPicture("a", "l", 0, [0, 1], [0.5, 0.6], 0, "before reset")
    with pytest.raises(BadInput, match="levels of l must increase"):
        QuantizerPicture("a", "l", 0, [0, 0], [0.5], 0, "before reset")
    with pytest.raises(BadInput, match="must have 2 cells"):
        Table("t", ("a", "b"), [["only one"]])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0.01, 0.1))
def test_labels_keep_apart_and_in_order(values: list[float], gap: float):
    placed = apart(values, gap)
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(placed)[order]) >= 0.9 * gap).all()


def test_words_for_numbers():
    assert [short(x) for x in (0, 950, 12_345, 4_350_000, 999_999, 2.5e9)] == [
        "0",
        "950",
        "12.3 k",
        "4.35 M",
        "1.00 M",
        "2.50 G",
    ]
    assert [size(x) for x in (80, 8 * 1024, 25.9 * 8192, 3 * 8 * 1024**2)] == [
        "10 B",
        "1.0 KiB",
        "25.9 KiB",
        "3.00 MiB",
    ]


def test_the_noise_floor_is_the_bar_of_the_reference() -> None:
    made = content()
    reference, *others = made.variants
    floored = [dataclasses.replace(reference, floor=others[0].firing), *others]
    before, after = drift(made.variants)[0], drift(floored)[0]
    assert len(after.data) == len(before.data) + 2 * 4  # two bars for each of three layers and all of them
    titles = [t.title for t in tables.firing(floored)]
    assert titles[0] == "Noise floor: halves under fp32"
    assert titles[1:] == [t.title for t in tables.firing(made.variants)]
    assert drift([reference]) == []


def test_costs_stand_beside_the_operations() -> None:
    made = content()
    reference, *others = made.variants
    timed = dataclasses.replace(others[-1], latency=Latency(2e-3, 1.9e-3, 2.25e-3, 5, 20))
    (table,) = tables.costs([reference, *others[:-1], timed])
    first, last = sum(reference.synops.values()), sum(timed.synops.values())
    assert [row[0] for row in table.rows] == [v.name for v in made.variants]
    assert table.rows[0][2:] == ["–", "–"]
    assert table.rows[-1][2:] == [f"{100 * (last - first) / first:+.1f} %", "2.000 ms (1.900 to 2.250)"]
    assert tables.costs([dataclasses.replace(reference, synops={})]) == []
