"""The documentation as a site: it builds strictly, its links lead somewhere, every public name has its place."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

import intspike
from test_docs import tool

ROOT = Path(__file__).parents[1]
INTERNAL = {"kernels", "study"}  # what commands and layers are made of; nobody is told to call it


class Page(HTMLParser):
    """What a page links to, and what may be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.update(v for k in ("id", "name") if (v := given.get(k)))
        self.links += [v for k in ("href", "src") if (v := given.get(k))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocstrings", reason="install the extra [docs]")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def broken(pages: dict[Path, Page]) -> Iterator[str]:
    """Links that lead to no file, or to no place in it. What lies elsewhere is not asked."""
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith("/"):
                if parts.scheme not in ("https", "mailto", "data") and file.name != "404.html":
                    yield f"{file.name}: {link}"
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.exists() or (
                target in pages and unquote(parts.fragment) not in pages[target].anchors | {"__consent"}
            ):
                yield f"{file.name}: {link}"


def test_links_lead_somewhere(site: Path):
    pages = {f.resolve(): Page(f.read_text("utf-8")) for f in site.rglob("*.html")}
    assert len(pages) > 40
    assert list(broken(pages)) == []


def test_a_broken_link_is_found(tmp_path: Path):
    (tmp_path / "there.html").write_text('<p id="here">')
    text = '<a href="there.html#here"><a href="there.html#nowhere"><a href="none.html"><img src="/root.png">'
    pages = {tmp_path / "there.html": Page('<p id="here">'), tmp_path / "from.html": Page(text)}
    assert [x.split(": ")[1] for x in broken(pages)] == ["there.html#nowhere", "none.html", "/root.png"]


def public(part: str) -> set[str]:
    """The classes and functions that a part gives out at run time, however its file says so."""
    module = importlib.import_module(f"intspike.{part}")
    named = getattr(module, "__all__", None) or vars(module)
    found = {n for n in named if not n.startswith("_") and not isinstance(getattr(module, n), ModuleType)}
    return {n for n in found if str(getattr(getattr(module, n), "__module__", "")).startswith("intspike")}


def test_every_public_name_has_its_place(site: Path):
    """All parts of the package are there, and all that they give out."""
    reference = tool("docs_reference")
    assert set(reference.PARTS) == (set(intspike._PARTS) - INTERNAL) | {"measure.energy"}
    for part in reference.PARTS:
        anchors = Page((site / "reference" / f"{part}.html").read_text("utf-8")).anchors
        described = {a.rpartition(".")[2] for a in anchors if a.startswith("intspike.")}
        assert public(part) <= described, f"intspike.{part}"
        assert {name.rpartition(".")[2] for name in reference.names(part)} <= described, f"intspike.{part}"


def test_what_shares_a_description_is_listed_one_by_one():
    pytest.importorskip("griffe", reason="install the extra [docs]")
    read = tool("docs_docstrings").one_a_line
    text = "A.\n\nArgs:\n    a, b: both, and\n        more.\n    c: alone.\n"
    want = "A.\n\nArgs:\n    a: both, and\n        more.\n    b: both, and\n        more.\n    c: alone."
    assert read(text) == want


GALLERY = ROOT / "docs" / "figures" / "gallery"


def test_pictures_of_the_gallery_are_small_themed_and_shown():
    text = (ROOT / "docs" / "gallery.md").read_text("utf-8")
    files = sorted(GALLERY.iterdir())
    assert files
    for file in files:
        drawn = file.read_text("utf-8")
        assert f"(figures/gallery/{file.name})" in text, f"{file.name} is not shown"
        assert len(drawn) < 100_000, f"{file.name} is large"
        assert "@media(prefers-color-scheme:dark)" in drawn
        assert "rgb(1, 2, " not in drawn, f"{file.name} has a colour that has no name"
        assert "<script" not in drawn


def test_a_picture_of_a_report_takes_the_colours_of_its_themes():
    made = tool("make_gallery")
    report = (
        "<style>:root { --ink: #111111; --v1: #0072b2; } @media (prefers-color-scheme: dark) { :root { --ink: #eeeeee; "
        '--v1: #5ab4ec; } }</style><h3>A &amp; B</h3><div class="figure" role="img" style="height: 300px"> '
        '<script type="application/json">{"data": [{"line": {"color": "$1/0.5"}, "text": "$1 a day"}]}</script>'
    )
    figure, height = made.picture(report, "A & B")
    names: list[str] = []
    assert height == 300
    assert made.marked(figure, names) == {
        "data": [{"line": {"color": "rgba(1, 2, 0, 0.5)"}, "text": "$1 a day"}]
    }
    drawn = made.themed('<svg class="m"><path style="stroke: rgb(1, 2, 0)"/></svg>', names, report)
    style = "<style>svg{--v1:#0072b2}@media(prefers-color-scheme:dark){svg{--v1:#5ab4ec}}</style>"
    assert drawn == f'<svg class="m">{style}<path style="stroke: var(--v1)"/></svg>\n'
    with pytest.raises(SystemExit, match="it has: A & B"):
        made.picture(report, "C")
