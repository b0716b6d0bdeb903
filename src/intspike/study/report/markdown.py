"""A page as Markdown: sentences and tables; its pictures are in the page alone."""

from __future__ import annotations

from .page import Page
from .tables import markdown


def page_markdown(page: Page) -> str:
    """Headings, sentences and tables of a page."""
    parts = [f"# {page.title}", page.summary, *page.notes]
    for s in page.sections:
        parts.append(f"## {s.title}")
        parts += [x for x in (s.look, *s.prose) if x]
        parts += [f"Pictures in report.html: {'; '.join(p.title for p in s.panels)}."] if s.panels else []
        parts += [markdown(t) for t in s.tables]
    return "\n\n".join(parts) + "\n"
