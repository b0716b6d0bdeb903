"""Write docs/results.md: every goal of every measurement in results/, beside what was measured.

    python tools/make_results_page.py > docs/results.md

A line of a summary.json is {name, value, low, high, n, goal, command}; a goal is ">= x" or "<= x", and ">= 0" is a
claim: that a difference is positive.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CLAIM = ">= 0"
HEAD = """# Results

Every goal that a measurement was given, and what came out; intervals are 95 %. `tools/make_results_page.py` writes this
page from the `summary.json` of each folder in `results/`; its `table.md` or `report.html` has all numbers, the data and
the method. Where an interval reaches beyond the goal, the verdict rests on the value alone.
"""

Line = Mapping[str, Any]


def reached(line: Line) -> bool:
    """Whether the value is on the right side of its goal."""
    side, _, bound = line["goal"].partition(" ")
    return line["value"] >= float(bound) if side == ">=" else line["value"] <= float(bound)


def verdict(claim: Line) -> str:
    """What the interval of a difference says of the claim that it is positive."""
    if claim["low"] is None or claim["high"] is None:
        return "one seed"
    if claim["low"] > 0:
        return "holds"
    return "does not hold" if claim["high"] < 0 else "within noise"


def number(x: float) -> str:
    """Four digits that matter, no exponent for what people read."""
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.4g}"


def measured(line: Line) -> str:
    """A value and its interval."""
    if line["low"] is None or line["high"] is None:
        return number(line["value"])
    return f"{number(line['value'])} [{number(line['low'])}, {number(line['high'])}]"


def section(name: str, lines: Sequence[Line]) -> Iterator[str]:
    """The page's lines of one folder."""
    goals = [x for x in lines if x["goal"] not in (None, CLAIM)]
    claims = [verdict(x) for x in lines if x["goal"] == CLAIM]
    yield f"## {name}\n"
    yield from (f"`{command}`\n" for command in dict.fromkeys(x["command"] for x in lines))
    if goals:
        yield "| what | measured | goal | |\n| --- | --- | --- | --- |"
        for x in goals:
            yield f"| {x['name']} | {measured(x)} | {x['goal']} | {'reached' if reached(x) else '**missed**'} |"
        yield ""
    if claims:
        counted = [
            f"{word} in {claims.count(word)}"
            for word in ("holds", "within noise", "does not hold", "one seed")
        ]
        yield f"Claims of better or worse: {', '.join(c for c in counted if not c.endswith(' 0'))} of {len(claims)}.\n"
    if not goals and not claims:
        yield f"{len(lines)} rows, without goals.\n"


def page(root: Path = ROOT) -> str:
    """All of it."""
    parts = [HEAD]
    for file in sorted((root / "results").glob("*/summary.json")):
        parts += section(file.parent.name, json.loads(file.read_text(encoding="utf-8")))
    return "\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    print(page(), end="")
