"""One self-contained HTML page: figures, tables and the plotting library inside, nothing loaded from anywhere."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .content import ReportContent, Table
from .sections import Section, sections
from .style import COLOURS, Panel
from .tables import ROWS

TEMPLATES = Path(__file__).parents[1] / "templates"
_NUMBER = re.compile(r"[-−]?[\d.,]+( [kMGB]| KiB| MiB| %)?( \([\d.,]+×\)| (to|→) [\d.,]+)?")
_NONE = ("", "–")
_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class Page:
    """What a page shows.

    Attributes:
        title, summary: its heading, and one sentence: what came out.
        sections: its parts in order.
        names: what has a colour of its own throughout the page, in the order of the colours.
        notes: sentences on data and method, below the summary.
        article: whether it is read, and printed, as a text: one column as wide as a sheet of A4.
    """

    title: str
    summary: str
    sections: Sequence[Section]
    names: Sequence[str] = ()
    notes: Sequence[str] = ()
    article: bool = False


def write_report(path: str | os.PathLike[str], content: ReportContent | Page) -> Path:
    """Write the report as one HTML file of about 5 MB that opens offline; an older one is replaced as a whole.

    Returns:
        The path.
    """
    target = Path(path)
    text = render(content)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8", errors="replace")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def render(content: ReportContent | Page) -> str:
    """The page as text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # every string of the content is text, never markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        page=content if isinstance(content, Page) else _page(content),
        colours=COLOURS,
        rows=ROWS,
        figure=lambda panel: Markup(_figure(panel)),
        mark=_mark,
        numeric=_numeric,
        plotly=Markup(get_plotlyjs()),
    )


def _page(content: ReportContent) -> Page:
    names = [v.name for v in content.variants]
    return Page(content.title, content.summary, sections(content), names, content.notes)


def _figure(panel: Panel) -> str:
    """A figure as JSON that can neither end the script element it stands in nor hold what JSON cannot."""
    figure: Mapping[str, Any] = {"data": panel.data, "layout": {**panel.layout, "height": panel.height}}
    return json.dumps(figure, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def _mark(cell: object) -> str:
    """Class of a cell by its first word, so that verdicts stand out."""
    word = str(cell).strip().lower().partition(" ")[0].rstrip(":,;")
    if word in ("exact", "proved"):
        return "good"
    return "bad" if word in ("refused", "diverges", "failed") else ""


def _numeric(table: Table) -> list[bool]:
    """Which columns hold numbers alone, perhaps with a unit or a change, and are set to the right."""
    if not table.rows:
        return [False] * len(table.columns)
    columns = zip(*([str(cell) for cell in row] for row in table.rows), strict=True)
    return [
        any(map(_NUMBER.fullmatch, cells)) and all(c in _NONE or _NUMBER.fullmatch(c) for c in cells)
        for cells in columns
    ]
