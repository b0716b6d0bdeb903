"""How the docstrings of intspike are read for the reference pages: an extension of griffe, named in mkdocs.yml."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^( *)Example:$", re.MULTILINE)  # griffe knows the plural
SHARED = re.compile(r"( +)((?:\w+, )+\w+)(: .*)")


def one_a_line(docstring: str) -> str:
    """A docstring in which "a, b: text" has become an entry for a and one for b, each with its own type."""
    made: list[str] = []
    lines = docstring.splitlines()
    while lines:
        line = lines.pop(0)
        shared = SHARED.fullmatch(line)
        if shared is None:
            made.append(line)
            continue
        more: list[str] = []
        while lines and lines[0].startswith(shared[1] + " "):
            more.append(lines.pop(0))
        for name in shared[2].split(", "):
            made += [shared[1] + name + shared[3], *more]
    return "\n".join(made)


class Shared(griffe.Extension):
    """Attributes and arguments that share a description are listed one by one; an example is code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(r"\1Examples:", one_a_line(obj.docstring.value))
